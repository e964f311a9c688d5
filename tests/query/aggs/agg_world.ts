/**
 * Documents into segments the way the server makes them, and aggregations over them.
 *
 * @module
 */
import { AnalyzerSet } from "../../../src/analysis/mod.ts";
import { countBits, newBits, setBit, setRange } from "../../../src/base/bitset.ts";
import { concatBytes, utf8 } from "../../../src/base/bytes.ts";
import { renderJsonText } from "../../../src/base/json.ts";
import { Memtable } from "../../../src/memtable/memtable.ts";
import {
  AggExecution,
  type AggPartial,
  parseAggs,
  reduceAggs,
  renderAggs,
} from "../../../src/query/aggs/mod.ts";
import {
  DEFAULT_SEARCH_LIMITS,
  type SearchContext,
  type SearchLimits,
  type SearchSegment,
  type SearchTarget,
} from "../../../src/query/target.ts";
import { parseDocument } from "../../../src/schema/document.ts";
import { Mapping } from "../../../src/schema/mapping.ts";
import { StagedDocument } from "../../../src/schema/staged.ts";
import { buildSegmentNow } from "../../../src/segment/builder.ts";
import { type FileImage, PAGE_BYTES } from "../../../src/segment/file_view.ts";
import { finishIds } from "../../../src/segment/ids_tail.ts";
import { openSegment } from "../../../src/segment/open.ts";
import type { SegmentReader } from "../../../src/segment/reader.ts";

const analyzers = AnalyzerSet.fromSettings({}, "standard");

export type Document = { readonly [key: string]: unknown };

export interface IndexOptions {
  readonly name?: string;
  readonly properties: { readonly [key: string]: unknown };
  /** Documents of each segment, as objects or as JSON. */
  readonly segments: readonly (readonly (Document | string)[])[];
  /** Whether a document (segment, place) is deleted. */
  readonly dead?: (segment: number, doc: number) => boolean;
}

function image(bytes: Uint8Array, label: string): FileImage {
  return { bytes, verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32)), label };
}

/** @param firstId Ids count on from here. */
export function buildReader(mapping: Mapping, sources: Iterable<Uint8Array>, firstId = 0): SegmentReader {
  const memtable = new Memtable({ mapping, analyzers });
  const staged = new StagedDocument();
  let doc = 0;
  for (const source of sources) {
    staged.reset(source);
    const outcome = parseDocument(mapping, source, 0, source.length, staged, { maxDepth: 20 });
    if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
    const id = utf8(String(firstId + doc));
    memtable.add(staged, id, 0, id.length, source, 0, source.length, doc, 1, true);
    doc++;
  }
  const built = buildSegmentNow(memtable.freeze(), { uuid: "01234567-89ab-4cde-8f01-23456789abcd" });
  const tail = finishIds(built.idsBody, { tombstones: [], bornDead: null });
  return openSegment({
    seg: image(built.seg, "seg"),
    sidx: image(built.sidx, "sidx"),
    ids: image(concatBytes([built.idsBody.bytes, tail]), "ids"),
  });
}

/** One shard of an index. Segment ordinals start at `firstOrdinal`. */
export function buildTarget(options: IndexOptions, firstOrdinal = 0): SearchTarget {
  const mapping = Mapping.parse({ properties: options.properties }, { maxFields: 100, analyzers });
  let firstId = 0;
  const segments = options.segments.map((docs, s): SearchSegment => {
    const reader = buildReader(
      mapping,
      docs.map((doc) => utf8(typeof doc === "string" ? doc : JSON.stringify(doc))),
      firstId,
    );
    firstId += docs.length;
    if (!options.dead) return { reader, live: null, liveCount: docs.length, ordinal: firstOrdinal + s };
    const live = newBits(docs.length);
    for (let doc = 0; doc < docs.length; doc++) if (!options.dead(s, doc)) setBit(live, doc);
    return { reader, live, liveCount: countBits(live), ordinal: firstOrdinal + s };
  });
  return { index: options.name ?? "t", mapping, analyzers, segments };
}

export function contextOf(
  targets: readonly SearchTarget[],
  limits: Partial<SearchLimits> = {},
): SearchContext {
  return {
    targets,
    nowMs: Date.UTC(2025, 5, 15, 12),
    deadlineMs: Infinity,
    monotonicMs: () => 0,
    limits: { ...DEFAULT_SEARCH_LIMITS, ...limits },
  };
}

/** How documents are handed to an execution. */
export type Feed = "all" | "batches";

/** Collects the live documents of some segments. */
export function collect(
  execution: AggExecution,
  target: SearchTarget,
  segments: readonly SearchSegment[],
  feed: Feed = "all",
): void {
  for (const segment of segments) {
    const collector = execution.segment(target, segment);
    if (feed === "all") {
      collector.all();
      continue;
    }
    const docs: number[] = [];
    const live = segment.live ?? (() => {
      const bits = newBits(segment.reader.docCount);
      setRange(bits, 0, segment.reader.docCount);
      return bits;
    })();
    for (let doc = 0; doc < segment.reader.docCount; doc++) {
      if ((live[doc >>> 5]! & (1 << (doc & 31))) !== 0) docs.push(doc);
    }
    // Odd sizes, so that nothing leans on full batches.
    for (let at = 0, size = 1; at < docs.length; at += size, size = size * 7 % 4096) {
      const batch = docs.slice(at, at + size);
      collector.collect(Uint32Array.from(batch), batch.length, 1);
    }
  }
}

export interface RunOptions {
  readonly limits?: Partial<SearchLimits>;
  readonly feed?: Feed;
  /** One partial for all, for each target, or for each segment. */
  readonly split?: "none" | "targets" | "segments";
}

/** The `aggregations` of a search that matches everything, as parsed JSON text. */
export function runText(targets: readonly SearchTarget[], aggs: unknown, options: RunOptions = {}): string {
  const context = contextOf(targets, options.limits);
  const tree = parseAggs(aggs);
  const split = options.split ?? "none";
  const partials: AggPartial[] = [];
  let execution = new AggExecution(tree, context, { shared: split === "segments" });
  targets.forEach((target, t) => {
    if (split === "targets" && t > 0) execution = new AggExecution(tree, context);
    target.segments.forEach((segment, s) => {
      if (split === "segments" && (t > 0 || s > 0)) {
        execution = new AggExecution(tree, context, { shared: true });
      }
      collect(execution, target, [segment], options.feed);
      if (split === "segments") partials.push(structuredClone(execution.partial()));
    });
    if (split === "targets") partials.push(structuredClone(execution.partial()));
  });
  if (split === "none" || partials.length === 0) partials.push(execution.partial());
  const reduced = reduceAggs(tree, partials, {
    nowMs: context.nowMs,
    maxBuckets: context.limits.maxBuckets,
  });
  return renderJsonText(renderAggs(tree, reduced));
}

/** As `runText`, for one aggregation; returns its own result. */
export function runOne(targets: readonly SearchTarget[], agg: unknown, options: RunOptions = {}): string {
  const text = runText(targets, { a: agg }, options);
  return text.slice('{"a":'.length, -1);
}
