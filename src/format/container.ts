/**
 * The frame around every segment file: header, body of runs, page checksums, directory, footer.
 * Spec: `docs/FORMAT.md`, "Segment file". Integers are little-endian.
 *
 *      header     64 bytes: magic, format version, kind, uuid
 *      body       runs, each at a multiple of 64 behind zero bytes
 *      page table u32 CRC-32 for each PAGE_BYTES of header and body; the last page may be short
 *      directory  names and places of the runs, then what the kind of file needs to be opened
 *      footer     64 bytes: lengths and checksums of page table and directory, and the header's fields again
 *
 * Invariants
 * - Every byte of the file is under one checksum: a page's, the page table's, the directory's or the footer's own.
 * - The footer ends with the file: a file cut short or grown is not a segment file.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { crc32, hex32 } from "../base/crc.ts";
import { CorruptionError } from "../base/errors.ts";
import { uuidFromBytes, uuidToBytes } from "./uuid_bytes.ts";

/** "XERJSEG" and a zero. */
export const SEGMENT_MAGIC: Uint8Array = Uint8Array.of(0x58, 0x45, 0x52, 0x4a, 0x53, 0x45, 0x47, 0x00);
/** Grows when an older reader would misread the file. */
export const SEGMENT_VERSION = 1;
export const HEADER_BYTES = 64;
/** Bytes under one checksum, in files as they are written. */
export const PAGE_BYTES = 16384;
export const FOOTER_BYTES = 64;
/** Runs start at multiples of it, so that typed arrays may lie over them. */
export const RUN_ALIGNMENT = 64;

/** Stored on disk. Append new kinds; never renumber or reuse one. */
export const FileKind = { Seg: 1, Sidx: 2, Ids: 3 } as const;
export type FileKindCode = (typeof FileKind)[keyof typeof FileKind];

const KIND_NAMES: Readonly<Record<number, string>> = {
  1: "segment.seg",
  2: "segment.sidx",
  3: "segment.ids",
};

/** A run's entry in the directory. */
export interface RunEntry {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** What opening a file gives. */
export interface Container {
  readonly version: number;
  readonly kind: FileKindCode;
  /** In the usual text form, lower case. */
  readonly uuid: string;
  /** Header and runs: the bytes that page checksums cover. */
  readonly bodyBytes: number;
  /** CRC-32 of each page; a view of the file. */
  readonly pageCrcs: Uint32Array;
  readonly runs: readonly RunEntry[];
  /** The directory's second part, in the form of the file's kind. */
  readonly meta: Uint8Array;
}

export function encodeHeader(kind: FileKindCode, uuid: string): Uint8Array {
  const writer = new ByteWriter(HEADER_BYTES);
  writer.append(SEGMENT_MAGIC);
  writer.u32(SEGMENT_VERSION);
  writer.u32(kind);
  writer.append(uuidToBytes(uuid));
  writer.align(HEADER_BYTES);
  return writer.toBytes();
}

export function encodeDirectory(runs: readonly RunEntry[], meta: Uint8Array): Uint8Array {
  const writer = new ByteWriter(1024 + meta.length);
  writer.varint(runs.length);
  for (const { name, offset, length } of runs) {
    writer.text(name);
    writer.varint(offset / RUN_ALIGNMENT);
    writer.varint(length);
  }
  writer.append(meta);
  return writer.toBytes();
}

/** Page table, directory and footer: all that follows a body of `bodyBytes` (a multiple of 8). */
export function encodeEnd(file: {
  readonly kind: FileKindCode;
  readonly uuid: string;
  readonly bodyBytes: number;
  readonly pageCrcs: Uint32Array;
  readonly directory: Uint8Array;
}): Uint8Array {
  const { pageCrcs, directory, bodyBytes } = file;
  const writer = new ByteWriter(pageCrcs.byteLength + directory.length + FOOTER_BYTES);
  for (const crc of pageCrcs) writer.u32(crc);
  const table = writer.toBytes();
  writer.append(directory);
  const footer = new ByteWriter(FOOTER_BYTES);
  footer.u64(bodyBytes);
  footer.u32(crc32(table));
  footer.u32(crc32(directory));
  footer.u32(directory.length);
  footer.u32(file.kind);
  footer.append(uuidToBytes(file.uuid));
  footer.u64(bodyBytes + writer.length + FOOTER_BYTES);
  footer.u32(SEGMENT_VERSION);
  footer.append(SEGMENT_MAGIC);
  footer.u32(crc32(footer.bytes()));
  writer.append(footer.bytes());
  return writer.toBytes();
}

/**
 * Checks footer, page table, directory and header. Reads no page of the body but the first.
 *
 * @param pageBytes Bytes under one checksum.
 * @throws {CorruptionError} Anything of these is not as written; names `label` and offset.
 */
export function decodeContainer(
  bytes: Uint8Array,
  expected: { readonly kind: FileKindCode; readonly label: string; readonly pageBytes: number },
): Container {
  const { label, kind, pageBytes } = expected;
  const bad = (what: string, offset: number) =>
    new CorruptionError(`Cannot open ${KIND_NAMES[kind]}: ${what}`, { file: label, offset });
  if (bytes.length < HEADER_BYTES + FOOTER_BYTES) throw bad(`only ${bytes.length} bytes`, 0);
  const footerAt = bytes.length - FOOTER_BYTES;
  const footerBytes = bytes.subarray(footerAt);
  const footer = new ByteReader(footerBytes);
  const bodyBytes = boundedU64(footer);
  const tableCrc = footer.u32();
  const directoryCrc = footer.u32();
  const directoryLength = footer.u32();
  const storedKind = footer.u32();
  const uuid = uuidFromBytes(footer.take(16));
  const fileBytes = boundedU64(footer);
  const version = footer.u32();
  const magic = footer.take(8);
  const footerCrc = footer.u32();
  const actualCrc = crc32(footerBytes.subarray(0, FOOTER_BYTES - 4));
  if (!isMagic(magic)) throw bad("no footer at its end", footerAt);
  if (footerCrc !== actualCrc) {
    throw bad(`footer crc is ${hex32(actualCrc)}, stored ${hex32(footerCrc)}`, footerAt);
  }
  if (version !== SEGMENT_VERSION) {
    throw bad(`format version ${version}, known is ${SEGMENT_VERSION}`, footerAt);
  }
  if (storedKind !== kind) throw bad(`holds ${KIND_NAMES[storedKind] ?? `kind ${storedKind}`}`, footerAt);
  if (fileBytes !== bytes.length) throw bad(`${bytes.length} bytes, written were ${fileBytes}`, footerAt);

  const tableBytes = Math.ceil(bodyBytes / pageBytes) * 4;
  const directoryAt = bodyBytes + tableBytes;
  if (bodyBytes % 8 !== 0 || directoryAt + directoryLength !== footerAt) {
    throw bad("lengths do not add up", footerAt);
  }
  const table = bytes.subarray(bodyBytes, directoryAt);
  const actualTableCrc = crc32(table);
  if (actualTableCrc !== tableCrc) {
    throw bad(`page table crc is ${hex32(actualTableCrc)}, stored ${hex32(tableCrc)}`, bodyBytes);
  }
  const directory = bytes.subarray(directoryAt, footerAt);
  const actualDirectoryCrc = crc32(directory);
  if (actualDirectoryCrc !== directoryCrc) {
    throw bad(`directory crc is ${hex32(actualDirectoryCrc)}, stored ${hex32(directoryCrc)}`, directoryAt);
  }
  const pageCrcs = new Uint32Array(table.buffer, table.byteOffset, tableBytes / 4);
  const firstPage = bytes.subarray(0, Math.min(pageBytes, bodyBytes));
  const firstCrc = crc32(firstPage);
  if (firstCrc !== pageCrcs[0]) {
    throw bad(`page crc is ${hex32(firstCrc)}, stored ${hex32(pageCrcs[0] ?? 0)}`, 0);
  }
  const header = new ByteReader(bytes);
  const headerMagic = header.take(8);
  if (
    !isMagic(headerMagic) || header.u32() !== version || header.u32() !== kind ||
    uuidFromBytes(header.take(16)) !== uuid
  ) throw bad("header and footer differ", 0);
  return {
    version,
    kind,
    uuid,
    bodyBytes,
    pageCrcs,
    ...decodeDirectory(directory, bodyBytes, bad, directoryAt),
  };
}

function decodeDirectory(
  directory: Uint8Array,
  bodyBytes: number,
  bad: (what: string, offset: number) => CorruptionError,
  at: number,
): { readonly runs: readonly RunEntry[]; readonly meta: Uint8Array } {
  const reader = new ByteReader(directory);
  const runs: RunEntry[] = [];
  const count = reader.varint();
  for (let i = 0; i < count; i++) {
    const name = reader.text();
    const offset = reader.varint() * RUN_ALIGNMENT;
    const length = reader.varint();
    if (offset < HEADER_BYTES || offset + length > bodyBytes) throw bad(`run ${name} leaves the body`, at);
    runs.push({ name, offset, length });
  }
  return { runs, meta: reader.take(reader.remaining) };
}

/** A u64 as a double; beyond 2^53 inexact, which every caller then finds too large. */
function boundedU64(reader: ByteReader): number {
  const low = reader.u32();
  return reader.u32() * 0x1_0000_0000 + low;
}

function isMagic(bytes: Uint8Array): boolean {
  for (let i = 0; i < SEGMENT_MAGIC.length; i++) if (bytes[i] !== SEGMENT_MAGIC[i]) return false;
  return true;
}
