/**
 * Faults of the network and of the store while a real server backs up and restores: each is survived, or refused with
 * words, and whatever is listed afterwards restores.
 */
import { assert, assertEquals } from "@std/assert";
import type { Rule } from "../support/fault_proxy.ts";
import { type Answer, digest, fill, ignore, inBucket, post, withServer } from "./backup_support.ts";
import { delay } from "./support.ts";

/** What befalls some of the requests of a backup and of a restore. */
const FAULTS: readonly { readonly name: string; readonly rules: readonly Rule[] }[] = [
  { name: "latency", rules: [{ fault: { kind: "latency", ms: 150 } }] },
  { name: "resets before a request", rules: [{ fault: { kind: "reset" }, times: 4 }] },
  {
    name: "resets amid a body",
    rules: [{ fault: { kind: "reset", afterBytes: 20_000 }, method: "PUT", times: 4 }],
  },
  {
    name: "answers cut short",
    rules: [{ fault: { kind: "truncate", afterBytes: 100 }, method: "GET", times: 6 }],
  },
  { name: "500", rules: [{ fault: { kind: "status", status: 500, code: "InternalError" }, times: 6 }] },
  { name: "503 SlowDown", rules: [{ fault: { kind: "status", status: 503, code: "SlowDown" }, times: 6 }] },
  {
    name: "200 with an error",
    rules: [{ fault: { kind: "error in 200", code: "InternalError" }, times: 4 }],
  },
  { name: "lost replies", rules: [{ fault: { kind: "lost reply" }, method: "PUT", times: 8 }] },
  { name: "ranges ignored", rules: [{ fault: { kind: "ignored range" }, method: "GET" }] },
  {
    name: "a bit turned on the way back",
    rules: [{ fault: { kind: "flip", atByte: 5000 }, method: "GET", times: 2 }],
  },
  {
    name: "a bit turned on the way there",
    rules: [{ fault: { kind: "flip sent", atByte: 5000 }, method: "PUT", times: 2 }],
  },
  { name: "conditions ignored", rules: [{ fault: { kind: "ignored condition" } }] },
  { name: "denied", rules: [{ fault: { kind: "status", status: 403, code: "AccessDenied" } }] },
];

Deno.test(
  { name: "every fault of the store: survived or refused, and all that is listed restores", ignore },
  async () => {
    await inBucket(async ({ at, proxy }) => {
      await withServer("", async (server) => {
        await fill(server, "logs", 0, 4000);
        await server.json("/v1/admin/flush", { method: "POST" });
        const expected = await digest(server, "logs");
        let listed = 0;
        for (const [number, { name, rules }] of FAULTS.entries()) {
          const place = { ...at(`fault-${number}`), indices: "logs" };
          const hits = rules.map((rule) => proxy.add(rule));
          const made: Answer = await post(server, "/v1/admin/backup", place);
          const back = { ...place, rename_pattern: "logs", rename_replacement: `during-${number}` };
          const during: Answer = await post(server, "/v1/admin/restore", back);
          const count = hits.reduce((sum, hit) => sum + hit(), 0);
          proxy.clear();
          const says = ({ status, body }: Answer) =>
            status === 200 ? "done" : `${status} ${body.error.reason}`;
          console.log(`${name} (${count}): backup ${says(made)}; restore ${says(during)}`);
          assert(count > 0, `${name} befell nothing`);
          if (made.status !== 200) {
            assert(made.status >= 400 && made.body.error.reason.length > 20, JSON.stringify(made.body));
          }
          if (during.status === 200) {
            assertEquals(await digest(server, `during-${number}`), expected);
          }
          // What the store lists now, without faults, restores; what failed is not listed, and the next one goes through.
          const after: Answer = await post(server, "/v1/admin/restore", {
            ...place,
            rename_pattern: "logs",
            rename_replacement: `after-${number}`,
          });
          if (made.status === 200) {
            listed++;
            assertEquals(after.status, 200, JSON.stringify(after.body));
            assertEquals(await digest(server, `after-${number}`), expected);
          } else {
            assertEquals(after.status, 404, JSON.stringify(after.body));
            assertEquals((await post(server, "/v1/admin/backup", place)).status, 200, name);
          }
        }
        console.log(`${FAULTS.length} faults: ${listed} backups were listed, and each of them restores`);
      });
    });
  },
);

/** How long the network is cut; 30,000 in the long run. */
const CUT_MS = Number(Deno.env.get("XERJ_CUT_MS") ?? 3000);

Deno.test({ name: "the network is cut amid a backup and amid a restore: both go on", ignore }, async () => {
  await inBucket(async ({ at, proxy }) => {
    await withServer("[merge]\nmin_segments = 1000\n", async (server) => {
      for (let i = 0; i < 6; i++) {
        await fill(server, "logs", i * 1000, i * 1000 + 1000);
        await server.json("/v1/admin/flush", { method: "POST" });
      }
      const expected = await digest(server, "logs");
      // Known bytes first, so that the middle is known.
      const whole: Answer = await post(server, "/v1/admin/backup", at("whole"));
      const bytes = whole.body.bytes as number;

      // The first use of a place probes it, with large objects.
      await fill(server, "tiny", 0, 1);
      assertEquals((await post(server, "/v1/admin/backup", { ...at("cut"), indices: "tiny" })).status, 200);
      proxy.bytesPerSecond = bytes / 2;
      proxy.resetCounts();
      const backup = post(server, "/v1/admin/backup", { ...at("cut"), indices: "logs" });
      while (proxy.counts.sentBytes < bytes / 2) await delay(5);
      await proxy.cut(CUT_MS);
      proxy.bytesPerSecond = 0;
      const made: Answer = await backup;
      assertEquals(made.status, 200, JSON.stringify(made.body));
      const sent = proxy.counts.sentBytes;

      proxy.bytesPerSecond = bytes / 2;
      proxy.resetCounts();
      const restore = post(server, "/v1/admin/restore", {
        ...at("cut"),
        rename_pattern: "logs",
        rename_replacement: "back",
      });
      while (proxy.counts.receivedBytes < bytes / 2) await delay(5);
      await proxy.cut(CUT_MS);
      proxy.bytesPerSecond = 0;
      const restored: Answer = await restore;
      assertEquals(restored.status, 200, JSON.stringify(restored.body));
      console.log(
        `cut for ${CUT_MS} ms at half: backup of ${bytes} bytes sent ${sent} in all, ` +
          `restore fetched ${proxy.counts.receivedBytes}`,
      );
      assertEquals(await digest(server, "back"), expected);
    });
  });
});
