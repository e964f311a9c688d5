import { assertEquals, assertThrows } from "@std/assert";
import { type Command, parseArguments, SERVE, UsageError } from "../../src/cli/arguments.ts";
import { type StartUp, startUp } from "../../src/cli/start_up.ts";
import { usage } from "../../src/cli/usage.ts";
import { VERSION } from "../../src/cli/version.ts";

const RESTORE: Command = {
  name: "restore",
  summary: "brings a backup back",
  operands: ["REPOSITORY", "ID"],
  flags: [{ name: "to", value: "DIR", effect: "where to" }],
};
const COMMANDS = [SERVE, RESTORE];

function parse(...args: string[]) {
  const { command, flags, operands } = parseArguments(args, COMMANDS);
  return [command.name, Object.fromEntries(flags), operands];
}

const problem = (...args: string[]): string =>
  (assertThrows(() => parseArguments(args, COMMANDS), UsageError) as UsageError).message;

Deno.test("flags and operands in all their forms", () => {
  assertEquals(parse(), ["serve", {}, []]);
  assertEquals(parse("--config", "a.toml", "--insecure"), ["serve", { config: "a.toml", insecure: "" }, []]);
  assertEquals(parse("serve", "--config=a=b"), ["serve", { config: "a=b" }, []]);
  assertEquals(parse("-h"), ["serve", { help: "" }, []]);
  assertEquals(parse("restore", "s3://b", "--to", "/d", "bk-1"), ["restore", { to: "/d" }, [
    "s3://b",
    "bk-1",
  ]]);
  assertEquals(parse("restore", "--", "--odd", "-x"), ["restore", {}, ["--odd", "-x"]]);
  assertEquals(parse("restore", "--help"), ["restore", { help: "" }, []]);
});

Deno.test("what is not known names what is near", () => {
  assertEquals(problem("--confg", "x"), "there is no flag --confg; did you mean --config?");
  assertEquals(problem("-config", "x"), "there is no flag -config; did you mean --config?");
  assertEquals(problem("--xyz"), "there is no flag --xyz; see --help");
  assertEquals(problem("restor"), "there is no command restor; did you mean restore?");
  assertEquals(problem("serve", "--to", "x").startsWith("there is no flag --to"), true);
  assertEquals(problem("--config"), "--config needs a value: --config FILE");
  assertEquals(problem("--insecure=yes"), "--insecure takes no value");
  assertEquals(problem("--config", "a", "--config", "b"), "--config is given twice");
  assertEquals(problem("restore", "a"), "restore needs ID; see restore --help");
  assertEquals(problem("restore", "a", "b", "c"), "restore does not take c; see --help");
});

function start(args: string[], files: Record<string, string> = {}): StartUp {
  return startUp({ args, env: () => undefined, readFile: (path) => files[path], commands: COMMANDS });
}

Deno.test("help, version, configuration texts and errors end with the right status", () => {
  const ended = (result: StartUp) => result.kind === "exit" ? result : undefined;
  assertEquals(ended(start(["--version"])), {
    kind: "exit",
    code: 0,
    stdout: `xerj ${VERSION}\n`,
    stderr: "",
  });
  assertEquals(ended(start(["--help"]))?.stdout, usage(undefined, COMMANDS));
  assertEquals(ended(start(["restore", "-h"]))?.stdout.includes("REPOSITORY ID"), true);
  assertEquals(ended(start(["--print-config"]))?.stdout.includes("rest_port = 8080"), true);
  assertEquals(ended(start(["--check-config"]))?.stdout, "no configuration file: all defaults: fine\n");
  assertEquals(ended(start(["--nope"]))?.code, 64);
  assertEquals(
    ended(start(["--rest-port", "99999"]))?.stderr,
    "xerj: --rest-port cannot be 99999; it must be an integer from 0 to 65535\n",
  );
  const bad = ended(start(["--config", "c"], { c: "[server]\nrest_prot = 1\n" }));
  assertEquals([bad?.code, bad?.stderr.includes("c, line 2: [server] has no key rest_prot; did you mean")], [
    78,
    true,
  ]);
});

Deno.test("a run has its configuration, and reads it again when asked", () => {
  const files: Record<string, string> = { c: "[storage]\nwal_batch_ms = 1\n" };
  const result = start(["--config", "c", "--data-dir", "/d", "--rest-port", "1", "--es-port", "0"], files);
  if (result.kind !== "run") throw new Error(result.stderr);
  const { server, storage } = result.loaded.config;
  assertEquals([server.dataDir, server.restPort, server.esCompatPort, storage.walBatchMs], ["/d", 1, 0, 1]);
  files["c"] = "[storage]\nwal_batch_ms = 2\n";
  assertEquals(result.reload().config.storage.walBatchMs, 2);
  assertEquals(result.reload().config.server.dataDir, "/d");
});

Deno.test("the usage names every flag once", () => {
  const text = usage(undefined, COMMANDS);
  for (const flag of SERVE.flags) assertEquals(text.split(`--${flag.name}`).length, 2, flag.name);
  assertEquals(text.split("\n").every((line) => line.length <= 110), true);
});
