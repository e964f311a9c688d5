/**
 * Segments out of plain JavaScript values, for tests: one array entry a document.
 *
 * @module
 */
import { compareBytes, utf8 } from "../../src/base/bytes.ts";
import { lengthToNorm } from "../../src/base/norm.ts";
import { buildSegmentNow, type BuiltSegment } from "../../src/segment/builder.ts";
import { type FileImage, PAGE_BYTES, type SegmentImage } from "../../src/segment/file_view.ts";
import { finishIds, type IdsTailParts } from "../../src/segment/ids_tail.ts";
import type { FieldInput, SegmentInput, TermCursor } from "../../src/segment/input.ts";
import { openSegment, type StoredSegment } from "../../src/segment/open.ts";
import { StoredWriter } from "../../src/segment/stored.ts";

export const UUID = "01234567-89ab-4cde-8f01-23456789abcd";

/** Values of each document; [] where it has none. */
export type PlainField =
  | { readonly kind: "numbers"; readonly type?: string; readonly values: readonly (readonly number[])[] }
  | { readonly kind: "wides"; readonly type?: string; readonly values: readonly (readonly bigint[])[] }
  | {
    readonly kind: "terms";
    readonly column?: boolean;
    readonly postings?: boolean;
    readonly values: readonly (readonly string[])[];
  }
  /** Words of a text, or undefined without one. */
  | { readonly kind: "text"; readonly values: readonly (readonly string[] | undefined)[] };

export interface PlainSegment {
  readonly fields: Readonly<Record<string, PlainField>>;
  readonly ids: readonly string[];
  readonly sources?: readonly Uint8Array[];
}

/** Pairs are handed out in odd pieces, so that no consumer leans on full batches. */
function pairCursor<V extends number | bigint>(values: readonly (readonly V[])[]) {
  const pairs = values.flatMap((list, doc) => list.map((value) => [doc, value] as const));
  let at = 0;
  let piece = 1;
  return {
    fill(docs: Uint32Array, into: Float64Array | BigInt64Array | Uint32Array): number {
      piece = piece * 3 % 1009;
      const n = Math.min(docs.length, piece, pairs.length - at);
      for (let i = 0; i < n; i++) {
        docs[i] = pairs[at + i]![0];
        into[i] = pairs[at + i]![1] as never;
      }
      at += n;
      return n;
    },
  };
}

interface PlainTerm {
  readonly bytes: Uint8Array;
  readonly docs: number[];
  readonly freqs: number[];
  readonly positions: number[][];
}

function termCursor(terms: readonly PlainTerm[]): TermCursor {
  let term = -1;
  let at = 0;
  let positions = new Uint32Array(0);
  return {
    next: () => {
      at = 0;
      return ++term < terms.length;
    },
    get bytes() {
      return terms[term]!.bytes;
    },
    start: 0,
    get end() {
      return terms[term]!.bytes.length;
    },
    get docFreq() {
      return terms[term]!.docs.length;
    },
    get totalTermFreq() {
      return terms[term]!.freqs.reduce((sum, freq) => sum + freq, 0);
    },
    fillPostings(docs, freqs) {
      const { docs: from, freqs: counts, positions: places } = terms[term]!;
      const n = Math.min(128, from.length - at);
      for (let i = 0; i < n; i++) {
        docs[i] = from[at + i]!;
        freqs[i] = counts[at + i]!;
      }
      positions = Uint32Array.from(places.slice(at, at + n).flat());
      at += n;
      return n;
    },
    get positions() {
      return positions;
    },
  };
}

function invert(values: readonly (readonly string[] | undefined)[]): PlainTerm[] {
  const terms = new Map<string, PlainTerm>();
  values.forEach((words, doc) =>
    words?.forEach((word, position) => {
      let term = terms.get(word);
      if (!term) terms.set(word, term = { bytes: utf8(word), docs: [], freqs: [], positions: [] });
      if (term.docs.at(-1) !== doc) {
        term.docs.push(doc);
        term.freqs.push(0);
        term.positions.push([]);
      }
      term.freqs[term.freqs.length - 1]!++;
      term.positions.at(-1)!.push(position);
    })
  );
  return [...terms.values()].sort((a, b) => compareBytes(a.bytes, b.bytes));
}

function fieldInput(name: string, field: PlainField): FieldInput {
  if (field.kind === "numbers" || field.kind === "wides") {
    return {
      kind: "numeric",
      name,
      type: field.type ?? (field.kind === "wides" ? "date_nanos" : "double"),
      wide: field.kind === "wides",
      open: () => pairCursor<number | bigint>(field.values),
    };
  }
  const terms = invert(field.values);
  if (field.kind === "terms") {
    const ordinals = new Map(terms.map(({ bytes }, ordinal) => [new TextDecoder().decode(bytes), ordinal]));
    const values = field.values.map((list) =>
      [...new Set(list.map((t) => ordinals.get(t)!))].sort((a, b) => a - b)
    );
    for (const term of terms) term.freqs.fill(1);
    return {
      kind: "terms",
      name,
      type: "keyword",
      column: field.column ?? true,
      postings: field.postings ?? true,
      openTerms: () => termCursor(terms),
      openOrdinals: () => pairCursor(values),
    };
  }
  const lengths = field.values.map((words) => words === undefined ? [] : [lengthToNorm(words.length)]);
  return {
    kind: "text",
    name,
    type: "text",
    positions: true,
    norms: true,
    openTerms: () => termCursor(terms),
    openNorms: () => {
      const cursor = pairCursor(lengths);
      return { fill: (docs, norms) => cursor.fill(docs, norms as unknown as Uint32Array) };
    },
  };
}

export function inputOf({ fields, ids, sources }: PlainSegment): SegmentInput {
  const writer = new StoredWriter();
  for (let doc = 0; doc < ids.length; doc++) {
    const source = sources?.[doc] ?? utf8(`{"doc":${doc}}`);
    writer.add(source, 0, source.length);
  }
  const blocks = writer.finish();
  return {
    docCount: ids.length,
    fields: Object.entries(fields).map(([name, field]) => fieldInput(name, field)),
    ids: () => {
      let doc = -1;
      let bytes: Uint8Array = new Uint8Array(0);
      return {
        next: () => {
          if (++doc >= ids.length) return false;
          bytes = utf8(ids[doc]!);
          return true;
        },
        get bytes() {
          return bytes;
        },
        start: 0,
        get end() {
          return bytes.length;
        },
      };
    },
    stored: { blocks },
  };
}

export function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, doc) => `id-${doc}`);
}

export function fileImage(bytes: Uint8Array, label: string): FileImage {
  return { bytes, verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32) + 1), label };
}

const NO_TAIL: IdsTailParts = { tombstones: [], bornDead: null };

/** Whole files of a built segment. */
export function filesOf(
  built: BuiltSegment,
  tail = NO_TAIL,
): { seg: Uint8Array; sidx: Uint8Array; ids: Uint8Array } {
  const end = finishIds(built.idsBody, tail);
  const ids = new Uint8Array(built.idsBody.bytes.length + end.length);
  ids.set(built.idsBody.bytes);
  ids.set(end, built.idsBody.bytes.length);
  return { seg: built.seg, sidx: built.sidx, ids };
}

export function imageOf(files: { seg: Uint8Array; sidx: Uint8Array; ids: Uint8Array }): SegmentImage {
  return {
    seg: fileImage(files.seg, "segment.seg"),
    sidx: fileImage(files.sidx, "segment.sidx"),
    ids: fileImage(files.ids, "segment.ids"),
  };
}

export function openInput(input: SegmentInput, tail = NO_TAIL): StoredSegment {
  return openSegment(imageOf(filesOf(buildSegmentNow(input, { uuid: UUID }), tail)));
}

export function openPlain(plain: PlainSegment, tail = NO_TAIL): StoredSegment {
  return openInput(inputOf(plain), tail);
}

/** Everything that can be read of a segment, as plain values. */
export function dump(reader: StoredSegment): unknown {
  const { docCount } = reader;
  const docs = Uint32Array.from({ length: docCount }, (_, doc) => doc);
  const fields = reader.fields.map(({ name }) => {
    const exists = new Uint32Array(Math.ceil(docCount / 32));
    reader.exists(name, exists);
    const numeric = reader.numeric(name);
    const ordinals = reader.ordinals(name);
    const terms = reader.terms(name);
    return [name, [...exists], numeric && numbersOf(), ordinals && ordinalsOf(), terms && termsOf()];

    function numbersOf() {
      const cursor = numeric!.cursor();
      const n = cursor.gather(docs, docCount);
      const values = numeric!.wide ? cursor.wides : cursor.values;
      const { shape, min, max, sum, docsWithValue } = numeric!;
      return {
        shape,
        min,
        max,
        sum,
        docsWithValue,
        owners: [...cursor.owners.slice(0, n)],
        values: [...values.slice(0, n)],
      };
    }

    function ordinalsOf() {
      const cursor = ordinals!.cursor();
      const n = cursor.gather(docs, docCount);
      const { shape, docsWithValue, termCount } = ordinals!;
      const counts = ordinals!.counts();
      return {
        shape,
        docsWithValue,
        termCount,
        counts: counts && [...counts],
        owners: [...cursor.owners.slice(0, n)],
        ordinals: [...cursor.ordinals.slice(0, n)],
      };
    }

    function termsOf() {
      const list: unknown[] = [];
      const iterator = terms!.iterate();
      while (iterator.next()) {
        const { docFreq, totalTermFreq } = iterator.entry;
        const postings: unknown[] = [];
        if (terms!.hasPostings) {
          const cursor = terms!.postings(iterator.entry, { freqs: true, positions: terms!.hasPositions });
          for (let doc = cursor.next(); doc < docCount; doc = cursor.next()) {
            postings.push([
              doc,
              cursor.freq,
              terms!.hasPositions && [...cursor.positions().slice(0, cursor.freq)],
            ]);
          }
        }
        list.push([new TextDecoder().decode(iterator.term.slice()), docFreq, totalTermFreq, postings]);
      }
      const { docCount: termDocs, sumDocFreq, sumTotalTermFreq } = terms!;
      return { termDocs, sumDocFreq, sumTotalTermFreq, list, norms: [...reader.norms(name) ?? []] };
    }
  });
  const ids = Array.from(docs, (doc) => reader.id(doc));
  return {
    uuid: reader.uuid,
    docCount,
    fields,
    ids,
    found: ids.map((id) => reader.findId(utf8(id))),
    sources: Array.from(docs, (doc) => new TextDecoder().decode(reader.source(doc).slice())),
    tombstones: reader.tombstones,
    bornDead: reader.bornDead && [...reader.bornDead],
  };
}
