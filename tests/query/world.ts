/**
 * Documents into shards the way the server makes them, and searches over them.
 *
 * @module
 */
import { AnalyzerSet } from "../../src/analysis/mod.ts";
import { countBits, newBits, setBit } from "../../src/base/bitset.ts";
import { concatBytes, utf8 } from "../../src/base/bytes.ts";
import { renderJsonText } from "../../src/base/json.ts";
import { FastParser } from "../../src/ingest/fast_document.ts";
import { Memtable } from "../../src/memtable/memtable.ts";
import { renderHits } from "../../src/query/render.ts";
import { executeSearch, parseSearch, type SearchResult } from "../../src/query/search.ts";
import {
  DEFAULT_SEARCH_LIMITS,
  type SearchContext,
  type SearchLimits,
  type SearchSegment,
  type SearchTarget,
} from "../../src/query/target.ts";
import { parseDocument } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";
import { type FileImage, PAGE_BYTES } from "../../src/segment/file_view.ts";
import { finishIds } from "../../src/segment/ids_tail.ts";
import { openSegment } from "../../src/segment/open.ts";
import type { SegmentReader } from "../../src/segment/reader.ts";

export type Properties = { readonly [key: string]: unknown };

const analyzers = AnalyzerSet.fromSettings({}, "standard");

/** Collects documents, cuts them into segments, and ends in a target. */
export class TargetBuilder {
  readonly #mapping: Mapping;
  readonly #parser: FastParser;
  readonly #staged = new StagedDocument();
  readonly #segments: SearchSegment[] = [];
  readonly #index: string;
  readonly #firstOrdinal: number;
  #memtable: Memtable;
  #docs = 0;

  constructor(
    properties: Properties,
    options: { readonly index?: string; readonly firstOrdinal?: number } = {},
  ) {
    this.#mapping = Mapping.parse({ properties }, { maxFields: 1000, analyzers });
    this.#parser = new FastParser(this.#mapping);
    this.#memtable = new Memtable({ mapping: this.#mapping, analyzers });
    this.#index = options.index ?? "t";
    this.#firstOrdinal = options.firstOrdinal ?? 0;
  }

  add(source: Uint8Array, start: number, end: number, id: string): void {
    if (!this.#parser.parse(source, start, end, this.#staged)) {
      const outcome = parseDocument(this.#mapping, source, start, end, this.#staged, { maxDepth: 20 });
      if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
    }
    const bytes = utf8(id);
    this.#memtable.add(this.#staged, bytes, 0, bytes.length, source, start, end, this.#docs++, 1, true);
  }

  /** Ends a segment. `dead` tells which of its docs are deleted. */
  cut(dead?: (doc: number) => boolean): void {
    const docCount = this.#memtable.docCount;
    const reader = openBuilt(this.#memtable);
    this.#memtable = new Memtable({ mapping: this.#mapping, analyzers });
    let live: Uint32Array | null = null;
    if (dead !== undefined) {
      live = newBits(docCount);
      for (let doc = 0; doc < docCount; doc++) if (!dead(doc)) setBit(live, doc);
    }
    this.#segments.push({
      reader,
      live,
      liveCount: live === null ? docCount : countBits(live),
      ordinal: this.#firstOrdinal + this.#segments.length,
    });
  }

  target(): SearchTarget {
    return { index: this.#index, mapping: this.#mapping, analyzers, segments: this.#segments };
  }
}

function openBuilt(memtable: Memtable): SegmentReader {
  const built = buildSegmentNow(memtable.freeze(), { uuid: "01234567-89ab-4cde-8f01-23456789abcd" });
  const tail = finishIds(built.idsBody, { tombstones: [], bornDead: null });
  return openSegment({
    seg: image(built.seg, "seg"),
    sidx: image(built.sidx, "sidx"),
    ids: image(concatBytes([built.idsBody.bytes, tail]), "ids"),
  });
}

function image(bytes: Uint8Array, label: string): FileImage {
  return { bytes, verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32)), label };
}

export interface WorldOptions {
  readonly properties: Properties;
  /** Documents of each segment; their ids count from 0 over all segments. */
  readonly segments: readonly (readonly unknown[])[];
  /** Ids of deleted documents. */
  readonly dead?: ReadonlySet<number>;
  readonly index?: string;
  readonly firstOrdinal?: number;
}

export function buildTarget(options: WorldOptions): SearchTarget {
  const builder = new TargetBuilder(options.properties, options);
  let id = 0;
  for (const docs of options.segments) {
    const first = id;
    for (const doc of docs) {
      const source = utf8(JSON.stringify(doc));
      builder.add(source, 0, source.length, String(id++));
    }
    builder.cut(options.dead === undefined ? undefined : (doc) => options.dead!.has(first + doc));
  }
  return builder.target();
}

/** NDJSON lines into a target of segments of at most `perSegment` docs; ids are line numbers. */
export function targetOfLines(
  bytes: Uint8Array,
  properties: Properties,
  perSegment: number,
): SearchTarget {
  const builder = new TargetBuilder(properties);
  let line = 0;
  let start = 0;
  while (start < bytes.length) {
    let end = bytes.indexOf(10, start);
    if (end < 0) end = bytes.length;
    if (end > start) {
      builder.add(bytes, start, end, String(line++));
      if (line % perSegment === 0) builder.cut();
    }
    start = end + 1;
  }
  if (line % perSegment !== 0) builder.cut();
  return builder.target();
}

export function contextOf(
  targets: readonly SearchTarget[],
  options: Partial<Pick<SearchContext, "nowMs" | "deadlineMs" | "monotonicMs">> & {
    readonly limits?: Partial<SearchLimits>;
  } = {},
): SearchContext {
  return {
    targets,
    nowMs: options.nowMs ?? Date.UTC(2025, 5, 15, 12),
    deadlineMs: options.deadlineMs ?? Infinity,
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
    limits: { ...DEFAULT_SEARCH_LIMITS, ...options.limits },
  };
}

export function search(
  targets: readonly SearchTarget[],
  body: unknown,
  options: Parameters<typeof contextOf>[1] = {},
): SearchResult {
  return executeSearch(parseSearch(body), contextOf(targets, options));
}

/** The `hits` of an answer as a client reads them. */
export function hitsJson(result: SearchResult): {
  readonly total?: { readonly value: number; readonly relation: string };
  readonly max_score: number | null;
  readonly hits: readonly {
    readonly _index: string;
    readonly _id: string;
    readonly _score: number | null;
    readonly _source?: unknown;
    readonly fields?: Readonly<Record<string, unknown>>;
    readonly sort?: readonly unknown[];
  }[];
} {
  return JSON.parse(renderJsonText(renderHits(result)));
}

export function ids(result: SearchResult): string[] {
  return result.hits.map((hit) => hit.id ?? "");
}
