/**
 * zstd for pieces: frames of 1 MiB of plain bytes one after the other, which `zstd -d` takes as one stream. Small
 * frames, so that neither side ever holds more than one in memory or works on one for long.
 *
 * @module
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { concatBytes } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";
import { pause } from "../os/pause.ts";
import { BLOCK_BYTES, type PieceReader } from "./content.ts";

/** Compressed bytes are stored only when they are at most this share of the plain ones. */
const WORTH_IT = 0.95;
const SAMPLE_BYTES = 32 * 1024;
const SAMPLES = 4;
const MAGIC = 0xfd2fb528;
/** A frame is at most its plain bytes, a little for each block of 128 KiB, and the header. */
const MAX_FRAME_BYTES = BLOCK_BYTES + 64 * 1024;

/**
 * The piece as frames.
 *
 * @returns undefined: it is not worth it, which is mostly found out from a few samples.
 */
export async function compressPiece(
  reader: PieceReader,
  plainBytes: number,
): Promise<Uint8Array[] | undefined> {
  if (!samplesShrink(reader, plainBytes)) return undefined;
  const limit = plainBytes * WORTH_IT;
  const frames: Uint8Array[] = [];
  let total = 0;
  for (const block of reader.blocks()) {
    const frame = new Uint8Array(zstdCompressSync(block));
    total += frame.length;
    if (total > limit) return undefined;
    frames.push(frame);
    await pause();
  }
  return frames;
}

function samplesShrink(reader: PieceReader, plainBytes: number): boolean {
  let plain = 0;
  let compressed = 0;
  const count = plainBytes <= SAMPLES * SAMPLE_BYTES ? 1 : SAMPLES;
  for (let i = 0; i < count; i++) {
    const length = count === 1 ? Math.min(plainBytes, SAMPLES * SAMPLE_BYTES) : SAMPLE_BYTES;
    const sample = reader.read(Math.floor((i * (plainBytes - length)) / Math.max(1, count - 1)), length);
    plain += sample.length;
    compressed += zstdCompressSync(sample).length;
  }
  return compressed <= plain * WORTH_IT;
}

/** Plain bytes of frames, as they come. @throws {CorruptionError} */
export async function* decompress(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const bytes of stored) {
    rest = rest.length === 0 ? bytes : concatBytes([rest, bytes]);
    for (let end = frameEnd(rest); end > 0; end = frameEnd(rest)) {
      yield decodeFrame(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    if (rest.length > MAX_FRAME_BYTES) throw broken("a frame is too large");
  }
  if (rest.length > 0) throw broken("it ends within a frame");
}

/** Plain bytes of one frame. @throws {CorruptionError} */
export function decodeFrame(frame: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(zstdDecompressSync(frame, { maxOutputLength: BLOCK_BYTES }));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw broken(error.message);
  }
}

/**
 * Where the frame at the beginning of `bytes` ends (RFC 8878, 3.1.1); 0: behind them. The decoder itself would not say,
 * and drops whatever follows the first frame.
 */
function frameEnd(bytes: Uint8Array): number {
  if (bytes.length < 6) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw broken("it is not zstd");
  const descriptor = bytes[4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (let isLast = false; !isLast;) {
    if (at + 3 > bytes.length) return 0;
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    isLast = (header & 1) === 1;
    const isRepeated = ((header >> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : header >> 3);
  }
  if ((descriptor & 4) !== 0) at += 4;
  return at <= bytes.length ? at : 0;
}

function broken(reason: string): CorruptionError {
  return new CorruptionError(`Cannot decompress: ${reason}`);
}
