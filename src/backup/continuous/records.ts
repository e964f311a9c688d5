/**
 * Where do records begin and end? Cuts a generation's bytes into pieces of whole records, and pieces at an LSN or a
 * moment. Reads every record's checksum: damaged bytes are never shipped.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { CorruptionError } from "../../base/errors.ts";
import {
  decodeRecordHead,
  generationSeed,
  plausibleHeader,
  RECORD_HEADER_BYTES,
  recordCrc,
  recordLength,
} from "../../format/wal.ts";
import { walHeaderBytes } from "../../format/wal_header.ts";
import { uuidToBytes } from "../../format/uuid_bytes.ts";
import type { OpenFile } from "../../os/fs.ts";

/** A piece holds at most this many bytes, or one record. */
export const WAL_PIECE_BYTES = 4 * 1024 * 1024;

export interface CutPiece {
  /** In the generation. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly crc: number;
  readonly endLsn: number;
  readonly minTimeMs: number;
  readonly maxTimeMs: number;
}

export interface CutRange {
  /** Of the generation. */
  readonly uuid: string;
  readonly headerBytes: number;
  /** LSN before the first record in the range. */
  readonly beforeLsn: number;
  /** A record's beginning; 0: the file's, header included. */
  readonly from: number;
  /** A record's end. */
  readonly to: number;
}

/**
 * Whole records of [from, to), piece by piece.
 *
 * @throws {CorruptionError} With file and offset: what stands there is no record. @throws {IoError}
 */
export function* cutPieces(file: OpenFile, range: CutRange): Generator<CutPiece> {
  const seed = generationSeed(uuidToBytes(range.uuid));
  let lsn = range.beforeLsn;
  for (let offset = range.from; offset < range.to;) {
    const firstAt = offset === 0 ? range.headerBytes : 0;
    let bytes = readRange(file, offset, Math.min(Math.max(WAL_PIECE_BYTES, firstAt), range.to - offset));
    let found = walk(bytes, firstAt, { offset, limit: range.to });
    if (found.end <= firstAt && found.needs > bytes.length) {
      bytes = readRange(file, offset, found.needs);
      found = walk(bytes, firstAt, { offset, limit: range.to });
    }
    const isHeaderOnly = firstAt > 0 && offset + firstAt === range.to;
    if (found.end <= firstAt && !isHeaderOnly) throw damaged(file, offset + found.end);
    let [minTimeMs, maxTimeMs] = [0, 0];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const at of found.records) {
      const size = RECORD_HEADER_BYTES + recordLength(view, at);
      if (recordCrc(seed, offset + at, bytes.subarray(at, at + size)) !== view.getUint32(at, true)) {
        throw damaged(file, offset + at);
      }
      const head = decodeRecordHead(view, at);
      minTimeMs = at === found.records[0] ? head.timeMs : Math.min(minTimeMs, head.timeMs);
      maxTimeMs = Math.max(maxTimeMs, head.timeMs);
      lsn = head.lsn;
    }
    const end = isHeaderOnly ? firstAt : found.end;
    const piece = bytes.subarray(0, end);
    yield { offset, bytes: piece, crc: crc32(piece), endLsn: lsn, minTimeMs, maxTimeMs };
    offset += end;
  }
}

/** Up to where records go: `lsn` and `timeMs` are the last that come. */
export interface RecordCut {
  readonly lsn: number;
  readonly timeMs: number;
}

/** Where a piece's first record stands: behind the header, in a generation's first piece. @throws {CorruptionError} */
export function recordsAt({ offset }: { readonly offset: number }, bytes: Uint8Array): number {
  return offset === 0 ? walHeaderBytes(bytes) : 0;
}

/**
 * How many of a piece's bytes lie before the first record behind the cut.
 *
 * @throws {CorruptionError}
 */
export function bytesBefore(bytes: Uint8Array, firstAt: number, cut: RecordCut): number {
  const { records, end } = walk(bytes, firstAt, { offset: 0, limit: Infinity });
  if (end !== bytes.length) {
    throw new CorruptionError("Cannot decode WAL piece: it does not end with a record");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const at of records) {
    const { lsn, timeMs } = decodeRecordHead(view, at);
    if (lsn > cut.lsn || timeMs > cut.timeMs) return at;
  }
  return bytes.length;
}

interface Walked {
  /** Offsets of whole records. */
  readonly records: number[];
  /** Behind the last whole record. */
  readonly end: number;
  /** Bytes that would hold one record more. */
  readonly needs: number;
}

function walk(
  bytes: Uint8Array,
  from: number,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): Walked {
  const records: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = from;
  while (at + RECORD_HEADER_BYTES <= bytes.length) {
    // Marks are compared with the place in the file; a piece alone does not know it.
    const place = limit === Infinity ? Number.MAX_SAFE_INTEGER : offset + at;
    if (!plausibleHeader(view, at, place, limit === Infinity ? Infinity : limit)) break;
    const size = RECORD_HEADER_BYTES + recordLength(view, at);
    if (at + size > bytes.length) return { records, end: at, needs: at + size };
    records.push(at);
    at += size;
  }
  return { records, end: at, needs: 0 };
}

function readRange(file: OpenFile, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const read = file.readAt(bytes, offset);
  if (read === length) return bytes;
  throw new CorruptionError(
    `Cannot ship a log: it ends at ${offset + read}, ${offset + length} bytes were synced`,
    {
      file: file.path,
      offset: offset + read,
    },
  );
}

function damaged(file: OpenFile, offset: number): CorruptionError {
  return new CorruptionError("Cannot ship a log: what was synced there is no record", {
    file: file.path,
    offset,
  });
}
