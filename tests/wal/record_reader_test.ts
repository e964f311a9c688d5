/** Reading a generation: large records, torn ends, whole records behind bad ones. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import { uuidToBytes } from "../../src/format/uuid_bytes.ts";
import { generationSeed, RECORD_HEADER_BYTES, RecordKind, sealRecord } from "../../src/format/wal.ts";
import { bootMark, decodeWalHeader, encodeWalHeader } from "../../src/format/wal_header.ts";
import { NO_HISTORY } from "../../src/format/history.ts";
import type { FoundBody } from "../../src/wal/generation_file.ts";
import { RecordReader } from "../../src/wal/record_reader.ts";
import { scanGeneration } from "../../src/wal/scan.ts";
import { searchBehind } from "../../src/wal/search_behind.ts";
import { LyingDisk } from "../shard/lying_disk.ts";

const UUID = "0f0e0d0c-0b0a-4908-8706-050403020100";

/** A generation with one record (a mapping) a payload size; LSNs 1, 2, ... */
function generation(sizes: readonly number[], { syncedBytes = 0 }: { syncedBytes?: number } = {}) {
  const disk = new LyingDisk();
  const encoded = encodeWalHeader({
    uuid: UUID,
    incarnation: UUID,
    indexUuid: UUID,
    generation: 1,
    baseLsn: 0,
    baseSeqNo: -1,
    shard: 0,
    shards: 1,
    previousUuid: "",
    previousEnd: 0,
    createdMs: 0,
    boot: bootMark(""),
    history: NO_HISTORY,
  });
  const head = decodeWalHeader(encoded, encoded.length);
  const file = disk.create("wal-000001");
  file.write(encoded);
  const offsets: number[] = [];
  sizes.forEach((size, i) => {
    const bytes = new Uint8Array(RECORD_HEADER_BYTES + size).fill(i);
    offsets.push(file.size());
    const record = { kind: RecordKind.Mapping, lsn: i + 1, prevLsn: i, seqNo: -1, syncedBytes, timeMs: 0 };
    sealRecord(bytes, record, generationSeed(uuidToBytes(UUID)), file.size());
    file.write(bytes);
  });
  const found = (): FoundBody => ({
    kind: "body",
    number: 1,
    path: "wal-000001",
    sizeBytes: file.size(),
    head,
  });
  const damage = (offset: number) => {
    const bytes = disk.readFile("wal-000001");
    bytes[offset]! ^= 4;
    disk.unlink("wal-000001");
    disk.create("wal-000001").write(bytes);
  };
  return { disk, file, head, offsets, found, damage };
}

Deno.test("records smaller and larger than a read come back whole", () => {
  const sizes = [0, 5, 3_000_000, 1, 1_048_576, 12_000_000, 40];
  const { disk, head, found } = generation(sizes);
  const reader = new RecordReader(disk.openRead("wal-000001"), head, found().sizeBytes);
  const seen: number[] = [];
  while (reader.next()) {
    assert(reader.payload.every((byte) => byte === seen.length));
    seen.push(reader.payload.length);
  }
  assertEquals([seen, reader.bad, reader.end], [sizes, undefined, found().sizeBytes]);
});

Deno.test("a file cut at any byte ends at the last whole record", () => {
  const { disk, head, offsets, found } = generation([10, 0, 100]);
  for (let size = head.headerBytes; size < found().sizeBytes; size++) {
    const reader = new RecordReader(disk.openRead("wal-000001"), head, size);
    let count = 0;
    while (reader.next()) count++;
    assertEquals(count, offsets.filter((_, i) => (offsets[i + 1] ?? found().sizeBytes) <= size).length);
    assertEquals(reader.bad === undefined, size === head.headerBytes || offsets.includes(size));
  }
});

Deno.test("a flipped bit anywhere ends reading before its record", () => {
  const { head, offsets, found, damage, disk } = generation([10, 20, 30]);
  for (let offset = head.headerBytes; offset < found().sizeBytes; offset++) {
    damage(offset);
    const reader = new RecordReader(disk.openRead("wal-000001"), head, found().sizeBytes);
    let count = 0;
    while (reader.next()) count++;
    assert(reader.bad);
    assertEquals(count, offsets.filter((start) => start <= offset).length - 1);
    damage(offset);
  }
});

Deno.test("records behind a bad one are found wherever they stand, with the mark that they carry", () => {
  const { disk, found, head, offsets, damage } = generation([10, 3_000_001, 20, 7], { syncedBytes: 99 });
  const limit = found().sizeBytes;
  const search = (from: number) => searchBehind(disk.openRead("wal-000001"), head, { from, limit });
  assertEquals(search(offsets[1]!), { count: 2, markBytes: 99, maxLsn: 4 });
  assertEquals(search(offsets[3]!), { count: 0, markBytes: 0, maxLsn: 0 });
  damage(offsets[1]! + 500);
  const scan = scanGeneration(disk, found(), { maxLsn: Infinity });
  assertEquals(scan.end, { offset: offsets[1]!, lsn: 1, seqNo: -1 });
  assertEquals(scan.bad?.validBehind, 2);
  assertEquals(scan.bad?.markBehind, 99);
});

Deno.test("a copy of a record elsewhere in the file, as in a payload, is not taken for one", () => {
  const { disk, file, found, head, offsets } = generation([10]);
  const record = disk.readFile("wal-000001").slice(offsets[0]!);
  file.write(record);
  const behind = searchBehind(disk.openRead("wal-000001"), head, {
    from: offsets[0]!,
    limit: found().sizeBytes,
  });
  assertEquals(behind.count, 0);
  const scan = scanGeneration(disk, found(), { maxLsn: Infinity });
  assertEquals(scan.bad?.offset, offsets[0]! + record.length);
});

Deno.test("records of a past that another run ended do not count", () => {
  const { disk, found, offsets } = generation([10, 10, 10]);
  const scan = scanGeneration(disk, found(), { maxLsn: 2 });
  assertEquals([scan.end, scan.cutOff, scan.maxLsn], [{ offset: offsets[2]!, lsn: 2, seqNo: -1 }, true, 3]);
});

Deno.test("a whole record that does not follow the one before it is corruption", () => {
  const { disk, file, found } = generation([10]);
  const bytes = new Uint8Array(RECORD_HEADER_BYTES);
  const record = { kind: RecordKind.Mapping, lsn: 9, prevLsn: 8, seqNo: -1, syncedBytes: 0, timeMs: 0 };
  sealRecord(bytes, record, generationSeed(uuidToBytes(UUID)), file.size());
  file.write(bytes);
  assertThrows(
    () => scanGeneration(disk, found(), { maxLsn: Infinity }),
    CorruptionError,
    "lsn 9 after 8 follows 1",
  );
});
