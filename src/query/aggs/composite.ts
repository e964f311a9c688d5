/**
 * A bucket for each combination of values of several sources, in pages.
 *
 * Combinations are numbered source by source: the bucket of the first k values is the parent of the one with
 * k + 1.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";
import { timeZone, UTC } from "../../schema/time_zone.ts";
import { tryParseIp } from "../../schema/ip.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import { BucketSpace } from "./bucket_space.ts";
import { closeAll, type Collector, type CollectorEnv, forward, openAll, resultsOf } from "./collector.ts";
import { compareComposite } from "./composite_order.ts";
import { type FieldUse, parseDate, parseNumber, resolveField } from "./field_use.ts";
import type { AggNode, CompositeSource, CompositeSpec } from "./node.ts";
import { NumberIds } from "./number_ids.ts";
import type { BucketKey, CompositeBucket, CompositeResult } from "./result.ts";
import { makeRounding } from "./rounding.ts";
import { type NumberLeaf, openNumbers, openTermLeaf, type TermLeaf } from "./sources.ts";
import { bucketsOfPairs } from "./stats.ts";
import { TermIds } from "./term_ids.ts";
import { byteString, byteStringOfText, RAW, type ValueFormat } from "./value_format.ts";

/** Id of a missing value; real ids are one higher than their number. */
const MISSING = 0;

class Source {
  readonly spec: CompositeSource;
  readonly use: FieldUse;
  /** How keys print; dates without a format of their own are numbers. */
  readonly format: ValueFormat;
  readonly #numberIds: NumberIds;
  readonly #termIds: TermIds;
  readonly #round: ((value: number) => number) | undefined;
  #numbers: NumberLeaf | undefined;
  #terms: TermLeaf | undefined;
  /** Ids of the open segment's ordinals, 0 where not known yet. */
  #ordinalIds: Uint32Array = new Uint32Array(0);
  ids = new Uint32Array(0);
  owners = new Uint32Array(0);

  constructor(spec: CompositeSource, env: CollectorEnv) {
    this.spec = spec;
    this.use = resolveField(spec, "composite", {
      accepts: spec.kind === "terms" ? "any" : "numbers",
      context: env.context,
      unmappedDates: spec.kind === "date_histogram",
    });
    const plainDate = this.use.format.kind === "date" && spec.format === "";
    this.format = plainDate ? RAW : this.use.format;
    this.#numberIds = new NumberIds(env.budget);
    this.#termIds = new TermIds(env.budget);
    if (spec.kind === "histogram") this.#round = (value) => Math.floor(value / spec.interval) * spec.interval;
    else if (spec.kind === "date_histogram") {
      const zone = spec.timeZone === "" ? UTC : timeZone(spec.timeZone);
      const rounding = makeRounding(spec.dateInterval!, zone, spec.offset);
      this.#round = (value) => rounding.round(value);
    } else this.#round = undefined;
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    this.#numbers = this.use.kind === "number" ? openNumbers(this.use, target, segment) : undefined;
    this.#terms = this.use.kind === "term" ? openTermLeaf(this.use, target, segment) : undefined;
    this.#ordinalIds = new Uint32Array(this.#terms?.termCount ?? 0);
  }

  closeSegment(): void {
    this.#numbers = undefined;
    this.#terms = undefined;
  }

  /** Fills `owners` and `ids`; returns the number of pairs. */
  gather(docs: Uint32Array, n: number): number {
    const leaf = this.#numbers ?? this.#terms;
    const m = leaf ? leaf.gather(docs, n) : 0;
    const ids = new Uint32Array(m + n);
    const owners = new Uint32Array(m + n);
    let out = 0;
    let at = 0;
    for (let owner = 0; owner < n; owner++) {
      const first = out;
      for (; at < m && leaf!.owners[at]! === owner; at++) {
        const id = this.#idAt(at) + 1;
        if (out > first && ids[out - 1] === id) continue;
        owners[out] = owner;
        ids[out++] = id;
      }
      if (out === first && this.spec.missingBucket) {
        owners[out] = owner;
        ids[out++] = MISSING;
      }
    }
    this.ids = ids;
    this.owners = owners;
    return out;
  }

  #idAt(at: number): number {
    const terms = this.#terms;
    if (terms) {
      const ordinal = terms.ordinals[at]!;
      let id = this.#ordinalIds[ordinal]!;
      if (id === 0) {
        id = this.#termIds.id(terms.term(ordinal)) + 1;
        this.#ordinalIds[ordinal] = id;
      }
      return id - 1;
    }
    const leaf = this.#numbers!;
    if (this.#round) return this.#numberIds.id(this.#round(leaf.values[at]!));
    if (leaf.wides.length === 0) return this.#numberIds.id(leaf.values[at]!);
    return this.#numberIds.idOfWide(leaf.wides[at]! + (leaf.type === "unsigned" ? 1n << 63n : 0n));
  }

  get double(): boolean {
    return this.spec.kind === "histogram" || (this.spec.kind === "terms" && this.use.numberType === "double");
  }

  value(id: number): BucketKey | null {
    if (id === MISSING) return null;
    return this.use.kind === "number" ? this.#numberIds.value(id - 1) : this.#termIds.name(id - 1);
  }

  /** A value of `after`, as keys are kept. */
  parseAfter(value: string | number | boolean | null, nowMs: number): BucketKey | null {
    if (value === null) return null;
    if (this.use.kind === "number") {
      if (this.format.kind === "date" && typeof value === "string") {
        return parseDate(value, this.format, nowMs);
      }
      return parseNumber(value, this.use.numberType, this.use.format, nowMs);
    }
    if (!this.use.ip) return byteStringOfText(String(value));
    const address = tryParseIp(String(value));
    if (!address) throw illegalArgument(`'${value}' is not an IP string literal.`);
    return byteString(address);
  }
}

export class CompositeCollector implements Collector {
  readonly #subs: readonly Collector[];
  readonly #sources: readonly Source[];
  readonly #spaces: readonly BucketSpace[];
  readonly #after: readonly (BucketKey | null)[] | undefined;

  constructor(
    readonly node: AggNode & { readonly spec: CompositeSpec },
    env: CollectorEnv,
    subs: readonly Collector[],
  ) {
    this.#subs = subs;
    this.#sources = node.spec.sources.map((source) => new Source(source, env));
    this.#spaces = node.spec.sources.map((_, i) => new BucketSpace(env.budget, i === 0));
    this.#after = node.spec.after?.map((value, i) => this.#sources[i]!.parseAfter(value, env.context.nowMs));
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    openAll(this.#subs, target, segment);
    for (const source of this.#sources) source.openSegment(target, segment);
    for (const space of this.#spaces) space.openSegment(0, undefined);
  }

  collect(docs: Uint32Array, _buckets: Uint32Array, n: number): void {
    let owners = Uint32Array.from({ length: n }, (_, i) => i);
    let parents: Uint32Array = new Uint32Array(n);
    let m = n;
    this.#sources.forEach((source, i) => {
      const count = source.gather(docs, n);
      const joined = join({ owners, parents, m }, source, count);
      const buckets = new Uint32Array(joined.m);
      const space = this.#spaces[i]!;
      space.collect(joined.ids, joined.parents, joined.m, 0, buckets);
      owners = joined.owners;
      parents = buckets;
      m = joined.m;
    });
    if (this.#subs.length === 0) return;
    const pairDocs = new Uint32Array(m);
    bucketsOfPairs(pairDocs, docs, owners, m);
    forward(this.#subs, pairDocs, parents, m, this.#spaces[this.#spaces.length - 1]!.count);
  }

  summarize(): boolean {
    return false;
  }

  closeSegment(): void {
    closeAll(this.#subs);
    for (const source of this.#sources) source.closeSegment();
    for (const space of this.#spaces) space.closeSegment();
  }

  result(): CompositeResult {
    const { spec } = this.node;
    const last = this.#spaces[this.#spaces.length - 1]!;
    let rows: { bucket: number; values: (BucketKey | null)[] }[] = [];
    for (let bucket = 0; bucket < last.count; bucket++) {
      const values = this.#valuesOf(bucket);
      if (this.#after && compareComposite(spec.sources, values, this.#after) <= 0) continue;
      rows.push({ bucket, values });
    }
    rows.sort((a, b) => compareComposite(spec.sources, a.values, b.values));
    rows = rows.slice(0, spec.size);
    const buckets = rows.map(({ bucket, values }): CompositeBucket => ({
      key: 0,
      values,
      count: last.docCount(bucket),
      error: 0,
      subs: resultsOf(this.#subs, bucket),
    }));
    return {
      kind: "composite",
      formats: this.#sources.map((source) => source.format),
      doubles: this.#sources.map((source) => source.double),
      buckets,
    };
  }

  #valuesOf(bucket: number): (BucketKey | null)[] {
    const values: (BucketKey | null)[] = [];
    let at = bucket;
    for (let i = this.#sources.length - 1; i >= 0; i--) {
      const space = this.#spaces[i]!;
      values[i] = this.#sources[i]!.value(space.keyOf(at));
      at = space.parentOf(at);
    }
    return values;
  }
}

interface Pairs {
  readonly owners: Uint32Array;
  readonly parents: Uint32Array;
  readonly m: number;
}

/** Each pair so far with each value of its owner. */
function join(
  pairs: Pairs,
  source: Source,
  count: number,
): { owners: Uint32Array<ArrayBuffer>; parents: Uint32Array; ids: Uint32Array; m: number } {
  let total = 0;
  let from = 0;
  const starts = new Uint32Array(pairs.m);
  const ends = new Uint32Array(pairs.m);
  for (let i = 0; i < pairs.m; i++) {
    const owner = pairs.owners[i]!;
    while (from < count && source.owners[from]! < owner) from++;
    let to = from;
    while (to < count && source.owners[to] === owner) to++;
    starts[i] = from;
    ends[i] = to;
    total += to - from;
  }
  const owners = new Uint32Array(total);
  const parents = new Uint32Array(total);
  const ids = new Uint32Array(total);
  let m = 0;
  for (let i = 0; i < pairs.m; i++) {
    for (let at = starts[i]!; at < ends[i]!; at++) {
      owners[m] = pairs.owners[i]!;
      parents[m] = pairs.parents[i]!;
      ids[m++] = source.ids[at]!;
    }
  }
  return { owners, parents, ids, m };
}
