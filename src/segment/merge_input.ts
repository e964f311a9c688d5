/**
 * Several segments as one builder's input: what a flush joins, and every merge.
 *
 * The result's documents are the parts' live ones, in the parts' order. All of it streams: nothing is held but doc
 * maps and, for one field at a time, maps of ordinals.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { type FieldEntry, FieldPart } from "../format/segment_directory.ts";
import type { FieldInput, IdCursor, SegmentInput } from "./input.ts";
import { mergedNumbers, mergedOrdinals } from "./merge_columns.ts";
import { type DocMap, DROPPED, mapDocs, type MergePart } from "./merge_parts.ts";
import { mergedBlocks } from "./merge_stored.ts";
import { mergedNorms } from "./merge_norms.ts";
import { MergedTerms, mergeOrdinalMaps, newOrdinalMaps, type OrdinalMaps, usedBytes } from "./merge_terms.ts";
import { StoredSegment } from "./open.ts";
import type { SegmentReader } from "./reader.ts";
import { parseTermsMeta } from "./terms_meta.ts";

export interface MergeSource {
  readonly reader: SegmentReader;
  /** Bit set = alive; null: all are. */
  readonly live: Uint32Array | null;
}

export interface Merge {
  readonly input: SegmentInput;
  /** For each source. */
  readonly docMaps: DocMap[];
}

/** The sources' memory has to stay in place until the input was built from. */
export function mergeInput(sources: readonly MergeSource[]): Merge {
  const { parts, docCount } = mapDocs(sources.map(({ reader, live }) => {
    assert(reader instanceof StoredSegment, "a merge reads stored segments");
    return { reader, live };
  }));
  const input: SegmentInput = {
    docCount,
    fields: mergeFields(parts),
    ids: () => mergedIds(parts),
    idBytes: idBytes(parts),
    stored: { blocks: { [Symbol.iterator]: () => mergedBlocks(parts) } },
  };
  return { input, docMaps: parts.map(({ docMap }) => docMap) };
}

/** Ordinals of the field whose terms were read last: fields are built one after another. */
interface KeptOrdinals {
  field: string;
  maps: OrdinalMaps;
  /** Whose passing fills the maps. */
  terms: MergedTerms | undefined;
}

const NOTHING_KEPT: KeptOrdinals = { field: "", maps: [], terms: undefined };

function mergeFields(parts: readonly MergePart[]): FieldInput[] {
  const entries = new Map<string, FieldEntry[]>();
  for (const { reader } of parts) {
    for (const entry of reader.fields) {
      const list = entries.get(entry.name);
      if (list) list.push(entry);
      else entries.set(entry.name, [entry]);
    }
  }
  const kept = { ...NOTHING_KEPT };
  return Array.from(entries.values(), (list) => mergeField(parts, list, kept));
}

function mergeField(
  parts: readonly MergePart[],
  entries: readonly FieldEntry[],
  kept: KeptOrdinals,
): FieldInput {
  const { name, type, parts: first } = entries[0]!;
  assert(entries.every((entry) => entry.parts === first), `field ${name} is stored alike in all segments`);
  if ((first & FieldPart.Numbers) !== 0) {
    const wide = parts.some(({ reader }) => reader.numeric(name)?.wide === true);
    return { kind: "numeric", name, type, wide, open: () => mergedNumbers(parts, name, wide) };
  }
  const metas = entries.map(({ terms }) => parseTermsMeta(terms));
  const postings = metas.some((meta) => meta.postings);
  // deno-lint-ignore require-yield
  const prepare = function* () {
    return usedBytes(parts, name);
  };
  if (metas.some((meta) => meta.norms !== null)) {
    const positions = metas.every((meta) => meta.positions);
    return {
      kind: "text",
      name,
      type,
      positions,
      prepare,
      norms: metas.some(({ norms }) => norms !== null && norms.kind !== "none"),
      openTerms: () => new MergedTerms(parts, name, { postings: true, freqs: true, positions }),
      openNorms: () => mergedNorms(parts, name),
    };
  }
  const column = (first & FieldPart.Ordinals) !== 0;
  return {
    kind: "terms",
    name,
    type,
    column,
    postings,
    prepare,
    release: () => {
      Object.assign(kept, NOTHING_KEPT);
    },
    openTerms: () => {
      const maps = column ? newOrdinalMaps(parts, name) : undefined;
      const terms = new MergedTerms(parts, name, { postings, freqs: false, positions: false }, maps);
      if (maps) Object.assign(kept, { field: name, maps, terms });
      return terms;
    },
    openOrdinals: () => {
      if (kept.field !== name || kept.terms?.done === false) {
        Object.assign(kept, { field: name, maps: mergeOrdinalMaps(parts, name), terms: undefined });
      }
      return mergedOrdinals(parts, name, kept.maps);
    },
  };
}

function idBytes(parts: readonly MergePart[]): Uint8Array {
  const used = new Uint8Array(256);
  for (const { reader } of parts) reader.ids.usedBytes.forEach((is, byte) => used[byte]! |= is);
  return used;
}

function mergedIds(parts: readonly MergePart[]): IdCursor {
  let index = -1;
  let doc = -1;
  let cursor: IdCursor | undefined;
  return {
    next() {
      for (;;) {
        if (!cursor || !cursor.next()) {
          if (index + 1 >= parts.length) return false;
          cursor = parts[++index]!.reader.ids.cursor();
          doc = -1;
          continue;
        }
        doc++;
        const { docs } = parts[index]!.docMap;
        if (docs === null || docs[doc] !== DROPPED) return true;
      }
    },
    get bytes() {
      return cursor!.bytes;
    },
    get start() {
      return cursor!.start;
    },
    get end() {
      return cursor!.end;
    },
  };
}
