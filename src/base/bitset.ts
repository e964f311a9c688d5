/**
 * Bitsets over doc ids in plain `Uint32Array`s: bit `doc & 31` of word `doc >>> 5`.
 *
 * Shape: `wordsFor(size)` words. Bits at and beyond `size` are zero; every function here that takes `size` keeps
 * it so, and those that count or combine rely on it.
 *
 * @module
 */

/** Words that `size` bits need. */
export function wordsFor(size: number): number {
  return (size + 31) >>> 5;
}

/** An empty set for docs 0 to size - 1. */
export function newBits(size: number): Uint32Array {
  return new Uint32Array(wordsFor(size));
}

export function hasBit(words: Uint32Array, at: number): boolean {
  return (words[at >>> 5]! & (1 << (at & 31))) !== 0;
}

export function setBit(words: Uint32Array, at: number): void {
  words[at >>> 5]! |= 1 << (at & 31);
}

export function clearBit(words: Uint32Array, at: number): void {
  words[at >>> 5]! &= ~(1 << (at & 31));
}

/** Sets bits [from, to). */
export function setRange(words: Uint32Array, from: number, to: number): void {
  if (from >= to) return;
  const first = from >>> 5;
  const last = (to - 1) >>> 5;
  const firstMask = 0xffff_ffff << (from & 31);
  const lastMask = 0xffff_ffff >>> (31 - ((to - 1) & 31));
  if (first === last) {
    words[first]! |= firstMask & lastMask;
    return;
  }
  words[first]! |= firstMask;
  words.fill(0xffff_ffff, first + 1, last);
  words[last]! |= lastMask;
}

/** Sets the bits of docs[0..n). */
export function setDocs(words: Uint32Array, docs: Uint32Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    words[doc >>> 5]! |= 1 << (doc & 31);
  }
}

/** into &= other */
export function andBits(into: Uint32Array, other: Uint32Array): void {
  for (let i = 0; i < into.length; i++) into[i]! &= other[i]!;
}

/** into |= other */
export function orBits(into: Uint32Array, other: Uint32Array): void {
  for (let i = 0; i < into.length; i++) into[i]! |= other[i]!;
}

/** into &= ~other */
export function andNotBits(into: Uint32Array, other: Uint32Array): void {
  for (let i = 0; i < into.length; i++) into[i]! &= ~other[i]!;
}

/** Bits set in one word. */
export function popcount(word: number): number {
  word -= (word >>> 1) & 0x5555_5555;
  word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

export function countBits(words: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word !== 0) sum += popcount(word);
  }
  return sum;
}

/** Bits set in both. */
export function countAnd(a: Uint32Array, b: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += popcount(a[i]! & b[i]!);
  return sum;
}

/** First set bit at or after `from`, below `size`; -1 when there is none. */
export function nextBit(words: Uint32Array, from: number, size: number): number {
  if (from >= size) return -1;
  let at = from >>> 5;
  let word = words[at]! & (0xffff_ffff << (from & 31));
  const end = wordsFor(size);
  while (word === 0) {
    if (++at >= end) return -1;
    word = words[at]!;
  }
  return (at << 5) + 31 - Math.clz32(word & -word);
}

/**
 * Writes the set bits of [from, to) into `docs`, ascending, and returns how many; `docs` has room for to - from
 * entries.
 */
export function bitsToDocs(words: Uint32Array, from: number, to: number, docs: Uint32Array): number {
  if (from >= to) return 0;
  let n = 0;
  const last = (to - 1) >>> 5;
  for (let at = from >>> 5; at <= last; at++) {
    let word = words[at]!;
    if (word === 0) continue;
    const base = at << 5;
    if (base < from) word &= 0xffff_ffff << (from & 31);
    if (base + 32 > to) word &= 0xffff_ffff >>> (31 - ((to - 1) & 31));
    while (word !== 0) {
      const low = word & -word;
      docs[n++] = base + 31 - Math.clz32(low);
      word ^= low;
    }
  }
  return n;
}
