/**
 * The README's tour, run as it stands against a fresh server: only ports and addresses are those of the test.
 */
import { assertEquals } from "@std/assert";
import { type ServerProcess, startServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);

/** A failed request shall fail the command, though readers need not type that. */
const PRELUDE = 'set -eu\ncurl() { command curl --fail-with-body --max-time 20 "$@"; }\n';

Deno.test("every command of the README's tour works on a fresh server", async () => {
  const blocks = shellBlocks(Deno.readTextFileSync(new URL("README.md", ROOT)));
  assertEquals(blocks.length >= 8, true, "the tour has its blocks");
  const server = await startServer();
  try {
    for (const block of blocks) {
      const { code, output } = await run(adapted(block, server));
      assertEquals(code, 0, `${block}\n${output}`);
    }
  } finally {
    await server.stop();
  }
});

Deno.test("files and tasks that the README names exist", () => {
  const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
  for (const [, path] of readme.matchAll(/\]\(([\w./-]+)\)/g)) {
    assertEquals(Deno.statSync(new URL(path!, ROOT)).isFile, true, path);
  }
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  for (const [, task] of readme.matchAll(/\.\/scripts\/deno task (\w+)/g)) {
    assertEquals(task! in tasks, true, `deno task ${task}`);
  }
});

function shellBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
}

function adapted(block: string, { native, es }: ServerProcess): string {
  return block.replaceAll("http://127.0.0.1:8080", native).replaceAll("http://127.0.0.1:9200", es);
}

async function run(script: string): Promise<{ readonly code: number; readonly output: string }> {
  const command = new Deno.Command("sh", { args: ["-c", PRELUDE + script], stdin: "null", cwd: ROOT });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}
