/**
 * Headers of WAL generations, and stubs.
 * Spec: `docs/FORMAT.md`, "WAL head" and "WAL header". Integers are little-endian.
 *
 *      0  u8[4]  magic        "XWAL"
 *      4  u16    version      1
 *      6  u8     flags        bit 0: stub
 *      7  u8     zero
 *      8  u8[16] uuid
 *     24  u8[16] incarnation
 *     40  u64    base_lsn     of the last record before this generation, 0: none
 *     48  u64    base_seqno   its last sequence number plus 1, 0: none
 *     56  u32    generation
 *     60  u32    head_crc     CRC-32 of [0, 60)
 *
 * A stub ends here: it is what a released generation becomes. A generation goes on:
 *
 *     64  u32    header_bytes       of the whole header, a multiple of 8; the first record stands there
 *     68  u32    header_crc         CRC-32 of [0, 68), [72, header_bytes)
 *     72  u8[16] index_uuid
 *     88  u32    shard
 *     92  u32    shards
 *     96  u8[16] previous_uuid      of the generation before it, zeros: none
 *    112  u64    previous_end       where that one ends, whatever follows there
 *    120  u64    created            ms since the epoch
 *    128  u8[16] boot               first bytes of the SHA-256 of the kernel's boot id
 *    144  u32    history_bytes
 *    148  bytes  history            JSON, see "History"; zeros up to header_bytes
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { utf8, utf8Text } from "../base/bytes.ts";
import { assert, CorruptionError } from "../base/errors.ts";
import { type History, historyFromJson, historyToJson } from "./history.ts";
import { NO_UUID, uuidFromBytes, uuidToBytes } from "./uuid_bytes.ts";
import { getU64, setU64 } from "./wal.ts";

export const WAL_HEAD_BYTES = 64;
const FIXED_BYTES = 148;
/** Bounds what a damaged length can make a reader read. A history of thousands of runs fits. */
export const MAX_WAL_HEADER_BYTES = 1024 * 1024;
const MAGIC = 0x4c415758;
const VERSION = 1;
const STUB_FLAG = 1;

/** What generation and stub have in common. */
export interface WalHead {
  readonly stub: boolean;
  readonly uuid: string;
  readonly incarnation: string;
  readonly generation: number;
  readonly baseLsn: number;
  /** -1: none. */
  readonly baseSeqNo: number;
}

export interface WalHeader extends WalHead {
  readonly stub: false;
  /** Where the first record stands. */
  readonly headerBytes: number;
  readonly indexUuid: string;
  readonly shard: number;
  readonly shards: number;
  /** "" for the first one. */
  readonly previousUuid: string;
  readonly previousEnd: number;
  readonly createdMs: number;
  /** Of `bootMark`. */
  readonly boot: string;
  readonly history: History;
}

/** 32 hex digits that stand for a boot of the kernel. */
export function bootMark(bootId: string): string {
  return createHash("sha256").update(bootId).digest("hex").slice(0, 32);
}

function encodeHead(out: Uint8Array, head: WalHead): void {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  assert(head.generation > 0 && head.generation <= 0xffff_ffff, "generation number is a u32");
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint8(6, head.stub ? STUB_FLAG : 0);
  out.set(uuidToBytes(head.uuid), 8);
  out.set(uuidToBytes(head.incarnation), 24);
  setU64(view, 40, head.baseLsn);
  setU64(view, 48, head.baseSeqNo + 1);
  view.setUint32(56, head.generation, true);
  view.setUint32(60, crc32(out.subarray(0, 60)), true);
}

export function encodeStub(head: Omit<WalHead, "stub">): Uint8Array {
  const out = new Uint8Array(WAL_HEAD_BYTES);
  encodeHead(out, { ...head, stub: true });
  return out;
}

/** `headerBytes` follows from the history. */
export function encodeWalHeader(header: Omit<WalHeader, "stub" | "headerBytes">): Uint8Array {
  const history = utf8(JSON.stringify(historyToJson(header.history)));
  const out = new Uint8Array(Math.ceil((FIXED_BYTES + history.length) / 8) * 8);
  assert(out.length <= MAX_WAL_HEADER_BYTES, "WAL header fits its limit");
  const view = new DataView(out.buffer);
  encodeHead(out, { ...header, stub: false });
  view.setUint32(64, out.length, true);
  out.set(uuidToBytes(header.indexUuid), 72);
  view.setUint32(88, header.shard, true);
  view.setUint32(92, header.shards, true);
  out.set(uuidToBytes(header.previousUuid || NO_UUID), 96);
  setU64(view, 112, header.previousEnd);
  setU64(view, 120, header.createdMs);
  for (let i = 0; i < 16; i++) out[128 + i] = parseInt(header.boot.slice(2 * i, 2 * i + 2), 16);
  view.setUint32(144, history.length, true);
  out.set(history, FIXED_BYTES);
  view.setUint32(68, headerCrc(out), true);
  return out;
}

function headerCrc(bytes: Uint8Array): number {
  return crc32(bytes.subarray(72), crc32(bytes.subarray(0, 68)));
}

/**
 * Decodes what generations and stubs begin with.
 *
 * @param fileBytes Size of the file: a stub is nothing but its head, a generation is longer.
 * @throws {CorruptionError}
 */
export function decodeWalHead(bytes: Uint8Array, fileBytes: number): WalHead {
  if (bytes.length < WAL_HEAD_BYTES) fail(`${bytes.length} bytes are too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) fail("magic is wrong");
  const crc = crc32(bytes.subarray(0, 60));
  const stored = view.getUint32(60, true);
  if (crc !== stored) fail(`head crc is 0x${crc.toString(16)}, stored 0x${stored.toString(16)}`);
  const version = view.getUint16(4, true);
  if (version !== VERSION) fail(`version ${version} is not ${VERSION}`);
  const stub = (bytes[6]! & STUB_FLAG) !== 0;
  if (stub !== (fileBytes === WAL_HEAD_BYTES)) {
    fail(stub ? `a stub has ${fileBytes} bytes` : "it ends within its header");
  }
  return {
    stub,
    uuid: uuidFromBytes(bytes.subarray(8, 24)),
    incarnation: uuidFromBytes(bytes.subarray(24, 40)),
    generation: view.getUint32(56, true),
    baseLsn: getU64(view, 40),
    baseSeqNo: getU64(view, 48) - 1,
  };
}

/** Bytes of the whole header, of a generation whose first 68 bytes are given. @throws {CorruptionError} */
export function walHeaderBytes(bytes: Uint8Array): number {
  if (bytes.length < 68) fail("it ends within its header");
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(64, true);
  if (size < FIXED_BYTES || size > MAX_WAL_HEADER_BYTES || size % 8 !== 0) fail(`header_bytes is ${size}`);
  return size;
}

/** @param bytes At least the whole header. @throws {CorruptionError} */
export function decodeWalHeader(bytes: Uint8Array, fileBytes: number): WalHeader {
  const head = decodeWalHead(bytes, fileBytes);
  if (head.stub) fail("it is a stub");
  const headerBytes = walHeaderBytes(bytes);
  if (bytes.length < headerBytes) fail("it ends within its header");
  const header = bytes.subarray(0, headerBytes);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const crc = headerCrc(header);
  const stored = view.getUint32(68, true);
  if (crc !== stored) fail(`header crc is 0x${crc.toString(16)}, stored 0x${stored.toString(16)}`);
  const historyBytes = view.getUint32(144, true);
  if (FIXED_BYTES + historyBytes > headerBytes) fail(`history_bytes is ${historyBytes}`);
  const previousUuid = uuidFromBytes(header.subarray(96, 112));
  return {
    ...head,
    stub: false,
    headerBytes,
    indexUuid: uuidFromBytes(header.subarray(72, 88)),
    shard: view.getUint32(88, true),
    shards: view.getUint32(92, true),
    previousUuid: previousUuid === NO_UUID ? "" : previousUuid,
    previousEnd: getU64(view, 112),
    createdMs: getU64(view, 120),
    boot: uuidFromBytes(header.subarray(128, 144)).replaceAll("-", ""),
    history: historyFromJson(JSON.parse(utf8Text(header.subarray(FIXED_BYTES, FIXED_BYTES + historyBytes)))),
  };
}

function fail(reason: string): never {
  throw new CorruptionError(`Cannot decode WAL header: ${reason}`);
}
