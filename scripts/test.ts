/**
 * `deno task test`: every test, in two processes side by side. One runs the tests that start servers, the other mostly those
 * that stay within their process: two cores are done with both a third sooner than with one after the other.
 *
 * What the second prints comes when the first has ended, so that lines do not mix. The last line counts both, as
 * `deno test` counts: "ok | 900 passed | 0 failed | 1 ignored".
 *
 * With arguments (files, folders, `--filter`): `deno test` with them, and nothing else.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";

const ROOT = new URL("..", import.meta.url);
const FLAGS = ["test", "-A", "--no-check"];

/** Folders of `tests/` whose tests mostly start no server: about as long as the others. */
const WITHIN_ONE_PROCESS: ReadonlySet<string> = new Set([
  ...[
    "analysis",
    "backup",
    "base",
    "cli",
    "config",
    "control",
    "docs",
    "engine",
    "format",
    "ingest",
    "memtable",
  ],
  ...["objectstore", "os", "query", "schema", "segment", "shard", "sim", "verify", "wal"],
]);

function start(args: readonly string[], stdout: "inherit" | "piped"): Deno.ChildProcess {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...FLAGS, ...args],
    cwd: ROOT,
    stdin: "null",
    stdout,
    stderr: stdout,
  });
  return command.spawn();
}

/** Everything that the stream brings, and what `deno test` counted at its end. */
interface Heard {
  readonly text: string;
  readonly counts: readonly number[];
}

/** @param echo Whether it is printed as it comes. */
async function hear(child: Deno.ChildProcess, echo: boolean): Promise<Heard> {
  let text = "";
  const listen = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      text += decoder.decode(bytes, { stream: true });
      if (echo) await Deno.stdout.write(bytes);
    }
  };
  await Promise.all([listen(child.stdout), listen(child.stderr)]);
  const lines = stripVTControlCharacters(text).match(/^(?:ok|FAILED) \| \d+ passed.*$/gm) ?? [];
  const count = (what: RegExp) => Number(what.exec(lines.at(-1) ?? "")?.[1] ?? 0);
  return { text, counts: [count(/\| (\d+) passed/), count(/\| (\d+) failed/), count(/\| (\d+) ignored/)] };
}

async function everything(): Promise<boolean> {
  const folders = [...Deno.readDirSync(new URL("tests/", ROOT))].filter(({ isDirectory }) => isDirectory);
  const names = folders.map(({ name }) => name).sort();
  const of = (isWithin: boolean) =>
    names.filter((name) => WITHIN_ONE_PROCESS.has(name) === isWithin).map((name) => `tests/${name}/`);
  const servers = start(of(false), "piped");
  const within = start(of(true), "piped");
  const [first, second] = await Promise.all([hear(servers, true), hear(within, false)]);
  await new Blob([second.text]).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
  const { success: servedWell } = await servers.status;
  const { success: ranWell } = await within.status;
  const [passed, failed, ignored] = first.counts.map((count, i) => count + second.counts[i]!);
  const ok = servedWell && ranWell;
  console.log(`\n${ok ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed | ${ignored} ignored`);
  return ok;
}

const isWell = Deno.args.length > 0 ? (await start(Deno.args, "inherit").status).success : await everything();
Deno.exit(isWell ? 0 : 1);
