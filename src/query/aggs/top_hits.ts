/**
 * The best documents of each bucket, fetched: top_hits.
 *
 * Sort keys of a batch are read once, as doubles that order ascending within the segment. Each bucket keeps its best
 * few; closing the segment turns their keys into values that compare across segments.
 *
 * @module
 */
import { renderJson } from "../../base/json.ts";
import { type KeyColumn, openKey } from "../collect/key_columns.ts";
import type { Candidate } from "../collect/sort_heap.ts";
import { planSort } from "../collect/sort_plan.ts";
import type { RawSortValue } from "../collect/sort_value.ts";
import { fetchHits } from "../fetch/hits.ts";
import { notSupportedYet } from "../queries/body.ts";
import { renderHit } from "../render.ts";
import type { SortSpec } from "../request/request.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import type { Collector, CollectorEnv } from "./collector.ts";
import type { AggNode, TopHitsSpec } from "./node.ts";
import type { HitsResult, RankedHit } from "./result.ts";
import { BATCH } from "./sources.ts";
import { mergeRanked } from "./top_hits_reduce.ts";

const BY_SCORE: readonly SortSpec[] = [{ kind: "score", descending: true }];

/** A document among the best of a bucket in the open segment. */
interface Entry {
  readonly doc: number;
  readonly score: number;
  readonly keys: readonly number[];
}

export class TopHitsCollector implements Collector {
  readonly #env: CollectorEnv;
  readonly #keep: number;
  readonly #sort: readonly SortSpec[];
  readonly #readsScores: boolean;
  #segment: SearchSegment | undefined;
  #columns: readonly KeyColumn[] = [];
  #keys: Float64Array[] = [];
  readonly #scores: Float64Array = new Float64Array(BATCH);
  /** Documents of each bucket. */
  #totals: Float64Array = new Float64Array(0);
  /** Best of the open segment, best first, by bucket. */
  #open: (Entry[] | undefined)[] = [];
  /** Best of the closed segments, best first, by bucket. */
  readonly #closed: (RankedHit[] | undefined)[] = [];

  constructor(readonly node: AggNode & { readonly spec: TopHitsSpec }, env: CollectorEnv) {
    const { request } = node.spec;
    this.#env = env;
    this.#keep = request.from + request.size;
    this.#sort = request.sort.length === 0 ? BY_SCORE : request.sort;
    this.#readsScores = readsScores(node.spec);
    for (const target of env.context.targets) planSort(this.#sort, target, env.context.nowMs);
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    const { context } = this.#env;
    const keys = planSort(this.#sort, target, context.nowMs);
    let docBase = 0;
    for (const one of context.targets.flatMap((each) => each.segments)) {
      if (one.ordinal < segment.ordinal) docBase += one.reader.docCount;
    }
    this.#segment = segment;
    this.#columns = keys.map((key) => openKey(key, segment.reader, docBase));
    const width = this.#columns.reduce((sum, column) => sum + column.width, 0);
    this.#keys = Array.from({ length: width }, () => new Float64Array(BATCH));
    this.#open = [];
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    this.#totals = this.#env.budget.float64(this.#totals, bucketCount);
    for (let i = 0; i < n; i++) this.#totals[buckets[i]!]!++;
    if (this.#keep === 0) return;
    const { distinct, count } = distinctDocs(docs, n);
    if (this.#readsScores) this.#readScores(distinct, count);
    this.#fillKeys(distinct, count);
    let rank = -1;
    for (let i = 0; i < n; i++) {
      if (i === 0 || docs[i] !== docs[i - 1]) rank++;
      this.#offer(buckets[i]!, rank, docs[i]!);
    }
  }

  /** Scores of docs[0..n), all of which are among those that the execution was handed. */
  #readScores(docs: Uint32Array, n: number): void {
    const { scored } = this.#env;
    if (scored.scores === undefined) {
      throw notSupportedYet("The aggregation [top_hits] by score, below this query,");
    }
    if (typeof scored.scores === "number") {
      this.#scores.fill(scored.scores, 0, n);
      return;
    }
    let at = 0;
    for (let i = 0; i < n; i++) {
      while (scored.docs[at]! < docs[i]!) at++;
      this.#scores[i] = scored.scores[at]!;
    }
  }

  #fillKeys(docs: Uint32Array, n: number): void {
    let at = 0;
    for (const column of this.#columns) {
      column.fill(docs, this.#scores, n, this.#keys.slice(at, at + column.width));
      at += column.width;
    }
  }

  #offer(bucket: number, rank: number, doc: number): void {
    let best = this.#open[bucket];
    if (!best) {
      best = [];
      this.#open[bucket] = best;
      this.#env.budget.take(200);
    }
    const full = best.length === this.#keep;
    if (full && !this.#isBefore(rank, best[best.length - 1]!)) return;
    const entry = { doc, score: this.#scores[rank]!, keys: this.#keys.map((keys) => keys[rank]!) };
    let at = full ? best.length - 1 : best.length;
    // Docs come in ascending order, so that equals go behind.
    while (at > 0 && this.#isBefore(rank, best[at - 1]!)) {
      best[at] = best[at - 1]!;
      at--;
    }
    best[at] = entry;
  }

  #isBefore(rank: number, entry: Entry): boolean {
    for (let key = 0; key < this.#keys.length; key++) {
      const own = this.#keys[key]![rank]!;
      const other = entry.keys[key]!;
      if (own !== other) return own < other;
    }
    return false;
  }

  summarize(): boolean {
    return false;
  }

  closeSegment(): void {
    const { ordinal } = this.#segment!;
    this.#open.forEach((entries, bucket) => {
      if (!entries) return;
      const ranked = entries.map((entry): RankedHit => ({
        segment: ordinal,
        doc: entry.doc,
        score: entry.score,
        values: this.#valuesOf(entry),
        json: undefined,
      }));
      const before = this.#closed[bucket];
      this.#closed[bucket] = before ? mergeRanked([before, ranked], this.#sort, this.#keep) : ranked;
    });
    this.#open = [];
    this.#columns = [];
    this.#segment = undefined;
  }

  #valuesOf(entry: Entry): RawSortValue[] {
    let at = 0;
    return this.#columns.map((column) => {
      const keys = entry.keys.slice(at, at + column.width).map((key) => Float64Array.of(key));
      at += column.width;
      return column.value(keys, 0);
    });
  }

  result(bucket: number): HitsResult {
    const ranked = this.#closed[bucket] ?? [];
    const { request } = this.node.spec;
    const candidates = ranked.map((hit): Candidate => ({
      segment: hit.segment,
      doc: hit.doc,
      score: hit.score,
      values: request.sort.length === 0 ? [] : hit.values,
    }));
    const fetched = fetchHits(candidates, { ...request, from: 0, size: this.#keep }, this.#env.context);
    return {
      kind: "hits",
      total: this.#totals[bucket] ?? 0,
      hits: ranked.map((hit, i) => ({ ...hit, json: renderJson(renderHit(fetched[i]!)) })),
    };
  }
}

/** Whether a top_hits needs the scores of what it is handed. */
export function readsScores({ request }: TopHitsSpec): boolean {
  return request.sort.length === 0 || request.trackScores || request.sort.some((key) => key.kind === "score");
}

function distinctDocs(docs: Uint32Array, n: number): { distinct: Uint32Array; count: number } {
  let count = 0;
  for (let i = 0; i < n; i++) if (i === 0 || docs[i] !== docs[i - 1]) count++;
  if (count === n) return { distinct: docs, count };
  const distinct = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i < n; i++) if (i === 0 || docs[i] !== docs[i - 1]) distinct[at++] = docs[i]!;
  return { distinct, count };
}
