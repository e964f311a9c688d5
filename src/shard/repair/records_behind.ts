/**
 * The whole records of a generation from some place on, whatever lies between them.
 *
 * @module
 */
import {
  decodeRecordHead,
  generationSeed,
  plausibleHeader,
  RECORD_HEADER_BYTES,
  recordCrc,
  recordLength,
} from "../../format/wal.ts";
import { uuidToBytes } from "../../format/uuid_bytes.ts";
import type { FileSystem, OpenFile } from "../../os/fs.ts";
import type { FoundBody } from "../../wal/generation_file.ts";

export interface RecordBehind {
  readonly kind: number;
  readonly lsn: number;
  /** First sequence number. */
  readonly seqNo: number;
  readonly payload: Uint8Array;
}

export type Behind =
  | { readonly kind: "record"; readonly record: RecordBehind }
  /** Bytes in which no record can be made out. */
  | { readonly kind: "gap"; readonly bytes: number };

const PIECE_BYTES = 1024 * 1024;

/**
 * Looks at every offset from `from` on for a record that belongs there; the place in the CRC keeps copies of records in
 * payloads from being believed. Memory: one piece and one record.
 *
 * @throws {IoError}
 */
export function* recordsFrom(fs: FileSystem, found: FoundBody, from: number): Generator<Behind> {
  const { path, sizeBytes, head } = found;
  const seed = generationSeed(uuidToBytes(head.uuid));
  const file = fs.openRead(path);
  try {
    const piece = new Uint8Array(PIECE_BYTES + RECORD_HEADER_BYTES);
    let at = from;
    let gapFrom = from;
    while (at + RECORD_HEADER_BYTES <= sizeBytes) {
      const read = file.readAt(piece.subarray(0, Math.min(piece.length, sizeBytes - at)), at);
      if (read < RECORD_HEADER_BYTES) break;
      const hit = findIn(file, piece.subarray(0, read), { seed, at, limit: sizeBytes });
      if (!hit) {
        at += read - RECORD_HEADER_BYTES + 1;
        continue;
      }
      if (hit.offset > gapFrom) yield { kind: "gap", bytes: hit.offset - gapFrom };
      yield { kind: "record", record: hit.record };
      at = gapFrom = hit.end;
    }
    if (gapFrom < sizeBytes) yield { kind: "gap", bytes: sizeBytes - gapFrom };
  } finally {
    file.close();
  }
}

interface Hit {
  readonly offset: number;
  readonly end: number;
  readonly record: RecordBehind;
}

/** The first record that begins in `piece`, which lies at `at`. */
function findIn(
  file: OpenFile,
  piece: Uint8Array,
  { seed, at, limit }: { readonly seed: number; readonly at: number; readonly limit: number },
): Hit | undefined {
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  for (let i = 0; i + RECORD_HEADER_BYTES <= piece.length; i++) {
    // The kind's three zero bytes are the rarest part of a header.
    if (piece[i + 53] !== 0 || piece[i + 52] === 0 || piece[i + 54] !== 0 || piece[i + 55] !== 0) continue;
    if (!plausibleHeader(view, i, at + i, limit)) continue;
    const bytes = new Uint8Array(RECORD_HEADER_BYTES + recordLength(view, i));
    if (file.readAt(bytes, at + i) < bytes.length) continue;
    const stored = new DataView(bytes.buffer).getUint32(0, true);
    if (recordCrc(seed, at + i, bytes) !== stored) continue;
    const { kind, lsn, seqNo } = decodeRecordHead(view, i);
    const record = { kind, lsn, seqNo, payload: bytes.subarray(RECORD_HEADER_BYTES) };
    return { offset: at + i, end: at + i + bytes.length, record };
  }
  return undefined;
}
