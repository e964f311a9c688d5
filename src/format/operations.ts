/**
 * Operations of one request on one shard, as the payload of a WAL record.
 * Spec: `docs/FORMAT.md`, "WAL operations".
 *
 *     0  u32    count   operations
 *     4  u32    span    sequence number of the last one minus that of the first
 *     8  entries, each:
 *        u8     kind    an OpKind in the low four bits, OpFlag bits above
 *        varint delta   sequence number minus that of the record
 *        varint version
 *        varint, bytes  id
 *        varint, bytes  source (Index only)
 *
 * @module
 */
import { ByteWriter } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";

/** Stored on disk. Append new kinds; never renumber or reuse one. */
export const OpKind = { Index: 1, Delete: 2 } as const;

/** Bits beside the kind. */
export const OpFlag = {
  /** The server drew the id: no older document can have it. */
  AutoId: 0x10,
} as const;

const HEAD_BYTES = 8;
const KIND_MASK = 0x0f;
/** Shorter runs are copied by a loop, which beats the call of `set`. */
const COPY_LOOP_BYTES = 24;

/** Frames operations one after another; reused from request to request. Watched by `bench/wal.ts`. */
export class OperationsWriter {
  readonly #out: ByteWriter;
  #count = 0;
  #span = 0;

  constructor(capacityBytes = 4096) {
    this.#out = new ByteWriter(capacityBytes);
    this.clear();
  }

  get opCount(): number {
    return this.#count;
  }

  clear(): void {
    this.#out.clear();
    this.#out.u32(0);
    this.#out.u32(0);
    this.#count = 0;
    this.#span = 0;
  }

  /**
   * Appends one operation.
   *
   * @param flags OpFlag bits.
   * @param seqNoDelta Its sequence number minus that of the record; ascending.
   * @param id The id is bytes [idStart, idEnd) of it.
   * @param source The source is bytes [start, end) of it; ignored for a delete.
   */
  add(
    kind: number,
    flags: number,
    seqNoDelta: number,
    version: number,
    id: Uint8Array,
    idStart: number,
    idEnd: number,
    source: Uint8Array,
    start: number,
    end: number,
  ): void {
    const out = this.#out;
    out.u8(kind | flags);
    out.varint(seqNoDelta);
    out.varint(version);
    out.varint(idEnd - idStart);
    appendRange(out, id, idStart, idEnd);
    if (kind === OpKind.Index) {
      out.varint(end - start);
      appendRange(out, source, start, end);
    }
    this.#count++;
    this.#span = seqNoDelta;
  }

  /** The payload; a view, valid until the next `add` or `clear`. */
  bytes(): Uint8Array {
    this.#out.setU32(0, this.#count);
    this.#out.setU32(4, this.#span);
    return this.#out.bytes();
  }
}

function appendRange(out: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  const size = end - start;
  const store = out.reserve(size);
  const at = out.length;
  if (size <= COPY_LOOP_BYTES) {
    for (let i = 0; i < size; i++) store[at + i] = bytes[start + i]!;
  } else {
    store.set(bytes.subarray(start, end), at);
  }
  out.advance(size);
}

/** Sequence number of the last operation minus that of the first. @throws {CorruptionError} */
export function operationsSpan(payload: Uint8Array): number {
  if (payload.length < HEAD_BYTES) throw new CorruptionError("Cannot decode operations: no head");
  return u32At(payload, 4);
}

function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Steps through a payload. Ranges are positions in the payload. */
export class OperationsReader {
  readonly opCount: number;
  kind = 0;
  flags = 0;
  seqNoDelta = 0;
  version = 0;
  idStart = 0;
  idEnd = 0;
  sourceStart = 0;
  sourceEnd = 0;
  readonly #bytes: Uint8Array;
  readonly #span: number;
  #at = HEAD_BYTES;
  #left: number;

  /** @throws {CorruptionError} */
  constructor(payload: Uint8Array) {
    this.#span = operationsSpan(payload);
    this.#bytes = payload;
    this.opCount = u32At(payload, 0);
    this.#left = this.opCount;
  }

  /** Moves to the next operation; false after the last. @throws {CorruptionError} */
  next(): boolean {
    const bytes = this.#bytes;
    if (this.#left === 0) {
      if (this.#at !== bytes.length) this.#fail(`${bytes.length - this.#at} bytes behind the last operation`);
      return false;
    }
    this.#left--;
    const head = bytes[this.#at++] ?? 0;
    this.kind = head & KIND_MASK;
    this.flags = head & ~KIND_MASK;
    if (this.kind !== OpKind.Index && this.kind !== OpKind.Delete) this.#fail(`kind ${this.kind} is unknown`);
    this.seqNoDelta = this.#varint();
    this.version = this.#varint();
    const idBytes = this.#varint();
    this.idStart = this.#at;
    this.idEnd = this.#at += idBytes;
    const sourceBytes = this.kind === OpKind.Index ? this.#varint() : 0;
    this.sourceStart = this.#at;
    this.sourceEnd = this.#at += sourceBytes;
    if (this.#at > bytes.length) this.#fail("an operation ends behind the payload");
    if (this.#left === 0 && this.seqNoDelta !== this.#span) {
      this.#fail(`span is ${this.#span}, the last operation's delta ${this.seqNoDelta}`);
    }
    return true;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    return this.#fail("a varint does not end");
  }

  #fail(reason: string): never {
    throw new CorruptionError(`Cannot decode operations: ${reason}`, { offset: this.#at });
  }
}
