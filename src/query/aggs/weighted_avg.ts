/**
 * Averages in which one field weighs another, by bucket.
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import type { Collector, CollectorEnv } from "./collector.ts";
import { type FieldUse, resolveField } from "./field_use.ts";
import type { AggNode, WeightedAvgSpec } from "./node.ts";
import type { WeightedAvgResult } from "./result.ts";
import { type NumberLeaf, openNumbers } from "./sources.ts";
import { addCompensated } from "./stats.ts";

export class WeightedAvgCollector implements Collector {
  readonly #value: FieldUse;
  readonly #weight: FieldUse;
  readonly #env: CollectorEnv;
  #values: NumberLeaf | undefined;
  #weights: NumberLeaf | undefined;
  #sums: Float64Array = new Float64Array(0);
  #sumErrors: Float64Array = new Float64Array(0);
  #totals: Float64Array = new Float64Array(0);
  #totalErrors: Float64Array = new Float64Array(0);

  constructor(readonly node: AggNode & { readonly spec: WeightedAvgSpec }, env: CollectorEnv) {
    this.#env = env;
    const options = { accepts: "numbers", context: env.context } as const;
    this.#value = resolveField(node.spec.value, "weighted_avg", options);
    this.#weight = resolveField(node.spec.weight, "weighted_avg", options);
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    const mapped = this.#value.kind === "number" && this.#weight.kind === "number";
    this.#values = mapped ? openNumbers(this.#value, target, segment) : undefined;
    this.#weights = mapped ? openNumbers(this.#weight, target, segment) : undefined;
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    const { budget } = this.#env;
    this.#sums = budget.float64(this.#sums, bucketCount);
    this.#sumErrors = budget.float64(this.#sumErrors, bucketCount);
    this.#totals = budget.float64(this.#totals, bucketCount);
    this.#totalErrors = budget.float64(this.#totalErrors, bucketCount);
    const values = this.#values;
    const weights = this.#weights;
    if (!values || !weights) return;
    const m = values.gather(docs, n);
    const w = weights.gather(docs, n);
    let j = 0;
    for (let i = 0; i < m; i++) {
      const owner = values.owners[i]!;
      while (j < w && weights.owners[j]! < owner) j++;
      if (j >= w) break;
      if (weights.owners[j] !== owner) continue;
      if (j + 1 < w && weights.owners[j + 1] === owner) {
        throw new RequestError(
          "Encountered more than one weight for a single document. Use a script to " +
            "combine multiple weights-per-doc into a single value.",
          {
            status: 400,
            type: "illegal_argument_exception",
          },
        );
      }
      const bucket = buckets[owner]!;
      const weight = weights.values[j]!;
      addCompensated(this.#sums, this.#sumErrors, bucket, values.values[i]! * weight);
      addCompensated(this.#totals, this.#totalErrors, bucket, weight);
    }
  }

  summarize(): boolean {
    return false;
  }

  closeSegment(): void {
    this.#values = undefined;
    this.#weights = undefined;
  }

  result(bucket: number): WeightedAvgResult {
    const sum = bucket < this.#sums.length ? this.#sums[bucket]! : 0;
    const weight = bucket < this.#totals.length ? this.#totals[bucket]! : 0;
    return { kind: "weighted_avg", sum, weight };
  }
}
