/**
 * One bucket per parent: filter, missing, global.
 *
 * @module
 */
import { countBits, newBits, setBit } from "../../base/bitset.ts";
import { assert } from "../../base/errors.ts";
import { matcher } from "../match.ts";
import type { Query } from "../queries/query.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "../target.ts";
import {
  closeAll,
  collectAll,
  collectBits,
  type Collector,
  type CollectorEnv,
  forward,
  openAll,
  resultsOf,
} from "./collector.ts";
import { fieldOf, type FieldUse, resolveField } from "./field_use.ts";
import type { AggNode, FilterSpec, GlobalSpec, MissingSpec } from "./node.ts";
import type { SingleResult } from "./result.ts";
import { BATCH, openTermLeaf } from "./sources.ts";

/** Live docs of a segment that a bucket takes; "all": every one. */
type Chosen = Uint32Array | "all";

/** Plans a query once per target. */
export class FilterBits {
  readonly #query: Query;
  readonly #context: SearchContext;
  readonly #byTarget = new Map<SearchTarget, (segment: SearchSegment) => Chosen>();

  constructor(query: Query, context: SearchContext) {
    this.#query = query;
    this.#context = context;
  }

  of(target: SearchTarget, segment: SearchSegment): Chosen {
    let bits = this.#byTarget.get(target);
    if (!bits) {
      bits = matcher(this.#query, target, this.#context);
      this.#byTarget.set(target, bits);
    }
    return bits(segment);
  }
}

export class SingleCollector implements Collector {
  readonly #env: CollectorEnv;
  readonly #subs: readonly Collector[];
  readonly #choose: (target: SearchTarget, segment: SearchSegment) => Chosen;
  #chosen: Chosen = "all";
  #segment: SearchSegment | undefined;
  #counts: Float64Array = new Float64Array(0);
  readonly #docs = new Uint32Array(BATCH);
  readonly #buckets = new Uint32Array(BATCH);

  constructor(
    readonly node: AggNode & { readonly spec: FilterSpec | MissingSpec | GlobalSpec },
    env: CollectorEnv,
    subs: readonly Collector[],
  ) {
    this.#env = env;
    this.#subs = subs;
    const { spec } = node;
    if (spec.kind === "filter") {
      const bits = new FilterBits(spec.query, env.context);
      this.#choose = (target, segment) => bits.of(target, segment);
    } else if (spec.kind === "missing") {
      const use = resolveField(spec, "missing", { accepts: "any", context: env.context });
      this.#choose = (target, segment) => docsWithout(use, target, segment);
    } else this.#choose = () => "all";
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    openAll(this.#subs, target, segment);
    this.#segment = segment;
    this.#chosen = this.#choose(target, segment);
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    this.#counts = this.#env.budget.float64(this.#counts, bucketCount);
    if (this.#chosen === "all") {
      for (let i = 0; i < n; i++) this.#counts[buckets[i]!]!++;
      forward(this.#subs, docs, buckets, n, bucketCount);
      return;
    }
    const kept = keepChosen(this.#chosen, docs, buckets, n, this.#docs, this.#buckets);
    for (let i = 0; i < kept; i++) this.#counts[this.#buckets[i]!]!++;
    forward(this.#subs, this.#docs, this.#buckets, kept, bucketCount);
  }

  summarize(): boolean {
    const segment = this.#segment;
    assert(segment, "a segment is open");
    this.#counts = this.#env.budget.float64(this.#counts, 1);
    if (this.#chosen === "all") {
      this.#counts[0]! += segment.liveCount;
      collectAll(this.#subs, segment);
    } else {
      this.#counts[0]! += countBits(this.#chosen);
      if (this.#subs.length > 0) collectBits(this.#subs, this.#chosen, segment.reader.docCount);
    }
    return true;
  }

  closeSegment(): void {
    closeAll(this.#subs);
    this.#chosen = "all";
    this.#segment = undefined;
  }

  result(bucket: number): SingleResult {
    return {
      kind: "single",
      bucket: { key: 0, count: this.#counts[bucket] ?? 0, error: 0, subs: resultsOf(this.#subs, bucket) },
    };
  }
}

/** Keeps the pairs whose doc is in the set; returns how many. */
export function keepChosen(
  bits: Uint32Array,
  docs: Uint32Array,
  buckets: Uint32Array,
  n: number,
  outDocs: Uint32Array,
  outBuckets: Uint32Array,
): number {
  let out = 0;
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    if ((bits[doc >>> 5]! & (1 << (doc & 31))) === 0) continue;
    outDocs[out] = doc;
    outBuckets[out++] = buckets[i]!;
  }
  return out;
}

function docsWithout(use: FieldUse, target: SearchTarget, segment: SearchSegment): Chosen {
  const { docCount } = segment.reader;
  if (use.missingNumber !== undefined || use.missingTerm !== undefined) return newBits(docCount);
  const found = fieldOf(use.name, target);
  if (!found) return "all";
  const having = newBits(docCount);
  if (!found.field) return having;
  if (found.field.flattenedKey !== "") markTermDocs(use, target, segment, having);
  else segment.reader.exists(found.field.name, having);
  const without = newBits(docCount);
  for (let w = 0; w < without.length; w++) without[w] = ~having[w]! & (segment.live ? segment.live[w]! : -1);
  const rest = docCount & 31;
  if (rest !== 0) without[without.length - 1]! &= 0xffff_ffff >>> (32 - rest);
  return without;
}

function markTermDocs(use: FieldUse, target: SearchTarget, segment: SearchSegment, into: Uint32Array): void {
  const leaf = openTermLeaf(use, target, segment);
  const docs = new Uint32Array(BATCH);
  for (let from = 0; from < segment.reader.docCount; from += BATCH) {
    const n = Math.min(BATCH, segment.reader.docCount - from);
    for (let i = 0; i < n; i++) docs[i] = from + i;
    const m = leaf.gather(docs, n);
    for (let i = 0; i < m; i++) setBit(into, from + leaf.owners[i]!);
  }
}
