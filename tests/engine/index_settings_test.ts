import { assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { parseIndexSettings, refreshInterval, shardCount } from "../../src/engine/index_settings.ts";

Deno.test("settings come nested, dotted, with or without the prefix, and mean the same", () => {
  const wanted = { number_of_shards: 3, analysis: { analyzer: { a: { type: "standard" } } } };
  assertEquals(parseIndexSettings(wanted), wanted);
  assertEquals(parseIndexSettings({ index: wanted }), wanted);
  assertEquals(
    parseIndexSettings({ "index.number_of_shards": 3, "analysis.analyzer.a.type": "standard" }),
    wanted,
  );
  assertEquals(
    parseIndexSettings({
      index: { number_of_shards: 3 },
      "index.analysis.analyzer": { a: { type: "standard" } },
    }),
    wanted,
  );
  assertEquals(parseIndexSettings(undefined), {});
  assertEquals(parseIndexSettings(null), {});
});

Deno.test("unknown settings and values out of range are errors", () => {
  const refused = (json: unknown, reason: string) => {
    const error = assertThrows(() => parseIndexSettings(json), RequestError, reason) as RequestError;
    assertEquals([error.status, error.type], [400, "illegal_argument_exception"]);
  };
  refused({ number_of_shard: 1 }, "unknown setting [index.number_of_shard]");
  refused({ number_of_shards: 0 }, "Failed to parse value [0] for setting [index.number_of_shards]");
  refused({ number_of_shards: 65 }, "must be <= 64");
  refused({ number_of_shards: "many" }, "Failed to parse value [many]");
  refused({ refresh_interval: "5 parsecs" }, "failed to parse setting [index.refresh_interval]");
  refused([], "[settings] must be an object");
  refused("x", "[settings] must be an object");
});

Deno.test("shards and refresh interval as numbers", () => {
  assertEquals(shardCount({}), 1);
  assertEquals(shardCount({ number_of_shards: "5" }), 5);
  assertEquals(refreshInterval({}), undefined);
  assertEquals(refreshInterval({ refresh_interval: "-1" }), -1);
  assertEquals(refreshInterval({ refresh_interval: "500ms" }), 500);
  assertEquals(refreshInterval({ refresh_interval: "1.5s" }), 1500);
  assertEquals(refreshInterval({ refresh_interval: "2m" }), 120_000);
});
