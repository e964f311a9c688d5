/**
 * From the best candidates to hits: ids, sources, sort values.
 *
 * @module
 */
import { utf8Text } from "../../base/bytes.ts";
import type { Json } from "../../base/json.ts";
import type { Candidate } from "../collect/sort_heap.ts";
import { planSort, type SortKey } from "../collect/sort_plan.ts";
import type { SearchRequest } from "../request/request.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "../target.ts";
import { addDocvalueFields, addSourceFields, parseSourceJson } from "./doc_fields.ts";
import { SourceFilter } from "./source_filter.ts";

export interface Hit {
  readonly target: SearchTarget;
  readonly segment: SearchSegment;
  readonly doc: number;
  /** Undefined with `stored_fields: "_none_"`. */
  readonly id: string | undefined;
  /** Undefined: not scored. */
  readonly score: number | undefined;
  /** Present when the request sorts. */
  readonly sort: readonly Json[] | undefined;
  /** JSON bytes, filtered; undefined: not asked for. */
  readonly source: Uint8Array | undefined;
  readonly fields: { readonly [name: string]: Json } | undefined;
  /** Fields whose values were left out of the index. */
  readonly ignored: readonly string[] | undefined;
  readonly version: number | undefined;
  readonly seqNo: number | undefined;
}

interface Place {
  readonly target: SearchTarget;
  readonly segment: SearchSegment;
  readonly sort: readonly SortKey[];
}

/** Fetches hits [from, from + size) of the candidates. Only here are sources read. */
export function fetchHits(
  candidates: readonly Candidate[],
  request: SearchRequest,
  context: SearchContext,
): Hit[] {
  const places = new Map<number, Place>();
  for (const target of context.targets) {
    const sort = planSort(request.sort, target, context.nowMs);
    for (const segment of target.segments) places.set(segment.ordinal, { target, segment, sort });
  }
  const filter = request.source.kind === "filter"
    ? new SourceFilter(request.source.includes, request.source.excludes)
    : undefined;
  const showsScores = request.sort.length === 0 || request.trackScores ||
    request.sort.some((key) => key.kind === "score");
  const page = candidates.slice(request.from, request.from + request.size);
  // In doc order, so that neighbours share a block of sources.
  const order = page.map((_, i) => i)
    .sort((a, b) => page[a]!.segment - page[b]!.segment || page[a]!.doc - page[b]!.doc);
  const hits = new Array<Hit>(page.length);
  for (const i of order) {
    const candidate = page[i]!;
    hits[i] = fetchHit(candidate, places.get(candidate.segment)!, request, filter, showsScores);
  }
  return hits;
}

function fetchHit(
  candidate: Candidate,
  place: Place,
  request: SearchRequest,
  filter: SourceFilter | undefined,
  showsScores: boolean,
): Hit {
  const { target, segment, sort } = place;
  const { reader } = segment;
  const { doc } = candidate;
  const wantsSource = request.source.kind !== "none" && !request.storedNone;
  const raw = wantsSource || request.fields.length > 0 ? reader.source(doc) : undefined;
  let source: Uint8Array | undefined;
  if (wantsSource) source = filter === undefined ? raw!.slice() : filter.apply(raw!);
  const fields: { [name: string]: Json } = {};
  if (request.fields.length > 0) addSourceFields(request.fields, target, parseSourceJson(raw!), fields);
  if (request.docvalueFields.length > 0) {
    addDocvalueFields(request.docvalueFields, target, reader, doc, fields);
  }
  return {
    target,
    segment,
    doc,
    id: request.storedNone ? undefined : reader.id(doc),
    score: showsScores ? candidate.score : undefined,
    sort: sort.length === 0 ? undefined : sort.map((key, i) => key.render(candidate.values[i]!)),
    source,
    fields: Object.keys(fields).length === 0 ? undefined : fields,
    ignored: request.storedNone ? undefined : ignoredFields(segment, doc),
    version: request.version ? metaNumber(segment, "_version", doc) : undefined,
    seqNo: request.seqNoPrimaryTerm ? metaNumber(segment, "_seq_no", doc) : undefined,
  };
}

function ignoredFields({ reader }: SearchSegment, doc: number): string[] | undefined {
  const column = reader.ordinals("_ignored");
  if (column === undefined) return undefined;
  const cursor = column.cursor();
  const n = cursor.gather(Uint32Array.of(doc), 1);
  if (n === 0) return undefined;
  return Array.from(cursor.ordinals.slice(0, n), (ordinal) => utf8Text(column.dictionary.term(ordinal)));
}

function metaNumber(segment: SearchSegment, field: string, doc: number): number | undefined {
  const cursor = segment.reader.numeric(field)?.cursor();
  if (cursor === undefined) return undefined;
  return cursor.gather(Uint32Array.of(doc), 1) > 0 ? cursor.values[0] : undefined;
}
