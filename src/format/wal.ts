/**
 * WAL records: the durable, ordered history of one shard.
 * Spec: `docs/FORMAT.md`, "WAL record". Integers are little-endian.
 *
 *      0  u32    crc     CRC-32 (IEEE) over generation uuid, this offset (u64), bytes [4, 56 + length)
 *      4  u32    length  payload bytes, 0 to MAX_PAYLOAD_BYTES
 *      8  u64    lsn     position in the node's history, over all indices
 *     16  u64    prev    lsn of the record before it in this shard
 *     24  u64    seqno   first operation's sequence number plus 1
 *     32  u64    synced  bytes of this file known to be on disk when this was written
 *     40  u64    time    ms since the epoch, for restores to a point in time
 *     48  u32    term    Raft term; 1 on a single node
 *     52  u8     kind    a RecordKind
 *     53  u8[3]  zero    readers reject anything else
 *     56  bytes  payload
 *
 * Invariants
 * - lsn and seqno grow, with gaps (a Mark repeats lsn, in prev too, and the last seqno; a Mapping the last seqno);
 *   prev has none: so a reader knows that nothing is missing.
 * - A bad record at or past the highest `synced` seen is a torn tail. Before it, it is a
 *   `CorruptionError`: those bytes were on disk once.
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** Stored on disk. Append new kinds; never renumber or reuse one. */
export const RecordKind = { Operations: 1, Mapping: 2, Mark: 3 } as const;

export const RECORD_HEADER_BYTES = 56;
/** A request body is bounded far below. */
export const MAX_PAYLOAD_BYTES = 512 * 1024 * 1024;
/** The term of a server without replicas. */
const SINGLE_NODE_TERM = 1;

/** A decoded record. Reused while reading: `payload` is valid until the next one. */
export interface WalRecord {
  readonly kind: number;
  readonly lsn: number;
  readonly prevLsn: number;
  /** First sequence number (last one before it, for records without operations); -1: none yet. */
  readonly seqNo: number;
  /** Last sequence number. */
  readonly lastSeqNo: number;
  /** The mark that it carries. */
  readonly syncedBytes: number;
  readonly timeMs: number;
  readonly payload: Uint8Array;
}

/** What a record says besides its payload and its place. */
export interface RecordHead {
  readonly kind: number;
  readonly lsn: number;
  readonly prevLsn: number;
  /** First sequence number, -1: none. */
  readonly seqNo: number;
  readonly syncedBytes: number;
  readonly timeMs: number;
}

/** CRC of a generation's uuid, from which every CRC in it starts. */
export function generationSeed(uuid: Uint8Array): number {
  return crc32(uuid);
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** Goes on from `seed` over the eight bytes of `offset`: a loop, since a native call costs more. */
function placeSeed(seed: number, offset: number): number {
  let c = ~seed;
  let half = offset >>> 0;
  for (let i = 0; i < 4; i++, half >>>= 8) c = CRC_TABLE[(c ^ half) & 0xff]! ^ (c >>> 8);
  half = Math.floor(offset / 0x1_0000_0000);
  for (let i = 0; i < 4; i++, half >>>= 8) c = CRC_TABLE[(c ^ half) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** CRC of a record whose bytes from its start are `bytes`, at `offset` of the generation. */
export function recordCrc(seed: number, offset: number, bytes: Uint8Array): number {
  return crc32(bytes.subarray(4), placeSeed(seed, offset));
}

/**
 * Seals a record in place: `bytes` holds 56 bytes of room, then the payload.
 *
 * @param seed Of `generationSeed`.
 * @param offset Where in the file it will stand.
 */
export function sealRecord(bytes: Uint8Array, head: RecordHead, seed: number, offset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_HEADER_BYTES);
  view.setUint32(4, bytes.length - RECORD_HEADER_BYTES, true);
  setU64(view, 8, head.lsn);
  setU64(view, 16, head.prevLsn);
  setU64(view, 24, head.seqNo + 1);
  setU64(view, 32, head.syncedBytes);
  setU64(view, 40, head.timeMs);
  view.setUint32(48, SINGLE_NODE_TERM, true);
  view.setUint32(52, head.kind, true);
  view.setUint32(0, recordCrc(seed, offset, bytes), true);
}

/**
 * Whether the 56 bytes at `at` can be a record's header that ends by `limit` (both offsets in the file, `offset` that
 * of the header): a cheap test before its CRC is taken.
 */
export function plausibleHeader(view: DataView, at: number, offset: number, limit: number): boolean {
  const kind = view.getUint32(at + 52, true);
  if (kind === 0 || kind > 0xff) return false;
  const length = view.getUint32(at + 4, true);
  if (length > MAX_PAYLOAD_BYTES || offset + RECORD_HEADER_BYTES + length > limit) return false;
  for (let i = 12; i <= 44; i += 8) if (view.getUint32(at + i, true) > 0x1f_ffff) return false;
  return getU64(view, at + 32) <= offset;
}

export function recordLength(view: DataView, at: number): number {
  return view.getUint32(at + 4, true);
}

/** Head of a record whose CRC was found right. */
export function decodeRecordHead(view: DataView, at: number): RecordHead {
  return {
    lsn: getU64(view, at + 8),
    prevLsn: getU64(view, at + 16),
    seqNo: getU64(view, at + 24) - 1,
    syncedBytes: getU64(view, at + 32),
    timeMs: getU64(view, at + 40),
    kind: view.getUint32(at + 52, true),
  };
}

export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}
