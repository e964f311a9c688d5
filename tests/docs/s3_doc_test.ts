/**
 * Every command of docs/s3.md, run as it stands against a server that is being written to and a real S3 server: only
 * paths, addresses, the bucket and the service's name are those of the test.
 */
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { type S3Server, s3ServerAvailable, startS3Server } from "../support/s3_server.ts";
import { freePort, serverCommand, startServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);
const PAGE = Deno.readTextFileSync(new URL("docs/s3.md", ROOT));
const DOCUMENTS = 2000;
/** So many go into a segment of their own. */
const NOISY = 200;
const TOOLS = ["bash", "curl", "jq", "sha256sum", "base64", "zstd", "openssl", "setsid"];

const missing = TOOLS.filter((name) =>
  !new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" }).outputSync().success
);
const hasServer = await s3ServerAvailable();
if (missing.length > 0) console.log(`not run: ${missing.join(", ")} not installed`);

interface Place {
  readonly root: string;
  readonly native: number;
  readonly s3: S3Server;
}

function blocks(language: string): string[] {
  return [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, text]) => text!);
}

function adapted(text: string, { root, native, s3 }: Place): string {
  return text.replaceAll("/var/lib/xerj", `${root}/var/lib/xerj`).replaceAll("/etc/xerj", `${root}/etc/xerj`)
    .replaceAll("/var/tmp", root).replaceAll("https://s3.example.com", s3.endpoint)
    .replaceAll("my-backups", s3.bucket).replaceAll("us-east-1", s3.region)
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${native}`);
}

/** What the page expects of a machine on which the server is installed. */
function prelude(place: Place): string {
  const { root, native } = place;
  const program = serverCommand().join(" ");
  const serve = `${program} --data-dir ${root}/var/lib/xerj --rest-port ${native} --es-port 0`;
  const get = blocks("sh").find((block) => block.startsWith("get()"))!;
  return `set -euo pipefail
cd ${ROOT.pathname}
export XERJ_CONFIG=${root}/etc/xerj/xerj.toml
curl() {
  case " $* " in *" -fsS "*) ;; *) set -- --fail-with-body "$@" ;; esac
  command curl --max-time 60 "$@"
}
xerj() { ${program} "$@"; }
chown() { :; }
systemctl() {
  if [ "$1" = stop ]; then
    kill -TERM "$(cat ${root}/pid)"
    while kill -0 "$(cat ${root}/pid)" 2> /dev/null; do sleep 0.1; done
  else
    setsid ${serve} 2>> ${root}/server.log > /dev/null < /dev/null & echo $! > ${root}/pid
    until command curl -s --fail http://127.0.0.1:${native}/v1/health/ready > /dev/null; do
      kill -0 "$(cat ${root}/pid)" || { tail -n 5 ${root}/server.log; return 1; }
      sleep 0.1
    done
  fi
}
if [ -e ${root}/var/lib/xerj/admin.key ]; then KEY=$(cat ${root}/var/lib/xerj/admin.key); fi
${adapted(get, place)}
`;
}

async function run(place: Place, script: string): Promise<string> {
  const { accessKey, secretKey } = place.s3;
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", prelude(place) + script],
    env: {
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_EC2_METADATA_DISABLED: "true",
      XERJ_S3_ACCESS_KEY: accessKey,
    },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  assertEquals(code, 0, `${script}\n${output}`);
  assertEquals(output.includes(secretKey), false, "no output holds the secret");
  return output;
}

/** SHA-256 of every file below, by path. */
function hashes(path: string, below = ""): Record<string, string> {
  return Object.fromEntries(
    [...Deno.readDirSync(`${path}/${below}`)].flatMap(({ name, isDirectory }) => {
      const inner = `${below}${name}`;
      return isDirectory
        ? Object.entries(hashes(path, `${inner}/`))
        : [[inner, createHash("sha256").update(Deno.readFileSync(`${path}/${inner}`)).digest("hex")]];
    }).sort(),
  );
}

async function counts(origin: string, headers: HeadersInit = {}): Promise<Record<string, number>> {
  const { indices } = await (await fetch(`${origin}/v1/indices`, { headers })).json() as {
    indices: { name: string; docs: number }[];
  };
  return Object.fromEntries(indices.map(({ name, docs }) => [name, docs]));
}

async function countsIn(dataDir: string): Promise<Record<string, number>> {
  const server = await startServer({ dataDir });
  try {
    return await counts(server.native);
  } finally {
    await server.stop();
  }
}

/** Some with bytes that no compression makes small, so that objects of all kinds are stored. */
function lineOf(n: number): string {
  const noise = crypto.getRandomValues(new Uint8Array(n < NOISY ? 300 : 0));
  return JSON.stringify({ key: `document-${n}`, n, text: btoa(String.fromCharCode(...noise)) });
}

/** How the pieces of a manifest are stored, and whether files stand in it. */
function encodings(path: string): string[] {
  const { backup } = JSON.parse(Deno.readTextFileSync(path)) as {
    backup: { files: { inline?: string; pieces?: { encoding: string }[] }[] };
  };
  const found = backup.files.flatMap(({ pieces }) => pieces?.map(({ encoding }) => encoding) ?? ["inline"]);
  return [...new Set(found)].sort();
}

Deno.test({
  name: "every command of docs/s3.md works, and what it restores is whole",
  ignore: !hasServer || missing.length > 0,
  fn: async () => {
    const root = Deno.makeTempDirSync({ prefix: "xerj-s3-doc-" });
    const s3 = await startS3Server();
    const place = { root, native: freePort(), s3 };
    for (const folder of ["var/lib", "etc/xerj"]) Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
    Deno.writeTextFileSync(
      `${root}/etc/xerj/xerj.toml`,
      blocks("toml").map((text) => adapted(text, place)).join("\n"),
    );
    Deno.writeTextFileSync(`${root}/etc/xerj/s3.secret`, `${s3.secretKey}\n`);
    const native = `http://127.0.0.1:${place.native}`;
    const key = () => ({
      authorization: `ApiKey ${Deno.readTextFileSync(`${root}/var/lib/xerj/admin.key`).trim()}`,
    });
    const write = async (from: number, to: number) => {
      const lines = Array.from({ length: to - from }, (_, i) => lineOf(from + i));
      const response = await fetch(`${native}/v1/indices/logs/turbo-ingest?id_field=key`, {
        method: "POST",
        headers: { ...key(), "content-type": "application/x-ndjson" },
        body: `${lines.join("\n")}\n`,
      });
      assertEquals(response.ok, true, await response.text());
    };
    try {
      await run(place, "systemctl start xerj");
      await write(0, NOISY);
      await (await fetch(`${native}/v1/admin/flush`, { method: "POST", headers: key() })).body?.cancel();
      await write(NOISY, DOCUMENTS);
      const all = blocks("sh").map((block) => adapted(block, place));
      assertEquals(all.length >= 12, true, "the page has its blocks");
      for (const block of all) {
        await run(place, block);
        if (block.includes("systemctl start")) {
          assertEquals(await counts(native, key()), { logs: DOCUMENTS }, block);
        }
      }
      assertEquals(await counts(native, key()), { logs: DOCUMENTS, "logs-restored": DOCUMENTS });
      await run(place, "systemctl stop xerj");
      const byHand = hashes(`${root}/by-hand/data`);
      assertEquals(byHand, hashes(`${root}/var/lib/xerj2`), "by hand as by the command");
      assertEquals(encodings(`${root}/by-hand/manifest.json`), ["inline", "plain", "zstd"]);
      assertEquals(await countsIn(`${root}/by-hand/data`), { logs: DOCUMENTS });
      assertEquals(await countsIn(`${root}/var/lib/xerj3`), { "old-logs": DOCUMENTS });
      assertEquals(await countsIn(`${root}/var/lib/xerj4`), { logs: DOCUMENTS, "logs-restored": DOCUMENTS });
    } finally {
      await run(place, "systemctl stop xerj").catch(() => {});
      await s3.stop();
      Deno.removeSync(root, { recursive: true });
    }
  },
});
