/**
 * Sealed JSON: a small immutable document that proves itself.
 * Spec: `docs/FORMAT.md`, "Sealed JSON".
 *
 *     {"sha256":"<64 hex digits>","<kind>":<body>}\n
 *
 * The digest is over `"<kind>":<body>` as it stands in the file, so every byte of the file is either covered by it
 * or fixed. Ordinary JSON tools read it; a file that was edited, cut or flipped does not decode.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { utf8, utf8Text, utf8TextStrict } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";

const PREFIX = '{"sha256":"';
const DIGEST_CHARS = 64;
const BODY_AT = PREFIX.length + DIGEST_CHARS + 2;

export function encodeSealed(kind: string, body: unknown): Uint8Array {
  const inner = utf8(`"${kind}":${JSON.stringify(body)}`);
  const head = utf8(`${PREFIX}${sha256Hex(inner)}",`);
  const out = new Uint8Array(head.length + inner.length + 2);
  out.set(head);
  out.set(inner, head.length);
  out.set([0x7d, 0x0a], head.length + inner.length);
  return out;
}

/**
 * @returns The body.
 * @throws {CorruptionError} Not a whole sealed document of this kind, or changed since it was sealed.
 */
export function decodeSealed(kind: string, bytes: Uint8Array): unknown {
  const fail = (reason: string): never => {
    throw new CorruptionError(`Cannot decode ${kind}: ${reason}`);
  };
  const end = bytes.length - 2;
  if (end < BODY_AT) fail(`${bytes.length} bytes are too few`);
  const head = utf8Text(bytes.subarray(0, BODY_AT));
  if (!head.startsWith(PREFIX) || !head.endsWith('",')) fail("it does not begin as a sealed document");
  if (bytes[end] !== 0x7d || bytes[end + 1] !== 0x0a) fail("it does not end as a sealed document");
  const inner = bytes.subarray(BODY_AT, end);
  const stored = head.slice(PREFIX.length, PREFIX.length + DIGEST_CHARS);
  const digest = sha256Hex(inner);
  if (digest !== stored) fail(`sha256 is ${digest}, stored ${stored}`);
  const text = utf8TextStrict(inner);
  const key = `"${kind}":`;
  if (!text.startsWith(key)) fail(`it holds ${text.slice(0, text.indexOf(":") + 1)} instead`);
  return JSON.parse(text.slice(key.length));
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Reads typed members of a decoded body; what is missing or of another type is a `CorruptionError`. */
export class BodyReader {
  readonly #body: Readonly<Record<string, unknown>>;

  constructor(private readonly kind: string, body: unknown) {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new CorruptionError(`Cannot decode ${kind}: not an object`);
    }
    this.#body = body as Readonly<Record<string, unknown>>;
  }

  /** An integer of at least `min`. */
  integer(name: string, min = 0): number {
    const value = this.#body[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
      return this.#fail(name, value);
    }
    return value;
  }

  text(name: string): string {
    const value = this.#body[name];
    return typeof value === "string" ? value : this.#fail(name, value);
  }

  flag(name: string): boolean {
    const value = this.#body[name];
    return typeof value === "boolean" ? value : this.#fail(name, value);
  }

  list(name: string): readonly unknown[] {
    const value = this.#body[name];
    return Array.isArray(value) ? value : this.#fail(name, value);
  }

  object(name: string): Readonly<Record<string, unknown>> {
    const value = this.#body[name];
    if (typeof value !== "object" || value === null || Array.isArray(value)) return this.#fail(name, value);
    return value as Readonly<Record<string, unknown>>;
  }

  member(name: string): unknown {
    return this.#body[name];
  }

  has(name: string): boolean {
    return this.#body[name] !== undefined;
  }

  #fail(name: string, value: unknown): never {
    throw new CorruptionError(`Cannot decode ${this.kind}: ${name} is ${JSON.stringify(value)}`);
  }
}
