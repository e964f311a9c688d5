/**
 * A repository that has lost something, beside a server that still has it: found, said, stored again, counted.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { xerj } from "../support/command.ts";
import type { ServerProcess } from "../support/server.ts";
import { type Answer, digest, fill, ignore, inBucket, post, withServer } from "./backup_support.ts";
import { delay } from "./support.ts";

/** Objects of a prefix as files of the gateway, the largest first. */
function objectsOf(directory: string, prefix: string): { readonly name: string; readonly path: string }[] {
  const folder = `${directory}/${prefix}/objects`;
  return [...Deno.readDirSync(folder)]
    .map(({ name }) => ({ name: `objects/${name}`, path: `${folder}/${name}` }))
    .sort((a, b) => Deno.statSync(b.path).size - Deno.statSync(a.path).size);
}

function flipByte(path: string): void {
  const bytes = Deno.readFileSync(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 0x40;
  Deno.writeFileSync(path, bytes);
}

async function metric(server: ServerProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.native}/v1/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

const named = (found: readonly { object: string; problem: string }[]) =>
  Object.fromEntries(found.map(({ object, problem }) => [object, problem]));

Deno.test(
  { name: "a flipped byte and a lost object: who finds them, and the server heals them", ignore },
  async () => {
    await inBucket(async ({ s3, at }) => {
      await withServer("", async (server) => {
        await fill(server, "logs", 0, 3000);
        const first: Answer = await post(server, "/v1/admin/backup", { ...at("sick"), flush_first: true });
        assertEquals(first.status, 200, JSON.stringify(first.body));
        await fill(server, "logs", 3000, 3500);
        const second: Answer = await post(server, "/v1/admin/backup", { ...at("sick"), flush_first: true });
        const expected = await digest(server, "logs");
        const ids = [first.body.backup_id, second.body.backup_id];
        const objects = objectsOf(`${s3.directory}/${s3.bucket}`, "sick");
        const flipped = objects.find(({ name }) => name.includes(`.${ids[0]}-`));
        const lost = objects.find(({ name }) => name.includes(`.${ids[1]}-`));
        flipByte(flipped!.path);
        Deno.removeSync(lost!.path);
        const verify = async (more: object): Promise<Answer> => {
          const answer = await post(server, "/v1/admin/backup/verify", { ...at("sick"), ...more });
          assertEquals(answer.status, 200, JSON.stringify(answer.body));
          return answer;
        };
        const quick = await verify({ mode: "quick" });
        assertEquals([quick.body.verdict, named(quick.body.damaged)], ["damaged", {
          [lost!.name]: "missing",
        }]);
        const sample = await verify({ mode: "sample", share: 1 });
        const full = await verify({ mode: "full" });
        const all = { [flipped!.name]: "damaged", [lost!.name]: "missing" };
        assertEquals([named(sample.body.damaged), named(full.body.damaged)], [all, all]);
        const affected = Object.fromEntries(
          full.body.damaged.map((
            { object, backups }: { object: string; backups: string[] },
          ) => [object, backups]),
        );
        assertEquals(affected, { [flipped!.name]: ids, [lost!.name]: [ids[1]] });
        const before: Answer = await server.json("/v1/health");
        assertStringIncludes(JSON.stringify(before.body), "2 objects of s3://");

        const asked = await post(server, "/v1/admin/backup/verify?wait=false", {
          ...at("sick"),
          mode: "full",
          heal: true,
        });
        assertEquals([asked.status, asked.body.state], [202, "running"], JSON.stringify(asked.body));
        const id = asked.body.verification_id;
        let healed: Answer;
        for (;;) {
          healed = await server.json(`/v1/admin/backup/verify/${id}`);
          if (healed.body.state !== "running") break;
          await delay(20);
        }
        assertEquals(
          [healed.body.state, healed.body.verdict],
          ["success", "healed"],
          JSON.stringify(healed.body),
        );
        assertEquals(healed.body.healed, [flipped!.name, lost!.name].sort());
        console.log(`healed 2 objects, ${healed.body.bytes_sent} bytes, in ${healed.body.duration_ms} ms`);
        assertEquals((await verify({ mode: "full" })).body.verdict, "sound");
        const after: Answer = await server.json("/v1/health");
        assertEquals(
          JSON.stringify(after.body).includes("cannot be used"),
          false,
          JSON.stringify(after.body),
        );
        assertEquals(await metric(server, "xerj_backup_objects_damaged_total"), 1 + 2 + 2 + 2);
        assertEquals(await metric(server, "xerj_backup_objects_healed_total"), 2);
        assertStringIncludes(server.log, "was stored again");
        const restored: Answer = await post(server, "/v1/admin/restore", {
          ...at("sick"),
          rename_pattern: "logs",
          rename_replacement: "back",
        });
        assertEquals(restored.status, 200, JSON.stringify(restored.body));
        assertEquals(await digest(server, "back"), expected);
        assertEquals([...Deno.readDirSync(`${server.dataDir}/_backups`)], [], "no link stays");
        const refused: Answer = await post(server, "/v1/admin/backup/verify", { ...at("sick"), share: 0.5 });
        assertEquals(refused.status, 400, JSON.stringify(refused.body));
      });
    });
  },
);

Deno.test(
  { name: "a backup finds that an object went, sends it anew; a command heals the older backups", ignore },
  async () => {
    await inBucket(async ({ s3, at }) => {
      await withServer("", async (server) => {
        await fill(server, "logs", 0, 2000);
        const first: Answer = await post(server, "/v1/admin/backup", { ...at("sick"), flush_first: true });
        const [lost] = objectsOf(`${s3.directory}/${s3.bucket}`, "sick");
        Deno.removeSync(lost!.path);
        const again: Answer = await post(server, "/v1/admin/backup", at("sick"));
        assertEquals(again.status, 200, JSON.stringify(again.body));
        assert(again.body.bytes > 0);
        assertEquals(again.body.objects_missing, [lost!.name]);
        assertStringIncludes(JSON.stringify(again.body.warnings), first.body.backup_id);
        const env = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey };
        const verify = (...args: string[]) =>
          xerj(
            [
              "backup",
              "verify",
              "--to",
              `s3://${s3.bucket}/sick`,
              "--endpoint",
              s3.endpoint,
              "--full",
              "--json",
              ...args,
            ],
            env,
          );
        const found = await verify();
        assertEquals(found.code, 1, found.stdout + found.stderr);
        assertEquals(
          JSON.parse(found.stdout).damaged[0].backups,
          [first.body.backup_id],
          "the newer one is whole",
        );
        // No data directory: the object that was sent anew holds the same bytes.
        const healed = await verify("--heal");
        assertEquals(
          [healed.code, JSON.parse(healed.stdout).verdict],
          [0, "healed"],
          healed.stdout + healed.stderr,
        );
        assertEquals((await verify()).code, 0);

        const [one] = objectsOf(`${s3.directory}/${s3.bucket}`, "sick").filter(({ name }) =>
          name !== lost!.name
        );
        flipByte(lost!.path);
        flipByte(one!.path);
        const none = await verify("--heal", "--data-dir", `${server.dataDir}/nowhere`);
        assertEquals(none.code, 2, none.stdout);
        const beside = await verify("--heal", "--data-dir", server.dataDir);
        assertEquals(
          [beside.code, JSON.parse(beside.stdout).healed.length],
          [0, 2],
          beside.stdout + beside.stderr,
        );
        assertEquals((await verify()).code, 0);
      });
    });
  },
);
