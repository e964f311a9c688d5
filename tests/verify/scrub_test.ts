import { assertEquals } from "@std/assert";
import { IoError } from "../../src/base/errors.ts";
import type { ManifestSegment } from "../../src/format/manifest.ts";
import { healthOf } from "../../src/engine/health.ts";
import { Scrub, type ScrubOptions } from "../../src/engine/scrub.ts";
import { systemClock } from "../../src/os/clock.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { inTemporaryDirectory } from "../shard/real_tree.ts";
import { World } from "../engine/world.ts";
import { assert, flipBit, INDEX, live } from "./directory.ts";
import { findManifests } from "../../src/shard/store_inventory.ts";

async function until(condition: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end;) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return condition();
}

/** A directory with segments, and their entries. */
async function withSegments(test: (folder: string, entries: readonly ManifestSegment[]) => Promise<void>) {
  await inTemporaryDirectory(async (dataDir) => {
    await live(dataDir, async (past) => {
      for (let i = 0; i < 3; i++) {
        await past.put(3000 * i, 3000 * (i + 1));
        await past.flush();
      }
    });
    const newest = findManifests(realFileSystem(), `${dataDir}/${INDEX}/manifests`).at(-1)!;
    assert(newest.kind === "ok");
    await test(`${dataDir}/${INDEX}`, newest.manifest.segments);
  });
}

const folderOf = (folder: string, { number }: ManifestSegment) =>
  `${folder}/seg-${String(number).padStart(6, "0")}`;

function scrubOf(folder: string, entries: readonly ManifestSegment[], options: Partial<ScrubOptions>): Scrub {
  const quiet = () => {};
  return new Scrub({
    fs: realFileSystem(),
    clock: systemClock(),
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    bytesPerSec: () => 1e9,
    targets: () => entries.map((entry) => ({ index: INDEX, folder: folderOf(folder, entry), entry })),
    onRead: quiet,
    onDamage: quiet,
    coldMs: 0,
    ...options,
  });
}

function bytesOf(entries: readonly ManifestSegment[]): number {
  return entries.flatMap(({ files }) => Object.values(files)).reduce(
    (sum, { sizeBytes }) => sum + sizeBytes,
    0,
  );
}

Deno.test("scrub: reads every cold segment once, then rests", async () => {
  await withSegments(async (folder, entries) => {
    let bytes = 0;
    const scrub = scrubOf(folder, entries, { onRead: (read) => void (bytes += read) });
    scrub.start();
    assert(await until(() => bytes >= bytesOf(entries), 5000));
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await scrub.stop();
    assertEquals(bytes, bytesOf(entries));
    for (const { uuid } of entries) assertEquals(scrub.damaged(uuid), []);
  });
});

Deno.test("scrub: names file and offset of what is damaged", async () => {
  await withSegments(async (folder, entries) => {
    const [first, second, third] = entries as [ManifestSegment, ManifestSegment, ManifestSegment];
    flipBit(`${folderOf(folder, first)}/segment.seg`, 20_000);
    flipBit(`${folderOf(folder, third)}/segment.ids`, -10);
    let errors = 0;
    const files: string[] = [];
    const scrub = scrubOf(folder, entries, {
      onDamage: (places) => void (errors += places),
      onDamagedFile: (file) => files.push(file),
    });
    scrub.start();
    assert(await until(() => errors === 2, 5000));
    await scrub.stop();
    assertEquals(files.sort(), [
      `${folderOf(folder, first)}/segment.seg`,
      `${folderOf(folder, third)}/segment.ids`,
    ]);
    scrub.note(first.uuid, []);
    assertEquals(scrub.damaged(first.uuid), [], "what was mended is not told of any more");
    scrub.note(first.uuid, [{ file: files[0]!, offset: 16_384, reason: "" }]);
    const [page] = scrub.damaged(first.uuid);
    assertEquals(page?.file, `${folderOf(folder, first)}/segment.seg`);
    assertEquals(page?.offset, 16_384);
    assertEquals(scrub.damaged(second.uuid), []);
    assertEquals(scrub.damaged(third.uuid).length, 1);
  });
});

Deno.test("scrub: a disk that cannot read is damage, not an end", async () => {
  await withSegments(async (folder, entries) => {
    const real = realFileSystem();
    const bad = `${folderOf(folder, entries[1]!)}/segment.sidx`;
    const fs = new Proxy(real, {
      get: (target, name: keyof typeof real) => {
        if (name !== "openRead") return target[name].bind(target);
        return (path: string) => {
          const file = target.openRead(path);
          if (path !== bad) return file;
          return new Proxy(file, {
            get: (inner, member: keyof typeof file) => {
              if (member === "readAt") {
                return () => {
                  throw new IoError("read", path, new Error("Input/output error (os error 5)"));
                };
              }
              const value = inner[member];
              return typeof value === "function" ? value.bind(inner) : value;
            },
          });
        };
      },
    });
    let errors = 0;
    const scrub = scrubOf(folder, entries, { fs, onDamage: (places) => void (errors += places) });
    scrub.start();
    assert(await until(() => errors > 0, 5000));
    await scrub.stop();
    assertEquals(scrub.damaged(entries[1]!.uuid)[0]?.file, bad);
  });
});

Deno.test("scrub: keeps its rate, takes a new one, stops at 0", async () => {
  await withSegments(async (folder, entries) => {
    const total = bytesOf(entries);
    let rate = total / 3;
    let bytes = 0;
    const scrub = scrubOf(folder, entries, {
      bytesPerSec: () => rate,
      onRead: (read) => void (bytes += read),
    });
    scrub.start();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const slow = bytes;
    // One piece, here a file, may be ahead.
    assert(slow <= rate * 1.1 + total / entries.length, `${slow} of ${rate} a second`);
    assert(slow > 0);
    rate = 0;
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stopped = bytes;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assertEquals(bytes, stopped);
    rate = 1e9;
    assert(await until(() => bytes === total, 5000));
    await scrub.stop();
  });
});

Deno.test("scrub: health turns red and names the file and the offset", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    const world = new World(dataDir, {});
    await world.open();
    try {
      await world.create(INDEX);
      const stats = (await world.engine.stats()).map((shard) => ({
        ...shard,
        damaged: [{
          file: "logs/seg-000001/segment.seg",
          offset: 16_384,
          reason: "page crc is 0x1, stored 0x2",
        }],
      }));
      const { status, warnings } = healthOf(world.engine, { stats, freeBytes: undefined, standing: [] });
      assertEquals(status, "red");
      assert(warnings.some(({ cause }) => cause.includes("segment.seg is damaged at offset 16384")));
    } finally {
      await world.close();
    }
  });
});
