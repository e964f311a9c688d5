/**
 * Counting distinct values: an exact set of hashes while it is small, a HyperLogLog once it is not.
 *
 * Hashes are whole numbers of 53 bits in doubles. The low bits choose a register, the rest ranks it.
 *
 * Source: Flajolet et al., "HyperLogLog" (2007); estimator by Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (2017), which needs no tables of biases.
 *
 * @module
 */
import type { Budget } from "./budget.ts";

const P = 14;
const REGISTERS = 1 << P;
/** Bits of a hash above the register's number. */
const RANK_BITS = 53 - P;

export class DistinctCounter {
  readonly #threshold: number;
  readonly #budget: Budget | undefined;
  /** Open addressing; 0 is free, hashes are kept plus one. */
  #slots: Float64Array;
  #count = 0;
  #registers: Uint8Array | undefined;

  /** @param threshold Number of values up to which counts are exact. */
  constructor(threshold: number, budget?: Budget) {
    this.#threshold = threshold;
    this.#budget = budget;
    this.#slots = new Float64Array(16);
    budget?.take(16 * 8 + 100);
  }

  add(hash: number): void {
    const registers = this.#registers;
    if (registers) {
      addToRegisters(registers, hash);
      return;
    }
    const slots = this.#slots;
    const mask = slots.length - 1;
    const stored = hash + 1;
    let at = (hash % 0x1_0000_0000) & mask;
    while (true) {
      const held = slots[at]!;
      if (held === stored) return;
      if (held === 0) break;
      at = (at + 1) & mask;
    }
    slots[at] = stored;
    this.#count++;
    if (this.#count * 2 > slots.length) this.#grow();
  }

  addAll(hashes: Float64Array | undefined, registers: Uint8Array | undefined): void {
    if (hashes) { for (let i = 0; i < hashes.length; i++) this.add(hashes[i]!); }
    if (registers) {
      if (!this.#registers) this.#toRegisters();
      const mine = this.#registers!;
      for (let i = 0; i < REGISTERS; i++) if (registers[i]! > mine[i]!) mine[i] = registers[i]!;
    }
  }

  estimate(): number {
    return this.#registers ? Math.round(estimateRegisters(this.#registers)) : this.#count;
  }

  snapshot(): { hashes: Float64Array | undefined; registers: Uint8Array | undefined } {
    if (this.#registers) return { hashes: undefined, registers: this.#registers.slice() };
    const hashes = new Float64Array(this.#count);
    let n = 0;
    for (let i = 0; i < this.#slots.length; i++) if (this.#slots[i] !== 0) hashes[n++] = this.#slots[i]! - 1;
    return { hashes, registers: undefined };
  }

  #grow(): void {
    if (this.#count > this.#threshold) {
      this.#toRegisters();
      return;
    }
    const old = this.#slots;
    const slots = new Float64Array(old.length * 2);
    this.#budget?.take(old.length * 8);
    const mask = slots.length - 1;
    for (let i = 0; i < old.length; i++) {
      const stored = old[i]!;
      if (stored === 0) continue;
      let at = ((stored - 1) % 0x1_0000_0000) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = stored;
    }
    this.#slots = slots;
  }

  #toRegisters(): void {
    const registers = new Uint8Array(REGISTERS);
    this.#budget?.take(REGISTERS);
    this.#budget?.release(this.#slots.length * 8);
    for (let i = 0; i < this.#slots.length; i++) {
      if (this.#slots[i] !== 0) addToRegisters(registers, this.#slots[i]! - 1);
    }
    this.#registers = registers;
    this.#slots = new Float64Array(0);
    this.#count = 0;
  }
}

function addToRegisters(registers: Uint8Array, hash: number): void {
  const low = hash % 0x1_0000_0000;
  const high = (hash - low) / 0x1_0000_0000; // 21 bits
  const register = low & (REGISTERS - 1);
  // Rank: zeros above the highest set bit of the remaining 39, plus one.
  const zeros = high !== 0 ? Math.clz32(high) - 11 : 21 + Math.clz32(low >>> P) - P;
  const rank = Math.min(zeros, RANK_BITS) + 1;
  if (rank > registers[register]!) registers[register] = rank;
}

function estimateRegisters(registers: Uint8Array): number {
  const histogram = new Float64Array(RANK_BITS + 2);
  for (let i = 0; i < REGISTERS; i++) histogram[registers[i]!]!++;
  let z = REGISTERS * tau((REGISTERS - histogram[RANK_BITS + 1]!) / REGISTERS);
  for (let k = RANK_BITS; k >= 1; k--) z = 0.5 * (z + histogram[k]!);
  z += REGISTERS * sigma(histogram[0]! / REGISTERS);
  return REGISTERS / (2 * Math.LN2) * REGISTERS / z;
}

function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let z = x;
  let before: number;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z !== before);
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let z = 1 - x;
  let before: number;
  do {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  } while (z !== before);
  return z / 3;
}

/** Finishes a hash of 64 bits in two words; gives 53 bits. */
function finish(a: number, b: number): number {
  a = mix(a ^ Math.imul(b, 0x9e37_79b1));
  b = mix(b + a);
  a = mix(a + b);
  return (b & 0x1f_ffff) * 0x1_0000_0000 + (a >>> 0);
}

function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);

/** Hash of a double; 0 and -0 are one value. */
export function hashNumber(value: number): number {
  scratch[0] = value + 0;
  return finish(scratchWords[0]! ^ 0x2545_f491, scratchWords[1]!);
}

/** Hash of a 64-bit integer; the same as `hashNumber` of integers up to 2^53. */
export function hashWide(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return hashNumber(number);
  return finish(Number(value & 0xffff_ffffn) ^ 0x5851_f42d, Number((value >> 32n) & 0xffff_ffffn));
}

/** Hash of a term. */
export function hashBytes(bytes: Uint8Array): number {
  let a = 0x9747_b28c ^ bytes.length;
  let b = 0x1b87_3593;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    a = Math.imul(a ^ Math.imul(word, 0xcc9e_2d51), 0x9e37_79b1);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b + word, 0x85eb_ca77) ^ (b >>> 15);
  }
  let rest = 0;
  for (let shift = 0; i < bytes.length; i++, shift += 8) rest |= bytes[i]! << shift;
  a = Math.imul(a ^ Math.imul(rest, 0xcc9e_2d51), 0x9e37_79b1);
  b = Math.imul(b + rest, 0x85eb_ca77) ^ (b >>> 15);
  return finish(a ^ (a >>> 16), b);
}
