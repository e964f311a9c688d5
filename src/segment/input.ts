/**
 * What a segment is built from: cursors in final order, read front to back, so that a merge of large segments
 * streams through the same builder as a frozen memtable.
 *
 * Doc ids are dense, 0 to docCount - 1. Every cursor may be opened more than once (a first pass to choose the
 * encoding, a second to encode); cursors of different fields are never open at the same time.
 *
 * @module
 */

export interface SegmentInput {
  readonly docCount: number;
  /** Any order; names are unique. */
  readonly fields: readonly FieldInput[];
  readonly ids: () => IdCursor;
  /**
   * By byte value: 1 where it occurs in some id (and perhaps where it does not), so that the builder reads the ids once
   * only. Undefined: not known.
   */
  readonly idBytes?: Uint8Array;
  readonly stored: StoredInput;
}

/** Ids in doc order. */
export interface IdCursor {
  /** Moves to the next document's id; false after the last. */
  next(): boolean;
  /** The id is bytes [start, end) of `bytes`; valid until `next`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Sources in doc order, compressed already (see `StoredWriter` in `stored.ts`). */
export interface StoredInput {
  /** Read once, front to back; an array, or a generator that reads ahead no further than it is asked. */
  readonly blocks: Iterable<StoredBlock>;
}

export interface StoredBlock {
  readonly docCount: number;
  /** Size of the block when decompressed. */
  readonly rawBytes: number;
  /** The block as it lies on disk. */
  readonly bytes: Uint8Array;
}

export type FieldInput = NumericInput | TermsInput | TextInput;

/** Numbers of one field. `_seq_no` and `_version` come this way too. */
export interface NumericInput {
  readonly kind: "numeric";
  readonly name: string;
  /** Mapping type (`long`, `date`, `boolean`, ...); decides how it is reported, not how it is encoded. */
  readonly type: string;
  /** Values are BigInt64 instead of doubles. */
  readonly wide: boolean;
  readonly open: () => NumericCursor;
}

export interface NumericCursor {
  /**
   * Fills the next (doc, value) pairs, docs ascending, values of one doc adjacent and ascending; both arrays have
   * the same length. Returns how many, 0 at the end.
   */
  fill(docs: Uint32Array, values: Float64Array | BigInt64Array): number;
}

/** What inputs with terms may do beforehand and afterwards; a builder calls both once. */
export interface Preparation {
  /**
   * Work without which the first cursor would take long to open, in steps. Returns by byte value 1 where it occurs in
   * some term (and perhaps where it does not), so that the builder need not read the terms for that.
   */
  readonly prepare?: () => Generator<void, Uint8Array>;
  /** Lets go what was prepared: no cursor is opened soon. */
  readonly release?: () => void;
}

/** Whole values from a sorted dictionary: keyword, ip, flattened. */
export interface TermsInput extends Preparation {
  readonly kind: "terms";
  readonly name: string;
  readonly type: string;
  /** Whether to write the ordinal column (doc_values). */
  readonly column: boolean;
  /** Whether to write postings (index). */
  readonly postings: boolean;
  /** Distinct terms in byte order, each with the docs that hold it. */
  readonly openTerms: () => TermCursor;
  readonly openOrdinals: () => OrdinalCursor;
}

export interface OrdinalCursor {
  /** As `NumericCursor.fill`; values are positions in `openTerms` order, without repeats within a doc. */
  fill(docs: Uint32Array, ordinals: Uint32Array): number;
}

/** Analysed text. */
export interface TextInput extends Preparation {
  readonly kind: "text";
  readonly name: string;
  readonly type: string;
  readonly positions: boolean;
  readonly norms: boolean;
  readonly openTerms: () => TermCursor;
  /** Docs that have the field, ascending, each with its norm byte (`base/norm.ts`). */
  readonly openNorms: () => NormCursor;
}

export interface NormCursor {
  fill(docs: Uint32Array, norms: Uint8Array): number;
}

/** Terms in ascending byte order. */
export interface TermCursor {
  /** Moves to the next term; false after the last. */
  next(): boolean;
  /** The term is bytes [start, end) of `bytes`; valid until `next`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly docFreq: number;
  /** Occurrences over all docs; equals docFreq where frequencies mean nothing (`TermsInput`). */
  readonly totalTermFreq: number;
  /**
   * Fills the current term's next postings, docs ascending; returns how many, 0 at the end. `freqs` is filled for
   * text. Callers pass arrays of 128.
   */
  fillPostings(docs: Uint32Array, freqs: Uint32Array): number;
  /**
   * Positions of the postings that the last `fillPostings` returned, one after another, ascending within a doc:
   * [0, sum of freqs) is used. Text with positions only.
   */
  readonly positions: Uint32Array;
}
