/**
 * Client-side encryption: what leaves the server can be read and changed by nobody who lacks the key.
 *
 *      0  u8[8]   magic   "XERJAES1"
 *      8  u8[32]  salt    random; with the context it makes this object's own key
 *     40  chunks  AES-256-GCM of 1 MiB of plain bytes each, 16 bytes of tag behind each; the last one holds the rest,
 *                 which may be nothing, and is never missing
 *
 * A chunk's nonce is its number (u32, big-endian), 7 zero bytes, and 1 for the last chunk or 0: since keys are never
 * used for two objects, no nonce is used twice under one, and chunks can be neither swapped, cut off nor repeated.
 * The context (which content the object is to hold) is part of the key: no object can stand in for another.
 *
 * Keys: HKDF-SHA-256 of the repository's key and id, one each for objects, names and the check in the head.
 * `crypto.subtle`, since it is faster than `node:crypto` here and works off the calling thread.
 *
 * @module
 */
import { createHmac, hkdfSync } from "node:crypto";
import { concatBytes, utf8, utf8Text } from "../base/bytes.ts";
import { assert, CorruptionError } from "../base/errors.ts";
import type { Random } from "../os/fs.ts";
import { RepositoryError } from "./error.ts";

const MAGIC = utf8("XERJAES1");
const SALT_BYTES = 32;
export const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const CHUNK_BYTES = 1024 * 1024;
const TAG_BYTES = 16;
const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;

/** Any plain bytes of an encrypted object out of the chunks that hold them. */
export class EncryptedParts {
  readonly #key: CryptoKey;
  readonly #storedBytes: number;

  constructor(key: CryptoKey, storedBytes: number) {
    this.#key = key;
    this.#storedBytes = storedBytes;
  }

  /** Bytes of the object that hold plain bytes [offset, offset + length). */
  rangeOf(offset: number, length: number): { readonly offset: number; readonly length: number } {
    const first = Math.floor(offset / CHUNK_BYTES);
    const end = Math.ceil((offset + length) / CHUNK_BYTES);
    const from = HEADER_BYTES + first * SEALED_BYTES;
    return { offset: from, length: Math.min(HEADER_BYTES + end * SEALED_BYTES, this.#storedBytes) - from };
  }

  /** @param stored What `rangeOf` named for the same bytes. @throws {CorruptionError} They were changed. */
  async decrypt(stored: Uint8Array, offset: number, length: number): Promise<Uint8Array> {
    const last = Math.floor((this.#storedBytes - HEADER_BYTES) / SEALED_BYTES);
    const first = Math.floor(offset / CHUNK_BYTES);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stored.length; at += SEALED_BYTES) {
      const chunk = first + chunks.length;
      const sealed = stored.subarray(at, at + SEALED_BYTES);
      chunks.push(await opened(this.#key, nonce(chunk, chunk === last), sealed));
    }
    const from = offset - first * CHUNK_BYTES;
    const plain = concatBytes(chunks).subarray(from, from + length);
    if (plain.length !== length) throw broken("it ends too early");
    return plain;
  }
}

/** A repository's keys. */
export class RepositoryCipher {
  readonly #objectKey: Uint8Array;
  readonly #nameKey: Uint8Array;
  /** Stored in the head: another key has another. */
  readonly keyCheck: string;

  /** @param key 32 bytes. */
  constructor(key: Uint8Array, repositoryId: string) {
    if (key.length !== KEY_BYTES) throw badKey(`it has ${key.length} bytes`);
    this.#objectKey = derive(key, repositoryId, "xerj backup objects");
    this.#nameKey = derive(key, repositoryId, "xerj backup names");
    this.keyCheck = hex(derive(key, repositoryId, "xerj backup key check"));
  }

  /** What stands in an object's name for the SHA-256 of its plain bytes. */
  contentName(sha256: string): string {
    return createHmac("sha256", this.#nameKey).update(sha256).digest("hex");
  }

  /** @param totalBytes Sum of the lengths of `plain`. */
  async encrypt(
    plain: Iterable<Uint8Array>,
    totalBytes: number,
    { context, random }: { readonly context: string; readonly random: Random },
  ): Promise<Uint8Array> {
    const salt = new Uint8Array(SALT_BYTES);
    random.fill(salt);
    const key = await this.#keyOf(salt, context, "encrypt");
    const chunks = Math.floor(totalBytes / CHUNK_BYTES) + 1;
    const out = new Uint8Array(HEADER_BYTES + totalBytes + chunks * TAG_BYTES);
    out.set(MAGIC);
    out.set(salt, MAGIC.length);
    let at = HEADER_BYTES;
    let chunk = 0;
    for (const bytes of inChunks(plain)) {
      const iv = nonce(chunk, ++chunk === chunks);
      const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, bytes));
      out.set(sealed, at);
      at += sealed.length;
    }
    assert(at === out.length, "an encrypted object has the size that was computed");
    return out;
  }

  /** Decrypts as the bytes come. @throws {CorruptionError} Not what `encrypt` made under this key and context. */
  async *decrypt(stored: AsyncIterable<Uint8Array>, context: string): AsyncGenerator<Uint8Array> {
    let key: CryptoKey | undefined;
    let rest: Uint8Array = new Uint8Array(0);
    let chunk = 0;
    for await (const bytes of stored) {
      rest = rest.length === 0 ? bytes : concatBytes([rest, bytes]);
      if (!key) {
        if (rest.length < HEADER_BYTES) continue;
        key = await this.#keyOf(saltOf(rest), context, "decrypt");
        rest = rest.subarray(HEADER_BYTES);
      }
      // A full chunk is the last one never: behind it comes at least an empty one.
      while (rest.length >= CHUNK_BYTES + TAG_BYTES) {
        yield await opened(key, nonce(chunk++, false), rest.subarray(0, CHUNK_BYTES + TAG_BYTES));
        rest = rest.subarray(CHUNK_BYTES + TAG_BYTES);
      }
    }
    if (!key || rest.length < TAG_BYTES) throw broken("it ends too early");
    const last = await opened(key, nonce(chunk, true), rest);
    if (last.length > 0) yield last;
  }

  /**
   * Opens an object of which only parts are read.
   *
   * @param header Its first `HEADER_BYTES` bytes. @param storedBytes Size of the object.
   * @throws {CorruptionError}
   */
  async openParts(
    header: Uint8Array,
    { storedBytes, context }: { readonly storedBytes: number; readonly context: string },
  ): Promise<EncryptedParts> {
    const key = await this.#keyOf(saltOf(header), context, "decrypt");
    return new EncryptedParts(key, storedBytes);
  }

  #keyOf(salt: Uint8Array, context: string, use: "encrypt" | "decrypt"): Promise<CryptoKey> {
    const key = new Uint8Array(hkdfSync("sha256", this.#objectKey, salt, utf8(context), KEY_BYTES));
    return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
  }
}

/**
 * A key as people keep it in a file or a variable: 64 hex digits, or base64 of 32 bytes; white space around it does not
 * count.
 *
 * @throws {RepositoryError} "key"; never says what it was given.
 */
export function parseRepositoryKey(text: string): Uint8Array {
  const trimmed = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) {
    return Uint8Array.from({ length: KEY_BYTES }, (_, i) => parseInt(trimmed.slice(2 * i, 2 * i + 2), 16));
  }
  if (/^[A-Za-z0-9+/]{43}=$/.test(trimmed)) {
    return Uint8Array.from(atob(trimmed), (char) => char.charCodeAt(0));
  }
  throw badKey("it is neither 64 hex digits nor base64 of 32 bytes");
}

function badKey(reason: string): RepositoryError {
  return new RepositoryError(`Cannot use the repository's key: ${reason}`, {
    kind: "key",
    hint: "make one with `openssl rand -hex 32`",
  });
}

function derive(key: Uint8Array, repositoryId: string, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, utf8(repositoryId), utf8(purpose), KEY_BYTES));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function nonce(chunk: number, isLast: boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(NONCE_BYTES);
  new DataView(bytes.buffer).setUint32(0, chunk);
  bytes[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return bytes;
}

function saltOf(header: Uint8Array): Uint8Array {
  const magic = utf8Text(header.subarray(0, MAGIC.length));
  if (magic !== utf8Text(MAGIC)) throw broken("it does not begin as an encrypted object");
  return header.slice(MAGIC.length, HEADER_BYTES);
}

async function opened(
  key: CryptoKey,
  iv: Uint8Array<ArrayBuffer>,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed.slice()));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw broken("its bytes were changed, or it was made with another key");
  }
}

function broken(reason: string): CorruptionError {
  return new CorruptionError(`Cannot decrypt: ${reason}`);
}

/** The same bytes in chunks of `CHUNK_BYTES`; the last one, shorter than that, always comes, be it empty. */
function* inChunks(pieces: Iterable<Uint8Array>): Generator<Uint8Array<ArrayBuffer>> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + CHUNK_BYTES - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      chunk = new Uint8Array(CHUNK_BYTES);
      filled = 0;
    }
  }
  yield chunk.subarray(0, filled);
}
