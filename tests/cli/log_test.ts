import { assertEquals } from "@std/assert";
import { configureLog, partLogger } from "../../src/cli/log.ts";

function capture(options: Partial<Parameters<typeof configureLog>[0]>): () => string {
  let text = "";
  configureLog({
    level: "info",
    format: "json",
    isTerminal: false,
    write: (line) => text += line,
    ...options,
  });
  return () => text;
}

Deno.test("lines are one JSON object each, with fields, errors and large integers", () => {
  const written = capture({});
  partLogger("http").info("request {failed}", {
    status: 503,
    lsn: 9007199254740993n,
    list: [1],
    error: new Error("e"),
  });
  const lines = written().split("\n");
  assertEquals([lines.length, lines[1]], [2, ""]);
  const line = JSON.parse(lines[0]!);
  assertEquals([line.level, line.message, line.logger], ["INFO", "request {failed}", "xerj.http"]);
  assertEquals([line.status, line.lsn, line.list], [503, "9007199254740993", [1]]);
  assertEquals([line.error.message, typeof line.error.stack], ["e", "string"]);
  assertEquals(Math.abs(Date.parse(line["@timestamp"]) - Date.now()) < 5000, true);
});

Deno.test("secrets are not written, whoever passes them", () => {
  const written = capture({});
  partLogger("x").warn("m", {
    Authorization: "ApiKey s3cret",
    request: { headers: { authorization: "s3cret" }, list: [{ secret_key: "s3cret" }] },
    admin_api_key: "s3cret",
    metrics_token: "",
  });
  assertEquals(written().includes("s3cret"), false);
  assertEquals(JSON.parse(written()).metrics_token, "");
});

Deno.test("the level counts, and changes for loggers there are", () => {
  const logger = partLogger("x");
  const quiet = capture({ level: "warn" });
  logger.debug("d");
  logger.info("i");
  logger.warn("w");
  logger.error("e");
  assertEquals(quiet().trim().split("\n").map((line) => JSON.parse(line).level), ["WARN", "ERROR"]);
  const loud = capture({ level: "debug" });
  logger.debug("d");
  assertEquals(JSON.parse(loud()).level, "DEBUG");
});

Deno.test("on a terminal, or when told, lines are for people", () => {
  const terminal = capture({ format: "auto", isTerminal: true });
  partLogger("x").info("hello", { a: 1 });
  assertEquals([terminal().includes("hello"), terminal().includes("\x1b[")], [true, true]);
  const told = capture({ format: "pretty" });
  partLogger("x").info("hello", { a: 1 });
  assertEquals([told().includes("hello"), told().includes("\x1b["), told().startsWith("{")], [
    true,
    false,
    false,
  ]);
  const piped = capture({ format: "auto" });
  partLogger("x").info("hello");
  assertEquals(piped().startsWith("{"), true);
});
