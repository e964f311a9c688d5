/**
 * What a lazy restore leaves is brought: on a real disk, since readers map what is brought, out of a store in memory.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { crc32 } from "../../src/base/crc.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import { backUp } from "../../src/backup/back_up.ts";
import { FileParts } from "../../src/backup/file_parts.ts";
import { Hydrator } from "../../src/backup/hydrator.ts";
import { beginHydration, type LazyPlan, planLazily } from "../../src/backup/lazy_restore.ts";
import type { Piece } from "../../src/backup/manifest.ts";
import { planRestore, restoreFiles } from "../../src/backup/restore.ts";
import { Repository } from "../../src/backup/repository.ts";
import { UnfinishedFile } from "../../src/backup/unfinished_file.ts";
import {
  encodeDirectory,
  encodeEnd,
  encodeHeader,
  FileKind,
  PAGE_BYTES,
} from "../../src/format/container.ts";
import { decodeHydration } from "../../src/format/hydration.ts";
import { StoreError } from "../../src/objectstore/store.ts";
import { systemClock } from "../../src/os/clock.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import {
  BLOCK_BYTES,
  BlockState,
  blockState,
  type HydratingFile,
  isWhole,
  ring,
  setBlockState,
  shareBlocks,
} from "../../src/os/shared_blocks.ts";
import { silentLogger } from "../../src/base/log.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryStore } from "./memory_store.ts";
import { backUpOptions, newRepository, noise, options, planOf, prose } from "./support.ts";

const SEG = "logs/seg-000001/segment.seg";
const SMALL = "logs/seg-000001/segment.sidx";
const KEY = new Uint8Array(32).fill(5);

/** A segment file with one run, as far as its pages are concerned. */
function container(run: Uint8Array): Uint8Array {
  const uuid = "00000000-0000-4000-8000-000000000001";
  const body = concatBytes([encodeHeader(FileKind.Seg, uuid), run, new Uint8Array((8 - run.length % 8) % 8)]);
  const pageCrcs = Uint32Array.from(
    { length: Math.ceil(body.length / PAGE_BYTES) },
    (_, i) => crc32(body.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES)),
  );
  const directory = encodeDirectory([{ name: "r", offset: 64, length: run.length }], new Uint8Array(0));
  return concatBytes([
    body,
    encodeEnd({ kind: FileKind.Seg, uuid, bodyBytes: body.length, pageCrcs, directory }),
  ]);
}

interface World {
  readonly store: MemoryStore;
  readonly repository: Repository;
  readonly dataDir: string;
  readonly bytes: Uint8Array;
  readonly plan: LazyPlan;
}

/** A backup of one segment file and a small one, and a directory that was lazily restored from it. */
async function inWorld(
  { run, compress = false, key, pieceBytes }: {
    run: Uint8Array;
    compress?: boolean;
    key?: Uint8Array;
    pieceBytes?: number;
  },
  test: (world: World) => Promise<void>,
): Promise<void> {
  const store = new MemoryStore();
  store.streamBytes = 100_000;
  const more = key ? { key } : {};
  const repository = await newRepository(store, more);
  const disk = new MemoryDisk();
  const bytes = container(run);
  const files = { "_meta/catalog-000001.json": noise(100, 1), [SEG]: bytes, [SMALL]: noise(9000, 2) };
  const backup = { ...backUpOptions(disk), compress, ...(pieceBytes ? { pieceBytes } : {}) };
  await backUp(repository, planOf(disk, "b1", files), backup);
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-hydrator-" });
  try {
    const plan = planLazily(await planRestore(await Repository.open(store, options(3, more)), {}));
    const fs = realFileSystem();
    await restoreFiles(plan.now, { to: dataDir, fs });
    beginHydration(fs, dataDir, { plan, place: { url: "memory://tests", singleWriter: false } });
    await test({ store, repository: plan.now.repository, dataDir, bytes, plan });
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}

/** A thread that fetches, as a server starts one. */
function hydrator(
  { repository, dataDir, plan }: World,
  change: (piece: Piece) => Piece = (piece) => piece,
  [shared] = shareBlocks([{ path: `${dataDir}/${SEG}`, sizeBytes: plan.later[0]!.entry.bytes }], 1000),
) {
  const { entry } = plan.later[0]!;
  const fetched = { bytes: 0 };
  const file = new UnfinishedFile({
    fs: realFileSystem(),
    shared: shared!,
    sha256: entry.sha256,
    parts: new FileParts(repository, entry.pieces.map(change)),
  });
  const runs = new Hydrator({
    files: [file],
    control: shared!.control,
    clock: systemClock(),
    log: silentLogger,
    onProgress: (progress) => fetched.bytes = progress.fetchedBytes,
  });
  return { runs, shared: shared!, fetched };
}

/** As a reader asks for a block, but without holding up the thread. */
async function block(shared: HydratingFile, number: number): Promise<number> {
  setBlockState(shared, number, BlockState.Wanted);
  ring(shared.control);
  const { async, value } = Atomics.waitAsync(shared.states, 1 + number, BlockState.Wanted);
  if (async) await value;
  return blockState(shared, number);
}

async function whole(shared: HydratingFile): Promise<void> {
  while (!isWhole(shared)) {
    const { async, value } = Atomics.waitAsync(shared.states, 0, 0, 20);
    if (async) await value;
  }
}

const unfinished = (dataDir: string) => Deno.readFileSync(`${dataDir}/${SEG}.hydrating`);

Deno.test("a lazy restore makes holes of the right size, brings small files, and says where the rest is", () =>
  inWorld({ run: noise(3 * BLOCK_BYTES, 3) }, ({ dataDir, bytes, plan }) => {
    assertEquals(unfinished(dataDir).length, bytes.length);
    assert(Deno.statSync(`${dataDir}/${SEG}.hydrating`).blocks! * 512 < 100_000);
    assertEquals(Deno.readFileSync(`${dataDir}/${SMALL}`), noise(9000, 2));
    const record = decodeHydration(Deno.readFileSync(`${dataDir}/_meta/hydrating.json`));
    assertEquals(record.files.map(({ path, sizeBytes }) => [path, sizeBytes]), [[SEG, bytes.length]]);
    assertEquals(plan.laterBytes, bytes.length);
    return Promise.resolve();
  }));

/** Bytes of which half can be compressed away. */
function mixed(sizeBytes: number): Uint8Array {
  const bytes = prose(sizeBytes, 6);
  for (let at = 0; at < sizeBytes; at += 8000) bytes.set(noise(Math.min(4000, sizeBytes - at), at + 1), at);
  return bytes;
}

const ENCODINGS = [
  { name: "plain", run: noise(5 * BLOCK_BYTES + 777, 4) },
  { name: "plain in many pieces", run: noise(5 * BLOCK_BYTES + 777, 4), pieceBytes: 2 * BLOCK_BYTES },
  { name: "encrypted", run: noise(5 * BLOCK_BYTES + 777, 4), key: KEY },
  { name: "compressed", run: prose(5 * BLOCK_BYTES + 777, 4), compress: true },
  {
    name: "compressed in many pieces",
    run: prose(5 * BLOCK_BYTES + 777, 4),
    compress: true,
    pieceBytes: 2 * BLOCK_BYTES,
  },
  { name: "compressed and encrypted", run: mixed(12 * BLOCK_BYTES + 777), compress: true, key: KEY },
] as const;

for (const { name, ...made } of ENCODINGS) {
  Deno.test(`${name}: a block comes when it is wanted, the rest in the background, then the file has its name`, () =>
    inWorld(made, async (world) => {
      const { dataDir, bytes, plan } = world;
      const stored = plan.later[0]!.entry.pieces.reduce((sum, piece) => sum + piece.bytes, 0);
      const { runs, shared, fetched } = hydrator(world);
      await runs.prepare();
      assertEquals(await block(shared, 2), BlockState.Present);
      const at = 2 * BLOCK_BYTES;
      assertEquals(unfinished(dataDir).subarray(at, at + BLOCK_BYTES), bytes.subarray(at, at + BLOCK_BYTES));
      assertEquals(blockState(shared, 4), BlockState.Missing);
      assert(runs.progress().fetchedBytes < stored, `${runs.progress().fetchedBytes} of ${stored}`);
      assertEquals(runs.progress().filesLeft, 1);
      runs.startBackground();
      await whole(shared);
      await runs.stop();
      assertEquals(Deno.readFileSync(`${dataDir}/${SEG}`), bytes);
      assertEquals(runs.progress().pendingBytes, 0);
      assert(fetched.bytes < stored * 2, `${fetched.bytes} of ${stored}`);
    }));
}

Deno.test("compressed without frames: the whole piece is read once", () =>
  inWorld({ run: prose(5 * BLOCK_BYTES, 4), compress: true }, async (world) => {
    const { runs, shared } = hydrator(world, ({ frames: _, ...piece }) => piece);
    const before = world.store.count("stream");
    await runs.prepare();
    assertEquals(await block(shared, 4), BlockState.Present);
    assertEquals(world.store.count("stream"), before + 1);
    runs.startBackground();
    await whole(shared);
    await runs.stop();
    assertEquals(world.store.count("stream"), before + 1);
    assertEquals(Deno.readFileSync(`${world.dataDir}/${SEG}`), world.bytes);
  }));

Deno.test("after a crash only what has its checksum counts as there", () =>
  inWorld({ run: noise(6 * BLOCK_BYTES, 4) }, async (world) => {
    const { dataDir, bytes, store } = world;
    const first = hydrator(world);
    await first.runs.prepare();
    for (const number of [1, 2, 3]) await block(first.shared, number);
    await first.runs.stop();
    // Torn in the midst of one, a bit turned in another, the end lost.
    const path = `${dataDir}/${SEG}.hydrating`;
    const left = unfinished(dataDir);
    left.fill(0, 2 * BLOCK_BYTES + 500_000, 3 * BLOCK_BYTES);
    left[3 * BLOCK_BYTES + 5]! ^= 4;
    Deno.writeFileSync(path, left.subarray(0, 5 * BLOCK_BYTES));
    const second = hydrator(world);
    await second.runs.prepare();
    const before = store.count("stream");
    assertEquals(await block(second.shared, 1), BlockState.Present);
    assertEquals(store.count("stream"), before);
    assertEquals(await block(second.shared, 3), BlockState.Present);
    assertEquals(store.count("stream"), before + 1);
    second.runs.startBackground();
    await whole(second.shared);
    await second.runs.stop();
    assertEquals(Deno.readFileSync(`${dataDir}/${SEG}`), bytes);
  }));

Deno.test("a thread that takes over from one that died believes what that one has said", () =>
  inWorld({ run: noise(4 * BLOCK_BYTES, 4) }, async (world) => {
    const first = hydrator(world);
    await first.runs.prepare();
    for (const number of [0, 2]) await block(first.shared, number);
    await first.runs.stop();
    const before = world.store.count("stream");
    const second = hydrator(world, (piece) => piece, [first.shared]);
    await second.runs.prepare();
    assertEquals(world.store.count("stream"), before);
    second.runs.startBackground();
    await whole(second.shared);
    await second.runs.stop();
    assertEquals(second.runs.progress().fetchedBytes, 2 * BLOCK_BYTES);
    assertEquals(Deno.readFileSync(`${world.dataDir}/${SEG}`), world.bytes);
  }));

Deno.test("a backup that reuses compressed pieces says where their frames are, too", async () => {
  const repository = await newRepository(new MemoryStore());
  const disk = new MemoryDisk();
  const files = { [SEG]: container(prose(3 * BLOCK_BYTES, 4)) };
  for (const id of ["b1", "b2"]) {
    await backUp(repository, planOf(disk, id, files), { ...backUpOptions(disk), compress: true });
    const { manifest } = await planRestore(repository, { backup: id });
    const [piece] = manifest.files[0]!.pieces;
    assertEquals(piece!.frames?.length, 4);
    assertEquals(piece!.frames?.reduce((sum, length) => sum + length, 0), piece!.bytes);
  }
});

Deno.test("what comes damaged is never said to be there; once it is mended, it comes", () =>
  inWorld({ run: noise(3 * BLOCK_BYTES, 4) }, async (world) => {
    const { store, plan } = world;
    const { runs, shared } = hydrator(world);
    await runs.prepare();
    const { object } = plan.later[0]!.entry.pieces[0]!;
    const good = store.objects.get(object)!;
    const bad = good.bytes.slice();
    bad[BLOCK_BYTES + 20_000]! ^= 1;
    store.objects.set(object, { ...good, bytes: bad });
    assertEquals(await block(shared, 1), BlockState.Failed);
    assertStringIncludes(runs.progress().problems.join(), `object ${object} is not what was backed up`);
    assertEquals(await block(shared, 0), BlockState.Present);
    store.objects.set(object, good);
    setBlockState(shared, 1, BlockState.Missing);
    assertEquals(await block(shared, 1), BlockState.Present);
    await runs.stop();
  }));

Deno.test("while the store is away, progress says why, and it goes on by itself", () =>
  inWorld({ run: noise(3 * BLOCK_BYTES, 4) }, async (world) => {
    const { runs, shared } = hydrator(world);
    await runs.prepare();
    let failures = 0;
    world.store.before = () => {
      if (++failures <= 2) throw new StoreError("no route", { kind: "unavailable" });
    };
    assertEquals(await block(shared, 1), BlockState.Present);
    assertEquals(failures, 3);
    assertEquals(runs.progress().away, undefined);
    await runs.stop();
  }));

Deno.test("files of an index that was deleted are not fetched any more", () =>
  inWorld({ run: noise(3 * BLOCK_BYTES, 4) }, async (world) => {
    const { runs, shared } = hydrator(world);
    await runs.prepare();
    runs.forget([`${world.dataDir}/logs`]);
    const before = world.store.count("stream");
    runs.startBackground();
    await runs.stop();
    assertEquals(world.store.count("stream"), before);
    assertEquals(runs.progress().filesLeft, 0);
    assertEquals(isWhole(shared), false);
  }));
