/** Reads a `SegmentInput` into plain objects, to compare with a model. */
import { utf8Text } from "../../src/base/bytes.ts";
import type { FieldInput, SegmentInput, TermCursor } from "../../src/segment/input.ts";

export interface ReadTerm {
  readonly docFreq: number;
  readonly totalTermFreq: number;
  /** By posting: doc, frequency (text), positions (text with positions). */
  readonly postings: readonly (readonly number[])[];
}

export interface ReadField {
  readonly kind: string;
  readonly type: string;
  /** By doc: its numbers. */
  readonly numbers?: ReadonlyMap<number, readonly (number | bigint)[]>;
  /** By doc: its terms, from the ordinal column. */
  readonly values?: ReadonlyMap<number, readonly string[]>;
  /** By term (latin-1 of its bytes), in order. */
  readonly terms?: ReadonlyMap<string, ReadTerm>;
  /** By doc: its norm. */
  readonly norms?: ReadonlyMap<number, number>;
}

export interface ReadInput {
  readonly fields: ReadonlyMap<string, ReadField>;
  readonly ids: readonly string[];
}

/** @param room Length of the arrays handed to cursors. */
export function readInput(input: SegmentInput, room: number): ReadInput {
  const fields = new Map<string, ReadField>();
  for (const field of input.fields) fields.set(field.name, readField(field, room));
  const ids: string[] = [];
  for (const cursor = input.ids(); cursor.next();) {
    ids.push(utf8Text(cursor.bytes.subarray(cursor.start, cursor.end)));
  }
  return { fields, ids };
}

function readField(field: FieldInput, room: number): ReadField {
  const { kind, type } = field;
  const docs = new Uint32Array(room);
  if (field.kind === "numeric") {
    const values = field.wide ? new BigInt64Array(room) : new Float64Array(room);
    const numbers = new Map<number, (number | bigint)[]>();
    const cursor = field.open();
    for (let n; (n = cursor.fill(docs, values)) > 0;) {
      for (let i = 0; i < n; i++) push(numbers, docs[i]!, values[i]!);
    }
    return { kind, type, numbers };
  }
  if (field.kind === "terms") {
    const terms = readTerms(field.openTerms(), room, false);
    const names = [...terms.keys()];
    const values = new Map<number, string[]>();
    const ordinals = new Uint32Array(room);
    const cursor = field.openOrdinals();
    for (let n; (n = cursor.fill(docs, ordinals)) > 0;) {
      for (let i = 0; i < n; i++) push(values, docs[i]!, names[ordinals[i]!]!);
    }
    return { kind, type, values, terms };
  }
  const terms = readTerms(field.openTerms(), room, true);
  const norms = new Map<number, number>();
  const bytes = new Uint8Array(room);
  const cursor = field.openNorms();
  for (let n; (n = cursor.fill(docs, bytes)) > 0;) {
    for (let i = 0; i < n; i++) norms.set(docs[i]!, bytes[i]!);
  }
  return { kind, type, terms, norms };
}

function readTerms(cursor: TermCursor, room: number, text: boolean): Map<string, ReadTerm> {
  const terms = new Map<string, ReadTerm>();
  const docs = new Uint32Array(room);
  const freqs = new Uint32Array(room);
  while (cursor.next()) {
    const { docFreq, totalTermFreq } = cursor;
    const postings: number[][] = [];
    for (let n; (n = cursor.fillPostings(docs, freqs)) > 0;) {
      let at = 0;
      for (let i = 0; i < n; i++) {
        if (!text) {
          postings.push([docs[i]!]);
          continue;
        }
        const freq = freqs[i]!;
        postings.push([docs[i]!, freq, ...cursor.positions.subarray(at, at + freq)]);
        at += freq;
      }
    }
    terms.set(latin1(cursor.bytes.subarray(cursor.start, cursor.end)), { docFreq, totalTermFreq, postings });
  }
  return terms;
}

export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function push<V>(map: Map<number, V[]>, doc: number, value: V): void {
  const list = map.get(doc);
  if (list) list.push(value);
  else map.set(doc, [value]);
}
