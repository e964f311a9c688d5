/**
 * Analysed text of one field in the memtable: a log of term numbers in the order of the text, turned into postings by
 * counting sort when the segment is built.
 *
 * An entry of the log is the number of a term, whose position is one more than the one before; or, with `STEP` set, a
 * correction to the position that the next term would have (gaps between values, dropped stop words, synonyms). So a
 * token costs 4 bytes, and adding one touches nothing but the end of the log and the table of terms.
 *
 * @module
 */
import type { Analyzer } from "../analysis/mod.ts";
import { utf8Text } from "../base/bytes.ts";
import { InternTable } from "../base/intern.ts";
import { lengthToNorm } from "../base/norm.ts";
import type { NormCursor, TextInput } from "../segment/input.ts";
import { type AsciiTokenizer, asciiTokenizer, type TermLog } from "./ascii_terms.ts";
import { DocList } from "./doc_list.ts";
import { runSteps, usedBytes } from "./steps.ts";
import { type InvertedText, invertText, STEP, STEP_ZERO, textTermCursor } from "./text_postings.ts";

/** What the builder may want of a text column; from `Field`. */
export interface TextColumnUse {
  readonly name: string;
  readonly type: string;
  readonly positions: boolean;
  readonly norms: boolean;
  /** Whether frequencies count; else each is 1. */
  readonly freqs: boolean;
}

const encoder = new TextEncoder();

export class TextColumn {
  readonly #analyzer: Analyzer;
  readonly #positionGap: number;
  readonly #tokenizer: AsciiTokenizer | undefined;
  readonly #log: TermLog = { table: new InternTable(256), entries: new Uint32Array(1024), length: 0 };
  /** Docs that have the field, each once. */
  readonly #docs = new DocList();
  /** By value of `#docs`: end of its entries in the log, and number of its terms as the norm counts them. */
  #ends: Uint32Array = new Uint32Array(64);
  #lengths: Uint32Array = new Uint32Array(64);
  /** Position of the current doc's last token, -1 before its first. */
  #position = -1;

  constructor(analyzer: Analyzer, positionIncrementGap: number) {
    this.#analyzer = analyzer;
    this.#positionGap = positionIncrementGap;
    this.#tokenizer = asciiTokenizer(analyzer.asciiRule);
  }

  get length(): number {
    return this.#docs.length;
  }

  /** Includes what inverting will need: another 8 bytes a token. */
  get sizeBytes(): number {
    return this.#log.table.sizeBytes + this.#log.length * 12 + this.#docs.length * 8 + this.#docs.sizeBytes;
  }

  /** Adds a value of `doc`: the text that is bytes [start, end), valid UTF-8. */
  add(doc: number, bytes: Uint8Array, start: number, end: number): void {
    const log = this.#log;
    const further = doc === this.#docs.last;
    if (!further) this.#open(doc);
    reserveEntries(log, ((end - start) >>> 1) + 4);
    const before = log.length;
    const position = this.#position;
    if (further) this.#step(this.#positionGap);
    const first = log.length;
    if (this.#tokenizer?.(log, bytes, start, end, this.#analyzer.maxTokenLength)) {
      const tokens = log.length - first;
      this.#position += tokens;
      this.#close(tokens);
    } else {
      log.length = before;
      this.#position = position;
      this.#analyze(utf8Text(bytes.subarray(start, end)), further);
    }
  }

  /** For the segment builder. Nothing may be added after; inverting happens when it prepares the field. */
  input(use: TextColumnUse): TextInput {
    const { entries, length, table } = this.#log;
    const log = { table, entries: entries.subarray(0, length), docs: this.#docs, ends: this.#ends };
    let inverted: InvertedText | undefined;
    return {
      kind: "text",
      name: use.name,
      type: use.type,
      positions: use.positions && use.freqs,
      norms: use.norms,
      *prepare() {
        inverted ??= yield* invertText(log, use);
        return yield* usedBytes(table);
      },
      release: () => inverted = undefined,
      openTerms: () => textTermCursor(table, inverted ??= runSteps(invertText(log, use))),
      openNorms: () => normCursor(this.#docs, this.#lengths),
    };
  }

  #open(doc: number): void {
    const i = this.#docs.length;
    if (i === this.#ends.length) {
      this.#ends = doubled(this.#ends);
      this.#lengths = doubled(this.#lengths);
    }
    this.#lengths[i] = 0;
    this.#docs.push(doc);
    this.#position = -1;
  }

  /** Records what was appended as the current doc's. */
  #close(tokens: number): void {
    const i = this.#docs.length - 1;
    this.#ends[i] = this.#log.length;
    this.#lengths[i]! += tokens;
  }

  /** Moves the next token's position by `delta`. */
  #step(delta: number): void {
    this.#log.entries[this.#log.length++] = (STEP | (delta + STEP_ZERO)) >>> 0;
    this.#position += delta;
  }

  #analyze(text: string, further: boolean): void {
    const log = this.#log;
    const tokens = this.#analyzer.analyze(text);
    reserveEntries(log, tokens.length * 2 + 2);
    if (further) this.#step(this.#positionGap);
    const base = this.#position + 1;
    let overlaps = 0;
    for (const token of tokens) {
      const delta = base + token.position - (this.#position + 1);
      if (delta !== 0) this.#step(delta);
      // A term at its forerunner's position does not lengthen the field (Lucene's discountOverlaps).
      if (delta === -1) overlaps++;
      log.entries[log.length++] = internText(log.table, token.term);
      this.#position++;
    }
    this.#close(tokens.length - overlaps);
  }
}

function doubled(array: Uint32Array): Uint32Array {
  const grown = new Uint32Array(array.length * 2);
  grown.set(array);
  return grown;
}

function reserveEntries(log: TermLog, count: number): void {
  if (log.length + count <= log.entries.length) return;
  const grown = new Uint32Array(Math.max(log.length + count, log.entries.length * 2));
  grown.set(log.entries.subarray(0, log.length));
  log.entries = grown;
}

function internText(table: InternTable, term: string): number {
  const pool = table.reserve(term.length * 3);
  const from = table.poolLength;
  const { written } = encoder.encodeInto(term, pool.subarray(from));
  return table.internTail(written);
}

function normCursor(docs: DocList, lengths: Uint32Array): NormCursor {
  let at = 0;
  return {
    fill(outDocs: Uint32Array, norms: Uint8Array): number {
      const n = Math.min(outDocs.length, docs.length - at);
      docs.copy(at, n, outDocs);
      for (let i = 0; i < n; i++) norms[i] = lengthToNorm(lengths[at + i]!);
      at += n;
      return n;
    },
  };
}
