/**
 * Range matches over a sequence: zone maps rule blocks out or in, only the others are decoded.
 *
 * @module
 */
import { setRange } from "../base/bitset.ts";
import { assert } from "../base/errors.ts";
import { BLOCK_VALUES, unpackBits } from "../format/bitpack.ts";
import { Encoding, Shape } from "../format/column_record.ts";
import { intBlockBytes, Predictor } from "../format/int_blocks.ts";
import { ZONE_BLOCKS } from "../format/zones.ts";
import type { PresenceReader, Starts } from "./presence.ts";
import type { BlockCounts } from "./reader.ts";
import type { Sequence } from "./sequence_reader.ts";

/** What maps value positions to docs. */
export interface Owners {
  readonly presence: PresenceReader;
  /** With shape `Multi`. */
  readonly starts: Starts | undefined;
}

/** Four words of one bit a value of the block at hand. */
const mask = new Int32Array(BLOCK_VALUES / 32);
const units = new Float64Array(BLOCK_VALUES);
const ints = new Uint32Array(BLOCK_VALUES);
const blockDocs = new Uint32Array(BLOCK_VALUES);

/** Sets the bits of all docs whose units lie in [lo, hi]. Not for wide blocks, and not for constants. */
export function matchUnits(
  sequence: Sequence,
  owners: Owners,
  bounds: { readonly lo: number; readonly hi: number },
  into: Uint32Array,
): BlockCounts {
  const { encoding } = sequence.record;
  if (encoding === Encoding.Linear) return matchLinear(sequence, owners, bounds, into);
  if (encoding === Encoding.Bitset) return matchBits(sequence, owners, bounds, into);
  const { lo, hi } = bounds;
  const zones = sequence.zones;
  assert(zones, "blocks have zones");
  const blocks = sequence.blockCount;
  let skipped = 0;
  let whole = 0;
  for (let record = 0; record < zones.records; record++) {
    const from = record * ZONE_BLOCKS;
    const to = Math.min(from + ZONE_BLOCKS, blocks);
    const least = zones.recordMin(record);
    const most = zones.recordMax(record);
    if (least > hi || most < lo) {
      skipped += to - from;
    } else if (least >= lo && most <= hi) {
      whole += to - from;
      markValues(
        sequence,
        owners,
        from * BLOCK_VALUES,
        Math.min(to * BLOCK_VALUES, sequence.record.valueCount),
        into,
      );
    } else {
      for (let block = from; block < to; block++) {
        const min = zones.min(block);
        const max = zones.max(block);
        if (min > hi || max < lo) {
          skipped++;
        } else if (min >= lo && max <= hi) {
          whole++;
          const start = block * BLOCK_VALUES;
          markValues(sequence, owners, start, start + sequence.blockLength(block), into);
        } else {
          maskBlock(sequence, block, lo, hi);
          markMask(sequence, owners, block, into);
        }
      }
    }
  }
  return { blocks, skipped, whole };
}

/** The same for 64-bit blocks. */
export function matchWides(
  sequence: Sequence,
  owners: Owners,
  bounds: { readonly lo: bigint; readonly hi: bigint },
  into: Uint32Array,
): BlockCounts {
  const { lo, hi } = bounds;
  const zones = sequence.zones;
  assert(zones, "blocks have zones");
  const blocks = sequence.blockCount;
  const wides = new BigInt64Array(BLOCK_VALUES);
  let skipped = 0;
  let whole = 0;
  for (let block = 0; block < blocks; block++) {
    const record = Math.floor(block / ZONE_BLOCKS);
    if (block % ZONE_BLOCKS === 0 && (zones.recordWideMin(record) > hi || zones.recordWideMax(record) < lo)) {
      const to = Math.min(block + ZONE_BLOCKS, blocks);
      skipped += to - block;
      block = to - 1;
      continue;
    }
    const min = zones.wideMin(block);
    const max = zones.wideMax(block);
    if (min > hi || max < lo) {
      skipped++;
    } else if (min >= lo && max <= hi) {
      whole++;
      const start = block * BLOCK_VALUES;
      markValues(sequence, owners, start, start + sequence.blockLength(block), into);
    } else {
      const n = sequence.decodeWides(block, wides, 0);
      mask.fill(0);
      for (let i = 0; i < n; i++) {
        if (wides[i]! >= lo && wides[i]! <= hi) mask[i >>> 5]! |= 1 << (i & 31);
      }
      markMask(sequence, owners, block, into);
    }
  }
  return { blocks, skipped, whole };
}

function matchLinear(
  sequence: Sequence,
  owners: Owners,
  { lo, hi }: { readonly lo: number; readonly hi: number },
  into: Uint32Array,
): BlockCounts {
  const { step, valueCount } = sequence.record;
  const blocks = sequence.blockCount;
  const inside = (i: number) => step * i >= lo && step * i <= hi;
  // The quotient may be off by a rounding: settle on the exact edge.
  let from = clamp(Math.ceil((step > 0 ? lo : hi) / step), 0, valueCount);
  while (from > 0 && inside(from - 1)) from--;
  while (from < valueCount && (step > 0 ? step * from < lo : step * from > hi)) from++;
  let to = clamp(Math.floor((step > 0 ? hi : lo) / step) + 1, from, valueCount);
  while (to > from && !inside(to - 1)) to--;
  while (to < valueCount && inside(to)) to++;
  if (from >= to) return { blocks, skipped: blocks, whole: 0 };
  markValues(sequence, owners, from, to, into);
  const firstBlock = Math.floor(from / BLOCK_VALUES);
  const lastBlock = Math.floor((to - 1) / BLOCK_VALUES);
  const firstWhole = Math.ceil(from / BLOCK_VALUES);
  const endWhole = to === valueCount ? blocks : Math.floor(to / BLOCK_VALUES);
  return {
    blocks,
    skipped: blocks - (lastBlock - firstBlock + 1),
    whole: Math.max(0, endWhole - firstWhole),
  };
}

function matchBits(
  sequence: Sequence,
  owners: Owners,
  { lo, hi }: { readonly lo: number; readonly hi: number },
  into: Uint32Array,
): BlockCounts {
  const blocks = sequence.blockCount;
  const zeros = lo <= 0 && hi >= 0;
  const ones = lo <= 1 && hi >= 1;
  if (!zeros && !ones) return { blocks, skipped: blocks, whole: 0 };
  const { words } = sequence.stored;
  sequence.data!.touch(0, blocks * 16);
  for (let block = 0; block < blocks; block++) {
    const n = sequence.blockLength(block);
    for (let w = 0; w < 4; w++) {
      const word = words[block * 4 + w]!;
      const valid = n >= w * 32 + 32 ? -1 : n <= w * 32 ? 0 : ~(-1 << (n - w * 32));
      mask[w] = ((ones ? word : 0) | (zeros ? ~word : 0)) & valid;
    }
    markMask(sequence, owners, block, into);
  }
  return { blocks, skipped: 0, whole: 0 };
}

/** Decodes a block and sets the bit of each unit in [lo, hi] in `mask`. */
function maskBlock(sequence: Sequence, block: number, lo: number, hi: number): void {
  const { encoding, predictor } = sequence.record;
  const zones = sequence.zones!;
  const width = zones.width(block);
  const n = sequence.blockLength(block);
  mask.fill(0);
  if (encoding === Encoding.Blocks && predictor === Predictor.For && width <= 32) {
    // Compare residuals where they are: no doubles are made.
    const at = zones.offset(block);
    const min = zones.min(block);
    sequence.data!.touch(at * 8, intBlockBytes(predictor, width, n));
    unpackBits(sequence.stored.words, at * 2, width, n, ints);
    const from = Math.max(0, lo - min);
    maskInts(n, from, Math.min(hi - min, 0xffff_ffff) - from);
    return;
  }
  sequence.decodeUnits(block, units, 0);
  for (let i = 0; i < n; i++) {
    if (units[i]! >= lo && units[i]! <= hi) mask[i >>> 5]! |= 1 << (i & 31);
  }
}

/** Bits of ints[i] in [from, from + span]; one unsigned comparison a value. */
function maskInts(n: number, from: number, span: number): void {
  if (span < 0) return;
  const first = from | 0;
  const most = span >>> 0;
  for (let w = 0; w * 32 < n; w++) {
    const start = w * 32;
    const end = Math.min(n, start + 32);
    let bits = 0;
    for (let i = start; i < end; i++) {
      // The sign of (most - x) as unsigned numbers, without a branch that random data would mispredict.
      bits |= +((((ints[i]! | 0) - first) >>> 0) <= most) << (i & 31);
    }
    mask[w] = bits;
  }
}

/** Sets the docs of values [from, to). */
function markValues(sequence: Sequence, owners: Owners, from: number, to: number, into: Uint32Array): void {
  if (sequence.record.shape === Shape.Dense) return setRange(into, from, to);
  for (let at = from; at < to; at += BLOCK_VALUES) {
    const n = Math.min(BLOCK_VALUES, to - at);
    ownersOf(owners, at, n);
    for (let i = 0; i < n; i++) into[blockDocs[i]! >>> 5]! |= 1 << (blockDocs[i]! & 31);
  }
}

/** Sets the docs of the values of `block` whose bits are in `mask`. */
function markMask(sequence: Sequence, owners: Owners, block: number, into: Uint32Array): void {
  if (sequence.record.shape === Shape.Dense) {
    for (let w = 0; w < 4; w++) if (mask[w] !== 0) into[block * 4 + w]! |= mask[w]!;
    return;
  }
  if ((mask[0]! | mask[1]! | mask[2]! | mask[3]!) === 0) return;
  const n = sequence.blockLength(block);
  ownersOf(owners, block * BLOCK_VALUES, n);
  for (let i = 0; i < n; i++) {
    if ((mask[i >>> 5]! & (1 << (i & 31))) === 0) continue;
    into[blockDocs[i]! >>> 5]! |= 1 << (blockDocs[i]! & 31);
  }
}

const rankDocs = new Uint32Array(BLOCK_VALUES);

/** Fills `blockDocs` with the docs of values [at, at + n). */
function ownersOf({ presence, starts }: Owners, at: number, n: number): void {
  if (!starts) return presence.docs(at, n, blockDocs);
  const first = starts.rankOf(at);
  let rank = first;
  let end = starts.start(rank + 1);
  for (let i = 0; i < n; i++) {
    while (at + i >= end) end = starts.start(++rank + 1);
    blockDocs[i] = rank - first;
  }
  presence.docs(first, rank - first + 1, rankDocs);
  for (let i = 0; i < n; i++) blockDocs[i] = rankDocs[blockDocs[i]!]!;
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
