/**
 * Restore drills of a real server against a real S3 store.
 */
import { assert, assertEquals } from "@std/assert";
import type { S3Server } from "../support/s3_server.ts";
import { serverCommand, type ServerProcess, startServer } from "../support/server.ts";
import { type Answer, type Bucket, fill, ignore, inBucket, post, withServer } from "./backup_support.ts";
import { delay, withBinary } from "./support.ts";

/** Writes, overwrites and deletes until it is told to end. */
function load(server: ServerProcess, index: string): { end(): Promise<number> } {
  let isOver = false;
  let operations = 0;
  const work = (async () => {
    for (let n = 0; !isOver; n++) {
      const lines: string[] = [];
      for (let i = 0; i < 200; i++) {
        const id = (n * 37 + i * 13) % 5000;
        if (i % 5 === 0) lines.push(JSON.stringify({ delete: { _id: `${id}` } }));
        else {
          lines.push(JSON.stringify({ index: { _id: `${id}` } }));
          lines.push(
            JSON.stringify({ n: n * 1000 + i, level: ["info", "warn"][i % 2], text: `round ${n} of load` }),
          );
        }
      }
      const response = await fetch(`${server.es}/${index}/_bulk`, {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body: `${lines.join("\n")}\n`,
      });
      await response.body?.cancel();
      assertEquals(response.status, 200);
      operations += 200;
    }
  })();
  // Told where it is ended: a test that fails before is told of its own failure.
  work.catch(() => {});
  return {
    end: async () => {
      isOver = true;
      await work;
      return operations;
    },
  };
}

/** Names of what drills have below a data directory, receipts left out. */
function rooms(dataDir: string): string[] {
  try {
    return [...Deno.readDirSync(`${dataDir}/_drills`)].map(({ name }) => name).filter((name) =>
      name !== "receipts"
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

Deno.test({
  name: "drill: passes for backups that are made under load, and leaves nothing but its receipt",
  ignore,
}, async () => {
  await inBucket(async ({ at }) => {
    await withServer("", async (server) => {
      await fill(server, "logs", 0, 2500);
      await fill(server, "still", 0, 300);
      let writes: ReturnType<typeof load> | undefined;
      // First with all of it in the log, then in segments with writes going on.
      for (let round = 0; round < 2; round++) {
        if (round === 1) writes = load(server, "logs");
        const backup: Answer = await post(server, "/v1/admin/backup", {
          ...at("loaded"),
          flush_first: round === 1,
        });
        assertEquals(backup.status, 200, JSON.stringify(backup.body));
        const { status, body }: Answer = await post(server, "/v1/admin/drill", at("loaded"));
        assertEquals([status, body.outcome], [200, "passed"], JSON.stringify(body));
        assertEquals(body.backup_id, backup.body.backup_id);
        assertEquals(body.indices.map(({ index }: { index: string }) => index), ["logs", "still"]);
        for (const { index, docs, docs_expected, probes, differences, omitted } of body.indices) {
          assertEquals(differences, [], index);
          // A machine that is busy with other things may leave no time for more, and says so.
          if (omitted !== undefined) continue;
          assertEquals(docs, docs_expected, index);
          assert(probes >= 3, `${probes} probes of ${index}`);
        }
        if (round === 0) {
          console.log(
            `drill of ${body.bytes} bytes: fetched in ${body.fetch_ms} ms, opened in ${body.open_ms} ms, ` +
              `compared in ${body.compare_ms} ms; ` +
              JSON.stringify(
                body.indices.map((each: { index: string; docs: number; probes: number }) =>
                  `${each.index}: ${each.docs} documents, ${each.probes} probes`
                ),
              ),
          );
        }
      }
      const operations = await writes!.end();
      assert(operations > 0);
      assertEquals(rooms(server.dataDir), []);
      const maps = Deno.readTextFileSync(`/proc/${server.pid}/maps`);
      assert(!maps.includes("/_drills/"), "what is removed gives its room back");
      const { body } = await server.json("/v1/admin/drills") as Answer;
      assertEquals(body.receipts.map(({ outcome }: { outcome: string }) => outcome), Array(2).fill("passed"));
      assertEquals(body.running, null);
    });
  });
});

/** Flips a bit in the middle of the largest object below a repository's folder in the gateway. @returns Its name. */
function flipLargest(folder: string): string {
  let largest = { name: "", bytes: 0 };
  for (const { name } of Deno.readDirSync(`${folder}/objects`)) {
    const { size } = Deno.statSync(`${folder}/objects/${name}`);
    if (size > largest.bytes) largest = { name: `objects/${name}`, bytes: size };
  }
  const path = `${folder}/${largest.name}`;
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length >>> 1]! ^= 0x10;
  Deno.writeFileSync(path, bytes);
  return largest.name;
}

async function xerj(args: readonly string[], s3: S3Server): Promise<{ code: number; output: string }> {
  const [program, ...first] = serverCommand();
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args: [...first, ...args],
    env: {
      AWS_ACCESS_KEY_ID: s3.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.secretKey,
      AWS_EC2_METADATA_DISABLED: "true",
    },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

function configured({ s3, proxy }: Bucket, further: string): string {
  return `[backup.repositories.main]
destination = "s3://${s3.bucket}/main"
endpoint = "${proxy.endpoint}"
access_key = "${s3.accessKey}"
secret_key = "${s3.secretKey}"
${further}
`;
}

async function warnings(server: ServerProcess): Promise<string[]> {
  const { body } = await server.json("/v1/health") as Answer;
  return body.warnings.map(({ cause }: { cause: string }) => cause).filter((cause: string) =>
    !cause.startsWith("requests need no key")
  );
}

async function metric(server: ServerProcess, line: string): Promise<string> {
  const text = await (await fetch(`${server.native}/v1/metrics`)).text();
  return text.split("\n").find((each) => each.startsWith(line))?.slice(line.length).trim() ?? "absent";
}

Deno.test(
  { name: "drill: one flipped byte in an object; who finds it, and what each says", ignore },
  async () => {
    await inBucket(async (bucket) => {
      const { s3, proxy } = bucket;
      const age = 'xerj_backup_last_proven_restore_age_seconds{repository="main"}';
      await withServer(configured(bucket, "max_drill_age_hours = 24"), async (server) => {
        await fill(server, "logs", 0, 4000);
        const ids: string[] = [];
        for (let n = 0; n < 2; n++) {
          await fill(server, `other-${n}`, 0, 10);
          const backup: Answer = await post(server, "/v1/admin/backup", {
            repository: "main",
            flush_first: true,
          });
          assertEquals(backup.status, 200, JSON.stringify(backup.body));
          ids.push(backup.body.backup_id);
        }
        assertEquals([await metric(server, age), await warnings(server)], ["+Inf", []]);
        const good: Answer = await post(server, "/v1/admin/drill", { repository: "main" });
        assertEquals([good.status, good.body.outcome], [200, "passed"], JSON.stringify(good.body));
        assert(Number(await metric(server, age)) < 60);

        const object = flipLargest(`${s3.directory}/${s3.bucket}/main`);
        const at = ["--to", `s3://${s3.bucket}/main`, "--endpoint", proxy.endpoint];
        const outcomes: Record<string, { code: number; output: string }> = {};
        for (const mode of [["--quick"], ["--sample", "5%"], ["--full"]]) {
          outcomes[`verify ${mode.join(" ")}`] = await xerj(["backup", "verify", ...mode, ...at], s3);
        }
        const { status, body }: Answer = await post(server, "/v1/admin/drill", { repository: "main" });
        assertEquals([status, body.outcome], [200, "failed"], JSON.stringify(body));
        for (const [what, { code, output }] of Object.entries(outcomes)) {
          console.log(`${what}: exit ${code}: ${output.trim().split("\n").join(" | ")}`);
        }
        console.log(`drill: ${body.outcome}: ${body.reason}`);
        assertEquals(outcomes["verify --quick"]!.code, 0, "sizes are right");
        assertEquals(outcomes["verify --full"]!.code, 1);
        for (const words of [object, ...ids]) {
          assert(body.reason.includes(words), `${words} in ${body.reason}`);
          assert(outcomes["verify --full"]!.output.includes(words), words);
        }
        assertEquals(await warnings(server), [
          `the last restore drill of [main] failed: backup ${ids[1]}: ${body.reason}`,
        ]);
        assertEquals(await metric(server, 'xerj_backup_drills_total{outcome="failed"}'), "1");
        assertEquals(rooms(server.dataDir), []);
        const cli = await xerj([
          "backup",
          "drill",
          "--from",
          `s3://${s3.bucket}/main`,
          "--endpoint",
          proxy.endpoint,
          "--scratch",
          server.dataDir,
        ], s3);
        assertEquals(cli.code, 1, cli.output);
        assert(cli.output.includes(object), cli.output);
        assertEquals(rooms(server.dataDir), []);
      });
    });
  },
);

Deno.test({
  name: "drill: kill -9 in the midst leaves nothing after the next start, and receipts stay",
  ignore,
}, async () => {
  await inBucket(async ({ at, proxy }) => {
    const dataDir = Deno.makeTempDirSync({ prefix: "xerj-drill-" });
    try {
      let server = await startServer(withBinary({ dataDir }));
      await fill(server, "logs", 0, 6000);
      const backup: Answer = await post(server, "/v1/admin/backup", { ...at("killed"), flush_first: true });
      assertEquals(backup.status, 200, JSON.stringify(backup.body));
      const first: Answer = await post(server, "/v1/admin/drill", at("killed"));
      assertEquals(first.body.outcome, "passed", JSON.stringify(first.body));
      proxy.bytesPerSecond = backup.body.bytes / 4;
      const begun: Answer = await post(server, "/v1/admin/drill?wait=false", at("killed"));
      assertEquals([begun.status, begun.body.outcome], [202, "running"], JSON.stringify(begun.body));
      const second: Answer = await post(server, "/v1/admin/drill", at("killed"));
      assertEquals([second.status, second.body.error.drill_id], [409, begun.body.drill_id]);
      while (rooms(dataDir).length === 0) await delay(5);
      await server.kill();
      assertEquals(rooms(dataDir), [begun.body.drill_id], "killed in its midst");
      proxy.bytesPerSecond = 0;

      server = await startServer(withBinary({ dataDir }));
      try {
        assertEquals(rooms(dataDir), []);
        const { body } = await server.json("/v1/admin/drills") as Answer;
        assertEquals(body.receipts.map(({ drill_id }: { drill_id: string }) => drill_id), [
          first.body.drill_id,
        ]);
        const again: Answer = await post(server, "/v1/admin/drill", at("killed"));
        assertEquals(again.body.outcome, "passed", JSON.stringify(again.body));
      } finally {
        await server.stop();
      }
    } finally {
      Deno.removeSync(dataDir, { recursive: true });
    }
  });
});

Deno.test({ name: "drill: by schedule, and ended in its midst by SIGTERM", ignore }, async () => {
  await inBucket(async (bucket) => {
    const { proxy } = bucket;
    const server = await startServer(
      withBinary({ toml: configured(bucket, 'drill_schedule = "* * * * * *"') }),
    );
    try {
      const last = async (outcome: string) => {
        for (;;) {
          const { body } = await server.json("/v1/admin/drills") as Answer;
          if (body.receipts[0]?.outcome === outcome) return body.receipts[0];
          await delay(20);
        }
      };
      const before = await last("failed");
      assertEquals([before.kind, before.repository], ["scheduled", "main"], "nothing was backed up yet");
      await fill(server, "logs", 0, 3000);
      const backup: Answer = await post(server, "/v1/admin/backup", { repository: "main" });
      assertEquals(backup.status, 200, JSON.stringify(backup.body));
      await last("passed");
      assertEquals(await warnings(server), []);
      proxy.bytesPerSecond = backup.body.bytes / 10;
      for (;;) {
        const { body } = await server.json("/v1/admin/drills") as Answer;
        if (body.running?.phase === "fetching") break;
        await delay(5);
      }
      server.child.kill("SIGTERM");
      assertEquals((await server.exited).code, 0, server.log);
    } finally {
      await server.kill();
      server.remove();
    }
  });
});
