/**
 * `xerj restore` against a real S3 server and a directory, and what it made started as a server.
 */
import { assertEquals } from "@std/assert";
import { ended, jsonLines, spawnXerj, xerj } from "../support/command.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { type S3Server, s3ServerAvailable, startS3Server } from "../support/s3_server.ts";
import type { ServerProcess } from "../support/server.ts";
import { delay, inDirectory, inServer, refusedStart } from "./support.ts";

const INDICES: Readonly<Record<string, number>> = { "logs-a": 300, "logs-b": 200, metrics: 100 };
const ignore = !await s3ServerAvailable();

const ALIASES: Readonly<Record<string, string>> = {
  "logs-a": "all-logs",
  "logs-b": "all-logs",
  metrics: "numbers",
};

async function fill(server: ServerProcess): Promise<void> {
  for (const [name, docs] of Object.entries(INDICES)) {
    const aliases = { [ALIASES[name]!]: {} };
    const { status } = await server.json(`${server.es}/${name}`, { method: "PUT", json: { aliases } });
    assertEquals(status, 200);
    await write(server, name, 0, docs);
  }
}

async function write(
  server: ServerProcess,
  index: string,
  from: number,
  to: number,
  filler = "",
): Promise<void> {
  const lines = Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return JSON.stringify({
      key: `d${n}`,
      n,
      word: n % 3 === 0 ? "fizz" : "plain",
      filler: filler + fillerOf(n, filler),
    });
  });
  const { status } = await server.json(`/v1/indices/${index}/turbo-ingest?id_field=key`, {
    method: "POST",
    body: `${lines.join("\n")}\n`,
    headers: { "content-type": "application/x-ndjson" },
  });
  assertEquals(status < 300, true);
}

/** Bytes that no compression makes small. */
function fillerOf(n: number, filler: string): string {
  if (filler === "") return "";
  const bytes = crypto.getRandomValues(new Uint8Array(20_000));
  return n + btoa(String.fromCharCode(...bytes));
}

/** What a client sees of an index: how many documents, and the same answer to the same search. */
async function answers(server: ServerProcess, index: string): Promise<unknown> {
  const body = {
    query: { term: { word: "fizz" } },
    sort: [{ n: "asc" }],
    size: 1000,
    _source: ["n"],
    aggs: { sum: { sum: { field: "n" } } },
  };
  const found = await server.json(`${server.es}/${index}/_search`, { method: "POST", json: body });
  const count = await server.json(`${server.es}/${index}/_count`);
  const { hits, aggregations } = found.body as unknown as {
    hits: { hits: { _id: string; _source: unknown }[] };
    aggregations: unknown;
  };
  return {
    count: (count.body as unknown as { count: number }).count,
    hits: hits.hits.map(({ _id, _source }) => [_id, _source]),
    aggregations,
  };
}

async function names(server: ServerProcess): Promise<string[]> {
  const { body } = await server.json("/v1/indices");
  return (body as unknown as { indices: { name: string }[] }).indices.map(({ name }) => name).sort();
}

async function instanceOf(server: ServerProcess): Promise<string> {
  return (JSON.parse(await Deno.readTextFile(`${server.dataDir}/_meta/instance.json`)) as {
    instance: { id: string };
  }).instance.id;
}

function backUp(server: ServerProcess, destination: string, s3?: S3Server) {
  const credentials = s3 &&
    { endpoint: s3.endpoint, access_key: s3.accessKey, secret_key: s3.secretKey, region: s3.region };
  return server.json("/v1/admin/backup", {
    method: "POST",
    json: { destination, credentials, flush_first: true },
  });
}

function credentials({ accessKey, secretKey }: S3Server): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
}

Deno.test({
  name: "a backup in a bucket becomes a data directory that answers as the original, all of it or a part",
  ignore,
  fn: () =>
    inDirectory(async (root) => {
      const s3 = await startS3Server();
      try {
        await inServer({}, async (server) => {
          await fill(server);
          const from = `s3://${s3.bucket}/xerj/nightly`;
          assertEquals((await backUp(server, from, s3)).status, 200);
          // Behind the backup: it must not come back.
          await write(server, "logs-a", 300, 310);
          const flags = ["--from", from, "--endpoint", s3.endpoint];

          const whole = `${root}/whole`;
          const dry = await xerj(
            ["restore", ...flags, "--data-dir", whole, "--dry-run", "--json"],
            credentials(s3),
          );
          assertEquals(dry.code, 0, dry.stderr + dry.stdout);
          const [told] = jsonLines(dry.stdout);
          assertEquals([told?.["event"], (told?.["indices"] as unknown[]).length], ["dry_run", 3]);
          assertEquals([Number(told?.["bytes"]) > 0, Number(told?.["requests"]) > 0], [true, true]);
          assertEquals([...Deno.readDirSync(root)], [], "a dry run writes nothing");

          const done = await xerj(["restore", ...flags, "--data-dir", whole], credentials(s3));
          assertEquals(done.code, 0, done.stderr + done.stdout);
          assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["whole"]);
          await inServer({ dataDir: whole }, async (restored) => {
            assertEquals(await names(restored), Object.keys(INDICES));
            for (const index of ["logs-b", "metrics", "numbers"]) {
              assertEquals(await answers(restored, index), await answers(server, index));
            }
            assertEquals(((await answers(restored, "all-logs")) as { count: number }).count, 500);
            assertEquals(
              await instanceOf(restored) === await instanceOf(server),
              false,
              "a history of its own",
            );
            await write(restored, "logs-a", 300, 301);
          });

          const part = `${root}/part`;
          const renamed = await xerj(
            [
              "restore",
              ...flags,
              "--data-dir",
              part,
              "--index",
              "logs-*",
              "--rename",
              "logs-(.*)=old-$1",
              "--json",
            ],
            credentials(s3),
          );
          assertEquals(renamed.code, 0, renamed.stderr + renamed.stdout);
          assertEquals(jsonLines(renamed.stdout).at(-1)?.["indices"], [
            { index: "logs-a", as: "old-a", docs: 300 },
            { index: "logs-b", as: "old-b", docs: 200 },
          ]);
          assertEquals((await xerj(["verify", "--data-dir", part])).code, 0);
          await inServer({ dataDir: part }, async (restored) => {
            assertEquals(await names(restored), ["old-a", "old-b"]);
            assertEquals(await answers(restored, "old-b"), await answers(server, "logs-b"));
            for (const [name, alias] of [["old-a", "all-logs"], ["old-b", "all-logs"]] as const) {
              const { body } = await restored.json(`${restored.es}/${name}`);
              assertEquals((body as unknown as Record<string, { aliases: unknown }>)[name]?.aliases, {
                [alias]: {},
              });
            }
            assertEquals(
              (await restored.json(`${restored.es}/numbers/_count`)).status,
              404,
              "its index did not come",
            );
            const { body: health } = await restored.json("/v1/health");
            assertEquals(
              (health as unknown as { warnings?: unknown[] }).warnings?.filter((warning) =>
                JSON.stringify(warning).includes("no catalogue")
              ),
              [],
            );
          });
          // What started once starts again, from its own catalogue.
          await inServer({ dataDir: part }, async (restored) =>
            assertEquals(await names(restored), ["old-a", "old-b"]));
        });
      } finally {
        await s3.stop();
      }
    }),
});

function bytesBelow(path: string): number {
  let sum = 0;
  try {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      sum += isDirectory ? bytesBelow(`${path}/${name}`) : Deno.statSync(`${path}/${name}`).size;
    }
  } catch (error) {
    // Not made yet, or renamed between two looks.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return sum;
}

Deno.test({
  name: "a restore that was killed half-way starts no server, says so, and goes on with the same command",
  ignore,
  fn: () =>
    inDirectory(async (root) => {
      const s3 = await startS3Server();
      const proxy = new FaultProxy({ target: s3.endpoint });
      try {
        await inServer({}, async (server) => {
          const big = Array.from({ length: 10 }, (_, at) => `big-${at}`);
          for (const name of big) await write(server, name, 0, 50, "x");
          const from = `s3://${s3.bucket}/half`;
          assertEquals((await backUp(server, from, s3)).status, 200);
          const dataDir = `${root}/data`;
          const args = [
            "restore",
            "--from",
            from,
            "--endpoint",
            proxy.endpoint,
            "--data-dir",
            dataDir,
            "--json",
          ];
          proxy.bytesPerSecond = 2_000_000;
          const child = spawnXerj(args, credentials(s3));
          while (bytesBelow(`${dataDir}.restoring`) < 5_000_000) await delay(20);
          child.kill("SIGKILL");
          const killed = await ended(child);
          assertEquals(jsonLines(killed.stdout)[0]?.["event"], "plan");
          const staging = `${dataDir}.restoring`;
          assertEquals(bytesBelow(staging) < 15_000_000, true, "killed before it was through");
          const refused = await refusedStart({ dataDir: staging });
          assertEquals([
            refused.code,
            refused.log.includes("half_restored"),
            refused.log.includes("xerj restore"),
          ], [
            2,
            true,
            true,
          ]);
          const verified = await xerj(["verify", "--data-dir", staging]);
          assertEquals([verified.code, verified.stdout.includes("restore")], [2, true], verified.stdout);

          // A newer backup has come meanwhile: what was begun is what goes on.
          await write(server, "later", 0, 1);
          assertEquals((await backUp(server, from, s3)).status, 200);
          const other = await xerj([...args, "--index", "big-1"], credentials(s3));
          assertEquals(
            [other.code, other.stdout.includes("another restore was begun")],
            [2, true],
            other.stdout,
          );

          proxy.bytesPerSecond = 0;
          const again = await xerj(args, credentials(s3));
          assertEquals(again.code, 0, again.stderr + again.stdout);
          const lines = jsonLines(again.stdout);
          const [plan, result] = [lines[0]!, lines.at(-1)!];
          assertEquals([plan["resumed"], result["event"]], [true, "restored"]);
          const saved = Number(plan["bytes_to_fetch"]) - Number(result["bytes_fetched"]);
          assertEquals(saved > 1_000_000, true, `${saved} bytes were not fetched again`);
          await inServer({ dataDir }, async (restored) => {
            assertEquals(await names(restored), big);
            for (const index of await names(restored)) {
              assertEquals(await answers(restored, index), await answers(server, index));
            }
          });
        });
      } finally {
        await proxy.stop();
        await s3.stop();
      }
    }),
});

Deno.test("a backup in a directory comes back; what cannot be is refused with words, and changes nothing", () =>
  inDirectory((root) =>
    inServer({}, async (server) => {
      await fill(server);
      const from = `file://${root}/repository`;
      assertEquals((await backUp(server, from)).status, 200);
      const run = (...args: string[]) => xerj(["restore", "--from", from, ...args]);
      const refusal = async (code: number, words: string, ...args: string[]) => {
        const result = await run(...args);
        assertEquals(
          [result.code, result.stderr.includes(words)],
          [code, true],
          `${words}\n${result.stderr}`,
        );
      };
      const free = ["--data-dir", `${root}/new`];
      await refusal(2, "a server runs there", "--data-dir", server.dataDir);
      Deno.mkdirSync(`${root}/full`);
      Deno.writeTextFileSync(`${root}/full/file`, "mine");
      await refusal(2, "it is not empty", "--data-dir", `${root}/full`);
      await refusal(2, "holds no index nothing", ...free, "--index", "nothing");
      await refusal(2, "There is no backup bk-1", ...free, "--backup", "bk-1");
      await refusal(2, "renames none of", ...free, "--rename", "log=old");
      await refusal(2, "both logs-a and logs-b", ...free, "--rename", "logs-.*=old");
      await refusal(2, "Invalid index name [Old-a]", ...free, "--rename", "logs-(.*)=Old-$1");
      await refusal(2, "an alias that comes along has that name", ...free, "--rename", "logs-a=all-logs");
      await refusal(64, "--rename needs", ...free, "--rename", "logs");
      const key = `${root}/key`;
      Deno.writeTextFileSync(key, "ab".repeat(32));
      await refusal(2, "is not encrypted, but a key was given", ...free, "--key-file", key);
      const unnamed = await xerj(["restore", ...free]);
      assertEquals([unnamed.code, unnamed.stderr.includes("--from is needed")], [64, true], unnamed.stderr);
      const none = await xerj(["restore", "--from", "nightly", ...free]);
      assertEquals(
        [none.code, none.stderr.includes("there is no repository [nightly]")],
        [2, true],
        none.stderr,
      );
      assertEquals([...Deno.readDirSync(root)].map(({ name }) => name).sort(), ["full", "key", "repository"]);
      assertEquals(Deno.readTextFileSync(`${root}/full/file`), "mine");

      // An empty directory that is there keeps its mode: it is filled where it is.
      Deno.mkdirSync(`${root}/new`, { mode: 0o700 });
      const one = await run(...free, "--index", "metrics");
      assertEquals(one.code, 0, one.stderr);
      assertEquals(Deno.statSync(`${root}/new`).mode! & 0o777, 0o700);
      await inServer({ dataDir: `${root}/new` }, async (restored) => {
        assertEquals(await names(restored), ["metrics"]);
        assertEquals(await answers(restored, "numbers"), await answers(server, "metrics"));
      });
      await refusal(2, "it is not empty", ...free);
    })
  ));
