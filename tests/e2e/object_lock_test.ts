/**
 * Object lock against a real store: what is written cannot be deleted, what is reused stays locked, and what an intruder
 * deleted or overwrote comes back.
 */
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openS3Store } from "../../src/objectstore/s3_store.ts";
import { xerj } from "../support/command.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { clientOf, type S3Server, setPolicy, startS3Server } from "../support/s3_server.ts";
import { type Answer, digest, fill, ignore, post, withServer } from "./backup_support.ts";

const DAY_MS = 24 * 3600 * 1000;
const DAYS = 4;

interface Version {
  readonly key: string;
  readonly versionId: string;
}

async function versions(s3: S3Server, client: S3Client, prefix: string): Promise<Version[]> {
  const page = await client.send(new ListObjectVersionsCommand({ Bucket: s3.bucket, Prefix: prefix }));
  return (page.Versions ?? []).map(({ Key, VersionId }) => ({ key: Key!, versionId: VersionId! }));
}

/** How long the current version is still locked, in days. */
async function daysLeft(s3: S3Server, client: S3Client, key: string): Promise<number> {
  const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket: s3.bucket, Key: key }));
  return (Retention!.RetainUntilDate!.getTime() - Date.now()) / DAY_MS;
}

async function inLockedBucket(
  test: (place: { s3: S3Server; proxy: FaultProxy; client: S3Client; toml: string }) => Promise<void>,
): Promise<void> {
  const s3 = await startS3Server({ objectLock: true });
  const proxy = new FaultProxy({ target: s3.endpoint, secretKey: s3.secretKey });
  const client = clientOf(s3);
  // An account that may do what docs/s3.md says that it needs, and nothing else.
  const writer = await s3.makeUser("locker");
  const allow = (Action: string[], Resource: string) => ({
    Effect: "Allow",
    Principal: { AWS: [writer.accessKey] },
    Action,
    Resource: `arn:aws:s3:::${s3.bucket}${Resource}`,
  });
  await setPolicy(s3, {
    Version: "2012-10-17",
    Statement: [
      allow([
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
        "s3:PutObjectRetention",
        "s3:GetObjectRetention",
      ], "/*"),
      allow(["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketObjectLockConfiguration"], ""),
    ],
  });
  const toml = `
[backup.repositories.safe]
destination = "s3://${s3.bucket}/safe"
endpoint = "${proxy.endpoint}"
access_key = "${writer.accessKey}"
secret_key = "${writer.secretKey}"
object_lock_days = ${DAYS}
`;
  try {
    await test({ s3, proxy, client, toml });
  } finally {
    client.destroy();
    await proxy.stop();
    await s3.stop();
  }
}

Deno.test({
  name: "object lock: new objects are locked, reused ones are locked again when it is time",
  ignore,
}, async () => {
  await inLockedBucket(async ({ s3, proxy, client, toml }) => {
    await withServer(toml, async (server) => {
      await fill(server, "logs", 0, 3000);
      const request = { repository: "safe", flush_first: true };
      const first: Answer = await post(server, "/v1/admin/backup", request);
      assertEquals(first.status, 200, JSON.stringify(first.body));
      const stored = await versions(s3, client, "safe/");
      const locked = stored.filter(({ key }) => /^safe\/(objects\/|backups\/|head\.json)/.test(key));
      assert(locked.length >= 4, JSON.stringify(stored));
      for (const { key, versionId } of locked) {
        assert(await daysLeft(s3, client, key) > DAYS, key);
        const attempt = client.send(
          new DeleteObjectCommand({ Bucket: s3.bucket, Key: key, VersionId: versionId }),
        );
        const refusal = await attempt.then(() => "deleted", (error) => String(error.name));
        assertEquals(refusal, "AccessDenied", `${key} cannot be deleted, by the owner of the bucket either`);
      }
      assertEquals(
        stored.filter(({ key }) => key.startsWith("safe/probe/")).length > 0,
        true,
        "versions of the probe",
      );

      const extended = () => proxy.counts.requests.get("PUT") ?? 0;
      proxy.resetCounts();
      const again: Answer = await post(server, "/v1/admin/backup", request);
      assertEquals([again.status, again.body.bytes, again.body.locks_extended], [200, 0, undefined]);
      assertEquals(extended(), 2, "a manifest and a head: nothing is locked anew each time");

      const objects = [...new Set(locked.map(({ key }) => key))].filter((key) =>
        key.startsWith("safe/objects/")
      );
      for (const key of objects) {
        await client.send(
          new PutObjectRetentionCommand({
            Bucket: s3.bucket,
            Key: key,
            BypassGovernanceRetention: true,
            Retention: { Mode: "GOVERNANCE", RetainUntilDate: new Date(Date.now() + (DAYS - 1) * DAY_MS) },
          }),
        );
      }
      const later: Answer = await post(server, "/v1/admin/backup", request);
      assertEquals(
        [later.status, later.body.locks_extended],
        [200, objects.length],
        JSON.stringify(later.body),
      );
      for (const key of objects) assert(await daysLeft(s3, client, key) > DAYS, key);
    });
  });
});

Deno.test({ name: "object lock: what an intruder deleted and overwrote comes back", ignore }, async () => {
  await inLockedBucket(async ({ s3, client, toml }) => {
    await withServer(toml, async (server) => {
      await fill(server, "logs", 0, 3000);
      const made: Answer = await post(server, "/v1/admin/backup", { repository: "safe", flush_first: true });
      assertEquals(made.status, 200, JSON.stringify(made.body));
      const expected = await digest(server, "logs");

      const put = (Key: string, Body: Uint8Array | string) =>
        client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body }));
      const keys = [...new Set((await versions(s3, client, "safe/")).map(({ key }) => key))]
        .filter((key) => !key.startsWith("safe/probe/"));
      const [overwritten, ...others] = keys.filter((key) => key.startsWith("safe/objects/"));
      const size = Deno.statSync(`${s3.directory}/${s3.bucket}/${overwritten}`).size;
      for (const key of [...others, ...keys.filter((key) => key.startsWith("safe/backups/"))]) {
        await client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: key }));
      }
      await put(overwritten!, new Uint8Array(size).fill(7));
      await put("safe/head.json", "pay 3 bitcoins");

      const command = (...args: string[]) =>
        xerj([...args, "--to", `s3://${s3.bucket}/safe`, "--endpoint", s3.endpoint, "--json"], {
          AWS_ACCESS_KEY_ID: s3.accessKey,
          AWS_SECRET_ACCESS_KEY: s3.secretKey,
        });
      assertEquals((await command("backup", "verify", "--quick")).code, 1, "nothing can be restored");
      const dry = await command("backup", "undelete", "--dry-run");
      assertEquals(dry.code, 0, dry.stdout + dry.stderr);
      const { heads } = JSON.parse(dry.stdout);
      const chosen = heads.find((head: { chosen: boolean }) => head.chosen);
      assertEquals([chosen.backups, chosen.current], [1, false], dry.stdout);
      assertEquals((await command("backup", "verify", "--quick")).code, 1, "a dry run changes nothing");
      const back = await command("backup", "undelete", "--full");
      assertEquals(back.code, 0, back.stdout + back.stderr);
      const { restored, lost } = JSON.parse(back.stdout);
      console.log(`${restored.length} manifests and objects came back`);
      assertEquals([lost, restored.length], [[], keys.length - 1], back.stdout);
      const verified = await command("backup", "verify", "--full");
      assertEquals(verified.code, 0, verified.stdout);
      const restoredIndex: Answer = await post(server, "/v1/admin/restore", {
        repository: "safe",
        rename_pattern: "logs",
        rename_replacement: "back",
      });
      assertEquals(restoredIndex.status, 200, JSON.stringify(restoredIndex.body));
      assertEquals(await digest(server, "back"), expected);
      assertEquals(
        (await post(server, "/v1/admin/backup", { repository: "safe" })).status,
        200,
        "and it goes on",
      );
    });
  });
});

Deno.test(
  { name: "object lock that is configured where there is none is refused with words", ignore },
  async () => {
    const s3 = await startS3Server();
    try {
      const toml = `
[backup.repositories.safe]
destination = "s3://${s3.bucket}/safe"
endpoint = "${s3.endpoint}"
access_key = "${s3.accessKey}"
secret_key = "${s3.secretKey}"
object_lock_days = 1
`;
      await withServer(toml, async (server) => {
        const refused: Answer = await post(server, "/v1/admin/backup", { repository: "safe" });
        assertEquals(refused.status, 400, JSON.stringify(refused.body));
        assertStringIncludes(refused.body.error.reason, "has no object lock");
        assertEquals([...Deno.readDirSync(`${s3.directory}/${s3.bucket}`)], [], "nothing was written");
        const probe = await xerj([
          "backup",
          "probe",
          "--to",
          `s3://${s3.bucket}/safe`,
          "--endpoint",
          s3.endpoint,
        ], {
          AWS_ACCESS_KEY_ID: s3.accessKey,
          AWS_SECRET_ACCESS_KEY: s3.secretKey,
        });
        assertEquals(probe.code, 0, probe.stdout);
        assertStringIncludes(
          probe.stdout,
          "object lock: The bucket has no object lock; only object_lock_days needs it.",
        );
        const named = await xerj(["backup", "probe", "--to", "safe", "--config", server.configPath]);
        assertEquals(named.code, 1, named.stdout);
        assertStringIncludes(
          named.stdout,
          "FAILED object lock: The bucket has no object lock, and object_lock_days is set.",
        );
      });
    } finally {
      await s3.stop();
    }
  },
);

Deno.test({
  name: "object lock: objects that go up in parts are locked, too; those of probes are not",
  ignore,
}, async () => {
  const s3 = await startS3Server({ objectLock: true });
  const store = openS3Store({
    bucket: s3.bucket,
    prefix: "parts",
    endpoint: s3.endpoint,
    credentials: { accessKey: s3.accessKey, secretKey: s3.secretKey },
    lock: { mode: "compliance", days: 1 },
    partBytes: 5 * 1024 * 1024,
  });
  try {
    const bytes = new Uint8Array(6 * 1024 * 1024).fill(1);
    const source = {
      sizeBytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
    };
    for (const name of ["objects/big", "probe/big"]) await store.putFile(name, source);
    const left = async (name: string) => ((await store.head(name))?.lockedUntilMs ?? Date.now()) - Date.now();
    assert(Math.abs(await left("objects/big") - 2 * DAY_MS) < 60_000, "a day, and one more");
    assert(await left("probe/big") <= 0);
    assertEquals(await store.objectLock!(), "on");
  } finally {
    store.close();
    await s3.stop();
  }
});
