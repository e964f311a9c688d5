/**
 * The machine is lost: a server that ships continuously is killed while it takes documents, and its disk is gone. What
 * comes back from the bucket?
 */
import { assert, assertEquals } from "@std/assert";
import { serverCommand, type ServerProcess, startServer } from "../support/server.ts";
import { type Answer, fill, ignore, inBucket, post } from "./backup_support.ts";
import { BINARY, delay, inDirectory, withBinary } from "./support.ts";
import type { S3Server } from "../support/s3_server.ts";

/** Losses of a machine; 100 in the long run. */
const CYCLES = Number(Deno.env.get("XERJ_BOX_CYCLES") ?? 2);

function toml({ s3, endpoint, walSync, prefix }: {
  readonly s3: S3Server;
  readonly endpoint: string;
  readonly walSync: string;
  readonly prefix: string;
}): string {
  return `[storage]\nwal_sync = "${walSync}"\nflush_size_mb = 1\nflush_interval_secs = 2\n` +
    `[backup.repositories.bucket]\ndestination = "s3://${s3.bucket}/${prefix}"\nendpoint = "${endpoint}"\n` +
    `region = "${s3.region}"\naccess_key = "${s3.accessKey}"\nsecret_key = "${s3.secretKey}"\n` +
    '[backup.continuous]\nenabled = true\nrepository = "bucket"\n';
}

async function shipping(server: ServerProcess): Promise<void> {
  const ask = () => server.json("/v1/admin/continuous") as Promise<Answer>;
  await until(ask, ({ body }) => body.state === "shipping");
}

async function until(ask: () => Promise<Answer>, isSo: (answer: Answer) => boolean): Promise<Answer> {
  for (const end = performance.now() + 60_000;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    assert(performance.now() < end, JSON.stringify(answer.body));
    await delay(20);
  }
}

async function xerj(...words: string[]): Promise<{ code: number; text: string }> {
  const [command, ...args] = serverCommand(BINARY);
  // Not in one blocking call: the proxy lives in this process.
  const { code, stdout, stderr } = await new Deno.Command(command!, { args: [...args, ...words] }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** Runs `xerj restore`. */
async function restore(config: string, dataDir: string, ...more: string[]): Promise<void> {
  const where = ["--config", config, "--from", "bucket", "--stream", "main", "--data-dir", dataDir];
  const { code, text } = await xerj("restore", ...where, ...more);
  assertEquals(code, 0, text);
}

/** Writes one document after the other until the server is gone. @returns When each was acknowledged, ms. */
async function writeOn(server: ServerProcess): Promise<number[]> {
  const acknowledged: number[] = [];
  try {
    for (let n = 0;; n++) {
      const { status } = await server.json(`/v1/indices/logs/docs/${n}`, { method: "PUT", json: { n } });
      if (status !== 201) break;
      acknowledged.push(performance.now());
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It was killed.
  }
  return acknowledged;
}

for (const walSync of ["batched", "replicated"]) {
  Deno.test({ name: `the machine is lost during ingest, wal_sync = ${walSync}`, ignore }, async () => {
    await inBucket(async ({ s3, proxy }) => {
      const lostMs: number[] = [];
      let [lost, written] = [0, 0];
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        await inDirectory(async (root) => {
          const config = toml({ s3, endpoint: proxy.endpoint, walSync, prefix: `${walSync}-${cycle}` });
          const server = await startServer(withBinary({ dataDir: `${root}/box`, toml: config }));
          await shipping(server);
          const writing = writeOn(server);
          await delay(1500 + Math.random() * 1500);
          const killedMs = performance.now();
          await server.kill();
          const acknowledged = await writing;
          Deno.removeSync(`${root}/box`, { recursive: true });

          await restore(server.configPath, `${root}/back`);
          const back = await startServer(withBinary({ dataDir: `${root}/back` }));
          try {
            await post(back, "/v1/indices/logs/refresh", {});
            let there = 0;
            // One writer, one document at a time: what is there is a beginning.
            for (const { body } of await pages(back)) there += body.hits.length;
            const missing = Math.max(0, acknowledged.length - there);
            lost += missing;
            written += acknowledged.length;
            lostMs.push(missing === 0 ? 0 : killedMs - acknowledged[there]!);
            if (walSync === "replicated") {
              assertEquals(missing, 0, `${acknowledged.length} acknowledged, ${there} back`);
            }
          } finally {
            await back.kill();
            back.remove();
            Deno.removeSync(server.configPath);
          }
        });
      }
      lostMs.sort((a, b) => a - b);
      console.log(
        `${CYCLES} machines lost, ${walSync}: ${written} acknowledged, ${lost} of them lost; ms of ingest lost: ` +
          `median ${lostMs[Math.floor(lostMs.length / 2)]!.toFixed(0)}, worst ${lostMs.at(-1)!.toFixed(0)}`,
      );
      assert(lostMs.at(-1)! < 20_000, "about a second is lost at most");
    });
  });
}

async function pages(server: ServerProcess): Promise<Answer[]> {
  const found: Answer[] = [];
  for (let from = 0;; from += 10_000) {
    const answer: Answer = await post(server, "/v1/indices/logs/search", {
      size: 10_000,
      query: { range: { n: { gte: from, lt: from + 10_000 } } },
    });
    if (answer.status !== 200) {
      assertEquals(answer.status, 404, JSON.stringify(answer.body)); // Lost before the index was there.
      return found;
    }
    found.push(answer);
    if (answer.body.hits.length === 0) return found;
  }
}

Deno.test(
  { name: "back to just before everything was deleted: it is there, and nothing later is", ignore },
  async () => {
    await inBucket(async ({ s3, proxy }) => {
      await inDirectory(async (root) => {
        const config = toml({ s3, endpoint: proxy.endpoint, walSync: "replicated", prefix: "undo" });
        const server = await startServer(withBinary({ dataDir: `${root}/box`, toml: config }));
        try {
          await fill(server, "logs", 0, 2000);
          await shipping(server);
          const { body } = await server.json("/v1/admin/continuous") as Answer;
          await delay(20);
          const before = new Date().toISOString();
          await delay(20);
          const ids = Array.from({ length: 2000 }, (_, i) => `{"delete":{"_id":"${i}"}}\n`);
          const headers = { "content-type": "application/x-ndjson" };
          const deleted = await fetch(`${server.es}/logs/_bulk`, {
            method: "POST",
            headers,
            body: ids.join(""),
          });
          assertEquals((await deleted.json()).errors, false);
          await fill(server, "logs", 5000, 5100);
          await server.kill();
          for (
            const [name, flag] of [["time", ["--to-time", before]], ["lsn", [
              "--to-lsn",
              String(body.lsn),
            ]]] as const
          ) {
            await restore(server.configPath, `${root}/${name}`, ...flag);
            const back = await startServer(withBinary({ dataDir: `${root}/${name}` }));
            try {
              const answer: Answer = await post(back, "/v1/indices/logs/search", {
                size: 0,
                track_total_hits: true,
                aggs: { max: { max: { field: "n" } } },
              });
              assertEquals(
                [answer.body.total, answer.body.aggs.max.value],
                [2000, 1999],
                JSON.stringify(answer.body),
              );
            } finally {
              await back.kill();
              back.remove();
            }
          }
        } finally {
          await server.kill();
          Deno.removeSync(server.configPath);
        }
      });
    });
  },
);

Deno.test(
  { name: "a restored server ships into its original's stream once it has adopted it", ignore },
  async () => {
    await inBucket(async ({ s3, proxy }) => {
      await inDirectory(async (root) => {
        const config = toml({ s3, endpoint: proxy.endpoint, walSync: "replicated", prefix: "heir" });
        const server = await startServer(withBinary({ dataDir: `${root}/box`, toml: config }));
        try {
          await shipping(server);
          await fill(server, "logs", 0, 100);
          await server.kill();
          await restore(server.configPath, `${root}/heir`);
          // It could not acknowledge a write before it ships.
          const heirs = config.replace("replicated", "batched");
          const heir = await startServer(withBinary({ dataDir: `${root}/heir`, toml: heirs, auth: true }));
          try {
            const authorization = { headers: { authorization: `ApiKey ${heir.key()}` } };
            const refused = await until(
              () => heir.json("/v1/admin/continuous", authorization) as Promise<Answer>,
              ({ body }) => body.state === "refused",
            );
            assert(JSON.stringify(refused.body).includes("xerj backup adopt"), JSON.stringify(refused.body));
            const where = ["--config", heir.configPath, "--data-dir", `${root}/heir`, "--url", heir.native];
            const { code, text } = await xerj("backup", "adopt", ...where);
            assertEquals([code, text.includes("ships there from now on")], [0, true], text);
            await until(
              () => heir.json("/v1/admin/continuous", authorization) as Promise<Answer>,
              ({ body }) => body.state === "shipping",
            );
          } finally {
            await heir.kill();
            heir.remove();
          }
        } finally {
          Deno.removeSync(server.configPath);
        }
      });
    });
  },
);

Deno.test({ name: "adopting without a server, or a key, says what is missing", ignore }, async () => {
  await inDirectory(async (root) => {
    const nobody = await xerj("backup", "adopt", "--data-dir", root, "--url", "http://127.0.0.1:9");
    assertEquals(nobody.code, 2, nobody.text);
    assert(nobody.text.includes("no server has made its key there"), nobody.text);
    Deno.writeTextFileSync(`${root}/admin.key`, "0123456789abcdef0123\n");
    const away = await xerj("backup", "adopt", "--data-dir", root, "--url", "http://127.0.0.1:9");
    assertEquals(away.code, 2, away.text);
    assert(away.text.includes("Cannot reach the server at http://127.0.0.1:9"), away.text);
    assert(!away.text.includes("0123456789abcdef0123"), "a key is in a message");
  });
});
