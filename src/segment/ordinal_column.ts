/**
 * A column of positions in a sorted dictionary, for reading.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { BLOCK_VALUES } from "../format/bitpack.ts";
import { Encoding } from "../format/column_record.ts";
import { Positions } from "./column_gather.ts";
import { matchUnits, type Owners } from "./column_match.ts";
import { PICKED_MAX, SHAPE_NAMES } from "./numeric_column.ts";
import type { BlockCounts, OrdinalColumn, OrdinalCursorReader, TermDictionary } from "./reader.ts";
import type { Run } from "./runs.ts";
import type { Sequence } from "./sequence_reader.ts";

export class StoredOrdinalColumn implements OrdinalColumn {
  readonly shape: "dense" | "sparse" | "multi";
  readonly docsWithValue: number;
  readonly valueCount: number;
  readonly encoding = "ordinals";
  readonly dictionary: TermDictionary;
  readonly #sequence: Sequence;
  readonly #openOwners: () => Owners;
  readonly #counts: Run | undefined;

  constructor(
    sequence: Sequence,
    openOwners: () => Owners,
    parts: { readonly counts: Run | undefined; readonly dictionary: TermDictionary },
  ) {
    const { record } = sequence;
    this.#sequence = sequence;
    this.#openOwners = openOwners;
    this.#counts = parts.counts;
    this.dictionary = parts.dictionary;
    this.shape = SHAPE_NAMES[record.shape];
    this.docsWithValue = record.docsWithValue;
    this.valueCount = record.valueCount;
  }

  get termCount(): number {
    return this.dictionary.termCount;
  }

  cursor(): OrdinalCursorReader {
    return new OrdinalCursor(this.#sequence, this.#openOwners());
  }

  matchRange(lo: number, hi: number, into: Uint32Array): BlockCounts {
    const sequence = this.#sequence;
    const { record, base, blockCount: blocks } = sequence;
    const min = record.min as number;
    const max = record.max as number;
    if (record.valueCount === 0 || !(lo <= max && hi >= min)) return { blocks, skipped: blocks, whole: 0 };
    const owners = this.#openOwners();
    if (lo <= min && hi >= max) {
      owners.presence.mark(into);
      return { blocks, skipped: 0, whole: blocks };
    }
    assert(record.encoding !== Encoding.Constant, "one ordinal is in range or out of it");
    const bounds = { lo: Math.ceil(Math.max(lo, min)) - base, hi: Math.floor(Math.min(hi, max)) - base };
    return matchUnits(sequence, owners, bounds, into);
  }

  counts(): Uint32Array | undefined {
    const run = this.#counts;
    if (!run) return undefined;
    run.touch(0, run.length);
    return new Uint32Array(run.bytes.buffer, run.bytes.byteOffset, run.length >>> 2);
  }
}

class OrdinalCursor implements OrdinalCursorReader {
  owners: Uint32Array = new Uint32Array(0);
  ordinals: Uint32Array = new Uint32Array(256);
  readonly #sequence: Sequence;
  readonly #owners: Owners;
  readonly #positions = new Positions();
  readonly #block = new Uint32Array(BLOCK_VALUES);
  #picked = new Float64Array(256);
  #loaded = -1;

  constructor(sequence: Sequence, owners: Owners) {
    this.#sequence = sequence;
    this.#owners = owners;
  }

  gather(docs: Uint32Array, n: number): number {
    const sequence = this.#sequence;
    const count = this.#positions.find(sequence.record.shape, this.#owners, docs, n);
    this.owners = this.#positions.owners;
    if (count > this.ordinals.length) {
      this.ordinals = new Uint32Array(Math.max(count, this.ordinals.length * 2));
    }
    const { at } = this.#positions;
    const { ordinals } = this;
    if (this.#picked.length < count) this.#picked = new Float64Array(ordinals.length);
    for (let i = 0; i < count;) {
      const block = at[i]! >>> 7;
      let end = i + 1;
      while (end < count && at[end]! >>> 7 === block) end++;
      if (sequence.picks && end - i <= PICKED_MAX && block !== this.#loaded) {
        // Ordinals fit in 32 bits: a block is never too wide.
        sequence.pick(at, i, end, this.#picked);
        for (; i < end; i++) ordinals[i] = sequence.base + this.#picked[i]!;
      } else {
        if (block !== this.#loaded) sequence.decodeInts(block, this.#block);
        this.#loaded = block;
        pickInts(this.#block, at, i, end, ordinals);
        i = end;
      }
    }
    return count;
  }
}

function pickInts(
  block: Uint32Array,
  at: Uint32Array,
  from: number,
  to: number,
  ordinals: Uint32Array,
): void {
  for (let i = from; i < to; i++) ordinals[i] = block[at[i]! & (BLOCK_VALUES - 1)]!;
}
