/**
 * Stored blocks: the sources of neighbouring documents, compressed together.
 * Spec: `docs/FORMAT.md`, "Stored block".
 *
 * On disk: u8 method, then the raw block, as it is (method 0) or as one zstd frame (method 1). Raw block: the
 * documents' bytes one after another, their lengths as varints, and u32 bytes of all documents together.
 *
 * @module
 */
import { constants, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from "node:zlib";
import { ByteReader } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";

/** Stored on disk. Append new methods; never renumber or reuse one. */
export const StoredMethod = { Raw: 0, Zstd: 1 } as const;

/**
 * Level 1 with the size told beforehand: on logs in blocks of 64 KiB 2.7 times as fast as level 3 without it, and 2%
 * larger (0.261 of raw instead of 0.256).
 */
const ZSTD_LEVEL = { [constants.ZSTD_c_compressionLevel]: 1 };

/** Most bytes that a varint of a length takes. */
export const LENGTH_BYTES_MAX = 5;

/** A raw block's documents. */
export interface StoredDocuments {
  /** Decompressed block: documents first. */
  readonly raw: Uint8Array;
  /** Document i is raw[ends[i - 1] ?? 0, ends[i]). */
  readonly ends: Uint32Array;
}

/**
 * Puts lengths behind the documents that `raw` holds in [0, documentBytes) and compresses.
 *
 * @param raw Has room for LENGTH_BYTES_MAX bytes a document and 4 more; overwritten there.
 * @param ends End of each document in `raw`; [0, n) is used.
 */
export function encodeStoredBlock(
  raw: Uint8Array,
  ends: Uint32Array,
  n: number,
): { readonly bytes: Uint8Array; readonly rawBytes: number } {
  const documentBytes = n === 0 ? 0 : ends[n - 1]!;
  let at = documentBytes;
  for (let i = 0; i < n; i++) {
    let length = ends[i]! - (i === 0 ? 0 : ends[i - 1]!);
    while (length >= 0x80) {
      raw[at++] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    raw[at++] = length;
  }
  for (let shift = 0; shift < 32; shift += 8) raw[at++] = documentBytes >>> shift;
  const whole = raw.subarray(0, at);
  const packed = zstdCompressSync(whole, { params: ZSTD_LEVEL, pledgedSrcSize: at } as ZstdOptions);
  const smaller = packed.length < at;
  const bytes = new Uint8Array(1 + (smaller ? packed.length : at));
  bytes[0] = smaller ? StoredMethod.Zstd : StoredMethod.Raw;
  bytes.set(smaller ? packed : whole, 1);
  return { bytes, rawBytes: at };
}

/**
 * @param rawBytes Size that the block's index entry gives.
 * @throws {CorruptionError} Method, frame, sizes or lengths are wrong.
 */
export function decodeStoredBlock(bytes: Uint8Array, rawBytes: number, docCount: number): StoredDocuments {
  const raw = decompress(bytes, rawBytes);
  if (raw.length !== rawBytes || rawBytes < 4) {
    throw new CorruptionError(`Cannot decode stored block: ${raw.length} bytes, expected ${rawBytes}`);
  }
  const reader = new ByteReader(raw, rawBytes - 4);
  const documentBytes = reader.u32();
  if (documentBytes > rawBytes - 4) {
    throw new CorruptionError(
      `Cannot decode stored block: documents of ${documentBytes} bytes in ${rawBytes}`,
    );
  }
  reader.seek(documentBytes);
  const ends = new Uint32Array(docCount);
  let end = 0;
  for (let i = 0; i < docCount; i++) {
    end += reader.varint();
    ends[i] = end;
  }
  if (end !== documentBytes || reader.position !== rawBytes - 4) {
    throw new CorruptionError("Cannot decode stored block: lengths do not add up");
  }
  return { raw, ends };
}

function decompress(bytes: Uint8Array, rawBytes: number): Uint8Array {
  const payload = bytes.subarray(1);
  // A copy: pages of a file that is read, or mapped, may go before the block does.
  if (bytes[0] === StoredMethod.Raw) return new Uint8Array(payload);
  if (bytes[0] !== StoredMethod.Zstd) {
    throw new CorruptionError(`Cannot decode stored block: unknown method ${bytes[0]}`);
  }
  try {
    const raw = zstdDecompressSync(payload, { maxOutputLength: Math.max(1, rawBytes) });
    // A Buffer's `slice` is a view: callers expect a plain array's copy.
    return new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
  } catch (error) {
    throw new CorruptionError(
      `Cannot decode stored block: ${error instanceof Error ? error.message : error}`,
    );
  }
}
