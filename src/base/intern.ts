/**
 * Byte strings to small numbers: a hash table over typed arrays, without an object or a string an entry.
 *
 * The first string gets 0, the next new one 1, and so on; nothing is ever removed. Strings lie one after another
 * in `pool`, so an entry costs its bytes, 4 for its start, and 16 to 32 for its slots.
 *
 * Slots are pairs (hash, id + 1), open-addressed with linear probing and at most half full. A probe touches the
 * pool only when all 32 bits of the hash agree.
 *
 * In front of them, for tables that ask (`internShort`), 4,096 places for strings of at most 8 bytes that came lately,
 * bytes included: the words that most of a text consists of cost one cache line, and no hash over their bytes.
 *
 * Hash: four FNV-1a sums, each over every fourth byte, so that one multiplication need not wait for the other.
 *
 * Bench: `bench/ingest_core.ts`.
 *
 * @module
 */

/**
 * Drawn anew by every thread, so that nobody can send strings that were chosen to fall into one slot. Nothing but
 * time depends on them.
 */
const SEEDS = Int32Array.from({ length: 4 }, () => Math.random() * 0x1_0000_0000);
const PRIME = 0x01000193;

/** Longest string that `internShort` takes. */
export const SHORT_BYTES_MAX = 8;
const RECENT_BITS = 12;
const NO_RECENT = new Int32Array(0);

/** Hash of bytes [start, end): a signed 32-bit integer. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let a = SEEDS[0]!;
  let b = SEEDS[1]!;
  let c = SEEDS[2]!;
  let d = SEEDS[3]!;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    a = Math.imul(a ^ bytes[at]!, PRIME);
    b = Math.imul(b ^ bytes[at + 1]!, PRIME);
    c = Math.imul(c ^ bytes[at + 2]!, PRIME);
    d = Math.imul(d ^ bytes[at + 3]!, PRIME);
  }
  for (; at < end; at++) a = Math.imul(a ^ bytes[at]!, PRIME);
  let hash = Math.imul(a ^ (b >>> 7), 0x85ebca6b) ^ b;
  hash = Math.imul(hash ^ (hash >>> 13) ^ c, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16) ^ d, 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

export class InternTable {
  /** Number of distinct strings; ids are 0 to count - 1. */
  count = 0;
  /** Bytes of string `id` are [starts[id], starts[id + 1]). Replaced when they grow: do not keep. */
  pool: Uint8Array;
  starts: Uint32Array;
  #slots: Int32Array;
  #slotMask: number;
  /** Of each recent string four words: its bytes in two, its id, nothing. Empty until asked for. */
  #recent: Int32Array = NO_RECENT;

  /** @param capacity Strings that fit before the first growth. */
  constructor(capacity = 16) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#slots = new Int32Array(slots * 2);
    this.#slotMask = slots - 1;
    this.starts = new Uint32Array((slots >>> 1) + 1);
    this.pool = new Uint8Array(slots * 4);
  }

  /** Bytes that all strings take together. */
  get poolLength(): number {
    return this.starts[this.count]!;
  }

  /** Memory held, growth room included. */
  get sizeBytes(): number {
    return this.pool.length + this.starts.byteLength + this.#slots.byteLength + this.#recent.byteLength;
  }

  /** Id of bytes [start, end), a new one if they were not here yet. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end);
    const slots = this.#slots;
    const mask = this.#slotMask;
    const pool = this.pool;
    const starts = this.starts;
    const length = end - start;
    let slot = hash & mask;
    for (;;) {
      const id = slots[slot * 2 + 1]! - 1;
      if (id < 0) break;
      if (slots[slot * 2] === hash) {
        const at = starts[id]!;
        if (starts[id + 1]! - at === length && sameBytes(pool, at, bytes, start, length)) return id;
      }
      slot = (slot + 1) & mask;
    }
    const at = starts[this.count]!;
    this.reserve(length);
    const target = this.pool;
    for (let i = 0; i < length; i++) target[at + i] = bytes[start + i]!;
    return this.#insert(slot, hash, at + length);
  }

  /**
   * As `intern`, for a string of 1 to SHORT_BYTES_MAX bytes, none of them zero.
   *
   * @param low Its first four bytes, the first one lowest, zeros behind.
   * @param high The other four.
   */
  internShort(length: number, low: number, high: number): number {
    let recent = this.#recent;
    if (recent.length === 0) recent = this.#recent = new Int32Array(4 << RECENT_BITS);
    const hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    const at = (hash >>> (32 - RECENT_BITS)) << 2;
    if (recent[at] === low && recent[at + 1] === high) return recent[at + 2]!;
    const pool = this.reserve(SHORT_BYTES_MAX);
    const tail = this.starts[this.count]!;
    for (let i = 0; i < 4; i++) {
      pool[tail + i] = low >>> (i * 8);
      pool[tail + 4 + i] = high >>> (i * 8);
    }
    const id = this.internTail(length);
    recent[at] = low;
    recent[at + 1] = high;
    recent[at + 2] = id;
    return id;
  }

  /**
   * As `intern`, for a string that the caller put behind the others: bytes [poolLength, poolLength + length) of
   * `pool`, after `reserve(length)`.
   */
  internTail(length: number): number {
    const slots = this.#slots;
    const mask = this.#slotMask;
    const pool = this.pool;
    const starts = this.starts;
    const tail = starts[this.count]!;
    const hash = hashBytes(pool, tail, tail + length);
    let slot = hash & mask;
    for (;;) {
      const id = slots[slot * 2 + 1]! - 1;
      if (id < 0) break;
      if (slots[slot * 2] === hash) {
        const at = starts[id]!;
        if (starts[id + 1]! - at === length && sameBytes(pool, at, pool, tail, length)) return id;
      }
      slot = (slot + 1) & mask;
    }
    return this.#insert(slot, hash, tail + length);
  }

  /** Id of bytes [start, end), or -1 if they are not here. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end);
    const slots = this.#slots;
    const mask = this.#slotMask;
    const length = end - start;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const id = slots[slot * 2 + 1]! - 1;
      if (id < 0) return -1;
      if (slots[slot * 2] !== hash) continue;
      const at = this.starts[id]!;
      if (this.starts[id + 1]! - at === length && sameBytes(this.pool, at, bytes, start, length)) return id;
    }
  }

  /** Makes room for `size` more bytes in the pool, and returns it. */
  reserve(size: number): Uint8Array {
    const used = this.starts[this.count]!;
    if (used + size > this.pool.length) {
      const grown = new Uint8Array(Math.max(used + size, this.pool.length * 2));
      grown.set(this.pool.subarray(0, used));
      this.pool = grown;
    }
    return this.pool;
  }

  /** View of a string's bytes; valid until the next growth. */
  bytes(id: number): Uint8Array {
    return this.pool.subarray(this.starts[id]!, this.starts[id + 1]!);
  }

  #insert(slot: number, hash: number, poolEnd: number): number {
    const id = this.count++;
    this.#slots[slot * 2] = hash;
    this.#slots[slot * 2 + 1] = id + 1;
    this.starts[id + 1] = poolEnd;
    if (this.count * 2 > this.#slotMask) this.#grow();
    return id;
  }

  #grow(): void {
    const old = this.#slots;
    const mask = this.#slotMask * 2 + 1;
    const slots = new Int32Array((mask + 1) * 2);
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let slot = old[i]! & mask;
      while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
      slots[slot * 2] = old[i]!;
      slots[slot * 2 + 1] = old[i + 1]!;
    }
    this.#slots = slots;
    this.#slotMask = mask;
    const starts = new Uint32Array(((mask + 1) >>> 1) + 1);
    starts.set(this.starts);
    this.starts = starts;
  }
}

function sameBytes(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}
