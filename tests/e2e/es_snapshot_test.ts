/** Elasticsearch's snapshot API through its official client, onto a directory and a bucket. */
import { assert, assertEquals } from "@std/assert";
import { Client } from "@elastic/elasticsearch";
import { digest, fill, ignore, inBucket, withServer } from "./backup_support.ts";
import { inDirectory } from "./support.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

async function failure(call: Promise<unknown>): Promise<{ status: number; type: string }> {
  try {
    await call;
  } catch (error) {
    const { statusCode, body } = (error as Any).meta;
    return { status: statusCode, type: body.error.type };
  }
  throw new Error("it went through");
}

// The client's connections keep timers of their own for a while.
const sanitizers = { sanitizeOps: false, sanitizeResources: false };

Deno.test({
  name: "the official client: repositories, snapshots, status, restore under other names, deletion",
  ...sanitizers,
}, async () => {
  await inDirectory(async (disk) => {
    await withServer("", async (server) => {
      const client = new Client({ node: server.es });
      try {
        await fill(server, "logs-1", 0, 1000);
        await fill(server, "logs-2", 0, 500);
        await fill(server, "other", 0, 10);
        const body = { type: "fs", settings: { location: `${disk}/backups` } } as Any;
        assertEquals(await client.snapshot.createRepository({ name: "disk", body } as Any), {
          acknowledged: true,
        });
        const repositories = await client.snapshot.getRepository() as Any;
        assertEquals(repositories, { disk: { type: "fs", settings: { location: `${disk}/backups` } } });
        assertEquals(Object.keys((await client.snapshot.verifyRepository({ name: "disk" })).nodes).length, 1);

        const first = await client.snapshot.create({
          repository: "disk",
          snapshot: "one",
          wait_for_completion: true,
        }) as Any;
        assertEquals([first.snapshot.state, first.snapshot.shards.failed], ["SUCCESS", 0]);
        assertEquals(first.snapshot.indices, ["logs-1", "logs-2", "other"]);
        const before = await digest(server, "logs-1");
        await fill(server, "logs-1", 1000, 1100);
        await client.snapshot.create({
          repository: "disk",
          snapshot: "two",
          indices: "logs-*",
          wait_for_completion: true,
        } as Any);
        const again = client.snapshot.create({ repository: "disk", snapshot: "two" });
        assertEquals(await failure(again), { status: 400, type: "invalid_snapshot_name_exception" });

        const listed = await client.snapshot.get({ repository: "disk", snapshot: "_all" }) as Any;
        assertEquals(listed.snapshots.map((one: Any) => [one.snapshot, one.state, one.indices]), [
          ["one", "SUCCESS", ["logs-1", "logs-2", "other"]],
          ["two", "SUCCESS", ["logs-1", "logs-2"]],
        ]);
        const status = await client.snapshot.status({ repository: "disk", snapshot: "two" }) as Any;
        assertEquals(status.snapshots[0].state, "SUCCESS");
        assert(status.snapshots[0].stats.total.size_in_bytes > 0);

        const restored = await client.snapshot.restore({
          repository: "disk",
          snapshot: "one",
          indices: "logs-*",
          rename_pattern: "logs-(.+)",
          rename_replacement: "restored-$1",
          wait_for_completion: true,
        } as Any) as Any;
        assertEquals(restored.snapshot.indices, ["restored-1", "restored-2"]);
        assertEquals(await digest(server, "restored-1"), before);
        assertEquals(await digest(server, "restored-2"), await digest(server, "logs-2"));
        const taken = client.snapshot.restore(
          { repository: "disk", snapshot: "one", indices: "other" } as Any,
        );
        assertEquals(await failure(taken), { status: 409, type: "restore_conflict_exception" });

        assertEquals(await client.snapshot.delete({ repository: "disk", snapshot: "one" }), {
          acknowledged: true,
        });
        assertEquals(await failure(client.snapshot.get({ repository: "disk", snapshot: "one" })), {
          status: 404,
          type: "snapshot_missing_exception",
        });
        await client.indices.delete({ index: "logs-1" });
        await client.snapshot.restore({
          repository: "disk",
          snapshot: "two",
          indices: "logs-1",
          wait_for_completion: true,
        } as Any);
        const { count } = await client.count({ index: "logs-1" });
        assertEquals(count, 1100);

        assertEquals(await client.snapshot.deleteRepository({ name: "disk" }), { acknowledged: true });
        assertEquals(await failure(client.snapshot.getRepository({ name: "disk" })), {
          status: 404,
          type: "repository_missing_exception",
        });
        const secret = { type: "s3", settings: { bucket: "b-b-b", secret_key: "geheim" } };
        assertEquals(
          (await failure(client.snapshot.createRepository({ name: "s3", body: secret } as Any))).status,
          400,
        );
        assert(!server.log.includes("geheim"));
      } finally {
        await client.close();
      }
    });
  });
});

Deno.test(
  { name: "a repository of the configuration is there under its name", ignore, ...sanitizers },
  async () => {
    await inBucket(async ({ s3 }) => {
      const toml =
        `[backup.repositories.main]\ndestination = "s3://${s3.bucket}/named"\nendpoint = "${s3.endpoint}"\n` +
        `access_key = "${s3.accessKey}"\nsecret_key = "${s3.secretKey}"\n`;
      await withServer(toml, async (server) => {
        const client = new Client({ node: server.es });
        try {
          await fill(server, "logs", 0, 300);
          assertEquals(Object.keys(await client.snapshot.getRepository()), ["main"]);
          await client.snapshot.create({ repository: "main", snapshot: "s", wait_for_completion: true });
          await client.snapshot.restore({
            repository: "main",
            snapshot: "s",
            rename_pattern: "^",
            rename_replacement: "old-",
            wait_for_completion: true,
          } as Any);
          assertEquals(await digest(server, "old-logs"), await digest(server, "logs"));
        } finally {
          await client.close();
        }
      });
    });
  },
);
