/**
 * A bucket for each of several filters, and one for what none of them takes.
 *
 * @module
 */
import type { SearchSegment, SearchTarget } from "../target.ts";
import { closeAll, type Collector, type CollectorEnv, forward, openAll, resultsOf } from "./collector.ts";
import type { AggNode, FiltersSpec } from "./node.ts";
import type { RangesResult } from "./result.ts";
import { FilterBits, keepChosen } from "./single.ts";
import { BATCH } from "./sources.ts";
import { RAW } from "./value_format.ts";

export class FiltersCollector implements Collector {
  readonly #env: CollectorEnv;
  readonly #subs: readonly Collector[];
  readonly #filters: readonly FilterBits[];
  /** Filters, and the bucket of the others. */
  readonly #width: number;
  #chosen: (Uint32Array | "all")[] = [];
  #counts: Float64Array = new Float64Array(0);
  readonly #docs = new Uint32Array(BATCH);
  readonly #buckets = new Uint32Array(BATCH);

  constructor(
    readonly node: AggNode & { readonly spec: FiltersSpec },
    env: CollectorEnv,
    subs: readonly Collector[],
  ) {
    this.#env = env;
    this.#subs = subs;
    this.#filters = node.spec.filters.map((filter) => new FilterBits(filter.query, env.context));
    this.#width = this.#filters.length + (node.spec.otherKey === undefined ? 0 : 1);
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    openAll(this.#subs, target, segment);
    this.#chosen = this.#filters.map((filter) => filter.of(target, segment));
    if (this.#width > this.#filters.length) this.#chosen.push(this.#others(segment.reader.docCount));
  }

  #others(docCount: number): Uint32Array {
    const bits = new Uint32Array((docCount + 31) >>> 5);
    if (this.#chosen.includes("all")) return bits;
    bits.fill(0xffff_ffff);
    for (const chosen of this.#chosen as Uint32Array[]) {
      for (let w = 0; w < bits.length; w++) bits[w]! &= ~chosen[w]!;
    }
    return bits;
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    const width = this.#width;
    this.#counts = this.#env.budget.float64(this.#counts, bucketCount * width);
    for (let f = 0; f < width; f++) {
      const chosen = this.#chosen[f]!;
      let kept = n;
      let pairDocs = docs;
      if (chosen === "all") this.#buckets.set(buckets.subarray(0, n));
      else {
        kept = keepChosen(chosen, docs, buckets, n, this.#docs, this.#buckets);
        pairDocs = this.#docs;
      }
      for (let i = 0; i < kept; i++) {
        const bucket = this.#buckets[i]! * width + f;
        this.#buckets[i] = bucket;
        this.#counts[bucket]!++;
      }
      forward(this.#subs, pairDocs, this.#buckets, kept, bucketCount * width);
    }
  }

  summarize(): boolean {
    return false;
  }

  closeSegment(): void {
    closeAll(this.#subs);
    this.#chosen = [];
  }

  result(parent: number): RangesResult {
    return {
      kind: "ranges",
      format: RAW,
      ranges: [],
      buckets: Array.from({ length: this.#width }, (_, f) => {
        const bucket = parent * this.#width + f;
        return { key: f, count: this.#counts[bucket] ?? 0, error: 0, subs: resultsOf(this.#subs, bucket) };
      }),
    };
  }
}
