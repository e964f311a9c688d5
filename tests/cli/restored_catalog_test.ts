import { assertEquals, assertThrows } from "@std/assert";
import { RepositoryError } from "../../src/backup/error.ts";
import { restoredCatalog } from "../../src/cli/restored_catalog.ts";
import type { CatalogBody } from "../../src/format/catalog.ts";
import { NO_HISTORY } from "../../src/format/history.ts";

function entry(name: string) {
  return { name, uuid: `u-${name}`, incarnation: `i-${name}`, shards: 1, createdMs: 5, closed: false };
}

const BODY: CatalogBody = {
  number: 12,
  previous: 11,
  createdMs: 100,
  lsn: 7,
  indices: [entry("a"), entry("b")],
  sections: {
    aliases: { both: { a: { is_write_index: true }, b: {} }, first: { a: {} } },
    templates: { t: { index_patterns: ["a*"] } },
  },
  deleted: { number: 3, sha256: "0".repeat(64) },
  history: NO_HISTORY,
};

Deno.test("a catalogue that lists what is restored stays as it is", () => {
  const all = [{ name: "b", as: "b" }, { name: "a", as: "a" }];
  assertEquals(restoredCatalog(BODY, all), undefined);
});

Deno.test("of a part the next catalogue lists just that, under its new names, with the aliases that stay", () => {
  assertEquals(restoredCatalog(BODY, [{ name: "b", as: "old-b" }]), {
    ...BODY,
    number: 13,
    previous: 12,
    indices: [{ ...entry("b"), name: "old-b" }],
    sections: { aliases: { both: { "old-b": {} } }, templates: BODY.sections["templates"]! },
  });
  const swapped = restoredCatalog(BODY, [{ name: "a", as: "b" }, { name: "b", as: "a" }]);
  assertEquals(swapped?.indices.map(({ name, incarnation }) => [name, incarnation]), [["b", "i-a"], [
    "a",
    "i-b",
  ]]);
  assertEquals(swapped?.sections["aliases"], {
    both: { b: { is_write_index: true }, a: {} },
    first: { b: {} },
  });
});

Deno.test("an alias and an index of one name are refused, unless the alias goes", () => {
  assertThrows(
    () => restoredCatalog(BODY, [{ name: "a", as: "first" }]),
    RepositoryError,
    "an alias that comes along",
  );
  assertEquals(restoredCatalog(BODY, [{ name: "b", as: "first" }])?.sections["aliases"], {
    both: { first: {} },
  });
});
