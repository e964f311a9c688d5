/**
 * A damaged file of a live segment, fetched back by a real server from a real S3 store, while it serves.
 */
import { existsSync } from "node:fs";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { treeOf } from "../shard/real_tree.ts";
import { xerj } from "../support/command.ts";
import type { ServerProcess } from "../support/server.ts";
import { type Answer, digest, fill, ignore, inBucket, post, withServer } from "./backup_support.ts";
import { delay, logged } from "./support.ts";

/** Turns bytes of every page over, where they lie: the file is mapped. */
function damage(path: string): void {
  const bytes = Deno.readFileSync(path);
  const file = Deno.openSync(path, { write: true });
  for (let at = 600; at < bytes.length; at += 16_384) {
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(Uint8Array.from(bytes.subarray(at, at + 4), (byte) => byte ^ 0x5a));
  }
  file.close();
}

async function metric(server: ServerProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.native}/v1/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

Deno.test(
  { name: "a damaged live segment is fetched back: found by a search, then by a backup", ignore },
  async () => {
    await inBucket(async ({ s3, proxy, at }) => {
      const toml = `
[backup.repositories.main]
destination = "s3://${s3.bucket}/main"
endpoint = "${proxy.endpoint}"
access_key = "${s3.accessKey}"
secret_key = "${s3.secretKey}"
`;
      await withServer(toml, async (server) => {
        await fill(server, "logs", 0, 5000);
        const made: Answer = await post(server, "/v1/admin/backup", {
          repository: "main",
          flush_first: true,
        });
        assertEquals(made.status, 200, JSON.stringify(made.body));
        const expected = await digest(server, "logs");
        const folder = `${server.dataDir}/logs/seg-000001`;
        const whole = treeOf(folder);
        const isHealed = (line: { message: string }) => line.message.includes("were fetched back");

        damage(`${folder}/segment.seg`);
        const all = { size: 5000, query: { match_all: {} } };
        const startedMs = performance.now();
        const found: Answer = await post(server, "/v1/indices/logs/search", all);
        assertEquals([found.status, found.body.error?.type], [500, "corruption_exception"]);
        const line = await logged(server, isHealed);
        console.log(
          `healed ${Deno.statSync(`${folder}/segment.seg`).size} bytes ${
            Math.round(performance.now() - startedMs)
          } ms after a search found the damage`,
        );
        assertStringIncludes(JSON.stringify(line["from"]), made.body.backup_id);
        assertEquals((await post(server, "/v1/indices/logs/search", all)).status, 200);
        assertEquals([treeOf(folder), await digest(server, "logs")], [whole, expected]);
        const names = ["damaged_total", "healed_total"].map((name) => `xerj_segment_files_${name}`);
        assertEquals(await Promise.all(names.map((name) => metric(server, name))), [1, 1]);

        // Nothing asks for these pages but a backup to a place that has none of them.
        damage(`${folder}/segment.ids`);
        const log = server.log.length;
        const refused: Answer = await post(server, "/v1/admin/backup", at("other"));
        assertEquals([refused.status, refused.body.error?.type], [500, "corruption_exception"]);
        for (
          const until = performance.now() + 10_000;
          !server.log.slice(log).includes("were fetched back");
        ) {
          assert(performance.now() < until, server.log);
          await delay(20);
        }
        assertEquals(treeOf(folder), whole);
        const again: Answer = await post(server, "/v1/admin/backup", at("other"));
        assertEquals(again.status, 200, JSON.stringify(again.body));
        const health: Answer = await server.json("/v1/health");
        assert(!JSON.stringify(health.body).includes("is damaged"), JSON.stringify(health.body));

        // The same with the server gone, by the command.
        await server.kill();
        damage(`${folder}/segment.seg`);
        const repaired = await xerj([
          ...[
            "verify",
            "--repair",
            "--from",
            "main",
            "--config",
            server.configPath,
            "--data-dir",
            server.dataDir,
          ],
        ]);
        assertEquals(repaired.code, 0, repaired.stdout + repaired.stderr);
        assertStringIncludes(repaired.stdout, `segment.seg: fetched from backup ${made.body.backup_id}`);
        assertEquals(treeOf(folder), whole);
      });
    });
  },
);

Deno.test(
  { name: "a damaged segment that is in no backup comes back from what was shipped", ignore },
  async () => {
    await inBucket(async ({ s3, proxy }) => {
      const toml = `
[backup.repositories.main]
destination = "s3://${s3.bucket}/main"
endpoint = "${proxy.endpoint}"
access_key = "${s3.accessKey}"
secret_key = "${s3.secretKey}"
[backup.continuous]
enabled = true
repository = "main"
interval_ms = 100
`;
      await withServer(toml, async (server) => {
        await fill(server, "logs", 0, 3000);
        assertEquals((await server.json("/v1/admin/flush", { method: "POST" })).status, 200);
        const expected = await digest(server, "logs");
        const folder = `${server.dataDir}/logs/seg-000001`;
        const whole = treeOf(folder);
        // A restore would bring the segment: all of it is there, and the head that names it.
        const env = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey };
        const place = ["--from", `s3://${s3.bucket}/main`, "--endpoint", s3.endpoint, "--stream", "main"];
        const isShipped = async () => {
          const target = `${server.dataDir}-copy`;
          const restored = await xerj(["restore", ...place, "--data-dir", target], env);
          try {
            // What was shipped before the index was restores, too, without it.
            return restored.code === 0 && existsSync(`${target}/logs/seg-000001`);
          } finally {
            for (const path of [target, `${target}.restoring`]) {
              await Deno.remove(path, { recursive: true }).catch(() => {});
            }
          }
        };
        for (const until = performance.now() + 20_000; !await isShipped();) assert(performance.now() < until);
        damage(`${folder}/segment.seg`);
        const all = { size: 3000, query: { match_all: {} } };
        assertEquals((await post(server, "/v1/indices/logs/search", all)).status, 500);
        const line = await logged(
          server,
          ({ message }) => /were fetched back|could not be fetched/.test(message),
        );
        assertStringIncludes(JSON.stringify(line), "stream main at s3://");
        assertEquals([treeOf(folder), await digest(server, "logs")], [whole, expected]);
      });
    });
  },
);
