/**
 * What a search sees of a segment. Everything decodes on demand from mapped or shared bytes, and reaches them only
 * through the door in `file_view.ts`, which verifies a page's checksum on its first touch.
 *
 * Lifetime: readers alias memory that is unmapped when the last pin on its snapshot goes. Readers are stateless
 * and may be shared within a thread; cursors belong to whoever opened them.
 *
 * @module
 */

/** Larger than any doc id: what an exhausted cursor stands on. */
export const NO_MORE_DOCS = 0x7fff_ffff;

export interface SegmentReader {
  readonly uuid: string;
  /** Documents in the segment, dead ones included; doc ids are 0 to docCount - 1. */
  readonly docCount: number;
  readonly columns: readonly ColumnInfo[];
  /** Bytes handed out by the door so far, per run name (`<field>:<part>`), for budgets in tests and `_explain`. */
  readonly touched: ReadonlyMap<string, number>;
  numeric(field: string): NumericColumn | undefined;
  ordinals(field: string): OrdinalColumn | undefined;
  terms(field: string): TermDictionary | undefined;
  /** Norm bytes of a text field, one a doc, 0 where absent; undefined without norms. */
  norms(field: string): Uint8Array | undefined;
  /** Sets the bit of each doc that has the field in any of its runs. False: the segment does not know the field. */
  exists(field: string, into: Uint32Array): boolean;
  /** The source as sent. A view valid until the next call. */
  source(doc: number): Uint8Array;
  /** External id of a doc. */
  id(doc: number): string;
  /** Doc that has the external id (UTF-8), or -1; dead ones are found too. Touches `.ids` only. */
  findId(id: Uint8Array): number;
  /** Number of docs born dead (overwritten before the segment was built), and their bits. */
  readonly bornDead: Uint32Array | null;
  /** Deletes that this segment carries for older ones. */
  readonly tombstones: readonly Tombstones[];
}

export interface Tombstones {
  /** Number of the older segment. */
  readonly segment: number;
  readonly uuid: string;
  /** Ascending doc ids of that segment. */
  readonly docs: Uint32Array;
}

export interface ColumnInfo {
  readonly field: string;
  readonly type: string;
  /** Such as `for`, `delta_of_delta`, `linear`, `constant`, `scaled`, `raw`, `bitset`, `ordinals`, `postings`. */
  readonly encoding: string;
  readonly bytes: number;
  readonly values: number;
  readonly docs: number;
}

/** Part common to numeric and ordinal columns. Values lie in doc order and are addressed by value index. */
export interface Column {
  /** `dense`: every doc has exactly one value, so value index = doc. `sparse`: at most one. `multi`: any number. */
  readonly shape: "dense" | "sparse" | "multi";
  readonly docsWithValue: number;
  readonly valueCount: number;
  readonly encoding: string;
}

export interface NumericColumn extends Column {
  /** True: values are 64-bit integers, read through the `wide` members. */
  readonly wide: boolean;
  /** Over all docs, dead ones included. Of a wide column: bigint. Undefined when there is no value. */
  readonly min: number | bigint | undefined;
  readonly max: number | bigint | undefined;
  /** Sum of all values as a double (compensated), dead docs included. */
  readonly sum: number;
  /** Opens a cursor that gathers values of ascending docs. */
  cursor(): NumericCursorReader;
  /**
   * Sets the bit of each doc that has a value v with lo <= v <= hi (bigint bounds for wide columns). Blocks whose
   * zone excludes the range are skipped, blocks that lie wholly inside are not decoded.
   */
  matchRange(lo: number | bigint, hi: number | bigint, into: Uint32Array): BlockCounts;
  /** Zone of the block of 128 values that holds value index `i`; doubles also for wide columns (rounded outwards). */
  blockMin(block: number): number;
  blockMax(block: number): number;
}

export interface BlockCounts {
  /** All blocks of the column. */
  readonly blocks: number;
  /** Blocks that the zone maps ruled out. */
  readonly skipped: number;
  /** Blocks that the zone maps ruled in whole, without decoding. */
  readonly whole: number;
}

export interface NumericCursorReader {
  /**
   * Gathers all values of docs[0..n), ascending. Returns the number of pairs; pair i is value `values[i]` of
   * docs[owners[i]]. A wide column fills `wides` as well as `values` (rounded).
   */
  gather(docs: Uint32Array, n: number): number;
  readonly owners: Uint32Array;
  readonly values: Float64Array;
  readonly wides: BigInt64Array;
}

export interface OrdinalColumn extends Column {
  readonly termCount: number;
  cursor(): OrdinalCursorReader;
  /** Sets the bit of each doc that has an ordinal in [lo, hi]. */
  matchRange(lo: number, hi: number, into: Uint32Array): BlockCounts;
  /** Number of docs (dead ones included) that hold each ordinal, from the summary, or undefined when none is kept. */
  counts(): Uint32Array | undefined;
  /** The dictionary behind the ordinals. */
  readonly dictionary: TermDictionary;
}

export interface OrdinalCursorReader {
  /** As `NumericCursorReader.gather`. */
  gather(docs: Uint32Array, n: number): number;
  readonly owners: Uint32Array;
  readonly ordinals: Uint32Array;
}

/** A term that is in the dictionary. */
export interface TermEntry {
  readonly ordinal: number;
  readonly docFreq: number;
  readonly totalTermFreq: number;
  /** Opaque: where the postings lie. */
  readonly postingsAt: number;
}

export interface TermDictionary {
  readonly termCount: number;
  /** Docs that have the field. */
  readonly docCount: number;
  readonly sumDocFreq: number;
  readonly sumTotalTermFreq: number;
  readonly hasPostings: boolean;
  readonly hasFreqs: boolean;
  readonly hasPositions: boolean;
  find(term: Uint8Array): TermEntry | undefined;
  /** The term of an ordinal; a view valid until the next call. */
  term(ordinal: number): Uint8Array;
  /** Number of terms below `term`: the first ordinal not less than it. */
  lowerBound(term: Uint8Array): number;
  /** Terms from the first not less than `from`, in order; undefined: from the start. */
  iterate(from?: Uint8Array): TermIterator;
  postings(entry: TermEntry, want: { readonly freqs: boolean; readonly positions: boolean }): PostingsCursor;
}

export interface TermIterator {
  /** Moves to the next term; false after the last. */
  next(): boolean;
  /** View valid until `next`. */
  readonly term: Uint8Array;
  readonly entry: TermEntry;
}

/** Docs of one term, ascending, in blocks of up to 128. */
export interface PostingsCursor {
  readonly docFreq: number;
  /** Current doc; -1 before the first, NO_MORE_DOCS after the last. */
  readonly doc: number;
  /** Occurrences in the current doc; 1 where frequencies were not asked for or do not exist. */
  readonly freq: number;
  next(): number;
  /** First doc >= target; target must exceed the current doc. */
  advance(target: number): number;
  /** Positions of the current doc; [0, freq) is used; valid until the cursor moves. */
  positions(): Uint32Array;

  // The decoded block, for loops that cannot afford a call a doc.
  /** Docs of the current block; [0, blockLength) is used. */
  readonly blockDocs: Uint32Array;
  readonly blockFreqs: Uint32Array;
  readonly blockLength: number;
  /** Decodes the next whole block and returns its length, 0 at the end. Not to be mixed with `next` within a block. */
  nextBlock(): number;

  // Impacts: what a block can add at most, without decoding it.
  /** Moves the shallow position to the block that could hold `target`; cheap; the docs stay undecoded. */
  shallowAdvance(target: number): void;
  /** Last doc of the shallow block; NO_MORE_DOCS behind the last block. */
  readonly shallowLastDoc: number;
  /**
   * Competitive (freq, norm) pairs of the shallow block: [0, impactCount) is used. Each posting of the block
   * scores at most what one of them does.
   */
  readonly impactFreqs: Uint32Array;
  readonly impactNorms: Uint8Array;
  readonly impactCount: number;
  /** The same over the whole list. */
  maxImpacts(): { readonly freqs: Uint32Array; readonly norms: Uint8Array; readonly count: number };
}
