import { assertEquals, assertThrows } from "@std/assert";
import { IoError } from "../../src/base/errors.ts";
import { viewMapping } from "../../src/os/mapping.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";

const fs = realFileSystem();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (from: Uint8Array): string => new TextDecoder().decode(from);

async function withDirectory(run: (path: string) => void | Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "xerj-fs-" });
  try {
    await run(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

function code(call: () => unknown): string {
  return (assertThrows(call, IoError) as IoError).code;
}

Deno.test("a new file takes writes at its end, also after reads elsewhere", () =>
  withDirectory((path) => {
    const file = fs.create(`${path}/a`);
    file.write(bytes("hello "));
    const two = new Uint8Array(2);
    assertEquals(file.readAt(two, 1), 2);
    assertEquals(text(two), "el");
    file.write(bytes("world"));
    assertEquals(file.size(), 11);
    file.syncData();
    file.sync();
    file.startWriteback();
    file.close();
    assertEquals(text(fs.readFile(`${path}/a`)), "hello world");
    const again = fs.openAppend(`${path}/a`);
    again.write(bytes("!"));
    again.close();
    assertEquals(text(fs.readFile(`${path}/a`)), "hello world!");
  }));

Deno.test("writes and reads take bytes in shared memory, large ones whole", () =>
  withDirectory((path) => {
    const size = 9_000_001;
    const shared = new Uint8Array(new SharedArrayBuffer(size));
    for (let i = 0; i < size; i++) shared[i] = i * 31;
    const file = fs.create(`${path}/big`);
    file.write(shared);
    const back = new Uint8Array(new SharedArrayBuffer(size + 10));
    assertEquals(file.readAt(back, 0), size);
    assertEquals(back.subarray(0, size).every((byte, i) => byte === shared[i]), true);
    assertEquals(file.readAt(back, size), 0);
    file.close();
  }));

Deno.test("writeback finds a file that was renamed after it was opened", () =>
  withDirectory((path) => {
    const file = fs.create(`${path}/staged`);
    file.write(bytes("x"));
    fs.rename(`${path}/staged`, `${path}/final`);
    file.startWriteback();
    file.startWriteback();
    file.close();
  }));

Deno.test("failures carry the name of the errno and the path", () =>
  withDirectory((path) => {
    assertEquals(code(() => fs.openRead(`${path}/none`)), "ENOENT");
    assertEquals(code(() => fs.openAppend(`${path}/none`)), "ENOENT");
    assertEquals(code(() => fs.readFile(`${path}/none`)), "ENOENT");
    assertEquals(code(() => fs.list(`${path}/none`)), "ENOENT");
    assertEquals(code(() => fs.map(`${path}/none`)), "ENOENT");
    assertEquals(code(() => fs.syncDirectory(`${path}/none`)), "ENOENT");
    assertEquals(code(() => fs.freeBytes(`${path}/none`)), "ENOENT");
    fs.create(`${path}/a`).close();
    assertEquals(code(() => fs.create(`${path}/a`)), "EEXIST");
    assertEquals(code(() => fs.link(`${path}/a`, `${path}/a`)), "EEXIST");
    assertEquals(code(() => fs.unlink(path)), "EISDIR");
    assertEquals(code(() => fs.removeDirectory(`${path}/a`)), "ENOTDIR");
    assertEquals(code(() => fs.removeDirectory(path)), "ENOTEMPTY");
    const full = fs.openAppend("/dev/full");
    const error = assertThrows(() => full.write(bytes("x")), IoError) as IoError;
    assertEquals([error.code, error.path], ["ENOSPC", "/dev/full"]);
    full.close();
  }));

Deno.test("list is in name order, and a link counts as what it leads to", () =>
  withDirectory((path) => {
    fs.makeDirectory(`${path}/d/e/f`);
    fs.makeDirectory(`${path}/d/e/f`);
    for (const name of ["b", "a", "C"]) fs.create(`${path}/d/${name}`).close();
    Deno.symlinkSync(`${path}/d/e`, `${path}/d/z`);
    Deno.symlinkSync(`${path}/nowhere`, `${path}/d/y`);
    assertEquals(fs.list(`${path}/d`), [
      { name: "C", isFile: true, isDirectory: false },
      { name: "a", isFile: true, isDirectory: false },
      { name: "b", isFile: true, isDirectory: false },
      { name: "e", isFile: false, isDirectory: true },
      { name: "y", isFile: false, isDirectory: false },
      { name: "z", isFile: false, isDirectory: true },
    ]);
    assertEquals([fs.exists(`${path}/d/a`), fs.exists(`${path}/d/a/x`), fs.exists(`${path}/q`)], [
      true,
      false,
      false,
    ]);
    fs.link(`${path}/d/a`, `${path}/d/a2`);
    assertEquals(fs.stat(`${path}/d/a`).links, 2);
    assertEquals(fs.stat(`${path}/d/a`).inode, fs.stat(`${path}/d/a2`).inode);
    fs.unlink(`${path}/d/a2`);
    fs.syncDirectory(`${path}/d`);
    assertEquals(fs.freeBytes(path) > 0, true);
  }));

Deno.test("a mapping is read on its own and on another thread", () =>
  withDirectory(async (path) => {
    const file = fs.create(`${path}/m`);
    const content = new Uint8Array(1_000_000).map((_, i) => i * 7);
    file.write(content);
    file.close();
    const mapping = fs.map(`${path}/m`);
    assertEquals(mapping.sizeBytes, content.length);
    assertEquals(viewMapping(mapping.address, mapping.sizeBytes).every((b, i) => b === content[i]), true);
    const worker = new Worker(new URL("./mapping_worker.ts", import.meta.url), { type: "module" });
    const sum = await new Promise<number>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage({ address: mapping.address, sizeBytes: mapping.sizeBytes });
    });
    worker.terminate();
    assertEquals(sum, content.reduce((a, b) => a + b, 0));
    mapping.unmap();
    assertThrows(() => mapping.unmap(), Error, "once");
    fs.create(`${path}/empty`).close();
    const empty = fs.map(`${path}/empty`);
    assertEquals(viewMapping(empty.address, empty.sizeBytes).length, 0);
    empty.unmap();
  }));

Deno.test("a lock is held by one opening at a time, across processes", () =>
  withDirectory(async (path) => {
    const lock = fs.tryLock(`${path}/LOCK`);
    assertEquals(fs.tryLock(`${path}/LOCK`), undefined);
    const script =
      `const f = Deno.openSync(Deno.args[0], { write: true }); console.log(f.tryLockSync(true));`;
    const inOther = async (): Promise<string> => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", script, "--", `${path}/LOCK`],
        stdout: "piped",
      });
      return text((await child.output()).stdout).trim();
    };
    assertEquals(await inOther(), "false");
    lock?.release();
    assertEquals(await inOther(), "true");
  }));

Deno.test("a file for secrets is its owner's only", () =>
  withDirectory((path) => {
    fs.create(`${path}/key`, 0o600).close();
    assertEquals((Deno.statSync(`${path}/key`).mode ?? 0) & 0o777, 0o600);
  }));

Deno.test("an asynchronous sync that fails is an IoError", async () => {
  const file = fs.openRead("/proc/self/status");
  let caught: unknown;
  await file.syncDataAsync().catch((error) => caught = error);
  file.close();
  assertEquals(caught instanceof IoError && caught.code, "EINVAL");
});
