/**
 * Quantiles by bucket: percentiles, percentile_ranks, median_absolute_deviation.
 *
 * @module
 */
import type { SearchSegment, SearchTarget } from "../target.ts";
import type { Collector, CollectorEnv } from "./collector.ts";
import { type FieldUse, resolveField } from "./field_use.ts";
import type { AggNode, PercentilesSpec } from "./node.ts";
import type { DigestResult } from "./result.ts";
import { type NumberLeaf, openNumbers } from "./sources.ts";
import { TDigest } from "./tdigest.ts";

export class PercentilesCollector implements Collector {
  readonly #use: FieldUse;
  readonly #env: CollectorEnv;
  readonly #digests: (TDigest | undefined)[] = [];
  #leaf: NumberLeaf | undefined;

  constructor(readonly node: AggNode & { readonly spec: PercentilesSpec }, env: CollectorEnv) {
    this.#env = env;
    this.#use = resolveField(node.spec, node.spec.kind, { accepts: "numbers", context: env.context });
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    this.#leaf = this.#use.kind === "number" ? openNumbers(this.#use, target, segment) : undefined;
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number): void {
    const leaf = this.#leaf;
    if (!leaf) return;
    const m = leaf.gather(docs, n);
    const { owners, values } = leaf;
    let bucket = -1;
    let digest: TDigest | undefined;
    for (let i = 0; i < m; i++) {
      const now = buckets[owners[i]!]!;
      if (now !== bucket) {
        bucket = now;
        digest = this.#digests[bucket] ?? this.#newDigest(bucket);
      }
      digest!.add(values[i]!);
    }
  }

  summarize(): boolean {
    return this.#use.kind === "unmapped";
  }

  closeSegment(): void {
    this.#leaf = undefined;
  }

  result(bucket: number): DigestResult {
    const digest = this.#digests[bucket];
    if (!digest) {
      return {
        kind: "digest",
        means: new Float64Array(0),
        weights: undefined,
        min: Infinity,
        max: -Infinity,
        format: this.#use.format,
      };
    }
    return {
      kind: "digest",
      ...digest.snapshot(),
      min: digest.min,
      max: digest.max,
      format: this.#use.format,
    };
  }

  #newDigest(bucket: number): TDigest {
    const digest = new TDigest(this.node.spec.compression, this.#env.budget);
    this.#digests[bucket] = digest;
    return digest;
  }
}

/** Median of the distances from the median; NaN without values. */
export function medianAbsoluteDeviation(digest: TDigest, compression: number): number {
  if (digest.count === 0) return NaN;
  const median = digest.quantile(0.5);
  const { means, weights } = digest.snapshot();
  const order = Array.from(
    means,
    (mean, i) => ({ distance: Math.abs(mean - median), weight: weights?.[i] ?? 1 }),
  )
    .sort((a, b) => a.distance - b.distance);
  const distances = new TDigest(compression);
  distances.addAll(
    Float64Array.from(order, (one) => one.distance),
    weights ? Float64Array.from(order, (one) => one.weight) : undefined,
    order[0]!.distance,
    order[order.length - 1]!.distance,
  );
  return distances.quantile(0.5);
}
