/**
 * Damaged files under a real server: what is torn is told from what is broken, an error names file and offset, nobody's
 * answer is wrong, and a refused start changes nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { treeOf } from "../shard/real_tree.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { inDirectory, logged, logLines, refusedStart, withBinary } from "./support.ts";

const EXIT_REFUSED = 2;

/** Runs `test` with a server on a directory that stays; it is killed in the end if it still runs. */
async function serving<T>(
  dataDir: string,
  test: (server: ServerProcess) => Promise<T>,
  toml = "[storage]\nflush_interval_secs = 3600\n",
): Promise<T> {
  const server = await startServer(withBinary({ dataDir, toml }));
  try {
    return await test(server);
  } finally {
    await server.kill();
    server.remove();
  }
}

async function put(server: ServerProcess, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 20) {
    let body = "";
    for (let i = at; i < Math.min(to, at + 20); i++) {
      body += `{"index":{"_id":"id-${i}"}}\n{"n":${i},"host":"h${i % 3}","message":"line ${i} of host h${
        i % 3
      }"}\n`;
    }
    const { status, body: answer } = await server.json(`${server.es}/logs/_bulk`, {
      method: "POST",
      body,
      headers: { "content-type": "application/x-ndjson" },
    });
    assertEquals([status, answer["errors"]], [200, false]);
  }
}

async function flush(server: ServerProcess): Promise<void> {
  assertEquals((await server.json("/v1/admin/flush", { method: "POST" })).status, 200);
}

/** Values of all documents, ascending. */
async function numbers(server: ServerProcess): Promise<number[]> {
  await server.json(`${server.es}/logs/_refresh`, { method: "POST" });
  const { status, body } = await server.json("/v1/indices/logs/search", {
    method: "POST",
    json: { size: 1000, sort: ["n"] },
  });
  assertEquals(status, 200, JSON.stringify(body));
  return (body as unknown as { hits: { _source: { n: number } }[] }).hits.map(({ _source }) => _source.n);
}

function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** Newest file of a folder. */
function newest(folder: string): string {
  return `${folder}/${[...Deno.readDirSync(folder)].map(({ name }) => name).sort().at(-1)}`;
}

function flip(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset]! ^= 0x04;
  Deno.writeFileSync(path, bytes);
}

async function warnings(server: ServerProcess): Promise<string[]> {
  const { body } = await server.json("/v1/health");
  return (body as unknown as { warnings: { cause: string }[] }).warnings.map(({ cause }) => cause);
}

Deno.test("a torn tail is ignored for good and says so", async () => {
  await inDirectory(async (dataDir) => {
    await serving(dataDir, (server) => put(server, 0, 60));
    const log = newest(`${dataDir}/logs/wal`);
    const { size } = Deno.statSync(log);
    Deno.writeFileSync(log, new Uint8Array(100).fill(7), { append: true });
    await serving(dataDir, async (server) => {
      const line = await logged(server, ({ message }) => message === "ignored a torn WAL tail");
      assertEquals([line["file"], line["offset"], line["bytes"]], [log, size, 100]);
      const cause = `${log} has a torn tail of 100 bytes at offset ${size}, which is ignored`;
      assert((await warnings(server)).some((warning) => warning.includes(cause)), "health says so");
      assertEquals(await numbers(server), upTo(60));
      await put(server, 60, 80);
    });
    await serving(dataDir, async (server) => {
      assertEquals(await numbers(server), upTo(80));
      assertEquals(logLines(server.log).filter(({ message }) => message.includes("torn")), []);
    });
    assertEquals(Deno.statSync(log).size, size + 100, "nothing found is written to");
  });
});

Deno.test("a record that a power cut broke off is gone, what came before it is not", async () => {
  await inDirectory(async (dataDir) => {
    await serving(dataDir, (server) => put(server, 0, 60), '[storage]\nwal_sync = "async"\n');
    const log = newest(`${dataDir}/logs/wal`);
    Deno.truncateSync(log, Deno.statSync(log).size - 5);
    await serving(dataDir, async (server) => {
      await logged(server, ({ message }) => message === "ignored a torn WAL tail");
      assertEquals(await numbers(server), upTo(40));
    });
  });
});

Deno.test("a wrong bit in the middle of the log: refused with file and offset, nothing on disk changes", async () => {
  await inDirectory(async (dataDir) => {
    await serving(dataDir, (server) => put(server, 0, 200), '[storage]\nwal_sync = "sync"\n');
    const log = newest(`${dataDir}/logs/wal`);
    flip(log, Math.floor(Deno.statSync(log).size / 2));
    const before = treeOf(dataDir);
    const { code, log: lines } = await refusedStart({ dataDir });
    assertEquals(code, EXIT_REFUSED, lines);
    const refusal = logLines(lines).find(({ message }) => message === "the server cannot go on")!;
    assertEquals(refusal["file"], log);
    const offset = refusal["offset"] as number;
    assert(offset > 0 && offset < Deno.statSync(log).size, `offset ${offset}`);
    assert(String(refusal["reason"]).includes("crc"), String(refusal["reason"]));
    console.log(refusal["reason"]);
    assertEquals(treeOf(dataDir), before);
    flip(log, Math.floor(Deno.statSync(log).size / 2));
    await serving(dataDir, async (server) => assertEquals(await numbers(server), upTo(200)));
  });
});

const DOCUMENTS = 3000;

/** Where to flip a bit, as a share of the file: its first page, its middle, its footer. */
const PLACES: Readonly<Record<string, readonly number[]>> = {
  "segment.seg": [0.001, 0.5],
  "segment.sidx": [0.5],
  "segment.ids": [0.5, 0.999],
};

/** Documents enough for a segment of several pages. */
async function putMany(server: ServerProcess): Promise<void> {
  let body = "";
  for (let n = 0; n < DOCUMENTS; n++) {
    const token = createHash("sha256").update(String(n)).digest("hex");
    body += `{"index":{"_id":"id-${n}"}}\n{"n":${n},"host":"h${n % 3}","token":"${token}"}\n`;
  }
  const headers = { "content-type": "application/x-ndjson" };
  const { status, body: answer } = await server.json(`${server.es}/logs/_bulk`, {
    method: "POST",
    body,
    headers,
  });
  assertEquals([status, answer["errors"]], [200, false]);
}

Deno.test("a wrong bit in a segment file: an error with file and offset where it is touched, never a wrong answer", async () => {
  await inDirectory(async (dataDir) => {
    await serving(dataDir, async (server) => {
      await putMany(server);
      await flush(server);
    });
    const folder = `${dataDir}/logs/seg-000001`;
    for (const [name, places] of Object.entries(PLACES)) {
      const file = `${folder}/${name}`;
      const { size } = Deno.statSync(file);
      for (const offset of places.map((share) => Math.floor(share * size))) {
        flip(file, offset);
        const before = treeOf(folder);
        const where = await errorOf(dataDir);
        assert(where.reason.includes(file), `${name} at ${offset}: ${where.reason}`);
        if (where.at !== "passed over") assert(/offset \d+/.test(where.reason), where.reason);
        console.log(
          `${name}, byte ${offset} of ${size}, ${where.at}: ${where.reason.replaceAll(dataDir, "")}`,
        );
        assertEquals(treeOf(folder), before);
        flip(file, offset);
      }
    }
    await serving(dataDir, async (server) => assertEquals((await numbers(server)).length, 1000));
  });
});

/**
 * The first error that a server on this directory gives, at its start or at a query; answers before are right. A footer
 * that is damaged makes it pass over the manifest, where an older one and the log hold everything.
 */
async function errorOf(
  dataDir: string,
): Promise<{ readonly at: "start" | "passed over" | "query"; readonly reason: string }> {
  const server = await startServer(withBinary({ dataDir, waitReady: false }));
  try {
    const ended = await Promise.race([server.exited, server.ready().catch(() => undefined)]);
    if (ended || !server.alive) {
      const { code } = await server.exited;
      assertEquals(code, EXIT_REFUSED);
      const refusal = logLines(server.log).find(({ message }) => message === "the server cannot go on")!;
      return { at: "start", reason: String(refusal["reason"]) };
    }
    for (
      const [path, json, expected] of [
        [
          "/v1/indices/logs/search",
          { size: 0, aggs: { a: { terms: { field: "host.keyword" } } } },
          DOCUMENTS,
        ],
        ["/v1/indices/logs/search", { size: DOCUMENTS, sort: ["n"] }, DOCUMENTS],
        ["/v1/indices/logs/search", { query: { match: { host: "h1" } } }, DOCUMENTS / 3],
        ["/v1/indices/logs/search", { query: { ids: { values: ["id-7"] } } }, 1],
        ["/v1/indices/logs/search", { query: { range: { n: { lt: 10 } } } }, 10],
        [
          "/v1/indices/logs/search",
          { size: 0, aggs: { a: { cardinality: { field: "token.keyword" } } } },
          DOCUMENTS,
        ],
        ["/v1/indices/logs/docs/id-150", undefined, undefined],
        ["/v1/indices/logs/search", { query: { prefix: { "token.keyword": "0" } } }, undefined],
      ] as const
    ) {
      const { status, body } = await server.json(path, json ? { method: "POST", json } : {});
      if (status >= 500) {
        const { error } = body as unknown as { error: { type: string; reason: string } };
        assertEquals(error.type, "corruption_exception");
        return { at: "query", reason: error.reason };
      }
      assertEquals(status, 200);
      if (expected !== undefined) assertEquals(body["total"], expected);
    }
    const passedOver = logLines(server.log).find(({ message }) => message === "passed over a manifest");
    if (!passedOver) throw new Error("every answer was right, nothing was noticed");
    return { at: "passed over", reason: String(passedOver["reason"]) };
  } finally {
    await server.kill();
    server.remove();
  }
}

Deno.test("a wrong bit in the newest manifest: the one before it serves where the log proves that nothing is missing", async () => {
  await inDirectory(async (dataDir) => {
    await serving(dataDir, async (server) => {
      await put(server, 0, 40);
      await flush(server);
      await put(server, 40, 80);
      await flush(server);
      await put(server, 80, 100);
    });
    const manifest = newest(`${dataDir}/logs/manifests`);
    flip(manifest, 200);
    await serving(dataDir, async (server) => {
      const line = await logged(server, ({ message }) => message === "passed over a manifest");
      assertEquals(line["file"], manifest);
      assert((await warnings(server)).some((cause) => cause.includes(manifest)), "health names it");
      assertEquals(await numbers(server), upTo(100));
      await put(server, 100, 120);
      await flush(server);
    });
    await serving(dataDir, async (server) => assertEquals(await numbers(server), upTo(120)));
  });
});

Deno.test("a wrong bit in the only manifest whose log is gone: refused, named, nothing on disk changes", async () => {
  await inDirectory(async (dataDir) => {
    const toml = "[storage]\nretain_superseded_secs = 0\nflush_interval_secs = 3600\n";
    await serving(dataDir, async (server) => {
      await put(server, 0, 40);
      await flush(server);
      await put(server, 40, 80);
      await flush(server);
      const manifests = () => [...Deno.readDirSync(`${dataDir}/logs/manifests`)].length;
      const until = performance.now() + 20_000;
      while (manifests() > 1 && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assertEquals(manifests(), 1, "superseded manifests have been released");
    }, toml);
    const manifest = newest(`${dataDir}/logs/manifests`);
    flip(manifest, 200);
    const before = treeOf(dataDir);
    const { code, log } = await refusedStart({ dataDir, toml });
    assertEquals(code, EXIT_REFUSED, log);
    const refusal = logLines(log).find(({ message }) => message === "the server cannot go on")!;
    assert(String(refusal["reason"]).includes(manifest), String(refusal["reason"]));
    console.log(String(refusal["reason"]).replaceAll(dataDir, ""));
    assertEquals(treeOf(dataDir), before);
    flip(manifest, 200);
    await serving(dataDir, async (server) => assertEquals(await numbers(server), upTo(80)), toml);
  });
});

Deno.test("a second server on the same directory is refused and told who holds it; the first goes on", async () => {
  await inDirectory(async (dataDir) => {
    await serving(dataDir, async (server) => {
      await put(server, 0, 20);
      const before = treeOf(dataDir);
      const { code, log } = await refusedStart({ dataDir });
      assertEquals(code, EXIT_REFUSED, log);
      const refusal = logLines(log).find(({ message }) => message === "the server cannot go on")!;
      assertEquals(refusal["code"], "locked");
      assert(String(refusal["reason"]).includes(`${server.pid}`), String(refusal["reason"]));
      console.log(String(refusal["reason"]).replaceAll(dataDir, "<data_dir>"));
      assertEquals(treeOf(dataDir), before);
      await put(server, 20, 40);
      assertEquals(await numbers(server), upTo(40));
    });
  });
});
