/** WAL headers, records and operations: what is written is read, and no flipped bit is believed. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { NO_HISTORY } from "../../src/format/history.ts";
import { OperationsReader, OperationsWriter, OpFlag, OpKind } from "../../src/format/operations.ts";
import {
  decodeRecordHead,
  generationSeed,
  plausibleHeader,
  RECORD_HEADER_BYTES,
  recordCrc,
  RecordKind,
  sealRecord,
} from "../../src/format/wal.ts";
import {
  bootMark,
  decodeWalHead,
  decodeWalHeader,
  encodeStub,
  encodeWalHeader,
} from "../../src/format/wal_header.ts";

const UUID = "0f0e0d0c-0b0a-4908-8706-050403020100";
const HEADER = {
  uuid: UUID,
  incarnation: "22222222-2222-4222-8222-222222222222",
  generation: 7,
  baseLsn: 2 ** 40 + 5,
  baseSeqNo: -1,
  indexUuid: "11111111-1111-4111-8111-111111111111",
  shard: 2,
  shards: 3,
  previousUuid: "",
  previousEnd: 0,
  createdMs: 1_700_000_000_000,
  boot: bootMark("boot"),
  history: { ...NO_HISTORY, runs: [{ id: UUID, lsn: 5, generation: 7, manifest: 9 }] },
};

Deno.test("a generation's header comes back as it was written", () => {
  const bytes = encodeWalHeader(HEADER);
  assertEquals(bytes.length % 8, 0);
  const decoded = decodeWalHeader(bytes, bytes.length);
  assertEquals(decoded, { ...HEADER, stub: false, headerBytes: bytes.length });
});

Deno.test("any flipped bit of a header is found", () => {
  const bytes = encodeWalHeader(HEADER);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assertThrows(() => decodeWalHeader(damaged, damaged.length), CorruptionError);
  }
  for (let size = 0; size < bytes.length; size++) {
    assertThrows(() => decodeWalHeader(bytes.subarray(0, size), size), CorruptionError);
  }
});

Deno.test("a stub is 64 bytes and tells uuid, number, base and incarnation", () => {
  const bytes = encodeStub(HEADER);
  assertEquals(bytes.length, 64);
  const { uuid, incarnation, generation, baseLsn, baseSeqNo } = HEADER;
  assertEquals(decodeWalHead(bytes, 64), { stub: true, uuid, incarnation, generation, baseLsn, baseSeqNo });
  assertThrows(() => decodeWalHead(bytes, 65), CorruptionError);
  assertThrows(() => decodeWalHead(encodeWalHeader(HEADER), 64), CorruptionError);
});

Deno.test("a record is believed only in its place, and no flipped bit in it", () => {
  const seed = generationSeed(utf8("a generation"));
  const record = new Uint8Array(RECORD_HEADER_BYTES + 20).fill(9);
  const head = {
    kind: RecordKind.Operations,
    lsn: 2 ** 45,
    prevLsn: 2 ** 45 - 1,
    seqNo: 3,
    syncedBytes: 88,
    timeMs: 123,
  };
  const offset = 2 ** 33 + 8;
  sealRecord(record, head, seed, offset);
  const view = new DataView(record.buffer);
  assert(plausibleHeader(view, 0, offset, offset + record.length));
  assertEquals(decodeRecordHead(view, 0), head);
  const crc = view.getUint32(0, true);
  assertEquals(recordCrc(seed, offset, record), crc);
  assert(recordCrc(seed, offset + 8, record) !== crc);
  assert(recordCrc(seed, offset - 2 ** 32, record) !== crc);
  assert(recordCrc(generationSeed(utf8("another")), offset, record) !== crc);
  for (let bit = 0; bit < record.length * 8; bit++) {
    const damaged = record.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert(recordCrc(seed, offset, damaged) !== new DataView(damaged.buffer).getUint32(0, true));
  }
});

Deno.test("operations come back as they were written", () => {
  const writer = new OperationsWriter(16);
  const long = "x".repeat(5000);
  const id = utf8("..some id..");
  writer.add(OpKind.Index, OpFlag.AutoId, 0, 1, id, 2, 9, utf8(long), 10, 4010);
  writer.add(OpKind.Delete, 0, 1, 2 ** 53 - 1, id, 0, 0, id, 0, 5);
  writer.add(OpKind.Index, 0, 300, 128, utf8(long), 0, 512, id, 0, 0);
  const payload = writer.bytes();
  const reader = new OperationsReader(payload);
  assertEquals([reader.opCount, writer.opCount], [3, 3]);
  const found: unknown[] = [];
  while (reader.next()) {
    const { kind, flags, seqNoDelta, version, idStart, idEnd, sourceStart, sourceEnd } = reader;
    const name = utf8Text(payload.subarray(idStart, idEnd));
    found.push([
      kind,
      flags,
      seqNoDelta,
      version,
      name.length > 20 ? name.length : name,
      sourceEnd - sourceStart,
    ]);
  }
  assertEquals(found, [
    [1, 16, 0, 1, "some id", 4000],
    [2, 0, 1, 2 ** 53 - 1, "", 0],
    [1, 0, 300, 128, 512, 0],
  ]);
  for (let size = 0; size < payload.length; size += 97) {
    assertThrows(() => {
      const cut = new OperationsReader(payload.subarray(0, size));
      while (cut.next()) { /* to its end */ }
    }, CorruptionError);
  }
  writer.clear();
  assertEquals(writer.opCount, 0);
  assertEquals(new OperationsReader(writer.bytes()).next(), false);
});
