/**
 * A segment that is read page by page is the segment that is mapped: same merge output, little of it in memory, every page
 * verified, errors where they are.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import { type ReservedMemory, reserveMemory } from "../../src/os/reserve.ts";
import { buildSegmentNow, type BuiltSegment } from "../../src/segment/builder.ts";
import { PAGE_BYTES } from "../../src/segment/file_view.ts";
import { finishIds } from "../../src/segment/ids_tail.ts";
import { mergeInput } from "../../src/segment/merge_input.ts";
import { openSegment, type StoredSegment } from "../../src/segment/open.ts";
import { PagedFile } from "../../src/segment/paged_file.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { Memtable } from "../../src/memtable/memtable.ts";
import { AnalyzerSet } from "../../src/analysis/mod.ts";
import { FastParser } from "../../src/ingest/fast_document.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { utf8 } from "../../src/base/bytes.ts";

const analyzers = AnalyzerSet.fromSettings({}, "standard");
const mapping = Mapping.parse({
  properties: {
    "@timestamp": { type: "date" },
    host: { type: "keyword" },
    trace: { type: "keyword" },
    message: { type: "text" },
    status: { type: "long" },
    took: { type: "double" },
    sparse: { type: "long" },
    ip: { type: "ip" },
  },
}, { maxFields: 100, analyzers });

const UUID = "00000000-0000-4000-8000-00000000000";

/** @param number Of the segment: documents differ. */
function makeSegment(number: number, docs: number): BuiltSegment {
  const memtable = new Memtable({ mapping, analyzers });
  const parser = new FastParser(mapping, 100);
  for (let i = 0; i < docs; i++) {
    const n = number * docs + i;
    const random = (Math.imul(n, 2654435761) >>> 0) / 2 ** 32;
    const source = utf8(JSON.stringify({
      "@timestamp": new Date(1.7e12 + n * 1000).toISOString(),
      host: `host-${n % 50}`,
      trace: (Math.imul(n, 40503) >>> 0).toString(16).padStart(8, "0").repeat(4),
      message: `request ${n % 97} of user${n % 1000} took ${n % 13} and ${
        random > 0.5 ? "failed badly" : "went well"
      }`,
      status: 200 + (n % 7) * 50,
      took: Math.round(random * 1e6) / 1000,
      ...(n % 31 === 0 ? { sparse: n } : {}),
      ip: `10.${n % 256}.${(n >>> 8) % 256}.1`,
    }));
    const staged = new StagedDocument();
    staged.reset(source);
    assert(parser.parse(source, 0, source.length, staged));
    const id = utf8(`id-${n}`);
    memtable.add(staged, id, 0, id.length, source, 0, source.length, n, 1, true);
  }
  return buildSegmentNow(memtable.freeze(), { uuid: UUID + number });
}

function filesOf(built: BuiltSegment): Uint8Array[] {
  const ids = concatBytes([
    built.idsBody.bytes,
    finishIds(built.idsBody, { tombstones: [], bornDead: null }),
  ]);
  return [built.seg, built.sidx, ids];
}

/** Released pages hold garbage instead of zeros, so that whoever still relies on them is found out. */
function poisonedRoom(sizeBytes: number): ReservedMemory & { readonly free: () => void } {
  const room = reserveMemory(sizeBytes);
  room.bytes.fill(0xa5);
  return {
    ...room,
    release: (offset, length) => {
      room.bytes.fill(0xa5, offset, offset + length);
    },
  };
}

interface Paged {
  readonly reader: StoredSegment;
  readonly files: readonly PagedFile[];
  readonly free: () => void;
}

function openPaged(files: readonly Uint8Array[], makeRoom = poisonedRoom): Paged {
  const rooms = files.map(({ length }) => makeRoom(length));
  const paged = files.map((bytes, i) =>
    new PagedFile({
      label: `file ${i}`,
      sizeBytes: bytes.length,
      readAt: (into, offset) => {
        const part = bytes.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
    }, rooms[i]!)
  );
  const [seg, sidx, ids] = paged.map(({ image }) => image);
  return {
    reader: openSegment({ seg: seg!, sidx: sidx!, ids: ids! }),
    files: paged,
    free: () => rooms.forEach((room) => room.free()),
  };
}

function openWhole(files: readonly Uint8Array[]): StoredSegment {
  const [seg, sidx, ids] = files.map((bytes) => {
    const copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    return {
      bytes: copy,
      verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32)),
      label: "whole",
    };
  });
  return openSegment({ seg: seg!, sidx: sidx!, ids: ids! });
}

const segments = [makeSegment(1, 12_000), makeSegment(2, 9_000), makeSegment(3, 11_000)];
/** Every third document of the second is dead, and a run of the third. */
const lives = segments.map(({ docCount }, i) => {
  if (i === 0) return null;
  const live = new Uint32Array(Math.ceil(docCount / 32));
  for (let doc = 0; doc < docCount; doc++) {
    if (i === 1 ? doc % 3 !== 0 : doc < 2000 || doc > 5000) live[doc >>> 5]! |= 1 << (doc & 31);
  }
  return live;
});

Deno.test("a merge of segments read by page is byte for byte that of segments in memory", () => {
  const uuid = UUID + "9";
  const whole = mergeInput(
    segments.map((built, i) => ({ reader: openWhole(filesOf(built)), live: lives[i]! })),
  );
  const expected = buildSegmentNow(whole.input, { uuid });
  const paged = segments.map((built) => openPaged(filesOf(built)));
  const merge = mergeInput(paged.map(({ reader }, i) => ({ reader, live: lives[i]! })));
  const actual = buildSegmentNow(merge.input, { uuid });
  assertEquals(actual.seg.length, expected.seg.length);
  assert(actual.seg.every((byte, i) => byte === expected.seg[i]), "segment.seg is the same");
  assert(actual.sidx.every((byte, i) => byte === expected.sidx[i]), "segment.sidx is the same");
  assert(
    actual.idsBody.bytes.every((byte, i) => byte === expected.idsBody.bytes[i]),
    "segment.ids is the same",
  );
  for (const { files, reader, free } of paged) {
    for (const file of files) {
      const pages = Math.ceil(file.image.bytes.length / PAGE_BYTES);
      assert(file.residentPagesMax <= Math.max(12, pages / 2), `${file.residentPagesMax} of ${pages} pages`);
    }
    for (
      const step of reader.verifyOthers({
        seg: files[0]!.known(),
        sidx: files[1]!.known(),
        ids: files[2]!.known(),
      })
    ) void step;
    for (const file of files) {
      const bodyPages = Math.ceil(file.image.bytes.length / PAGE_BYTES) - 1;
      let known = 0;
      for (let page = 0; page < bodyPages; page++) known += (file.known()[page >>> 5]! >>> (page & 31)) & 1;
      assertEquals(known, bodyPages, "every page was verified");
    }
    free();
  }
});

Deno.test("a flipped bit anywhere in an input is found by the merge, with its file", () => {
  const clean = filesOf(segments[1]!);
  for (let trial = 0; trial < 24; trial++) {
    const which = trial % 3;
    const files = clean.map((bytes) => bytes.slice());
    const at = (Math.imul(trial + 1, 2654435761) >>> 0) % files[which]!.length;
    files[which]![at]! ^= 1 << (trial % 8);
    const error = assertThrows(() => {
      const { reader, files: paged, free } = openPaged(files, reserveMemory);
      try {
        const merge = mergeInput([{ reader, live: lives[1]! }]);
        buildSegmentNow(merge.input, { uuid: UUID + "8" });
        const known = { seg: paged[0]!.known(), sidx: paged[1]!.known(), ids: paged[2]!.known() };
        for (const step of reader.verifyOthers(known)) void step;
      } finally {
        free();
      }
    }, CorruptionError) as CorruptionError;
    assert(error.file === `file ${which}`, `trial ${trial}, byte ${at}: ${error.message}`);
  }
});

Deno.test("memory that is released reads as zeros and can be filled again", () => {
  const room = reserveMemory(1 << 20);
  room.bytes.fill(7);
  room.release(0, 1 << 16);
  assertEquals([room.bytes[0], room.bytes[(1 << 16) - 1], room.bytes[1 << 16]], [0, 0, 7]);
  room.bytes[5] = 9;
  assertEquals(room.bytes[5], 9);
  room.free();
});
