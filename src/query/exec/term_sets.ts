/**
 * Sets of docs by the terms they hold.
 *
 * @module
 */
import { newBits } from "../../base/bitset.ts";
import type {
  BlockCounts,
  OrdinalColumn,
  SegmentReader,
  TermDictionary,
  TermEntry,
} from "../../segment/reader.ts";
import type { TermRangePlan, TermScanPlan, TermSetPlan } from "../plan/plan.ts";
import type { Deadline } from "./deadline.ts";
import { fillByTest } from "./number_sets.ts";
import type { SetSource } from "./set_node.ts";

const UNSCORED = { freqs: false, positions: false };

/** Work of testing one doc's ordinal, in postings poured into a bitset. */
const TEST_COST = 8;

/** The dictionary of a field, from its postings or from its column. */
export function dictionaryOf(reader: SegmentReader, field: string): TermDictionary | undefined {
  return reader.terms(field) ?? reader.ordinals(field)?.dictionary;
}

export function pourPostings(dictionary: TermDictionary, entry: TermEntry, into: Uint32Array): void {
  const cursor = dictionary.postings(entry, UNSCORED);
  for (let n = cursor.nextBlock(); n > 0; n = cursor.nextBlock()) {
    const docs = cursor.blockDocs;
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      into[doc >>> 5]! |= 1 << (doc & 31);
    }
  }
}

/** Docs of entries, by postings where there are any, else by the column. */
function entriesSet(
  reader: SegmentReader,
  field: string,
  dictionary: TermDictionary,
  entries: readonly TermEntry[],
  label: string,
): SetSource {
  const column = reader.ordinals(field);
  const docs = entries.reduce((sum, entry) => sum + entry.docFreq, 0);
  const test = column === undefined ? undefined : ordinalTest(column, entries.map((entry) => entry.ordinal));
  if (!dictionary.hasPostings && test !== undefined) {
    return {
      label,
      cost: Math.min(docs, reader.docCount),
      fillCost: reader.docCount,
      fill: (into) => fillByTest(reader.docCount, test, into),
      test,
    };
  }
  return {
    label,
    cost: Math.min(docs, reader.docCount),
    fillCost: docs / TEST_COST,
    fill: (into) => {
      for (const entry of entries) pourPostings(dictionary, entry, into);
    },
    ...(test === undefined ? {} : { test }),
  };
}

type Test = (docs: Uint32Array, n: number, hits: Uint8Array) => number;

function ordinalTest(column: OrdinalColumn, ordinals: readonly number[]): Test {
  const members = newBits(column.termCount);
  for (const ordinal of ordinals) members[ordinal >>> 5]! |= 1 << (ordinal & 31);
  const cursor = column.cursor();
  return (docs, n, hits) => {
    const pairs = cursor.gather(docs, n);
    const { owners, ordinals: found } = cursor;
    hits.fill(0, 0, n);
    let count = 0;
    for (let i = 0; i < pairs; i++) {
      const ordinal = found[i]!;
      if (((members[ordinal >>> 5]! >>> (ordinal & 31)) & 1) === 0) continue;
      const at = owners[i]!;
      if (hits[at] === 0) count++;
      hits[at] = 1;
    }
    return count;
  };
}

export function termSet(reader: SegmentReader, plan: TermSetPlan): SetSource | TermEntry | "none" {
  const dictionary = dictionaryOf(reader, plan.field);
  if (dictionary === undefined) return "none";
  const entries: TermEntry[] = [];
  for (const term of plan.terms) {
    const entry = dictionary.find(term);
    if (entry !== undefined) entries.push(entry);
  }
  if (entries.length === 0) return "none";
  if (entries.length === 1) return entries[0]!;
  return entriesSet(reader, plan.field, dictionary, entries, `terms ${plan.field}`);
}

/** Ranges of at most so many terms are united from postings even where there is a column. */
const POSTINGS_TERMS_MAX = 16;

export function termRangeSet(reader: SegmentReader, plan: TermRangePlan): SetSource | "none" {
  const dictionary = dictionaryOf(reader, plan.field);
  if (dictionary === undefined || dictionary.termCount === 0) return "none";
  const lo = plan.from === undefined ? 0 : dictionary.lowerBound(plan.from);
  const hi = plan.to === undefined ? dictionary.termCount : dictionary.lowerBound(plan.to);
  const count = hi - lo;
  if (count <= 0) return "none";
  const label = `terms [${lo}, ${hi}) of ${plan.field}`;
  const column = reader.ordinals(plan.field);
  if (dictionary.hasPostings && (count <= POSTINGS_TERMS_MAX || column === undefined)) {
    const entries: TermEntry[] = [];
    const terms = dictionary.iterate(plan.from);
    while (entries.length < count && terms.next()) entries.push(terms.entry);
    return entriesSet(reader, plan.field, dictionary, entries, label);
  }
  if (column === undefined) return "none";
  const share = count / dictionary.termCount;
  return {
    label,
    cost: Math.min(column.docsWithValue, Math.ceil(column.valueCount * share * 2)),
    fillCost: column.valueCount / TEST_COST,
    fill: (into): BlockCounts => column.matchRange(lo, hi - 1, into),
    test: ordinalRangeTest(column, lo, hi),
  };
}

function ordinalRangeTest(column: OrdinalColumn, lo: number, hi: number): Test {
  const cursor = column.cursor();
  return (docs, n, hits) => {
    const pairs = cursor.gather(docs, n);
    const { owners, ordinals } = cursor;
    hits.fill(0, 0, n);
    let count = 0;
    for (let i = 0; i < pairs; i++) {
      const ordinal = ordinals[i]!;
      if (ordinal < lo || ordinal >= hi) continue;
      const at = owners[i]!;
      if (hits[at] === 0) count++;
      hits[at] = 1;
    }
    return count;
  };
}

/** Docs whose term begins with the plan's prefix and is accepted. Reads every such term once. */
export function termScanSet(
  reader: SegmentReader,
  plan: TermScanPlan,
  deadline: Deadline,
): SetSource | "none" {
  const dictionary = dictionaryOf(reader, plan.field);
  if (dictionary === undefined || dictionary.termCount === 0) return "none";
  const { prefix } = plan;
  const entries: TermEntry[] = [];
  const terms = dictionary.iterate(prefix);
  while (terms.next()) {
    const term = terms.term;
    if (!beginsWith(term, prefix)) break;
    deadline.spend(1);
    if (plan.accepts(term)) entries.push(terms.entry);
  }
  if (entries.length === 0) return "none";
  return entriesSet(reader, plan.field, dictionary, entries, plan.label);
}

function beginsWith(term: Uint8Array, prefix: Uint8Array): boolean {
  if (term.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (term[i] !== prefix[i]) return false;
  return true;
}
