/**
 * Are there whole records behind a bad one? That tells a torn tail from damage.
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
} from "../format/wal.ts";
import type { WalHeader } from "../format/wal_header.ts";
import { uuidToBytes } from "../format/uuid_bytes.ts";
import type { OpenFile } from "../os/fs.ts";

export interface RecordsBehind {
  /** Whole records found. */
  readonly count: number;
  /** Highest mark that any of them carries, 0: none. */
  readonly markBytes: number;
  /** Highest LSN among them, 0: none. */
  readonly maxLsn: number;
}

const PIECE_BYTES = 1024 * 1024;

/**
 * Looks at every offset of (from, limit) for a record that belongs there. The place in the CRC keeps copies of records
 * in payloads from being believed.
 *
 * @throws {IoError}
 */
export function searchBehind(
  file: OpenFile,
  header: WalHeader,
  { from, limit }: { readonly from: number; readonly limit: number },
): RecordsBehind {
  const seed = generationSeed(uuidToBytes(header.uuid));
  const piece = new Uint8Array(PIECE_BYTES + RECORD_HEADER_BYTES);
  const view = new DataView(piece.buffer);
  let count = 0;
  let markBytes = 0;
  let maxLsn = 0;
  let at = from + 1;
  while (at + RECORD_HEADER_BYTES <= limit) {
    const read = file.readAt(piece.subarray(0, Math.min(piece.length, limit - at)), at);
    const last = Math.min(PIECE_BYTES - 1, read - RECORD_HEADER_BYTES);
    let i = 0;
    let jump = 0;
    for (; i <= last; i++) {
      // The kind's three zero bytes are the rarest part of a header.
      if (piece[i + 53] !== 0 || piece[i + 52] === 0 || piece[i + 54] !== 0 || piece[i + 55] !== 0) continue;
      if (!plausibleHeader(view, i, at + i, limit)) continue;
      const size = RECORD_HEADER_BYTES + recordLength(view, i);
      if (!isRecord(file, { seed, offset: at + i, size })) continue;
      const head = decodeRecordHead(view, i);
      count++;
      markBytes = Math.max(markBytes, head.syncedBytes);
      maxLsn = Math.max(maxLsn, head.lsn);
      jump = at + i + size;
      break;
    }
    if (jump > 0) at = jump;
    else if (read < RECORD_HEADER_BYTES) break;
    else at += last + 1;
  }
  return { count, markBytes, maxLsn };
}

function isRecord(
  file: OpenFile,
  { seed, offset, size }: { readonly seed: number; readonly offset: number; readonly size: number },
): boolean {
  const bytes = new Uint8Array(size);
  if (file.readAt(bytes, offset) < size) return false;
  const stored = new DataView(bytes.buffer).getUint32(0, true);
  return recordCrc(seed, offset, bytes) === stored;
}
