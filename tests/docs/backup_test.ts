/**
 * Every command of docs/backup.md, run as it stands against a server that is being written to: only paths, ports and
 * the service's name are those of the test.
 */
import { assertEquals } from "@std/assert";
import { freePort, serverCommand } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);
const DOCUMENTS = 200;

interface Place {
  readonly root: string;
  readonly native: number;
  readonly drill: number;
}

/** What the page expects of a machine on which the server is installed. */
function prelude({ root, native }: Place): string {
  const serve = `${serverCommand().join(" ")} --config /dev/null --data-dir ${root}/var/lib/xerj ` +
    `--rest-port ${native} --es-port 0`;
  return `set -eu
curl() {
  case " $* " in *" --fail "*) ;; *) set -- --fail-with-body "$@" ;; esac
  command curl --max-time 30 "$@"
}
xerj() { exec ${serverCommand().join(" ")} "$@"; }
chown() { :; }
systemctl() {
  if [ "$1" = stop ]; then
    kill -TERM "$(cat ${root}/pid)"
    while kill -0 "$(cat ${root}/pid)" 2> /dev/null; do sleep 0.1; done
  else
    setsid ${serve} 2>> ${root}/server.log > /dev/null < /dev/null & echo $! > ${root}/pid
    until command curl -s --fail http://127.0.0.1:${native}/v1/health/ready > /dev/null; do
      kill -0 "$(cat ${root}/pid)" || return 1
      sleep 0.1
    done
  fi
}
if [ -e ${root}/var/lib/xerj/admin.key ]; then KEY=$(cat ${root}/var/lib/xerj/admin.key); fi
`;
}

function adapted(block: string, { root, native, drill }: Place): string {
  return block.replaceAll("/var/lib/xerj", `${root}/var/lib/xerj`).replaceAll("/backup", `${root}/backup`)
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${native}`).replaceAll("18080", String(drill))
    // In a subshell, as it replaces its shell.
    .replaceAll(/^xerj (.*[^&])$/gm, "(xerj $1)");
}

async function run(place: Place, script: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", prelude(place) + script],
    stdin: "null",
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  assertEquals(code, 0, `${script}\n${output}`);
  return output;
}

/** Shell blocks of the page, in their order. */
function shellBlocks(): string[] {
  const page = Deno.readTextFileSync(new URL("docs/backup.md", ROOT));
  return [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
}

/** Counts of every index. */
async function counts(place: Place): Promise<Record<string, number>> {
  const answer = await run(
    place,
    `curl -sS -H "Authorization: ApiKey $KEY" http://127.0.0.1:${place.native}/v1/indices`,
  );
  const { indices } = JSON.parse(answer) as { indices: { name: string; docs: number }[] };
  return Object.fromEntries(indices.map(({ name, docs }) => [name, docs]));
}

Deno.test("every command of docs/backup.md works, and what it restores is whole", async () => {
  const missing = ["rsync", "tar", "curl", "bash", "setsid"].filter((name) =>
    !new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync().success
  );
  if (missing.length > 0) return console.log(`not run: ${missing.join(", ")} not installed`);
  const root = Deno.makeTempDirSync({ prefix: "xerj-backup-" });
  const place = { root, native: freePort(), drill: freePort() };
  Deno.mkdirSync(`${root}/var/lib`, { recursive: true });
  try {
    await run(place, "systemctl start xerj");
    const write = (from: number, to: number) => {
      const lines = Array.from({ length: to - from }, (_, i) => `{"key":"d${from + i}","n":${from + i}}`);
      Deno.writeTextFileSync(`${root}/lines`, lines.join("\n") + "\n");
      return run(
        place,
        `curl -sS -X POST -H "Authorization: ApiKey $KEY" -H 'Content-Type: application/x-ndjson' ` +
          `'http://127.0.0.1:${place.native}/v1/indices/logs/turbo-ingest?id_field=key' --data-binary @${root}/lines`,
      );
    };
    await write(0, DOCUMENTS / 2);
    await run(
      place,
      `curl -sS -X POST -H "Authorization: ApiKey $KEY" http://127.0.0.1:${place.native}/v1/admin/flush`,
    );
    await write(DOCUMENTS / 2, DOCUMENTS);
    const blocks = shellBlocks();
    assertEquals(blocks.length >= 13, true, "the page has its blocks");
    for (const block of blocks) {
      const output = await run(place, adapted(block, place));
      if (block.includes("18080")) assertEquals(output.includes(`"docs":${DOCUMENTS}`), true, output);
      if (block.includes("systemctl start")) assertEquals(await counts(place), { logs: DOCUMENTS }, block);
    }
    assertEquals(await counts(place), {
      logs: DOCUMENTS,
      "logs-old": DOCUMENTS,
      "logs-from-tar": DOCUMENTS,
    });
  } finally {
    await run(place, "systemctl stop xerj").catch(() => {});
    Deno.removeSync(root, { recursive: true });
  }
});
