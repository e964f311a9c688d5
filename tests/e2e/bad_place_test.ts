/**
 * Places that do not fit a server: a read-only mount, a full disk, a port in use.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { freePort, serverCommand, type ServerProcess, startServer } from "../support/server.ts";
import {
  BINARY,
  delay,
  hasCommand,
  inDirectory,
  logged,
  logLines,
  refusedStart,
  run,
  withBinary,
} from "./support.ts";

const EXIT_REFUSED = 2;
const MIB = 1024 * 1024;

/** Whether this process may mount: root, and not in a sandbox that forbids it. */
function mayMount(): boolean {
  if (!hasCommand("mount") || Deno.uid() !== 0) return false;
  const path = Deno.makeTempDirSync();
  try {
    const args = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path];
    const { success } = new Deno.Command("mount", { args, stdout: "null", stderr: "null" }).outputSync();
    if (success) run("umount", path);
    return success;
  } finally {
    Deno.removeSync(path);
  }
}

const ignore = !mayMount();
if (ignore) console.log("this user cannot mount: full disks and read-only mounts are not tested");

/** Runs `test` on a small disk of its own. */
async function onDisk(sizeMib: number, test: (path: string) => Promise<void>): Promise<void> {
  await inDirectory(async (root) => {
    const path = `${root}/disk`;
    Deno.mkdirSync(path);
    run("mount", "-t", "tmpfs", "-o", `size=${sizeMib}m`, "tmpfs", path);
    try {
      await test(path);
    } finally {
      run("umount", path);
    }
  });
}

function refusalOf(log: string): string {
  const refusal = logLines(log).find(({ message }) => message === "the server cannot go on");
  if (!refusal) throw new Error(`no refusal in:\n${log}`);
  console.log(String(refusal["reason"]));
  return String(refusal["reason"]);
}

Deno.test({ name: "a read-only mount is refused by name, with or without data on it", ignore }, async () => {
  await onDisk(16, async (disk) => {
    const dataDir = `${disk}/data`;
    const server = await startServer(withBinary({ dataDir, toml: "[storage]\ndisk_reserve_mb = 0\n" }));
    await server.json("/v1/indices/logs/docs/1", { method: "PUT", json: { n: 1 } });
    await server.stop();
    run("mount", "-o", "remount,ro", disk);
    for (const path of [dataDir, `${disk}/other`]) {
      const { code, log } = await refusedStart({ dataDir: path });
      assertEquals(code, EXIT_REFUSED, log);
      const reason = refusalOf(log);
      assert(reason.includes(path) && reason.includes("Read-only file system"), reason);
    }
    run("mount", "-o", "remount,rw", disk);
    const again = await startServer(withBinary({ dataDir }));
    assertEquals((await again.json("/v1/indices/logs/docs/1")).status, 200);
    await again.stop();
  });
});

interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
}

/** Writes until the disk is full. @returns The refusal: of the whole request, or of each of its documents. */
async function fill(server: ServerProcess, acknowledged: Set<string>): Promise<Refusal> {
  const text = "x".repeat(1000);
  for (let request = 0; request < 10_000; request++) {
    let body = "";
    const ids = Array.from({ length: 50 }, (_, i) => `${request}-${i}`);
    for (const id of ids) {
      body += `{"index":{"_id":"${id}"}}\n{"text":"${id} ${crypto.randomUUID()} ${text}"}\n`;
    }
    const response = await fetch(`${server.es}/logs/_bulk`, {
      method: "POST",
      body,
      headers: { "content-type": "application/x-ndjson" },
    });
    const { status } = response;
    const answer = await response.json();
    if (status !== 200) {
      assert(Number(response.headers.get("retry-after")) > 0, "says when to try again");
      return { status, ...answer.error };
    }
    const items: { index: { _id: string; status: number; error?: Refusal } }[] = answer.items;
    for (const { index: { _id, error } } of items) if (!error) acknowledged.add(_id);
    const refused = items.find(({ index }) => index.error)?.index;
    if (refused) return { ...refused.error!, status: refused.status };
  }
  throw new Error("the disk does not get full");
}

async function expectAll(server: ServerProcess, ids: ReadonlySet<string>): Promise<void> {
  await server.json(`${server.es}/logs/_refresh`, { method: "POST" });
  const { body } = await server.json("/v1/indices/logs/search", {
    method: "POST",
    json: { size: 0, track_total_hits: true },
  });
  assertEquals(body["total"], ids.size);
  const sample = [...ids].filter((_, i) => i % 500 === 0 || i > ids.size - 5);
  for (const id of sample) assertEquals((await server.json(`/v1/indices/logs/docs/${id}`)).status, 200, id);
}

Deno.test({
  name: "a full disk: writes get 429, searches go on, service resumes by itself, nothing is lost",
  ignore,
}, async () => {
  await onDisk(24, async (disk) => {
    const ballast = `${disk}/ballast`;
    Deno.writeFileSync(ballast, new Uint8Array(12 * MIB));
    const dataDir = `${disk}/data`;
    const toml =
      "[storage]\nwal_max_size_mb = 2\nflush_interval_secs = 3600\nretain_superseded_secs = 0\ndisk_reserve_mb = 0\n";
    const acknowledged = new Set<string>();
    const server = await startServer(withBinary({ dataDir, toml }));
    try {
      const refused = await fill(server, acknowledged);
      console.log(`${acknowledged.size} acknowledged, then`, refused);
      assertEquals([refused.status, refused.type], [429, "disk_full"]);
      const { status } = await server.json("/v1/indices/logs/docs/extra", {
        method: "PUT",
        json: { text: "x" },
      });
      assertEquals(status, 429);
      await expectAll(server, acknowledged);
      const flushed = await server.json("/v1/admin/flush", { method: "POST" });
      if (flushed.status !== 200) console.log("flush:", flushed.body["error"]);
      await expectAll(server, acknowledged);

      Deno.removeSync(ballast);
      for (const until = performance.now() + 20_000;;) {
        const { status, body } = await server.json("/v1/indices/logs/docs/after", {
          method: "PUT",
          json: { text: "x" },
        });
        if (status === 201) break;
        assertEquals(status, 429, JSON.stringify(body));
        assert(performance.now() < until, "writes resume when there is room");
        await delay(50);
      }
      acknowledged.add("after");
      await expectAll(server, acknowledged);
      await server.kill();
    } finally {
      await server.kill();
      server.remove();
    }
    const again = await startServer(withBinary({ dataDir, toml }));
    try {
      await expectAll(again, acknowledged);
      assertEquals((await again.json("/v1/indices/logs/docs/extra")).status, 404);
      assertEquals((await again.json("/v1/admin/flush", { method: "POST" })).status, 200);
      await expectAll(again, acknowledged);
      assertEquals(await again.stop(), 0);
    } finally {
      await again.kill();
    }
  });
});

Deno.test({ name: "a start on a full disk says so", ignore }, async () => {
  await onDisk(1, async (disk) => {
    const space = `${disk}/space`;
    try {
      Deno.writeFileSync(space, new Uint8Array(2 * MIB));
    } catch (error) {
      assert(error instanceof Error && error.message.includes("No space left"));
    }
    const { code, log } = await refusedStart({ dataDir: `${disk}/data` });
    assertEquals(code, EXIT_REFUSED, log);
    const reason = refusalOf(log);
    assert(/no space left/i.test(reason), reason);
  });
});

Deno.test("a port in use is refused by number, and nothing else is disturbed", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    for (const [flag, other] of [["--rest-port", "--es-port"], ["--es-port", "--rest-port"]] as const) {
      await inDirectory(async (dataDir) => {
        const ports = [flag, String(listener.addr.port), other, String(freePort())];
        const [command, ...args] = [...serverCommand(BINARY), "--insecure", "--data-dir", dataDir, ...ports];
        const { code, stderr } = await new Deno.Command(command!, { args, stdout: "null", stderr: "piped" })
          .output();
        const log = new TextDecoder().decode(stderr);
        assertEquals(code, EXIT_REFUSED, log);
        const reason = refusalOf(log);
        assert(reason.includes(`127.0.0.1:${listener.addr.port}`), reason);
        // The lock is free again and the directory usable.
        const server = await startServer(withBinary({ dataDir }));
        await logged(server, ({ message }) => message === "ready");
        await server.stop();
      });
    }
  } finally {
    listener.close();
  }
});
