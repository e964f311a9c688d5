/**
 * Impacts: the (frequency, norm) pairs that bound what postings can score.
 *
 * A pair is competitive unless another has at least its frequency and at most its norm: BM25 grows with the
 * frequency and falls with the length. Norm bytes order as lengths do (`base/norm.ts`). Pairs are listed by
 * ascending norm, so frequencies ascend, too.
 *
 * Stored: varint count, then per pair varint (frequency - frequency before - 1), u8 (norm - norm before); both
 * start at 0. At most IMPACTS_MAX pairs: the rest are merged into (largest frequency, smallest norm) of theirs,
 * which still bounds them.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { ByteWriter } from "../base/bytes.ts";
import { afterVarint, readVarint } from "./postings_bits.ts";

export const IMPACTS_MAX = 16;

/** Collects the competitive pairs of a set of postings. */
export class ImpactCollector {
  /** Largest frequency seen at each norm byte. */
  readonly #freqs = new Uint32Array(256);
  #lowest = 256;
  #highest = -1;

  add(freq: number, norm: number): void {
    if (norm < this.#lowest) this.#lowest = norm;
    if (norm > this.#highest) this.#highest = norm;
    if (freq > this.#freqs[norm]!) this.#freqs[norm] = freq;
  }

  /** `add` for postings [0, n); `norms` is indexed by doc, null: every norm is 1. */
  addAll(docs: Uint32Array, freqs: Uint32Array, n: number, norms: Uint8Array | null): void {
    if (norms === null) {
      for (let i = 0; i < n; i++) this.add(freqs[i]!, 1);
    } else {
      for (let i = 0; i < n; i++) this.add(freqs[i]!, norms[docs[i]!] ?? 0);
    }
  }

  /** Moves the competitive pairs out, and starts anew; returns how many. Arrays of IMPACTS_MAX. */
  take(freqs: Uint32Array, norms: Uint8Array): number {
    let count = 0;
    let best = 0;
    for (let norm = this.#lowest; norm <= this.#highest; norm++) {
      const freq = this.#freqs[norm]!;
      this.#freqs[norm] = 0;
      if (freq <= best) continue;
      best = freq;
      if (count === IMPACTS_MAX) {
        freqs[count - 1] = freq;
      } else {
        freqs[count] = freq;
        norms[count] = norm;
        count++;
      }
    }
    this.#lowest = 256;
    this.#highest = -1;
    return count;
  }
}

export function encodeImpacts(freqs: Uint32Array, norms: Uint8Array, count: number, out: ByteWriter): void {
  out.varint(count);
  let freq = 0;
  let norm = 0;
  for (let i = 0; i < count; i++) {
    out.varint(freqs[i]! - freq - 1);
    out.u8(norms[i]! - norm);
    freq = freqs[i]!;
    norm = norms[i]!;
  }
}

/**
 * Decodes what `encodeImpacts` wrote and returns the count.
 *
 * @throws {CorruptionError} More than IMPACTS_MAX pairs, or they pass the end or their range.
 */
export function decodeImpacts(bytes: Uint8Array, at: number, freqs: Uint32Array, norms: Uint8Array): number {
  const count = readVarint(bytes, at);
  at = afterVarint();
  if (count > IMPACTS_MAX) throw new CorruptionError(`Cannot decode impacts: ${count} pairs`);
  let freq = 0;
  let norm = 0;
  for (let i = 0; i < count; i++) {
    freq += readVarint(bytes, at) + 1;
    at = afterVarint();
    norm += at < bytes.length ? bytes[at++]! : 256;
    if (norm > 255 || freq > 0x7fff_ffff) {
      throw new CorruptionError("Cannot decode impacts: pair out of range");
    }
    freqs[i] = freq;
    norms[i] = norm;
  }
  return count;
}
