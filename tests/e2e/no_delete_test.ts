/**
 * Credentials that cannot delete: with a real second account under the very policy of docs/s3.md.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { xerj } from "../support/command.ts";
import { setPolicy, startS3Server } from "../support/s3_server.ts";
import { type Answer, digest, fill, ignore, post, withServer } from "./backup_support.ts";
import { delay } from "./support.ts";

/** The page's, for an account of the bucket. */
function policyFor(account: string, bucket: string): unknown {
  const page = Deno.readTextFileSync(new URL("../../docs/s3.md", import.meta.url));
  const text = /^```json\n(\{\n {2}"Version"[^]*?)^```$/m.exec(page)![1]!;
  const { Version, Statement } = JSON.parse(text.replaceAll("my-backups", bucket));
  return {
    Version,
    Statement: Statement.map((one: object) => ({ ...one, Principal: { AWS: [account] } })),
  };
}

function filesBelow(path: string): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${path}/${name}`).map((inner) => `${name}/${inner}`) : [name]
  ).sort();
}

Deno.test(
  { name: "backups, shipping and restores without the right to delete; pruned by another", ignore },
  async () => {
    const s3 = await startS3Server();
    try {
      const writer = await s3.makeUser("writer");
      await setPolicy(s3, policyFor("writer", s3.bucket));
      const url = `s3://${s3.bucket}/xerj/main`;
      const toml = `
[backup.repositories.main]
destination = "${url}"
endpoint = "${s3.endpoint}"
access_key = "${writer.accessKey}"
secret_key = "${writer.secretKey}"
[backup.continuous]
enabled = true
repository = "main"
interval_ms = 100
`;
      const folder = `${s3.directory}/${s3.bucket}/xerj/main`;
      const command = (who: { accessKey: string; secretKey: string }, ...args: string[]) =>
        xerj([...args, "--to", url, "--endpoint", s3.endpoint, "--json"], {
          AWS_ACCESS_KEY_ID: who.accessKey,
          AWS_SECRET_ACCESS_KEY: who.secretKey,
        });
      await withServer(toml, async (server) => {
        // Shipping has made the repository: that probe's warning is in the log; the next place tells its own.
        const other: Answer = await post(server, "/v1/admin/backup", {
          destination: `s3://${s3.bucket}/xerj/other`,
          credentials: { endpoint: s3.endpoint, access_key: writer.accessKey, secret_key: writer.secretKey },
        });
        assertEquals(other.status, 200, JSON.stringify(other.body));
        const [, probe] =
          /may not delete at .*: (probe\/[0-9a-f-]+)\/ of the probe stays/.exec(other.body.warnings[0]) ?? [];
        assert(probe, JSON.stringify(other.body));
        const left = filesBelow(`${s3.directory}/${s3.bucket}/xerj/other/${probe}`);
        assert(left.length > 0, "what it says is there is there");

        const ids: string[] = [];
        for (let i = 0; i < 3; i++) {
          await fill(server, "logs", i * 500, i * 500 + 500);
          const made: Answer = await post(server, "/v1/admin/backup", {
            repository: "main",
            flush_first: true,
          });
          assertEquals(made.status, 200, JSON.stringify(made.body));
          ids.push(made.body.backup_id);
        }
        const expected = await digest(server, "logs");
        const shipped = async (): Promise<Answer> => await server.json("/v1/admin/continuous");
        const until = performance.now() + 10_000;
        while ((await shipped()).body.lag_ms > 0) {
          assert(performance.now() < until, JSON.stringify((await shipped()).body));
          await delay(50);
        }
        assertEquals((await shipped()).body.failures, 0);
        const verified: Answer = await post(server, "/v1/admin/backup/verify", {
          repository: "main",
          mode: "full",
        });
        assertEquals(verified.body.verdict, "sound", JSON.stringify(verified.body));

        // Refused before anything has changed, by the server and by the command.
        const before = filesBelow(folder).filter((name) => !name.startsWith("continuous/"));
        const head = Deno.readTextFileSync(`${folder}/head.json`);
        const gone: Answer = await server.json(`/v1/admin/backups/${ids[0]}?repository=main`, {
          method: "DELETE",
        });
        assertEquals([gone.status, gone.body.error.type], [403, "repository_access_denied_exception"]);
        assertStringIncludes(gone.body.error.reason, "nothing was changed");
        const pruned = await command(writer, "backup", "prune", "--keep-last", "1");
        assertEquals(pruned.code, 2, pruned.stdout);
        assertStringIncludes(pruned.stdout, "prune under another identity");
        assertEquals(Deno.readTextFileSync(`${folder}/head.json`), head, "every backup is still listed");
        assertEquals(filesBelow(folder).filter((name) => !name.startsWith("continuous/")), before);

        const dry = await command(s3, "backup", "prune", "--keep-last", "1", "--dry-run");
        assertEquals(JSON.parse(dry.stdout).removed, ids.slice(0, 2));
        const done = await command(s3, "backup", "prune", "--keep-last", "1");
        const { removed, objects_deleted: deleted, objects_left } = JSON.parse(done.stdout);
        assertEquals([done.code, removed, objects_left], [0, ids.slice(0, 2), 0], done.stdout + done.stderr);
        const after = filesBelow(folder).filter((name) => !name.startsWith("continuous/"));
        assertEquals(before.length - after.length, deleted, "exactly what it says");
        const restored: Answer = await post(server, "/v1/admin/restore", {
          repository: "main",
          rename_pattern: "logs",
          rename_replacement: "back",
        });
        assertEquals(restored.status, 200, JSON.stringify(restored.body));
        assertEquals(await digest(server, "back"), expected);
        assertEquals((await command(writer, "backup", "verify", "--full")).code, 0);
      });
    } finally {
      await s3.stop();
    }
  },
);
