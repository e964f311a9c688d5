/**
 * `xerj restore --lazy`: a server that answers while its segments are still in the bucket, against a real S3 server behind
 * a slow line.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { xerj } from "../support/command.ts";
import type { ServerProcess } from "../support/server.ts";
import { startServer } from "../support/server.ts";
import { type Bucket, ignore, inBucket, post } from "./backup_support.ts";
import { delay, inDirectory, refusedStart, withBinary } from "./support.ts";

const MIB = 1024 * 1024;
const INDEX = "bulky";
const DOCS = 1000;
/** Segments stay as they are flushed. */
const TOML = "[storage]\ndisk_reserve_mb = 0\n[merge]\nmin_segments = 1000\n";

/** About 24 MB in four segments of two shards, some documents updated or deleted later. */
async function fill(server: ServerProcess): Promise<void> {
  const properties = {
    n: { type: "long" },
    word: { type: "keyword" },
    body: { type: "text" },
    bulk: { type: "binary" },
  };
  const settings = { number_of_shards: 2 };
  const made = await server.json(`${server.es}/${INDEX}`, {
    method: "PUT",
    json: { settings, mappings: { properties } },
  });
  assertEquals(made.status, 200);
  const random = new Uint8Array(24_000);
  for (let at = 0; at < DOCS; at += DOCS / 2) {
    const lines: string[] = [];
    for (let n = at; n < at + DOCS / 2; n++) {
      crypto.getRandomValues(random);
      lines.push(
        `{"index":{"_id":"${n}"}}`,
        JSON.stringify({ n, word: `w${n % 7}`, body: `the ${n % 11} of ${n}`, bulk: random.toBase64() }),
      );
    }
    if (at > 0) lines.push('{"delete":{"_id":"3"}}', '{"index":{"_id":"4"}}', '{"n":4,"word":"changed"}');
    const headers = { "content-type": "application/x-ndjson" };
    const body = `${lines.join("\n")}\n`;
    const { errors } = await (await fetch(`${server.es}/${INDEX}/_bulk`, { method: "POST", headers, body }))
      .json();
    assertEquals(errors, false);
    await post(server, "/v1/admin/flush", {});
  }
}

const SEARCHES: readonly unknown[] = [
  { query: { term: { word: "w3" } }, sort: [{ n: "asc" }], size: 3, _source: ["n", "word"] },
  { query: { match: { body: "7" } }, sort: [{ n: "desc" }], size: 5, _source: ["n"] },
  { size: 0, aggs: { words: { terms: { field: "word" } }, sum: { sum: { field: "n" } } } },
  { query: { range: { n: { gte: 500, lt: 510 } } }, sort: [{ n: "asc" }], size: 10 },
  { query: { ids: { values: ["3", "4", "777"] } }, sort: [{ n: "asc" }], _source: ["n", "word"] },
];

async function answer(server: ServerProcess, search: unknown, index = INDEX): Promise<unknown> {
  const { status, body } = await post(server, `${server.es}/${index}/_search`, search);
  assertEquals(status, 200, JSON.stringify(body));
  // deno-lint-ignore no-explicit-any
  const hits = body.hits.hits.map(({ _id, _source, sort }: any) => ({ _id, _source, sort }));
  return { total: body.hits.total, hits, aggregations: body.aggregations };
}

async function answers(server: ServerProcess, index = INDEX): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const search of SEARCHES) all.push(await answer(server, search, index));
  return all;
}

interface Backup {
  readonly bucket: Bucket;
  readonly env: Readonly<Record<string, string>>;
  /** Arguments of a restore. */
  readonly from: readonly string[];
  readonly expected: readonly unknown[];
}

/** Runs `test` with a backup of an index, and what it answers. */
async function withBackup(test: (backup: Backup) => Promise<void>): Promise<void> {
  await inBucket(async (bucket) => {
    const { s3, proxy } = bucket;
    const server = await startServer(withBinary({ toml: TOML }));
    try {
      await fill(server);
      const expected = await answers(server);
      const made = await post(server, "/v1/admin/backup", { ...bucket.at("b"), flush_first: true });
      assertEquals(made.status, 200, JSON.stringify(made.body));
      await server.kill();
      await test({
        bucket,
        expected,
        env: { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey },
        from: ["restore", "--from", `s3://${s3.bucket}/b`, "--endpoint", proxy.endpoint, "--lazy"],
      });
    } finally {
      await server.kill();
      server.remove();
    }
  });
}

async function restore({ from, env }: Backup, dataDir: string, ...more: string[]): Promise<string> {
  const { code, stdout, stderr } = await xerj([...from, "--data-dir", dataDir, ...more], env);
  assertEquals(code, 0, stderr);
  return stdout;
}

function start(dataDir: string, env: Backup["env"], toml = TOML, waitReady = true): Promise<ServerProcess> {
  return startServer(withBinary({ dataDir, env, toml, waitReady }));
}

async function pending(server: ServerProcess): Promise<number> {
  const text = await (await fetch(`${server.native}/v1/metrics`)).text();
  return Number(/^xerj_hydrating_bytes (\d+)/m.exec(text)![1]);
}

async function hydrated(server: ServerProcess): Promise<void> {
  while (await pending(server) > 0) await delay(50);
}

function names(dataDir: string, suffix: string): string[] {
  const found: string[] = [];
  const walk = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) walk(`${path}/${name}`);
      else if (name.endsWith(suffix)) found.push(`${path}/${name}`);
    }
  };
  walk(dataDir);
  return found;
}

function copy(from: string, to: string): void {
  const { success } = new Deno.Command("cp", { args: ["-r", from, to] }).outputSync();
  assert(success);
}

Deno.test({
  name: "a lazily restored server answers right before a fraction is there, and goes on after kill -9",
  ignore,
  fn: () =>
    withBackup((backup) =>
      inDirectory(async (folder) => {
        const { bucket: { proxy }, env, expected } = backup;
        const dataDir = `${folder}/data`;
        const said = await restore(backup, dataDir);
        assertStringIncludes(said, "start the server: it answers now and fetches the rest");
        assertEquals(names(dataDir, "segment.seg"), []);
        const record = Deno.readTextFileSync(`${dataDir}/_meta/hydrating.json`);
        for (const secret of Object.values(env)) assert(!record.includes(secret));
        const total = names(dataDir, ".hydrating").reduce((sum, path) => sum + Deno.statSync(path).size, 0);
        assert(total > 10 * MIB);

        proxy.resetCounts();
        proxy.bytesPerSecond = 3 * MIB;
        let server = await start(dataDir, env);
        try {
          assertEquals(await answer(server, SEARCHES[0]), expected[0]);
          assert(proxy.counts.receivedBytes < total / 2, `${proxy.counts.receivedBytes} of ${total}`);
          assertEquals(await answers(server), expected);
          const { status, body } = await server.json("/v1/health");
          assertEquals([status, body["status"]], [200, "yellow"]);
          assertStringIncludes(JSON.stringify(body["warnings"]), "bytes");
          assert(await pending(server) > 0);

          await server.kill();
          server.remove();
          proxy.bytesPerSecond = 0;

          server = await start(dataDir, env);
          assertEquals(await answers(server), expected);
          await write(server);
          await hydrated(server);
          assertEquals(await answers(server), expected);
          const snapshot = await post(server, "/v1/admin/snapshot", { name: "now" });
          assertEquals(snapshot.status, 201);
          assertEquals(await server.stop(), 0);
          await isSound(dataDir);
        } finally {
          await server.kill();
        }
      })
    ),
});

/** Nothing is left of the restore, and every byte is as it was. */
async function isSound(dataDir: string): Promise<void> {
  assertEquals(names(dataDir, ".hydrating"), []);
  assertEquals(names(dataDir, "hydrating.json"), []);
  const { code, stdout } = await xerj(["verify", "--deep", "--data-dir", dataDir]);
  assertEquals(code, 0, stdout);
}

/** New documents, an update of an old one that is put back, another index. */
async function write(server: ServerProcess, index = INDEX): Promise<void> {
  for (const [path, json] of [[`${index}/_doc/new`, { word: "new" }], ["other/_doc/1", { n: 1 }]] as const) {
    const { status } = await server.json(`${server.es}/${path}`, { method: "PUT", json });
    assertEquals(status, 201);
  }
  const gone = await server.json(`${server.es}/${index}/_doc/new?refresh=true`, { method: "DELETE" });
  assertEquals(gone.status, 200);
  assertEquals((await post(server, "/v1/admin/flush", {})).status, 200);
}

Deno.test({
  name: "a copy that was made while segments came is a data directory, with the repository and what says so",
  ignore,
  fn: () =>
    withBackup((backup) =>
      inDirectory(async (folder) => {
        const { bucket: { proxy }, env, expected } = backup;
        const dataDir = `${folder}/data`;
        await restore(backup, dataDir);
        proxy.bytesPerSecond = 6 * MIB;
        const server = await start(dataDir, env);
        const [good, poor] = [`${folder}/good`, `${folder}/poor`];
        try {
          while (names(dataDir, "segment.seg").length === 0) await delay(20);
          copy(dataDir, good);
          assert(names(good, ".hydrating").length > 0);
          copy(good, poor);
        } finally {
          await server.kill();
          server.remove();
        }
        Deno.removeSync(`${poor}/_meta/hydrating.json`);
        const { code, log } = await refusedStart({ dataDir: poor, env, toml: TOML });
        assertEquals(code, 2, log);
        assertStringIncludes(log, "segment.seg");

        proxy.bytesPerSecond = 0;
        const stranger = { ...env, AWS_SECRET_ACCESS_KEY: "another" };
        const refused = await refusedStart({ dataDir: good, env: stranger, toml: TOML });
        assertEquals(refused.code, 2, refused.log);
        assertStringIncludes(refused.log, "head.json");
        const second = await start(good, env);
        try {
          assertEquals(await answers(second), expected);
          await hydrated(second);
          assertEquals(await second.stop(), 0);
        } finally {
          await second.kill();
        }
        await isSound(good);
      })
    ),
});

Deno.test("an encrypted repository on a disk, by its name in the configuration; an instant is no backup", () =>
  inDirectory(async (folder) => {
    Deno.writeTextFileSync(`${folder}/key`, "7".repeat(64));
    const config = `${folder}/xerj.toml`;
    const toml = `${TOML}[backup.repositories.disk]\ndestination = "file://${folder}/repository"\n` +
      `encryption_key_file = "${folder}/key"\n`;
    Deno.writeTextFileSync(config, toml);
    let server = await startServer(withBinary({ toml }));
    try {
      await fill(server);
      const expected = await answers(server);
      const made = await post(server, "/v1/admin/backup", { repository: "disk" });
      assertEquals(made.status, 200, JSON.stringify(made.body));
      await server.kill();
      server.remove();
      const dataDir = `${folder}/data`;
      const args = ["restore", "--from", "disk", "--lazy", "--data-dir", dataDir];
      const wrong = await xerj([...args, "--to-lsn", "5"], { XERJ_CONFIG: config });
      assertEquals(wrong.code, 64);
      assertStringIncludes(wrong.stderr, "--lazy goes with none of --to-time");
      const { code, stderr } = await xerj([...args, "--index", "bulk*"], { XERJ_CONFIG: config });
      assertEquals(code, 0, stderr);
      const record = Deno.readTextFileSync(`${dataDir}/_meta/hydrating.json`);
      assertStringIncludes(record, '"name":"disk"');
      assert(!record.includes("7777"));
      server = await start(dataDir, {}, toml);
      assertEquals(await answers(server), expected);
      await hydrated(server);
      assertEquals(await answers(server), expected);
      assertEquals(await server.stop(), 0);
      await isSound(dataDir);
    } finally {
      await server.kill();
    }
  }));

Deno.test({
  name: "with the repository out of reach only what is missing answers 503; it goes on by itself",
  ignore,
  fn: () =>
    withBackup((backup) =>
      inDirectory(async (folder) => {
        const { bucket: { proxy }, env, expected } = backup;
        const dataDir = `${folder}/data`;
        await restore(backup, dataDir, "--rename", "bulky=risen");
        proxy.bytesPerSecond = 4 * MIB;
        const server = await start(dataDir, env, `${TOML}[backup]\nhydrate_wait_ms = 3000\n`);
        try {
          assertEquals(await answer(server, SEARCHES[0], "risen"), expected[0]);
          proxy.add({ fault: { kind: "reset" } });
          const whole = await post(server, `${server.es}/risen/_search`, { size: 2000 });
          assertEquals(whole.status, 503);
          assertStringIncludes(JSON.stringify(whole.body), "still in the backup repository");
          // What is there goes on: the same search as before, and writes.
          assertEquals(await answer(server, SEARCHES[0], "risen"), expected[0]);
          await write(server, "risen");
          for (const path of ["/v1/admin/snapshot", "/v1/admin/backup"]) {
            const refused = await post(
              server,
              path,
              path.endsWith("snapshot") ? { name: "s" } : backup.bucket.at("c"),
            );
            assertEquals(refused.status, 409);
            assertStringIncludes(JSON.stringify(refused.body), "bytes are still to come");
          }
          while ((await server.json("/v1/health")).body["status"] !== "red") await delay(50);
          const looked = await xerj(["verify", "--data-dir", dataDir]);
          assertEquals(looked.code, 2, looked.stdout);
          assertStringIncludes(looked.stdout, "not all here yet");

          proxy.clear();
          proxy.bytesPerSecond = 0;
          await hydrated(server);
          assertEquals(await answers(server, "risen"), expected);
          const { warnings } = (await server.json("/v1/health")).body;
          assert(!JSON.stringify(warnings).includes("restore"), JSON.stringify(warnings));
          assertEquals(await server.stop(), 0);
          await isSound(dataDir);
        } finally {
          await server.kill();
        }
      })
    ),
});

Deno.test({
  name: "a damaged object is never an answer, and is fetched again; a deleted index is not fetched any more",
  ignore,
  fn: () =>
    withBackup((backup) =>
      inDirectory(async (folder) => {
        const { bucket: { proxy }, env, expected } = backup;
        const dataDir = `${folder}/data`;
        await restore(backup, dataDir);
        // On the way here.
        const fault = { kind: "flip", atByte: 300_000 } as const;
        const flipped = proxy.add({ fault, method: "GET", target: /objects/, times: 2 });
        let server = await start(dataDir, env);
        try {
          assertEquals(await answers(server), expected);
          assertEquals(flipped(), 2);
          await hydrated(server);
          assertEquals(await server.stop(), 0);
          await isSound(dataDir);

          // For good, in the bucket.
          const other = `${folder}/other`;
          await restore(backup, other);
          await damageObjects(backup.bucket);
          server = await start(other, env);
          const whole = await post(server, `${server.es}/${INDEX}/_search`, { size: 2000 });
          assertEquals(whole.status, 503);
          while ((await server.json("/v1/health")).body["status"] !== "red") await delay(50);
          const health = JSON.stringify((await server.json("/v1/health")).body);
          assertStringIncludes(health, "is not what was backed up");
          assertEquals((await server.json(`${server.es}/${INDEX}`, { method: "DELETE" })).status, 200);
          await hydrated(server);
          assertEquals(names(other, "hydrating.json"), []);
          assertEquals(await server.stop(), 0);
          server = await start(other, {});
          assertEquals(await server.stop(), 0);
          const { code, stdout } = await xerj(["verify", "--data-dir", other]);
          assertEquals(code, 0, stdout);
        } finally {
          await server.kill();
        }
      })
    ),
});

/** Turns a bit in the midst of every large object. */
async function damageObjects({ s3 }: Bucket): Promise<void> {
  const folder = `${s3.directory}/${s3.bucket}/b/objects`;
  for await (const { name } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    const { size } = await Deno.stat(path);
    if (size < MIB) continue;
    const bytes = await Deno.readFile(path);
    bytes[Math.floor(size / 2)]! ^= 1;
    await Deno.writeFile(path, bytes);
  }
}
