/**
 * `Content-Encoding` of requests: gzip, deflate and zstd, as a stream.
 *
 * @module
 */
import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createInflate, createInflateRaw, createZstdDecompress } from "node:zlib";
import { RequestError } from "../base/errors.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** Decompressed bytes that one step may make. */
const CHUNK_BYTES = 256 << 10;

/**
 * Decompresses, in step with the consumer.
 *
 * @throws {RequestError} 415 for other encodings, 400 for bytes that are not what they say.
 */
export function decodeBody(
  source: AsyncIterable<Uint8Array<ArrayBuffer>>,
  encoding: string | null,
): AsyncIterable<Uint8Array> {
  const name = encoding?.trim().toLowerCase() ?? "";
  switch (name) {
    case "":
    case "identity":
      return source;
    case "gzip":
    case "x-gzip":
      return through(source, () => createGunzip({ chunkSize: CHUNK_BYTES }), name);
    case "deflate":
      return through(source, inflater, name);
    case "zstd":
      return unzstd(source);
    default:
      throw new RequestError(`Content-Encoding [${encoding}] is not supported; use gzip, zstd or deflate`, {
        status: 415,
        type: "unsupported_encoding_exception",
        headers: { "accept-encoding": "gzip, zstd, deflate" },
      });
  }
}

/** Each frame by a decoder of its own. @throws {RequestError} 400 also when the last one breaks off. */
async function* unzstd(
  source: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  const frames = new ZstdFrames();
  let chunk = new Uint8Array(0);
  let at = 0;
  const refill = async (): Promise<boolean> => {
    while (at === chunk.length) {
      const next = await iterator.next();
      if (next.done) return false;
      chunk = next.value;
      at = 0;
    }
    return true;
  };
  async function* frame(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    while (await refill()) {
      const end = frames.feed(chunk, at);
      const part = chunk.subarray(at, end);
      at = end;
      yield part;
      if (frames.complete) return;
    }
    throw invalid("zstd", "it ends early");
  }
  try {
    while (await refill()) {
      yield* through(frame(), () => createZstdDecompress({ chunkSize: CHUNK_BYTES }), "zstd");
    }
  } finally {
    await iterator.return?.();
  }
}

function invalid(encoding: string, reason: string): RequestError {
  return new RequestError(`the body is not valid ${encoding}: ${reason}`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}

/** "deflate" means zlib's frame; some clients send the bare stream. */
function inflater(first: Uint8Array): Transform {
  const [b0 = 0, b1 = 0] = first;
  const hasFrame = (b0 & 0x0f) === 8 && (b0 * 256 + b1) % 31 === 0;
  return hasFrame ? createInflate({ chunkSize: CHUNK_BYTES }) : createInflateRaw({ chunkSize: CHUNK_BYTES });
}

async function* through(
  source: AsyncIterable<Uint8Array<ArrayBuffer>>,
  make: (first: Uint8Array) => Transform,
  encoding: string,
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  let sourceError: unknown;
  async function* whole(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield first.value!;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } catch (error) {
      sourceError = error;
      throw error;
    } finally {
      await iterator.return?.();
    }
  }
  const transform = make(first.value);
  pipeline(Readable.from(whole()), transform, () => {});
  try {
    for await (const chunk of transform) yield chunk as Uint8Array;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(encoding, reason);
  }
}
