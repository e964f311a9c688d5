/** What a directory has to get right beyond a store's promises: other processes, full and vanished disks. */
import { assert, assertEquals } from "@std/assert";
import { IoError } from "../../src/base/errors.ts";
import { openDirectoryStore } from "../../src/objectstore/directory_store.ts";
import type { FileSystem } from "../../src/os/fs.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { failureOf, namesOf, noise, sourceOf, text, withDirectory } from "./stores.ts";

/** The real disk with some calls replaced. */
function diskWith(changes: Partial<FileSystem>): FileSystem {
  const real = realFileSystem();
  return new Proxy(real, {
    get: (target, key: keyof FileSystem) => changes[key] ?? target[key].bind(target),
  });
}

const ADDER = new URL("./add_in_directory.ts", import.meta.url).pathname;

Deno.test("replacements of several processes are all counted", () =>
  withDirectory(async (store, path) => {
    await store.put("count", text("0"));
    const adders = [1, 2, 3].map(() =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", ADDER, path, "count", "10"],
        stdin: "null",
        stderr: "piped",
      }).output()
    );
    for (const { success, stderr } of await Promise.all(adders)) {
      assert(success, new TextDecoder().decode(stderr));
    }
    assertEquals((await store.get("count"))?.bytes, text("30"));
  }));

Deno.test("two replacements within a millisecond, of one size, have different etags", () =>
  withDirectory(async (store) => {
    const stale = await store.put("head", text("AAAA"));
    await store.put("head", text("BBBB"));
    await store.put("head", text("CCCC"));
    const error = await failureOf(store.put("head", text("DDDD"), { condition: { ifMatch: stale } }));
    assertEquals(error.kind, "precondition");
  }));

Deno.test("a full disk is told as such, and leaves nothing behind", () =>
  withDirectory(async (_, path) => {
    const fs = diskWith({
      create: (name, mode) => {
        const file = realFileSystem().create(name, mode);
        let written = 0;
        const write = (bytes: Uint8Array): void => {
          written += bytes.length;
          if (written > 2_000_000) {
            throw new IoError("write", name, new Error("No space left on device (os error 28)"));
          }
          file.write(bytes);
        };
        return new Proxy(file, {
          get: (target, key: keyof typeof file) => {
            if (key === "write") return write;
            const value = target[key];
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    });
    const store = openDirectoryStore({ path, fs });
    let sent = 0;
    const error = await failureOf(
      store.putFile("large", sourceOf(noise(3_000_000)), { onSent: (bytes) => sent += bytes }),
    );
    assertEquals([error.kind, error.hint, sent], ["full", "Free space on that disk.", 0]);
    assertEquals(error.message, `Cannot put file://${path}/large: No space left on device (os error 28)`);
    assertEquals([await namesOf(store), await store.abortUploads("")], [[], 0]);
    assertEquals([...Deno.readDirSync(`${path}/.incoming`)], []);
  }));

Deno.test("a disk that was unmounted is not written to below its mount point", () =>
  withDirectory(async (store, path) => {
    await store.put("a", text("a"));
    Deno.renameSync(path, `${path}-away`);
    for (const call of [() => store.put("b", text("b")), () => store.get("a"), () => store.delete(["a"])]) {
      const error = await failureOf(call());
      assertEquals([error.kind, error.hint.includes("unmounted")], ["unavailable", true], error.message);
    }
    assertEquals(realFileSystem().exists(path), false);
    Deno.renameSync(`${path}-away`, path);
    assertEquals((await store.get("a"))?.bytes, text("a"));
  }));

Deno.test("another device at the same path is another disk", () =>
  withDirectory(async (_, path) => {
    let device = 1n;
    const fs = diskWith({ stat: (name) => ({ ...realFileSystem().stat(name), device }) });
    const store = openDirectoryStore({ path, fs });
    await store.put("a", text("a"));
    device = 2n;
    assertEquals((await failureOf(store.put("a", text("b")))).kind, "unavailable");
  }));

Deno.test("a directory without a parent is not made", () =>
  withDirectory(async (_, parent) => {
    const store = openDirectoryStore({ path: `${parent}/not/there` });
    const error = await failureOf(store.put("a", text("a")));
    assertEquals([error.kind, error.hint], [
      "missing",
      "Mount the disk, or make the directory with mkdir -p.",
    ]);
    assertEquals(await store.get("a"), undefined);
  }));

Deno.test("a network disk that lost its answer to a link meets its own link, and says so", () =>
  withDirectory(async (_, path) => {
    const fs = diskWith({
      link: (from, to) => {
        realFileSystem().link(from, to);
        throw new IoError("link", to, new Error("File exists (os error 17)"));
      },
    });
    const store = openDirectoryStore({ path, fs });
    await store.put("a", text("a"), { condition: { ifAbsent: true } });
    const error = await failureOf(store.put("a", text("a"), { condition: { ifAbsent: true } }));
    assertEquals(error.kind, "precondition");
  }));

Deno.test("a lock that is not let go of is told of", () =>
  withDirectory(async (_, path) => {
    const store = openDirectoryStore({ path, lockTimeoutMs: 100 });
    await store.put("a", text("a"));
    const lock = realFileSystem().tryLock(`${path}/.lock`)!;
    const error = await failureOf(store.put("a", text("b")));
    assertEquals(error.kind, "unavailable");
    assert(error.message.includes("another process has held"), error.message);
    lock.release();
    await store.put("a", text("b"));
  }));

Deno.test("what a killed write left is found and removed", () =>
  withDirectory(async (store, path) => {
    await store.put("a", text("a"));
    Deno.writeTextFileSync(`${path}/.incoming/objects~x~1`, "half");
    Deno.writeTextFileSync(`${path}/.incoming/other~x~1`, "half");
    assertEquals(await namesOf(store), ["a"]);
    assertEquals([await store.abortUploads("objects/"), await store.abortUploads("")], [1, 1]);
  }));
