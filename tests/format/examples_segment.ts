/** Decoders of the examples in the segment sections of the format's documentation: bytes into plain JSON values. */
import { ByteReader, utf8Text } from "../../src/base/bytes.ts";
import { unpackBits } from "../../src/format/bitpack.ts";
import { decodeColumnRecord } from "../../src/format/column_record.ts";
import { decodeContainer, FileKind, FOOTER_BYTES } from "../../src/format/container.ts";
import { bucketOf, decodeIdsMeta, decodeTombstones, hashId, IdBlockDecoder } from "../../src/format/ids.ts";
import { blockWords, decodeIntBlock, Predictor, type PredictorCode } from "../../src/format/int_blocks.ts";
import { GROUP_WORDS, ranksBefore } from "../../src/format/presence_bitmap.ts";
import { decodeSegmentDirectory } from "../../src/format/segment_directory.ts";
import { decodeStoredBlock } from "../../src/format/stored_block.ts";
import { decodeWideBlock } from "../../src/format/wide_blocks.ts";
import { PAGE_BYTES } from "../../src/segment/file_view.ts";
import type { Run } from "../../src/segment/runs.ts";
import { ZoneReader } from "../../src/segment/zone_reader.ts";

/** A copy at an aligned address, a multiple of 8 long. */
function aligned(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
  copy.set(bytes);
  return copy;
}

function runOf(bytes: Uint8Array): Run {
  const view = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  return {
    name: "example",
    length: bytes.length,
    bytes: aligned(bytes),
    touchedBytes: 0,
    touch: () => {},
    view,
  };
}

function integers(predictor: PredictorCode, width: number, n: number, min: number) {
  return (bytes: Uint8Array): unknown => {
    const out = new Float64Array(n);
    decodeIntBlock(blockWords(aligned(bytes)), { at: 0, width, n, min }, predictor, out, 0);
    return [...out];
  };
}

/** Fields of a fixed-size structure under the names of its table. */
function fieldsOf(bytes: Uint8Array, read: (reader: ByteReader) => Record<string, unknown>): unknown {
  return read(new ByteReader(bytes));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const ID_META = {
  docCount: 3,
  alphabet: new TextEncoder().encode("-0123abcdefgh"),
  buckets: 1,
  startBits: 2,
};
const IDS = { ...ID_META, docBits: 2, fingerprintBits: 8 };

export const examples: Record<string, (bytes: Uint8Array) => unknown> = {
  "segment-file": (bytes) => {
    const file = aligned(bytes);
    const { version, kind, uuid, bodyBytes, pageCrcs, runs, meta } = decodeContainer(
      file.subarray(0, bytes.length),
      {
        kind: FileKind.Sidx,
        label: "example",
        pageBytes: PAGE_BYTES,
      },
    );
    return { version, kind, uuid, bodyBytes, pageCrcs: [...pageCrcs], runs, meta: hex(meta) };
  },
  "segment-header": (bytes) =>
    fieldsOf(bytes, (reader) => ({
      magic: hex(reader.take(8)),
      version: reader.u32(),
      kind: reader.u32(),
      uuid: hex(reader.take(16)),
      zero: hex(reader.take(32)),
    })),
  "segment-footer": (bytes) =>
    fieldsOf(bytes.subarray(0, FOOTER_BYTES), (reader) => ({
      body_bytes: reader.u64(),
      table_crc: reader.u32(),
      directory_crc: reader.u32(),
      directory_bytes: reader.u32(),
      kind: reader.u32(),
      uuid: hex(reader.take(16)),
      file_bytes: reader.u64(),
      version: reader.u32(),
      magic: hex(reader.take(8)),
      crc: reader.u32(),
    })),
  "segment-directory": (bytes) => {
    const { docCount, fields } = decodeSegmentDirectory(bytes);
    const list = fields.map(({ name, type, parts, column }) => ({
      name,
      type,
      parts,
      min: column!.values.min,
    }));
    return { docCount, fields: list };
  },
  "column-record": (bytes) => {
    const record = decodeColumnRecord(new ByteReader(bytes));
    const { encoding, predictor, domain, exponent, float, zoneBytes, shape, presence } = record;
    return {
      encoding,
      predictor,
      domain,
      exponent,
      flags: float ? 1 : 0,
      zone_bytes: zoneBytes,
      shape,
      presence,
      values: record.valueCount,
      docs: record.docsWithValue,
      base: record.base,
      min: record.min,
      max: record.max,
      sum: record.sum,
      step: record.step,
    };
  },
  "packed-words": (bytes) => {
    const out = new Uint32Array(128);
    unpackBits(blockWords(aligned(bytes)).words, 0, 5, 8, out);
    return [...out.subarray(0, 8)];
  },
  "for-block": integers(Predictor.For, 4, 5, 100),
  "delta-block": integers(Predictor.Delta, 3, 5, 0),
  "delta-of-delta-block": integers(Predictor.DeltaOfDelta, 1, 5, 0),
  "trend-block": integers(Predictor.Trend, 2, 5, 0),
  "wide-block": (bytes) => {
    const out = new BigInt64Array(3);
    decodeWideBlock(blockWords(aligned(bytes)).words, { at: 0, width: 64, n: 3, min: -(2n ** 63n) }, out, 0);
    return Array.from(out, String);
  },
  "zone-run": (bytes) => {
    const zones = new ZoneReader(runOf(bytes), 2, 2);
    const block = (b: number) => [zones.min(b), zones.max(b), zones.offset(b), zones.width(b)];
    return { pair: [zones.recordMin(0), zones.recordMax(0)], blocks: [block(0), block(1)] };
  },
  "presence-group": (bytes) => {
    const words = new Uint32Array(aligned(bytes).buffer, 0, GROUP_WORDS);
    const docs: number[] = [];
    for (let doc = 0; doc < 512; doc++) if (words[1 + (doc >>> 5)]! & (1 << (doc & 31))) docs.push(doc);
    return { docs, beforeWordOf64: ranksBefore(words, 64) };
  },
  "stored-entry": (bytes) =>
    fieldsOf(
      bytes,
      (reader) => ({ end_offset: reader.u64(), end_doc: reader.u32(), raw_bytes: reader.u32() }),
    ),
  "stored-block": (bytes) => {
    const { raw, ends } = decodeStoredBlock(bytes, bytes.length - 1, 2);
    return Array.from(ends, (end, i) => utf8Text(raw.subarray(i === 0 ? 0 : ends[i - 1]!, end)));
  },
  "ids-directory": (bytes) => {
    const { docCount, alphabet, buckets, docBits, fingerprintBits, startBits } = decodeIdsMeta(
      new ByteReader(bytes),
    );
    return { docCount, buckets, docBits, fingerprintBits, startBits, alphabet: utf8Text(alphabet) };
  },
  "id-block": (bytes) => {
    const decoder = new IdBlockDecoder(IDS);
    return [0, 1, 2].map((i) => {
      decoder.decode(bytes, 3, i);
      return utf8Text(decoder.bytes.subarray(0, decoder.length));
    });
  },
  "id-entries": (bytes) => {
    const out = new Uint32Array(128);
    unpackBits(blockWords(aligned(bytes)).words, 0, IDS.docBits + IDS.fingerprintBits, 3, out);
    const entries = Array.from(out.subarray(0, 3), (entry) => ({ doc: entry & 3, fingerprint: entry >>> 2 }));
    const hashes = ["abc-0", "abc-1", "bad"].map((id) => hashId(new TextEncoder().encode(id), 0, id.length));
    return { entries, hashes, buckets: hashes.map((hash) => bucketOf(hash, IDS.buckets)) };
  },
  "tombstones": (bytes) =>
    decodeTombstones(bytes).map(({ segment, uuid, docs }) => ({ segment, uuid, docs: [...docs] })),
};
