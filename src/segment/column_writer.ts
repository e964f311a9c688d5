/**
 * Writes one column: its values, which docs have one, and where each doc's values start.
 *
 * Runs of a field `f` in `segment.seg`: `f:values` or `f:ordinals`; `f:docs` unless every doc has a value; `f:starts`
 * when a doc has several. In `segment.sidx`: `f:zones`, `f:docs_zones`, `f:starts_zones`, and `f:counts` with the
 * docs of each ordinal when these are few.
 *
 * The cursor is opened two to four times. Yields after each batch of pairs.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { BLOCK_VALUES } from "../format/bitpack.ts";
import { type ColumnRecord, Domain, Encoding, Presence, Shape } from "../format/column_record.ts";
import { Predictor } from "../format/int_blocks.ts";
import { presenceBitmapBytes, PresenceBitmapWriter } from "../format/presence_bitmap.ts";
import type { NumericInput, TermsInput } from "./input.ts";
import { DoubleStats, type SequencePlan, WideStats } from "./sequence_plan.ts";
import { type SequenceFiles, SequenceWriter } from "./sequence_writer.ts";

/** What the directory says of a column. */
export interface ColumnRecords {
  readonly values: ColumnRecord;
  /** With presence `List`. */
  readonly docs: ColumnRecord | undefined;
  /** With shape `Multi`. */
  readonly starts: ColumnRecord | undefined;
}

/** Docs of each ordinal are counted up to so many ordinals. */
export const COUNTED_ORDINALS_MAX = 1024;

/** Pairs asked of a cursor at a time. */
const BATCH_PAIRS = 4096;

type Values = Float64Array | BigInt64Array | Uint32Array;

/** Pairs of (doc, value), from a cursor of any kind. */
interface PairSource {
  readonly name: string;
  readonly values: Values;
  readonly open: () => (docs: Uint32Array, values: Values) => number;
}

export function* writeNumericColumn(
  input: NumericInput,
  docCount: number,
  files: SequenceFiles,
): Generator<void, ColumnRecords> {
  const values = input.wide ? new BigInt64Array(BATCH_PAIRS) : new Float64Array(BATCH_PAIRS);
  const source: PairSource = {
    name: input.name,
    values,
    open: () => {
      const cursor = input.open();
      return (docs, into) => cursor.fill(docs, into as Float64Array | BigInt64Array);
    },
  };
  const stats = input.wide ? new WideStats() : new DoubleStats();
  const add = (n: number) =>
    (stats as { add(values: Values, from: number, to: number): void }).add(values, 0, n);
  const survey = yield* surveyPairs(source, docCount, add);
  return yield* writePairs(source, { plan: stats.plan(), survey, docCount, files, part: "values" });
}

export function* writeOrdinalColumn(
  input: TermsInput,
  docCount: number,
  files: SequenceFiles,
): Generator<void, ColumnRecords> {
  const values = new Uint32Array(BATCH_PAIRS);
  const source: PairSource = {
    name: input.name,
    values,
    open: () => {
      const cursor = input.openOrdinals();
      return (docs, into) => cursor.fill(docs, into as Uint32Array);
    },
  };
  const stats = new DoubleStats();
  const counts = new Uint32Array(COUNTED_ORDINALS_MAX);
  let highest = -1;
  const survey = yield* surveyPairs(source, docCount, (n) => {
    stats.add(values, 0, n);
    highest = countOrdinals(values, n, counts, highest);
  });
  // Constant ordinals stay in the integer domain: they are read as integers.
  const plan = stats.plan({ predictors: [Predictor.For], bitset: false });
  const records = yield* writePairs(source, {
    plan: plan.domain === Domain.Double ? { ...plan, domain: Domain.Integer } : plan,
    survey,
    docCount,
    files,
    part: "ordinals",
  });
  if (highest >= 0 && highest < COUNTED_ORDINALS_MAX) {
    files.sidx.begin(`${input.name}:counts`);
    files.sidx.append(new Uint8Array(counts.buffer, 0, 4 * (highest + 1)));
    files.sidx.end();
  }
  return records;
}

/** Writes only which docs have the field, for one without a column. */
export function* writePresence(
  input: TermsInput,
  docCount: number,
  files: SequenceFiles,
): Generator<void, ColumnRecords> {
  const has = new Uint32Array(Math.ceil(docCount / 32));
  if (input.postings) yield* markPostings(input, has);
  else yield* markOrdinals(input, has);
  const values = new Uint32Array(BATCH_PAIRS);
  const source: PairSource = {
    name: input.name,
    values,
    open: () => {
      let at = 0;
      return (docs) => {
        let n = 0;
        for (; at < docCount && n < BATCH_PAIRS; at++) {
          if ((has[at >>> 5]! & (1 << (at & 31))) !== 0) docs[n++] = at;
        }
        return n;
      };
    },
  };
  const stats = new DoubleStats();
  const survey = yield* surveyPairs(source, docCount, (n) => stats.add(values, 0, n));
  return yield* writePairs(source, { plan: stats.plan(), survey, docCount, files, part: "values" });
}

function* markPostings(input: TermsInput, has: Uint32Array): Generator<void, void> {
  const docs = new Uint32Array(BLOCK_VALUES);
  const freqs = new Uint32Array(BLOCK_VALUES);
  const cursor = input.openTerms();
  for (let terms = 0; cursor.next(); terms++) {
    for (let n = cursor.fillPostings(docs, freqs); n > 0; n = cursor.fillPostings(docs, freqs)) {
      for (let i = 0; i < n; i++) has[docs[i]! >>> 5]! |= 1 << (docs[i]! & 31);
    }
    if ((terms & 4095) === 4095) yield;
  }
}

function* markOrdinals(input: TermsInput, has: Uint32Array): Generator<void, void> {
  const docs = new Uint32Array(BATCH_PAIRS);
  const ordinals = new Uint32Array(BATCH_PAIRS);
  const cursor = input.openOrdinals();
  for (let n = cursor.fill(docs, ordinals); n > 0; n = cursor.fill(docs, ordinals)) {
    for (let i = 0; i < n; i++) has[docs[i]! >>> 5]! |= 1 << (docs[i]! & 31);
    yield;
  }
}

/** Returns the highest ordinal so far; past what is counted the counts mean nothing. */
function countOrdinals(ordinals: Uint32Array, n: number, counts: Uint32Array, highest: number): number {
  for (let i = 0; i < n; i++) {
    const ordinal = ordinals[i]!;
    if (ordinal > highest) highest = ordinal;
    if (ordinal < counts.length) counts[ordinal]!++;
  }
  return highest;
}

interface Survey {
  readonly docsWithValue: number;
  readonly multi: boolean;
}

/** The first pass: gives every batch to `add`, counts docs. */
function* surveyPairs(
  source: PairSource,
  docCount: number,
  add: (n: number) => void,
): Generator<void, Survey> {
  const docs = new Uint32Array(BATCH_PAIRS);
  const fill = source.open();
  let docsWithValue = 0;
  let count = 0;
  let last = -1;
  for (let n = fill(docs, source.values); n > 0; n = fill(docs, source.values)) {
    docsWithValue += countDistinct(docs, n, last);
    count += n;
    assert(
      docs[0]! >= Math.max(last, 0) && docs[n - 1]! < docCount,
      `docs of ${source.name} ascend below docCount`,
    );
    last = docs[n - 1]!;
    add(n);
    yield;
  }
  return { docsWithValue, multi: count > docsWithValue };
}

function countDistinct(docs: Uint32Array, n: number, last: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    if (doc !== last) count++;
    last = doc;
  }
  return count;
}

interface WriteOptions {
  readonly plan: SequencePlan;
  readonly survey: Survey;
  readonly docCount: number;
  readonly files: SequenceFiles;
  readonly part: "values" | "ordinals";
}

function* writePairs(source: PairSource, options: WriteOptions): Generator<void, ColumnRecords> {
  const { plan, survey, docCount, files, part } = options;
  const { docsWithValue, multi } = survey;
  const { name } = source;
  const values = new SequenceWriter(plan, files, { data: `${name}:${part}`, zones: `${name}:zones` });
  if (plan.encoding !== Encoding.Constant && plan.encoding !== Encoding.Linear) {
    const docs = new Uint32Array(BATCH_PAIRS);
    const fill = source.open();
    for (let n = fill(docs, source.values); n > 0; n = fill(docs, source.values)) {
      values.add(source.values, 0, n);
      yield;
    }
    values.finish();
  }
  const presence = docsWithValue === docCount
    ? Presence.All
    : yield* choosePresence(source, docsWithValue, docCount);
  let docs: ColumnRecord | undefined;
  if (presence === Presence.Bitmap) {
    const writer = new PresenceBitmapWriter(docCount);
    yield* eachDoc(source, (docs, n) => writer.add(docs, 0, n));
    files.seg.begin(`${name}:docs`);
    files.seg.appendOwned(writer.finish());
    files.seg.end();
  } else if (presence !== Presence.All) {
    docs = presence;
    const writer = new SequenceWriter(docs, files, { data: `${name}:docs`, zones: `${name}:docs_zones` });
    yield* eachDoc(source, (docs, n) => writer.add(docs, 0, n));
    writer.finish();
  }
  let starts: ColumnRecord | undefined;
  if (multi) {
    const stats = new DoubleStats();
    yield* eachStart(source, (starts, n) => stats.add(starts, 0, n));
    starts = stats.plan({ predictors: [Predictor.For, Predictor.Trend], bitset: false });
    const writer = new SequenceWriter(starts, files, {
      data: `${name}:starts`,
      zones: `${name}:starts_zones`,
    });
    yield* eachStart(source, (starts, n) => writer.add(starts, 0, n));
    writer.finish();
  }
  const shape = multi ? Shape.Multi : presence === Presence.All ? Shape.Dense : Shape.Sparse;
  return {
    values: {
      ...plan,
      shape,
      presence: typeof presence === "object" ? Presence.List : presence,
      docsWithValue,
    },
    docs,
    starts,
  };
}

/** A bitmap, or the plan of a list when that is smaller. */
function* choosePresence(
  source: PairSource,
  docsWithValue: number,
  docCount: number,
): Generator<void, typeof Presence.Bitmap | SequencePlan> {
  const gapBits = docsWithValue === 0 ? 0 : Math.log2(docCount / docsWithValue) + 3;
  if (docsWithValue * gapBits > presenceBitmapBytes(docCount) * 8) return Presence.Bitmap;
  const stats = new DoubleStats();
  yield* eachDoc(source, (docs, n) => stats.add(docs, 0, n));
  return stats.plan({ bitset: false });
}

/** Distinct docs, in batches. */
function* eachDoc(source: PairSource, take: (docs: Uint32Array, n: number) => void): Generator<void, void> {
  const docs = new Uint32Array(BATCH_PAIRS);
  const fill = source.open();
  let last = -1;
  for (let n = fill(docs, source.values); n > 0; n = fill(docs, source.values)) {
    let kept = 0;
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      if (doc !== last) docs[kept++] = doc;
      last = doc;
    }
    take(docs, kept);
    yield;
  }
}

/** Index of each doc's first value, in batches. */
function* eachStart(
  source: PairSource,
  take: (starts: Uint32Array, n: number) => void,
): Generator<void, void> {
  const docs = new Uint32Array(BATCH_PAIRS);
  const starts = new Uint32Array(BATCH_PAIRS);
  const fill = source.open();
  let last = -1;
  let at = 0;
  for (let n = fill(docs, source.values); n > 0; n = fill(docs, source.values)) {
    let kept = 0;
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      if (doc !== last) starts[kept++] = at + i;
      last = doc;
    }
    at += n;
    take(starts, kept);
    yield;
  }
}
