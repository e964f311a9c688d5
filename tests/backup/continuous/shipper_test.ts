/**
 * Rounds one by one: what they cost, what stays, what goes.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { StreamError } from "../../../src/backup/continuous/error.ts";
import type { WalPiece } from "../../../src/backup/continuous/inventory.ts";
import { joinable } from "../../../src/backup/continuous/join_pieces.ts";
import { planStreamRestore } from "../../../src/backup/continuous/plan.ts";
import { restoreStream } from "../../../src/backup/continuous/restore.ts";
import { StreamShipper } from "../../../src/backup/continuous/shipper.ts";
import { Repository } from "../../../src/backup/repository.ts";
import { sha256Hex } from "../../../src/format/sealed_json.ts";
import { MemoryDisk } from "../memory_disk.ts";
import { MemoryStore } from "../memory_store.ts";
import { noise, SeededRandom } from "../support.ts";
import { SimBox } from "./sim_box.ts";
import { readRestored } from "./sim_read.ts";

const RETAIN_MS = 60_000;

class Fixture {
  readonly time = { ms: 1_750_000_000_000 };
  readonly random = new SeededRandom(5);
  readonly clock = { nowMs: () => this.time.ms, monotonicMs: () => this.time.ms };
  readonly store = new MemoryStore();
  readonly box = new SimBox("box", "instance", this.random, this.time);
  repository!: Repository;
  shipper!: StreamShipper;

  static async make(): Promise<Fixture> {
    const fixture = new Fixture();
    const { random, clock, store, box } = fixture;
    box.start();
    box.create();
    fixture.repository = await Repository.openOrCreate(store, { random, clock });
    fixture.open();
    return fixture;
  }

  open(): void {
    this.shipper = new StreamShipper({
      repository: this.repository,
      stream: "main",
      fs: this.box.disk,
      retainMs: RETAIN_MS,
      graceMs: 1000,
      pieceBytes: 1 << 20,
    });
  }

  async ship(): Promise<void> {
    await this.shipper.round(this.box.view());
    await this.shipper.idle();
    this.time.ms += 1000;
  }

  async restored(
    target: { readonly toTimeMs?: number; readonly toLsn?: number } = {},
  ): Promise<Map<string, string[]>> {
    const disk = new MemoryDisk();
    await restoreStream(await planStreamRestore(this.repository, { stream: "main", ...target }), {
      to: "/restored",
      fs: disk,
    });
    return readRestored(disk, "/restored");
  }
}

Deno.test("a round puts two objects and lists nothing; pieces do not pile up", async () => {
  const fixture = await Fixture.make();
  await fixture.ship();
  const puts: number[] = [];
  for (let i = 0; i < 400; i++) {
    fixture.box.append();
    const before = fixture.store.count("put");
    await fixture.ship();
    puts.push(fixture.store.count("put") - before);
  }
  assertEquals(fixture.store.count("list") + fixture.store.count("putFile"), 0);
  assert(Math.max(...puts) <= 3, `${Math.max(...puts)} puts`);
  assert(
    puts.filter((count) => count > 2).length < 20,
    `${puts.filter((count) => count > 2).length} with a state`,
  );
  const [generation] = fixture.shipper.inventory!.generations.values();
  assert(generation!.pieces.length < 80, `${generation!.pieces.length} pieces`);
  assertEquals(await fixture.restored(), fixture.box.at({}));
  // A new process reads what this one left.
  fixture.open();
  fixture.box.append();
  await fixture.ship();
  assertEquals(await fixture.restored(), fixture.box.at({}));
});

Deno.test("every instant of the window can be restored, and none of before it; objects stay bounded", async () => {
  const fixture = await Fixture.make();
  // As a server's that keeps what the last round showed until the next one is through.
  fixture.box.releases = false;
  const instants: { readonly ms: number; readonly values: Map<string, string[]> }[] = [];
  let most = 0;
  for (let i = 0; i < 300; i++) {
    for (let n = 0; n < 3; n++) fixture.box.append();
    if (i % 5 === 0) fixture.box.flush();
    if (i % 11 === 0) fixture.box.roll();
    await fixture.ship();
    // The next record may come within the same millisecond as the next round begins.
    instants.push({ ms: fixture.time.ms - 1, values: fixture.box.at({}) });
    if (i >= 150) most = Math.max(most, fixture.store.objects.size);
  }
  await fixture.ship();
  assert(most < 250, `${most} objects`);
  const reachMs = fixture.time.ms - RETAIN_MS;
  for (const { ms, values } of instants.filter(({ ms }) => ms >= reachMs).slice(0, -1)) {
    assertEquals(await fixture.restored({ toTimeMs: ms }), values);
  }
  const error = await assertRejects(
    () => fixture.restored({ toTimeMs: fixture.time.ms - 3 * RETAIN_MS }),
    StreamError,
  ) as StreamError;
  assertEquals(error.kind, "out_of_reach");
});

Deno.test("a large segment is cut into pieces, and comes back whole; a damaged one is never listed", async () => {
  const fixture = await Fixture.make();
  fixture.box.append();
  fixture.box.flush();
  const view = fixture.box.view();
  const [log] = view.logs;
  const bytes = noise(5 << 20, 3);
  const [segment] = log!.manifest.segments;
  const path = `a/seg-${String(segment!.number).padStart(6, "0")}/segment.ids`;
  fixture.box.disk.put(`/data/${path}`, bytes);
  const files = { ...segment!.files, "segment.ids": { sizeBytes: bytes.length, sha256: sha256Hex(bytes) } };
  const changed = { ...log!, manifest: { ...log!.manifest, segments: [{ ...segment!, files }] } };
  await fixture.shipper.round({ ...view, logs: [changed] });
  await fixture.shipper.idle();
  await fixture.shipper.round({ ...view, logs: [changed] });
  assertEquals(fixture.store.count("putFile"), 5);
  const disk = new MemoryDisk();
  await restoreStream(await planStreamRestore(fixture.repository, { stream: "main" }), {
    to: "/restored",
    fs: disk,
  });
  assertEquals(sha256Hex(disk.readFile(`/restored/${path}`)), sha256Hex(bytes));

  const damaged = await Fixture.make();
  damaged.box.append();
  damaged.box.flush();
  const damagedPath = damaged.box.disk.below("/data").keys().find((path) => path.endsWith("segment.seg"))!;
  damaged.box.disk.put(`/data/${damagedPath}`, new Uint8Array(10));
  await damaged.ship();
  const report = await damaged.shipper.round(damaged.box.view());
  assertEquals(report.incomplete.length, 1);
  assert(report.problems[0]!.includes("its SHA-256 is"), report.problems[0]);
  // The log has it all the same.
  assertEquals(report.lsn, 0);
});

Deno.test("an object that was changed in the store is named, and nothing is restored of it", async () => {
  const fixture = await Fixture.make();
  for (let i = 0; i < 5; i++) fixture.box.append();
  await fixture.ship();
  const [name] = fixture.store.names("continuous/main/packs/");
  const { bytes, etag } = fixture.store.objects.get(name!)!;
  const flipped = bytes.slice();
  flipped[flipped.length - 20]! ^= 1;
  fixture.store.objects.set(name!, { bytes: flipped, etag });
  const error = await assertRejects(() => fixture.restored(), StreamError) as StreamError;
  assertEquals(error.kind, "damaged");
  assert(error.message.includes(name!), error.message);
});

Deno.test("which pieces are joined", () => {
  const pieces = (sizes: readonly number[], level = 0): WalPiece[] => {
    let offset = 0;
    return sizes.map((bytes) => {
      const piece = {
        offset,
        bytes,
        object: "",
        at: 0,
        crc: 0,
        endLsn: 0,
        minTimeMs: 0,
        maxTimeMs: 0,
        level,
        order: 0,
      };
      offset += bytes;
      return piece;
    });
  };
  const small = Array.from({ length: 64 }, () => 100);
  assertEquals(joinable(pieces(small.slice(1))), undefined);
  assertEquals(joinable(pieces(small))?.length, 64);
  assertEquals(joinable(pieces([2 << 20, ...small]))?.length, 64);
  assertEquals(joinable(pieces([900_000, 900_000, 900_000, 900_000, 900_000]))?.length, 5);
  assertEquals(joinable([...pieces([100, 100], 1), ...pieces(small)])?.length, 64);
  assertEquals(joinable(pieces([2 << 20, 3 << 20])), undefined);
});
