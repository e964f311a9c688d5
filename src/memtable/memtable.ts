/**
 * The writes since the last refresh: typed arrays that grow, frozen into the cursors that a segment is built from.
 *
 * Invariants
 * - A document is added whole, after it was parsed whole; docs are numbered from 0 in the order in which they came.
 * - Nothing is taken out. An overwritten or deleted document is marked dead and goes into the segment so.
 * - After `freeze` nothing may be added: the cursors alias the arrays. `find`, `source` and `kill` go on working, so
 *   that a writer can answer gets until the segment is published.
 *
 * @module
 */
import type { AnalyzerSet } from "../analysis/mod.ts";
import { utf8 } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import type { Mapping } from "../schema/mapping.ts";
import { type StagedDocument, StagedKind } from "../schema/staged.ts";
import type { Field } from "../schema/types.ts";
import type { FieldInput, SegmentInput } from "../segment/input.ts";
import { StoredWriter } from "../segment/stored.ts";
import { IdTable } from "./id_table.ts";
import { NumberColumn } from "./number_column.ts";
import { TermColumn } from "./term_column.ts";
import { TextColumn } from "./text_column.ts";

export interface MemtableOptions {
  readonly mapping: Mapping;
  readonly analyzers: AnalyzerSet;
}

export class Memtable {
  #mapping: Mapping;
  readonly #analyzers: AnalyzerSet;
  // By field ordinal; null: the field is of another kind, or not indexed.
  readonly #numbers: (NumberColumn | null)[] = [];
  readonly #terms: (TermColumn | null)[] = [];
  readonly #texts: (TextColumn | null)[] = [];
  readonly #seqNos = new NumberColumn(false);
  readonly #versions = new NumberColumn(false);
  readonly #ignored = new TermColumn();
  readonly #ids = new IdTable();
  readonly #stored = new StoredWriter();
  #docCount = 0;
  #dead: Uint32Array | null = null;
  #deadCount = 0;
  #frozen = false;

  constructor(options: MemtableOptions) {
    this.#analyzers = options.analyzers;
    this.#mapping = options.mapping;
    this.setMapping(options.mapping);
  }

  /** Documents added, dead ones included. */
  get docCount(): number {
    return this.#docCount;
  }

  get liveCount(): number {
    return this.#docCount - this.#deadCount;
  }

  /**
   * Bytes that the memtable holds and that freezing it will need for a while. Walks the columns: ask once a batch,
   * not once a document.
   */
  get sizeBytes(): number {
    let size = this.#seqNos.sizeBytes + this.#versions.sizeBytes + this.#ignored.sizeBytes +
      this.#ids.sizeBytes +
      this.#stored.sizeBytes + (this.#dead?.byteLength ?? 0);
    for (const column of this.#numbers) if (column !== null) size += column.sizeBytes;
    for (const column of this.#terms) if (column !== null) size += column.sizeBytes;
    for (const column of this.#texts) if (column !== null) size += column.sizeBytes;
    return size;
  }

  /** Takes a mapping that adds fields to the present one. */
  setMapping(mapping: Mapping): void {
    this.#mapping = mapping;
    for (let i = this.#numbers.length; i < mapping.fields.length; i++) {
      const field = mapping.fields[i]!;
      const used = field.indexed || field.docValues;
      const isNumber = field.kind === "number" || field.kind === "wide";
      this.#numbers.push(used && isNumber ? new NumberColumn(field.kind === "wide") : null);
      this.#terms.push(used && field.kind === "term" ? new TermColumn() : null);
      this.#texts.push(field.indexed && field.kind === "text" ? this.#textColumn(field) : null);
    }
  }

  /**
   * Adds a document, and returns its doc. Does not mark an earlier one of the same id dead: the caller has looked it
   * up for its version, here or in a segment, and kills it there.
   *
   * @param id Buffer whose bytes [idStart, idEnd) are the id.
   * @param source Buffer whose bytes [start, end) are the source as sent.
   * @param trackId False for an id that the server just made, at version 1: cheaper until somebody asks for it.
   */
  add(
    staged: StagedDocument,
    id: Uint8Array,
    idStart: number,
    idEnd: number,
    source: Uint8Array,
    start: number,
    end: number,
    seqNo: number,
    version: number,
    trackId: boolean,
  ): number {
    assert(!this.#frozen, "nothing is added to a frozen memtable");
    const doc = this.#docCount++;
    this.#apply(staged, doc);
    this.#seqNos.add(doc, seqNo);
    this.#versions.add(doc, version);
    if (trackId) this.#ids.add(id, idStart, idEnd, seqNo, version);
    else this.#ids.addLoose(id, idStart, idEnd, seqNo);
    this.#stored.add(source, start, end);
    return doc;
  }

  /** Marks a doc dead, because its id was written again or deleted. */
  kill(doc: number): void {
    assert(doc >= 0 && doc < this.#docCount, "the doc was added");
    const word = doc >>> 5;
    if (this.#dead === null || word >= this.#dead.length) {
      const grown = new Uint32Array(Math.max(32, (this.#docCount >>> 5) * 2));
      if (this.#dead !== null) grown.set(this.#dead);
      this.#dead = grown;
    }
    const bit = 1 << (doc & 31);
    if ((this.#dead[word]! & bit) !== 0) return;
    this.#dead[word]! |= bit;
    this.#deadCount++;
  }

  /** Takes a `kill` back: the write that caused it did not reach the log. */
  revive(doc: number): void {
    const word = doc >>> 5;
    const bit = 1 << (doc & 31);
    assert(this.#dead !== null && (this.#dead[word]! & bit) !== 0, "only a dead doc is revived");
    this.#dead[word]! &= ~bit;
    this.#deadCount--;
  }

  /**
   * Puts an entry back to what it said before a write that did not reach the log. Doc -1 is a tombstone, version 0 with
   * it: as if the id had not been written here.
   */
  restoreEntry(entry: number, doc: number, seqNo: number, version: number): void {
    this.#ids.restore(entry, doc, seqNo, version);
  }

  /** Records that an id was deleted (wherever its document is). */
  addTombstone(id: Uint8Array, idStart: number, idEnd: number, seqNo: number, version: number): void {
    this.#ids.addTombstone(id, idStart, idEnd, seqNo, version);
  }

  /** Entry of a tracked id, or -1: not written since the last refresh. */
  find(id: Uint8Array, start: number, end: number): number {
    return this.#ids.find(id, start, end);
  }

  /** Tracked ids so far; entries are 0 to entryCount - 1. */
  get entryCount(): number {
    return this.#ids.entryCount;
  }

  /** Doc of the entry's latest write, -1: deleted. */
  entryDoc(entry: number): number {
    return this.#ids.doc(entry);
  }

  entrySeqNo(entry: number): number {
    return this.#ids.seqNo(entry);
  }

  entryVersion(entry: number): number {
    return this.#ids.version(entry);
  }

  /** The entry's id; a view valid until the next write. */
  entryId(entry: number): Uint8Array {
    return this.#ids.id(entry);
  }

  /** A doc's id; a view valid until the next write. */
  docId(doc: number): Uint8Array {
    return this.#ids.docId(doc);
  }

  /** A doc's source as sent; a view valid until the next call of anything. */
  source(doc: number): Uint8Array {
    return this.#stored.source(doc);
  }

  /** Bit set: dead. One bit a doc; null when all live. A copy. */
  bornDead(): Uint32Array | null {
    if (this.#dead === null) return null;
    const bits = new Uint32Array((this.#docCount + 31) >>> 5);
    bits.set(this.#dead.subarray(0, bits.length));
    return bits;
  }

  /** What the segment is built from. Cheap: sorting and inverting happen as the builder opens the cursors. */
  freeze(): SegmentInput {
    this.#frozen = true;
    const fields: FieldInput[] = [];
    for (const field of this.#mapping.fields) {
      const input = this.#input(field);
      if (input !== null) fields.push(input);
    }
    if (this.#docCount > 0) {
      fields.push(this.#seqNos.input("_seq_no", "long"), this.#versions.input("_version", "long"));
    }
    if (this.#ignored.length > 0) {
      fields.push(this.#ignored.input({ name: "_ignored", type: "keyword", column: true, postings: true }));
    }
    return {
      docCount: this.#docCount,
      fields,
      ids: () => this.#ids.cursor(),
      stored: { blocks: this.#stored.finish() },
    };
  }

  #apply(staged: StagedDocument, doc: number): void {
    const { fields, kinds, starts, ends, numbers, source, scratch } = staged;
    for (let i = 0; i < staged.count; i++) {
      const field = fields[i]!;
      switch (kinds[i]) {
        case StagedKind.Number:
          this.#numbers[field]?.add(doc, numbers[i]!);
          break;
        case StagedKind.Wide:
          this.#numbers[field]?.addWide(doc, staged.wides[i]!);
          break;
        case StagedKind.SourceTerm:
          this.#terms[field]?.add(doc, source, starts[i]!, ends[i]!);
          break;
        case StagedKind.ScratchTerm:
          this.#terms[field]?.add(doc, scratch, starts[i]!, ends[i]!);
          break;
        case StagedKind.SourceText:
          this.#texts[field]?.add(doc, source, starts[i]!, ends[i]!);
          break;
        case StagedKind.ScratchText:
          this.#texts[field]?.add(doc, scratch, starts[i]!, ends[i]!);
          break;
        default:
          throw new Error(`Assertion failed: staged kind ${kinds[i]} is known`);
      }
    }
    for (const path of staged.ignored) {
      const bytes = utf8(path);
      this.#ignored.add(doc, bytes, 0, bytes.length);
    }
  }

  #input(field: Field): FieldInput | null {
    const { name, type } = field;
    const numbers = this.#numbers[field.ordinal];
    if (numbers) return numbers.length > 0 ? numbers.input(name, type) : null;
    const terms = this.#terms[field.ordinal];
    if (terms) {
      return terms.length > 0
        ? terms.input({ name, type, column: field.docValues, postings: field.indexed })
        : null;
    }
    const texts = this.#texts[field.ordinal];
    if (!texts || texts.length === 0) return null;
    return texts.input({ name, type, positions: field.positions, norms: field.norms, freqs: field.freqs });
  }

  #textColumn(field: Field): TextColumn {
    return new TextColumn(this.#analyzers.get(field.analyzer), field.positionIncrementGap);
  }
}
