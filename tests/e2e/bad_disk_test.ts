/**
 * Disks that fail: an ext4 in a file of which the end is cut away (reads fail), and one in a sparse file on a file
 * system that is full (syncs fail). Needs root and loop devices.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { serverCommand, type ServerProcess, startServer } from "../support/server.ts";
import { BINARY, hasCommand, inDirectory, run, withBinary } from "./support.ts";

const TOML =
  "[storage]\nwal_sync = 'sync'\nflush_interval_secs = 3600\ndisk_reserve_mb = 0\nwal_max_size_mb = 4\n" +
  "scrub_mb_per_sec = 0\n[merge]\nmin_segments = 1000\n";

/** Makes an ext4 in `image` and mounts it. @throws Where that cannot be done. */
function mountImage(image: string, sizeMib: number, at: string): void {
  run("truncate", "-s", `${sizeMib}M`, image);
  // Without lazy initialisation nothing but this test writes to it.
  run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
  Deno.mkdirSync(at);
  run("mount", "-o", "loop", image, at);
}

function mayMount(): boolean {
  if (Deno.uid() !== 0 || !["mkfs.ext4", "mount", "losetup"].every(hasCommand)) return false;
  const root = Deno.makeTempDirSync();
  try {
    mountImage(`${root}/image`, 8, `${root}/disk`);
    run("umount", `${root}/disk`);
    Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "1");
    return true;
  } catch (error) {
    console.log(`no loop devices: ${(error as Error).message.trim()}`);
    return false;
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const ignore = !mayMount();
if (ignore) console.log("this user cannot mount loop devices: failing disks are not tested");

/** Writes 50 documents at once. @returns Status of the request, or of the first refused document. */
async function bulk(server: ServerProcess, from: number, acknowledged: Set<string>): Promise<number> {
  let body = "";
  for (let i = from; i < from + 50; i++) {
    body += `{"index":{"_id":"${i}"}}\n{"text":"${i} ${crypto.randomUUID().repeat(20)}"}\n`;
  }
  const headers = { "content-type": "application/x-ndjson" };
  const response = await fetch(`${server.es}/logs/_bulk`, { method: "POST", body, headers });
  const answer = await response.json();
  if (response.status !== 200) return response.status;
  const items: { index: { _id: string; status: number } }[] = answer.items;
  for (const { index } of items) if (index.status < 300) acknowledged.add(index._id);
  return items.find(({ index }) => index.status >= 300)?.index.status ?? 200;
}

async function expectAll(server: ServerProcess, ids: ReadonlySet<string>): Promise<void> {
  await server.json(`${server.es}/logs/_refresh`, { method: "POST" });
  for (const id of ids) assertEquals((await server.json(`/v1/indices/logs/docs/${id}`)).status, 200, id);
  const search = { size: 0, track_total_hits: true };
  const { body } = await server.json("/v1/indices/logs/search", { method: "POST", json: search });
  assertEquals(body["total"], ids.size);
}

function verify(dataDir: string): { readonly code: number; readonly text: string } {
  const [command, ...args] = [...serverCommand(BINARY), "verify", "--data-dir", dataDir];
  const { code, stdout, stderr } = new Deno.Command(command!, { args }).outputSync();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** Last byte of a file's data in the image. */
function lastByteOf(path: string): number {
  const blocks = run("filefrag", "-v", "-b4096", path).matchAll(/^\s*\d+:.*?:\s*(\d+)\.\.\s*(\d+):/gm);
  return Math.max(0, ...[...blocks].map(([, , end]) => (Number(end) + 1) * 4096));
}

Deno.test({
  name: "a disk whose end cannot be read: named by verify, no wrong answer, nothing lost once it reads again",
  ignore: ignore || !hasCommand("filefrag"),
}, async () => {
  await inDirectory(async (root) => {
    const [image, disk] = [`${root}/image`, `${root}/disk`];
    const dataDir = `${root}/data`;
    const folder = `${dataDir}/logs/seg-000001`;
    const acknowledged = new Set<string>();
    const server = await startServer(withBinary({ dataDir, toml: TOML }));
    for (let i = 0; i < 20; i++) assertEquals(await bulk(server, i * 50, acknowledged), 200);
    assertEquals((await server.json("/v1/admin/flush", { method: "POST" })).status, 200);
    for (let i = 20; i < 30; i++) assertEquals(await bulk(server, i * 50, acknowledged), 200);
    await server.kill();

    // The segment lies on a disk of its own, so that nothing else is cut away.
    mountImage(image, 64, disk);
    run("sh", "-c", `rmdir ${disk}/lost+found; cp -p ${folder}/* ${disk}/ && umount ${disk}`);
    run("mount", "-o", "loop", image, folder);
    try {
      const segment = `${folder}/segment.seg`;
      const cut = lastByteOf(segment) - 4096;

      // Its last page is gone, and comes back later.
      const whole = Deno.statSync(image).size;
      run("dd", `if=${image}`, `of=${root}/end`, `bs=4096`, `skip=${cut / 4096}`, "status=none");
      run("truncate", "-s", String(cut), image);
      Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "3");

      let failure = "";
      try {
        await Deno.readFile(segment);
      } catch (error) {
        failure = (error as Error).message;
      }
      assert(failure.includes("os error 5"), `the segment reads: ${failure}`);
      const damaged = verify(dataDir);
      assertEquals(damaged.code, 1, damaged.text);
      assert(damaged.text.includes("segment.seg"), damaged.text);
      console.log(damaged.text.split("\n").find((line) => line.includes("segment.seg")));

      const again = await startServer(withBinary({ dataDir, toml: TOML, waitReady: false }));
      const outcome = await Promise.race([
        again.ready().then(() => "ready", () => "ended"),
        again.exited.then(() => "ended"),
      ]);
      let right = 0;
      let refused = 0;
      for (const id of acknowledged) {
        if (!again.alive) break;
        try {
          const { status, body } = await again.json(`/v1/indices/logs/docs/${id}`);
          if (status === 200) right++;
          else {
            assert(status >= 500, `${id}: ${status} ${JSON.stringify(body)}`);
            refused++;
          }
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // It ended: a mapped page that cannot be read.
          break;
        }
      }
      console.log(`start: ${outcome}; ${right} documents read, ${refused} refused, alive ${again.alive}`);
      await again.kill();

      run(
        "dd",
        `if=${root}/end`,
        `of=${image}`,
        "bs=4096",
        `seek=${cut / 4096}`,
        "conv=notrunc",
        "status=none",
      );
      assertEquals(Deno.statSync(image).size, whole);
      Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "3");
      const mended = await startServer(withBinary({ dataDir, toml: TOML }));
      await expectAll(mended, acknowledged);
      assertEquals(await mended.stop(), 0);
      assertEquals(verify(dataDir).code, 0);
    } finally {
      run("umount", folder);
    }
  });
});

Deno.test({
  name: "a disk whose syncs fail: writes get 503, reads go on, nothing acknowledged is lost",
  ignore,
}, async () => {
  await inDirectory(async (root) => {
    const [full, image, disk] = [`${root}/full`, `${root}/full/image`, `${root}/disk`];
    Deno.mkdirSync(full);
    run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", full);
    try {
      mountImage(image, 128, disk);
      try {
        const dataDir = `${disk}/data`;
        const acknowledged = new Set<string>();
        const server = await startServer(withBinary({ dataDir, toml: TOML }));
        try {
          let status = 200;
          // Blocks of the image that cannot be allocated: the kernel reports EIO to whoever syncs.
          for (let i = 0; status === 200 && i < 2000; i++) status = await bulk(server, i * 50, acknowledged);
          console.log(`${acknowledged.size} acknowledged, then ${status}`);
          assertEquals(status, 503);
          await expectReadable(server, acknowledged);
          const { body } = await server.json("/v1/health");
          assertEquals(body["status"], "red", JSON.stringify(body));
        } finally {
          await server.kill();
        }
        // There is room again, and the file system is mounted anew, as after a repair of the machine.
        run("umount", disk);
        run("mount", "-o", "remount,size=256m", full);
        new Deno.Command("e2fsck", { args: ["-fy", image], stdout: "null", stderr: "null" }).outputSync();
        run("mount", "-o", "loop", image, disk);
        const again = await startServer(withBinary({ dataDir, toml: TOML }));
        try {
          await expectReadable(again, acknowledged);
          const search = { size: 0, track_total_hits: true };
          const { body } = await again.json("/v1/indices/logs/search", { method: "POST", json: search });
          assert(Number(body["total"]) >= acknowledged.size, JSON.stringify(body));
          assertEquals(await bulk(again, 1_000_000, acknowledged), 200);
        } finally {
          await again.kill();
        }
      } finally {
        run("umount", disk);
      }
    } finally {
      run("umount", full);
    }
  });
});

async function expectReadable(server: ServerProcess, ids: ReadonlySet<string>): Promise<void> {
  const sample = [...ids].filter((_, i) => i % 50 === 0 || i > ids.size - 200);
  for (const id of sample) assertEquals((await server.json(`/v1/indices/logs/docs/${id}`)).status, 200, id);
}
