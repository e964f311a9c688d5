/**
 * Numbers of one field in the memtable: doubles until a value needs 64 bits.
 *
 * @module
 */
import type { NumericCursor, NumericInput } from "../segment/input.ts";
import { DocList } from "./doc_list.ts";

export class NumberColumn {
  readonly #docs = new DocList();
  #values: Float64Array = new Float64Array(64);
  /** Instead of `#values`, once a value came that is no exact double. */
  #wides: BigInt64Array | null;
  /** Whether some doc's values did not come in ascending order. */
  #unordered = false;

  /** @param wide Whether values are 64-bit integers from the first one on. */
  constructor(wide: boolean) {
    this.#wides = wide ? new BigInt64Array(64) : null;
  }

  get length(): number {
    return this.#docs.length;
  }

  get sizeBytes(): number {
    return this.#docs.length * 8 + this.#docs.sizeBytes;
  }

  add(doc: number, value: number): void {
    const docs = this.#docs;
    const i = docs.length;
    if (this.#wides !== null) {
      this.addWide(doc, BigInt(value));
      return;
    }
    if (i === this.#values.length) {
      const grown = new Float64Array(i * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[i] = value;
    if (doc === docs.last && value < this.#values[i - 1]!) this.#unordered = true;
    docs.push(doc);
  }

  addWide(doc: number, value: bigint): void {
    const docs = this.#docs;
    const i = docs.length;
    let wides = this.#wides ?? this.#widen();
    if (i === wides.length) {
      wides = new BigInt64Array(i * 2);
      wides.set(this.#wides!);
      this.#wides = wides;
    }
    wides[i] = value;
    if (doc === docs.last && value < wides[i - 1]!) this.#unordered = true;
    docs.push(doc);
  }

  /** For the segment builder. Nothing may be added after. */
  input(name: string, type: string): NumericInput {
    if (this.#unordered) this.#orderWithinDocs();
    const values = this.#wides ?? this.#values;
    return {
      kind: "numeric",
      name,
      type,
      wide: this.#wides !== null,
      open: () => numericCursor(this.#docs, values),
    };
  }

  #widen(): BigInt64Array {
    const wides = new BigInt64Array(this.#values.length);
    for (let i = 0; i < this.#docs.length; i++) wides[i] = BigInt(this.#values[i]!);
    this.#values = new Float64Array(0);
    this.#wides = wides;
    return wides;
  }

  #orderWithinDocs(): void {
    const docs = this.#docs;
    const values = this.#wides ?? this.#values;
    for (let from = 0; from < docs.length;) {
      const doc = docs.at(from);
      let to = from + 1;
      while (to < docs.length && docs.at(to) === doc) to++;
      if (to - from > 1) values.subarray(from, to).sort();
      from = to;
    }
    this.#unordered = false;
  }
}

function numericCursor(docs: DocList, values: Float64Array | BigInt64Array): NumericCursor {
  let at = 0;
  return {
    fill(outDocs: Uint32Array, outValues: Float64Array | BigInt64Array): number {
      const n = Math.min(outDocs.length, docs.length - at);
      docs.copy(at, n, outDocs);
      if (values instanceof Float64Array) (outValues as Float64Array).set(values.subarray(at, at + n));
      else (outValues as BigInt64Array).set(values.subarray(at, at + n));
      at += n;
      return n;
    },
  };
}
