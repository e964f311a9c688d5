/**
 * Backups of a real server to a real S3 store, and restores from it: each ends in a restore and a comparison.
 */
import { assert, assertEquals } from "@std/assert";
import { startServer } from "../support/server.ts";
import { type Answer, dataSize, digest, fill, ignore, inBucket, post, withServer } from "./backup_support.ts";
import { delay, logged, withBinary } from "./support.ts";

Deno.test(
  { name: "backup: everything, then nothing new, then one percent more; each restores", ignore },
  async () => {
    await inBucket(async ({ at }) => {
      await withServer("", async (server) => {
        await fill(server, "logs", 0, 20_000);
        await fill(server, "other", 0, 100);
        const request = { ...at("nightly"), flush_first: true };
        const first: Answer = await post(server, "/v1/admin/backup", request);
        assertEquals(first.status, 200, JSON.stringify(first.body));
        assertEquals(Object.keys(first.body).slice(0, 3), ["backup_id", "bytes", "duration_ms"]);
        assert(/^bk-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/.test(first.body.backup_id), first.body.backup_id);
        const again: Answer = await post(server, "/v1/admin/backup", request);
        assertEquals([again.status, again.body.bytes], [200, 0], JSON.stringify(again.body));
        const before = await digest(server, "logs");

        const segments = dataSize(`${server.dataDir}/logs`);
        await fill(server, "logs", 20_000, 20_200);
        const more: Answer = await post(server, "/v1/admin/backup", request);
        const grown = dataSize(`${server.dataDir}/logs`) - segments;
        console.log(
          `first ${first.body.bytes} bytes in ${first.body.duration_ms} ms; unchanged ${again.body.bytes} bytes in ` +
            `${again.body.duration_ms} ms; 1% more: ${more.body.bytes} bytes, the index grew by ${grown}`,
        );
        assert(more.body.bytes > 0 && more.body.bytes <= grown, `${more.body.bytes} of ${grown}`);
        const after = await digest(server, "logs");

        for (const [backup, expected] of [[again.body.backup_id, before], ["latest", after]] as const) {
          const as = `back-${backup.toLowerCase()}`;
          const restored: Answer = await post(server, "/v1/admin/restore", {
            ...at("nightly"),
            backup,
            indices: "logs",
            rename_pattern: "logs",
            rename_replacement: as,
          });
          assertEquals(restored.status, 200, JSON.stringify(restored.body));
          assertEquals(await digest(server, as), expected);
        }
        assertEquals(await digest(server, "logs"), after);
        const taken: Answer = await post(server, "/v1/admin/restore", { ...at("nightly"), indices: "logs" });
        assertEquals(taken.status, 409, JSON.stringify(taken.body));
      });
    });
  },
);

Deno.test(
  { name: "backup: killed at half, it goes on under its id and sends no object again", ignore },
  async () => {
    await inBucket(async ({ at, proxy }) => {
      const dataDir = Deno.makeTempDirSync({ prefix: "xerj-backup-" });
      const toml = "[merge]\nmin_segments = 1000\n";
      try {
        let server = await startServer(withBinary({ dataDir, toml }));
        // Many segments, so that there is a middle.
        for (let i = 0; i < 12; i++) {
          await fill(server, "logs", i * 2000, i * 2000 + 2000);
          await server.json("/v1/admin/flush", { method: "POST" });
        }
        const expected = await digest(server, "logs");
        const whole: Answer = await post(server, "/v1/admin/backup", at("whole"));
        const total = whole.body.bytes as number;
        // The first use of a place probes it, with large objects.
        await fill(server, "tiny", 0, 1);
        assertEquals(
          (await post(server, "/v1/admin/backup", { ...at("half"), indices: "tiny" })).status,
          200,
        );
        const request = { ...at("half"), indices: "logs" };
        proxy.bytesPerSecond = total / 2;
        proxy.resetCounts();
        const asked = await post(server, "/v1/admin/backup?wait=false", request);
        assertEquals(asked.status, 202, JSON.stringify(asked.body));
        const id = asked.body.backup_id;
        while (proxy.counts.sentBytes < total / 2) await delay(10);
        const other: Answer = await post(server, "/v1/admin/backup", request);
        assertEquals([other.status, other.body.error.backup_id], [409, id], JSON.stringify(other.body));
        await server.kill();
        proxy.bytesPerSecond = 0;
        const sent = proxy.counts.sentBytes;

        server = await startServer(withBinary({ dataDir, toml }));
        try {
          const { body } = await server.json("/v1/admin/backups") as Answer;
          assertEquals(body.unfinished.map((one: { backup_id: string }) => one.backup_id), [id]);
          const again: Answer = await post(server, "/v1/admin/backup", request);
          assertEquals(again.status, 200, JSON.stringify(again.body));
          assertEquals([again.body.backup_id, again.body.resumed], [id, true]);
          console.log(`killed after ${sent} of ${total} bytes; then ${again.body.bytes} were sent`);
          // Objects that were on their way are sent again.
          assert(again.body.bytes < total * 0.8, `${again.body.bytes} of ${total} bytes were sent`);
          const restored: Answer = await post(server, "/v1/admin/restore", {
            ...at("half"),
            rename_pattern: "(.*)",
            rename_replacement: "again-$1",
          });
          assertEquals(restored.status, 200, JSON.stringify(restored.body));
          assertEquals(await digest(server, "again-logs"), expected);
        } finally {
          await server.kill();
          server.remove();
        }
      } finally {
        Deno.removeSync(dataDir, { recursive: true });
      }
    });
  },
);

Deno.test(
  { name: "restore: killed at half, the same request goes on with what is there", ignore },
  async () => {
    await inBucket(async ({ at, proxy }) => {
      const dataDir = Deno.makeTempDirSync({ prefix: "xerj-restore-" });
      try {
        let server = await startServer(withBinary({ dataDir, toml: "[merge]\nmin_segments = 1000\n" }));
        for (let i = 0; i < 12; i++) {
          await fill(server, "logs", i * 2000, i * 2000 + 2000);
          await server.json("/v1/admin/flush", { method: "POST" });
        }
        const expected = await digest(server, "logs");
        const backup: Answer = await post(server, "/v1/admin/backup", at("full"));
        assertEquals(backup.status, 200, JSON.stringify(backup.body));
        proxy.bytesPerSecond = backup.body.bytes / 2;
        const start = proxy.counts.receivedBytes;
        const request = { ...at("full"), rename_pattern: "(.*)", rename_replacement: "again-$1" };
        const broken = post(server, "/v1/admin/restore", request).then(
          ({ body }) => assert(false, `it went through: ${JSON.stringify(body)}`),
          () => {},
        );
        while (proxy.counts.receivedBytes - start < backup.body.bytes / 2) await delay(10);
        await server.kill();
        await broken;
        proxy.bytesPerSecond = 0;
        server = await startServer(withBinary({ dataDir }));
        try {
          const restored: Answer = await post(server, "/v1/admin/restore", request);
          assertEquals(restored.status, 200, JSON.stringify(restored.body));
          console.log(
            `${backup.body.bytes} bytes; after the kill ${restored.body.bytes_fetched} were fetched`,
          );
          assert(restored.body.bytes_fetched < backup.body.bytes * 0.8, JSON.stringify(restored.body));
          assertEquals(await digest(server, "again-logs"), expected);
          assertEquals(await digest(server, "logs"), expected);
        } finally {
          await server.kill();
          server.remove();
        }
      } finally {
        Deno.removeSync(dataDir, { recursive: true });
      }
    });
  },
);

Deno.test({ name: "restore: one index of many, the others untouched by hash", ignore }, async () => {
  await inBucket(async ({ at, proxy }) => {
    await withServer("", async (server) => {
      const names = Array.from({ length: 50 }, (_, i) => `index-${i}`);
      for (const name of names) await fill(server, name, 0, 200);
      const backup: Answer = await post(server, "/v1/admin/backup", { ...at("many"), flush_first: true });
      assertEquals(backup.status, 200, JSON.stringify(backup.body));
      const hashes = () => names.map((name) => hashesOf(`${server.dataDir}/${name}`));
      const before = hashes();
      const start = proxy.counts.receivedBytes;
      const restored: Answer = await post(server, "/v1/admin/restore", {
        ...at("many"),
        indices: ["index-7"],
        rename_pattern: "index-(.*)",
        rename_replacement: "restored-$1",
      });
      assertEquals(restored.status, 200, JSON.stringify(restored.body));
      console.log(
        `${restored.body.bytes_fetched} bytes of objects for an index of ${
          dataSize(`${server.dataDir}/index-7`)
        }; ` +
          `${proxy.counts.receivedBytes - start} bytes of answers in all`,
      );
      assertEquals(await digest(server, "restored-7"), await digest(server, "index-7"));
      assertEquals(hashes(), before);
    });
  });
});

/** SHA-256 of every segment file. */
function hashesOf(directory: string): string {
  const { stdout } = new Deno.Command("sh", {
    args: ["-c", `find ${directory} -path '*seg-*' -type f | sort | xargs -r sha256sum`],
  }).outputSync();
  return new TextDecoder().decode(stdout);
}

Deno.test(
  { name: "no secret in logs, errors, answers, metrics, manifests or arguments", ignore },
  async () => {
    await inBucket(async ({ s3, at }) => {
      const wrong = `wrong${crypto.randomUUID()}`;
      const token = `token${crypto.randomUUID()}`;
      const key = Array.from(
        crypto.getRandomValues(new Uint8Array(32)),
        (b) => b.toString(16).padStart(2, "0"),
      ).join("");
      const keyFile = Deno.makeTempFileSync();
      Deno.writeTextFileSync(keyFile, key);
      const toml =
        `[log]\nlevel = "debug"\n[backup.repositories.main]\ndestination = "s3://${s3.bucket}/named"\n` +
        `endpoint = "${s3.endpoint}"\naccess_key = "${s3.accessKey}"\nsecret_key = "${s3.secretKey}"\n` +
        `encryption_key_file = "${keyFile}"\n`;
      await withServer(toml, async (server) => {
        await fill(server, "logs", 0, 500);
        const seen: string[] = [];
        const ask = async (path: string, body?: unknown) => {
          const answer = body === undefined ? await server.json(path) : await post(server, path, body);
          seen.push(JSON.stringify(answer));
          return answer as Answer;
        };
        assertEquals((await ask("/v1/admin/backup", { repository: "main" })).status, 200);
        assertEquals((await ask("/v1/admin/backup", at("plain"))).status, 200);
        const bad = { ...(at("plain").credentials as Record<string, string>), secret_key: wrong };
        const denied = await ask("/v1/admin/backup", { ...at("plain"), credentials: bad });
        assertEquals(denied.status, 403, JSON.stringify(denied.body));
        const session = { ...bad, session_token: token };
        await ask("/v1/admin/backup", { ...at("plain"), credentials: session });
        await ask("/v1/admin/backup", { ...at("plain"), credentials: { ...bad, secret: wrong } });
        await ask("/v1/admin/backup", {
          ...at("plain"),
          credentials: { ...bad, endpoint: `http://u:${wrong}@127.0.0.1:1` },
        });
        await ask("/v1/admin/backup", { destination: `s3://u:${wrong}@bucket/x` });
        await ask("/v1/admin/backup", {
          ...at("plain"),
          credentials: { ...bad, endpoint: "http://127.0.0.1:1" },
          dry: 1,
        });
        await ask("/v1/admin/restore", { repository: "main", dry_run: true });
        await ask("/v1/admin/backups");
        await ask("/v1/admin/backups?repository=main");
        seen.push(await (await fetch(`${server.native}/v1/metrics`)).text());
        seen.push(await (await fetch(`${server.native}/v1/health`)).text());
        seen.push(Deno.readTextFileSync(`/proc/${server.pid}/cmdline`));
        seen.push(server.log);
        for (const text of textsBelow(`${server.dataDir}`)) {
          seen.push(text);
        }
        if (s3.directory !== undefined) {
          for (const text of textsBelow(`${s3.directory}/${s3.bucket}`)) seen.push(text);
        }
        for (const secret of [s3.secretKey, s3.accessKey, wrong, token, key]) {
          const at = seen.findIndex((text) => text.includes(secret));
          assertEquals(at, -1, `a secret is in: ${seen[at]?.slice(0, 2000)}`);
        }
        assert(seen.length > 20);
      });
      Deno.removeSync(keyFile);
    });
  },
);

function* textsBelow(path: string): Generator<string> {
  for (const { name, isFile, isDirectory } of Deno.readDirSync(path)) {
    if (isFile) yield new TextDecoder("latin1").decode(Deno.readFileSync(`${path}/${name}`));
    else if (isDirectory) yield* textsBelow(`${path}/${name}`);
  }
}

Deno.test(
  { name: "backup: the bandwidth limit holds, is measured, and is lifted while one runs", ignore },
  async () => {
    await inBucket(async ({ at, proxy }) => {
      const limited = "[backup]\nbandwidth_mb_per_sec = 2\n";
      await withServer("", async (server) => {
        await fill(server, "logs", 0, 20_000);
        await fill(server, "tiny", 0, 1);
        // The first use of a place probes it.
        assertEquals(
          (await post(server, "/v1/admin/backup", { ...at("slow"), indices: "tiny" })).status,
          200,
        );
        Deno.writeTextFileSync(server.configPath, limited);
        server.child.kill("SIGHUP");
        await logged(server, (line) => line["key"] === "backup.bandwidth_mb_per_sec");
        proxy.resetCounts();
        const startedMs = performance.now();
        const backup = post(server, "/v1/admin/backup", { ...at("slow"), flush_first: true });
        while (proxy.counts.sentBytes < 3_000_000) await delay(5);
        const sentMs = performance.now() - startedMs;
        assert(sentMs > 1000, `3 MB went in ${sentMs} ms at 2 MB/s`);
        Deno.writeTextFileSync(server.configPath, limited.replace("2", "0"));
        server.child.kill("SIGHUP");
        const made: Answer = await backup;
        assertEquals(made.status, 200, JSON.stringify(made.body));
        const text = await (await fetch(`${server.native}/v1/metrics`)).text();
        const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
        assert(metric("xerj_backup_throttled_seconds_total") > 0.3, text);
        assert(metric("xerj_backup_bytes_total") >= made.body.bytes, text);
        console.log(
          `${made.body.bytes} bytes in ${made.body.duration_ms} ms: 3 MB in ${
            sentMs.toFixed(0)
          } ms at 2 MB/s, the rest without a ` +
            `limit; throttled ${metric("xerj_backup_throttled_seconds_total").toFixed(1)} s`,
        );
      });
    });
  },
);
