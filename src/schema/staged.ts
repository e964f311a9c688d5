/**
 * One document between parsing and memory: its values, checked and typed, none of them applied yet.
 *
 * Both parsers (the one over bytes and the exact one over JSON values) fill a `StagedDocument`; the memtable then
 * applies it whole. So a document that turns out bad half-way leaves nothing behind. Reused from document to
 * document: nothing in it outlives the next `reset`.
 *
 * @module
 */

/** What a staged value is. */
export const StagedKind = {
  /** `numbers[i]` holds the value. */
  Number: 0,
  /** `wides[i]` holds the value. */
  Wide: 1,
  /** Bytes [starts[i], ends[i]) of the document's own buffer: a term as it is. */
  SourceTerm: 2,
  /** Bytes [starts[i], ends[i]) of `scratch`: a term that had to be built (unescaped, converted, an ip). */
  ScratchTerm: 3,
  /** Source bytes to be analysed. They are free of JSON escapes and valid UTF-8. */
  SourceText: 4,
  /** Scratch bytes to be analysed (UTF-8). */
  ScratchText: 5,
} as const;

export class StagedDocument {
  count = 0;
  /** Parallel arrays; [0, count) is used. Values of one field need not be adjacent, nor ordered. */
  fields: Uint32Array = new Uint32Array(64);
  kinds: Uint8Array = new Uint8Array(64);
  starts: Uint32Array = new Uint32Array(64);
  ends: Uint32Array = new Uint32Array(64);
  numbers: Float64Array = new Float64Array(64);
  wides: BigInt64Array = new BigInt64Array(64);
  /** Bytes that values refer to and that are not in the source. */
  scratch: Uint8Array = new Uint8Array(4096);
  scratchLength = 0;
  /** Buffer that `SourceTerm` and `SourceText` ranges point into. Set by the parser. */
  source: Uint8Array = new Uint8Array(0);
  /** Full paths of fields that `ignore_malformed` or `ignore_above` left out: becomes the `_ignored` field. */
  readonly ignored: string[] = [];

  reset(source: Uint8Array): void {
    this.count = 0;
    this.scratchLength = 0;
    this.source = source;
    if (this.ignored.length > 0) this.ignored.length = 0;
  }

  number(field: number, value: number): void {
    const i = this.#next(field, StagedKind.Number);
    this.numbers[i] = value;
  }

  wide(field: number, value: bigint): void {
    const i = this.#next(field, StagedKind.Wide);
    this.wides[i] = value;
  }

  sourceTerm(field: number, start: number, end: number): void {
    this.#range(field, StagedKind.SourceTerm, start, end);
  }

  sourceText(field: number, start: number, end: number): void {
    this.#range(field, StagedKind.SourceText, start, end);
  }

  scratchTerm(field: number, bytes: Uint8Array): void {
    const start = this.addScratch(bytes);
    this.#range(field, StagedKind.ScratchTerm, start, start + bytes.length);
  }

  scratchText(field: number, bytes: Uint8Array): void {
    const start = this.addScratch(bytes);
    this.#range(field, StagedKind.ScratchText, start, start + bytes.length);
  }

  /** Copies bytes into scratch and returns where; for several fields that share them use `scratchRange`. */
  addScratch(bytes: Uint8Array): number {
    const start = this.scratchLength;
    const need = start + bytes.length;
    if (need > this.scratch.length) {
      const grown = new Uint8Array(Math.max(need, this.scratch.length * 2));
      grown.set(this.scratch.subarray(0, start));
      this.scratch = grown;
    }
    this.scratch.set(bytes, start);
    this.scratchLength = need;
    return start;
  }

  scratchRange(field: number, kind: 3 | 5, start: number, end: number): void {
    this.#range(field, kind, start, end);
  }

  #range(field: number, kind: number, start: number, end: number): void {
    const i = this.#next(field, kind);
    this.starts[i] = start;
    this.ends[i] = end;
  }

  #next(field: number, kind: number): number {
    const i = this.count++;
    if (i === this.fields.length) this.#grow();
    this.fields[i] = field;
    this.kinds[i] = kind;
    return i;
  }

  #grow(): void {
    const size = this.fields.length * 2;
    const { fields, kinds, starts, ends, numbers, wides } = this;
    (this.fields = new Uint32Array(size)).set(fields);
    (this.kinds = new Uint8Array(size)).set(kinds);
    (this.starts = new Uint32Array(size)).set(starts);
    (this.ends = new Uint32Array(size)).set(ends);
    (this.numbers = new Float64Array(size)).set(numbers);
    (this.wides = new BigInt64Array(size)).set(wides);
  }
}
