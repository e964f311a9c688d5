/**
 * Values of one field in one segment, gathered for a batch of documents.
 *
 * An aggregation reads values only through here: duplicates among the documents of a batch (a parent that put
 * one document into several buckets), the `missing` parameter and units are dealt with, and what comes out are
 * (owner, value) pairs as flat arrays.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import type {
  NumericColumn,
  NumericCursorReader,
  OrdinalColumn,
  OrdinalCursorReader,
} from "../../segment/reader.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import { fieldOf, type FieldUse, type NumberType } from "./field_use.ts";

/** Documents that are worked on at a time. */
export const BATCH = 4096;

const TWO_63 = 9223372036854775808;

/** Numbers of one field in one segment. */
export class NumberLeaf {
  /** Pair i is a value of docs[owners[i]]; owners ascend, and values of one owner do. */
  owners: Uint32Array = EMPTY_U32;
  values: Float64Array = EMPTY_F64;
  /** Exact values of a wide column, as stored; empty otherwise. */
  wides: BigInt64Array = EMPTY_I64;
  /** Whether, after the last `gather`, pair i belongs to docs[i] throughout. */
  identity = false;
  readonly column: NumericColumn | undefined;
  readonly type: NumberType;
  readonly #cursor: NumericCursorReader | undefined;
  readonly #missing: number | undefined;
  readonly #scratch = new PairScratch();

  constructor(column: NumericColumn | undefined, type: NumberType, missing: number | undefined) {
    this.column = column;
    this.type = type;
    this.#cursor = column?.cursor();
    this.#missing = missing;
  }

  /** Whether a document can own more than one pair. */
  get multi(): boolean {
    return this.column?.shape === "multi";
  }

  /** Whether the column's own min, max, sum and counts speak of the gathered values. */
  get summarizable(): boolean {
    return this.#missing === undefined && (this.column === undefined || !this.column.wide);
  }

  /** Gathers values of docs[0..n), ascending but not necessarily distinct. Returns the number of pairs. */
  gather(docs: Uint32Array, n: number): number {
    let m = 0;
    this.identity = false;
    if (this.#cursor) {
      const distinct = strictlyAscending(docs, n);
      m = distinct ? this.#cursor.gather(docs, n) : this.#gatherRepeated(docs, n);
      if (distinct) {
        this.owners = this.#cursor.owners;
        this.values = this.#cursor.values;
        this.wides = this.column!.wide ? this.#cursor.wides : EMPTY_I64;
      }
      if (this.column!.wide) this.#convert(m);
      this.identity = m === n && this.column!.shape !== "multi";
    }
    if (this.#missing !== undefined && !this.identity) m = this.#fillMissing(n, m, this.#missing);
    return m;
  }

  #gatherRepeated(docs: Uint32Array, n: number): number {
    const { distinct, count } = this.#scratch.compact(docs, n);
    const cursor = this.#cursor!;
    const m = cursor.gather(distinct, count);
    const wide = this.column!.wide;
    const total = this.#scratch.expand(docs, n, cursor.owners, m);
    const { owners, sources } = this.#scratch;
    const values = new Float64Array(total);
    for (let i = 0; i < total; i++) values[i] = cursor.values[sources[i]!]!;
    if (wide) {
      this.wides = new BigInt64Array(total);
      for (let i = 0; i < total; i++) this.wides[i] = cursor.wides[sources[i]!]!;
    }
    this.owners = owners;
    this.values = values;
    return total;
  }

  /** Wide columns of nanoseconds and unsigned longs into doubles of ms and of the value. */
  #convert(m: number): void {
    if (this.type !== "nanos" && this.type !== "unsigned" && this.type !== "date") return;
    const values = new Float64Array(m);
    if (this.type === "unsigned") {
      for (let i = 0; i < m; i++) values[i] = Number(this.wides[i]!) + TWO_63;
    } else {
      for (let i = 0; i < m; i++) values[i] = Number(this.wides[i]! / 1_000_000n);
      this.wides = EMPTY_I64;
    }
    this.values = values;
  }

  #fillMissing(n: number, m: number, missing: number): number {
    const { owners, values, wides } = this;
    const outOwners = new Uint32Array(n + m);
    const outValues = new Float64Array(n + m);
    const outWides = wides.length > 0 ? new BigInt64Array(n + m) : EMPTY_I64;
    const wideMissing = outWides.length > 0 ? this.#wideMissing(missing) : 0n;
    let out = 0;
    let at = 0;
    for (let owner = 0; owner < n; owner++) {
      if (at >= m || owners[at]! !== owner) {
        outOwners[out] = owner;
        if (outWides.length > 0) outWides[out] = wideMissing;
        outValues[out++] = missing;
      }
      for (; at < m && owners[at]! === owner; at++) {
        outOwners[out] = owner;
        if (outWides.length > 0) outWides[out] = wides[at]!;
        outValues[out++] = values[at]!;
      }
    }
    this.owners = outOwners;
    this.values = outValues;
    this.wides = outWides;
    this.identity = out === n && !this.multi;
    return out;
  }

  #wideMissing(missing: number): bigint {
    const whole = BigInt(Math.trunc(missing));
    return this.type === "unsigned" ? whole - (1n << 63n) : whole;
  }
}

export function openNumbers(use: FieldUse, target: SearchTarget, segment: SearchSegment): NumberLeaf {
  const found = use.kind === "number" ? fieldOf(use.name, target) : undefined;
  const column = found ? segment.reader.numeric(found.field?.name ?? use.name) : undefined;
  // A column that is wide because of its type keeps that type even where another index decided the format.
  const type = found?.numberType === "nanos" || found?.numberType === "unsigned"
    ? found.numberType
    : use.numberType;
  return new NumberLeaf(column, type, use.missingNumber);
}

/** Terms of one field in one segment, as dense numbers in byte order. */
export class TermLeaf {
  owners: Uint32Array = EMPTY_U32;
  /** Below `termCount`. */
  ordinals: Uint32Array = EMPTY_U32;
  identity = false;
  readonly column: OrdinalColumn | undefined;
  /** Ordinals of this leaf, the one of `missing` included. */
  readonly termCount: number;
  readonly #cursor: OrdinalCursorReader | undefined;
  /** Ordinals [low, low + own) of the column are ours, behind `skip` bytes of their terms. */
  readonly #low: number;
  readonly #own: number;
  readonly #skip: number;
  readonly #missing: Uint8Array | undefined;
  readonly #scratch = new PairScratch();

  constructor(column: OrdinalColumn | undefined, flattenedKey: string, missing: Uint8Array | undefined) {
    this.column = column;
    this.#cursor = column?.cursor();
    this.#missing = missing;
    this.#low = 0;
    this.#own = column?.termCount ?? 0;
    this.#skip = 0;
    if (flattenedKey !== "" && column) {
      const prefix = utf8(`${flattenedKey}\0`);
      const behind = utf8(`${flattenedKey}\x01`);
      this.#low = column.dictionary.lowerBound(prefix);
      this.#own = column.dictionary.lowerBound(behind) - this.#low;
      this.#skip = prefix.length;
    }
    this.termCount = this.#own + (missing === undefined ? 0 : 1);
  }

  get multi(): boolean {
    return this.column?.shape === "multi";
  }

  /** Whether every gathered term is one of the column, under its own number. */
  get plain(): boolean {
    return this.#missing === undefined && this.#skip === 0;
  }

  /** The term of an ordinal; a view valid until the next call. */
  term(ordinal: number): Uint8Array {
    if (ordinal >= this.#own) return this.#missing!;
    const term = this.column!.dictionary.term(ordinal + this.#low);
    return this.#skip === 0 ? term : term.subarray(this.#skip);
  }

  /** As `NumberLeaf.gather`. */
  gather(docs: Uint32Array, n: number): number {
    let m = 0;
    this.identity = false;
    if (this.#cursor) {
      if (strictlyAscending(docs, n)) {
        m = this.#cursor.gather(docs, n);
        this.owners = this.#cursor.owners;
        this.ordinals = this.#cursor.ordinals;
      } else m = this.#gatherRepeated(docs, n);
      if (this.#skip > 0) m = this.#keepOwn(m);
      this.identity = m === n && !this.multi;
    }
    if (this.#missing !== undefined && !this.identity) m = this.#fillMissing(n, m);
    return m;
  }

  #gatherRepeated(docs: Uint32Array, n: number): number {
    const { distinct, count } = this.#scratch.compact(docs, n);
    const cursor = this.#cursor!;
    const m = cursor.gather(distinct, count);
    const total = this.#scratch.expand(docs, n, cursor.owners, m);
    const ordinals = new Uint32Array(total);
    for (let i = 0; i < total; i++) ordinals[i] = cursor.ordinals[this.#scratch.sources[i]!]!;
    this.owners = this.#scratch.owners;
    this.ordinals = ordinals;
    return total;
  }

  #keepOwn(m: number): number {
    const owners = new Uint32Array(m);
    const ordinals = new Uint32Array(m);
    let out = 0;
    for (let i = 0; i < m; i++) {
      const ordinal = this.ordinals[i]! - this.#low;
      if (ordinal < 0 || ordinal >= this.#own) continue;
      owners[out] = this.owners[i]!;
      ordinals[out++] = ordinal;
    }
    this.owners = owners;
    this.ordinals = ordinals;
    return out;
  }

  #fillMissing(n: number, m: number): number {
    const { owners, ordinals } = this;
    const outOwners = new Uint32Array(n + m);
    const outOrdinals = new Uint32Array(n + m);
    let out = 0;
    let at = 0;
    for (let owner = 0; owner < n; owner++) {
      if (at >= m || owners[at]! !== owner) {
        outOwners[out] = owner;
        outOrdinals[out++] = this.#own;
      }
      for (; at < m && owners[at]! === owner; at++) {
        outOwners[out] = owner;
        outOrdinals[out++] = ordinals[at]!;
      }
    }
    this.owners = outOwners;
    this.ordinals = outOrdinals;
    this.identity = out === n && !this.multi;
    return out;
  }
}

export function openTermLeaf(use: FieldUse, target: SearchTarget, segment: SearchSegment): TermLeaf {
  if (use.name === "_index") return new TermLeaf(undefined, "", utf8(target.index));
  const field = target.mapping.field(use.name);
  const column = field ? segment.reader.ordinals(field.name) : undefined;
  return new TermLeaf(column, field?.flattenedKey ?? "", use.missingTerm);
}

/** Removes and restores repetitions among the documents of a batch. */
class PairScratch {
  owners: Uint32Array = EMPTY_U32;
  /** Pair of the distinct gathering that each restored pair repeats. */
  sources: Uint32Array = EMPTY_U32;

  compact(docs: Uint32Array, n: number): { distinct: Uint32Array; count: number } {
    const distinct = new Uint32Array(n);
    let count = 0;
    for (let i = 0; i < n; i++) if (i === 0 || docs[i] !== docs[i - 1]) distinct[count++] = docs[i]!;
    return { distinct, count };
  }

  /** Repeats the pairs of each distinct document for each of its places in `docs`. */
  expand(docs: Uint32Array, n: number, distinctOwners: Uint32Array, m: number): number {
    let total = 0;
    let owners = new Uint32Array(Math.max(16, n * 2));
    let sources = new Uint32Array(owners.length);
    let rank = -1;
    let from = 0;
    let to = 0;
    for (let i = 0; i < n; i++) {
      if (i === 0 || docs[i] !== docs[i - 1]) {
        rank++;
        from = to;
        while (to < m && distinctOwners[to]! === rank) to++;
      }
      if (total + (to - from) > owners.length) {
        const size = Math.max(owners.length * 2, total + to - from);
        owners = resized(owners, size);
        sources = resized(sources, size);
      }
      for (let at = from; at < to; at++) {
        owners[total] = i;
        sources[total++] = at;
      }
    }
    this.owners = owners;
    this.sources = sources;
    return total;
  }
}

function resized(array: Uint32Array, size: number): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(size);
  out.set(array);
  return out;
}

function strictlyAscending(docs: Uint32Array, n: number): boolean {
  for (let i = 1; i < n; i++) if (docs[i]! <= docs[i - 1]!) return false;
  return true;
}

const EMPTY_U32 = new Uint32Array(0);
const EMPTY_F64 = new Float64Array(0);
const EMPTY_I64 = new BigInt64Array(0);
