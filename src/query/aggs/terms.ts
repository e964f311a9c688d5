/**
 * A bucket for each value of a field: terms.
 *
 * Terms are counted by ordinal within a segment. Across segments they meet by their bytes: at once when
 * sub-aggregations must know the bucket, else when a segment is closed, in dictionary order and only those seen.
 * With one segment in the request the ordinals stay the keys and only the terms of the answer are ever read.
 *
 * @module
 */
import { hasBit } from "../../base/bitset.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import { compareKeys, compareNumbers, type ResolvedOrder, resolveOrder } from "./bucket_order.ts";
import { BucketSpace } from "./bucket_space.ts";
import {
  closeAll,
  type Collector,
  type CollectorEnv,
  forward,
  NO_BUCKET,
  openAll,
  resultsOf,
} from "./collector.ts";
import { type FieldUse, resolveField } from "./field_use.ts";
import { metricAt } from "./metric_path.ts";
import type { AggNode, TermsSpec } from "./node.ts";
import { NumberIds } from "./number_ids.ts";
import type { AggResult, Bucket, BucketKey, TermsResult } from "./result.ts";
import { selectTop } from "./select_top.ts";
import { BATCH, type NumberLeaf, openNumbers, openTermLeaf, type TermLeaf } from "./sources.ts";
import { bucketsOfPairs } from "./stats.ts";
import { acceptedOrdinals, numberPredicate } from "./term_filter.ts";
import { TermIds } from "./term_ids.ts";
import { byteString } from "./value_format.ts";

/** Buckets that a partial keeps at least when others of the same shard will join it. */
const SHARED_KEEP = 10_000;
/** Widest span of whole numbers that gets a table by value. */
const SPAN_MAX = 65_536;

export class TermsCollector implements Collector {
  readonly #env: CollectorEnv;
  readonly #subs: readonly Collector[];
  readonly #use: FieldUse;
  readonly #order: readonly ResolvedOrder[];
  readonly #single: boolean;
  readonly #space: BucketSpace;
  /** Ordinals of the one segment are the keys. */
  readonly #byOrdinal: boolean;
  readonly #termIds: TermIds;
  readonly #numberIds: NumberIds;
  readonly #acceptsNumber: ((value: number) => boolean) | undefined;
  #terms: TermLeaf | undefined;
  /** The leaf whose ordinals are the keys; outlives its segment. */
  #ordinalLeaf: TermLeaf | undefined;
  #accepted: Uint32Array | undefined;
  #numbers: NumberLeaf | undefined;
  #numberBase: number | undefined;
  /** Counts of the open segment by its ordinals, without sub-aggregations. */
  #local: BucketSpace | undefined;

  #locals: Uint32Array = new Uint32Array(BATCH);
  #parents: Uint32Array = new Uint32Array(BATCH);
  #docs: Uint32Array = new Uint32Array(BATCH);
  #buckets: Uint32Array = new Uint32Array(BATCH);

  /** @param single Whether the parent is always bucket 0. */
  constructor(
    readonly node: AggNode & { readonly spec: TermsSpec },
    env: CollectorEnv,
    options: { readonly subs: readonly Collector[]; readonly single: boolean },
  ) {
    this.#env = env;
    this.#subs = options.subs;
    this.#single = options.single;
    this.#use = resolveField(node.spec, "terms", { accepts: "any", context: env.context });
    this.#order = resolveOrder(node.spec.order, node);
    this.#space = new BucketSpace(env.budget, options.single);
    this.#termIds = new TermIds(env.budget);
    this.#numberIds = new NumberIds(env.budget);
    this.#byOrdinal = env.context.targets.reduce((sum, target) => sum + target.segments.length, 0) === 1;
    this.#acceptsNumber = this.#use.kind === "number"
      ? numberPredicate(node.name, node.spec, this.#use, env.context.nowMs)
      : undefined;
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    openAll(this.#subs, target, segment);
    if (this.#use.kind === "term") this.#openTerms(openTermLeaf(this.#use, target, segment));
    else if (this.#use.kind === "number") {
      this.#openNumbers(openNumbers(this.#use, target, segment), segment.reader.docCount);
    }
  }

  #openTerms(leaf: TermLeaf): void {
    this.#terms = leaf;
    this.#accepted = acceptedOrdinals(this.node.spec, this.#use, leaf);
    if (this.#byOrdinal && this.#use.missingTerm === undefined) {
      this.#ordinalLeaf = leaf;
      this.#space.openSegment(leaf.termCount, undefined);
      return;
    }
    const intern = (ordinal: number) => this.#termIds.id(leaf.term(ordinal));
    if (this.node.spec.minDocCount === 0) {
      for (let ordinal = 0; ordinal < leaf.termCount; ordinal++) {
        if (!this.#accepted || hasBit(this.#accepted, ordinal)) intern(ordinal);
      }
    }
    if (this.#subs.length === 0) {
      this.#local = new BucketSpace(this.#env.budget, this.#single);
      this.#local.openSegment(leaf.termCount, undefined);
    } else this.#space.openSegment(leaf.termCount, intern);
  }

  #openNumbers(leaf: NumberLeaf, docCount: number): void {
    this.#numbers = leaf;
    if (this.node.spec.minDocCount === 0) this.#noteAllNumbers(leaf, docCount);
    const column = leaf.column;
    const whole = this.#use.numberType === "long" || this.#use.numberType === "boolean";
    const low = Number(column?.min ?? 0);
    const span = Number(column?.max ?? 0) - low + 1;
    if (whole && column && leaf.summarizable && span <= SPAN_MAX) {
      this.#numberBase = low;
      this.#space.openSegment(span, (local) => this.#numberIds.id(local + low));
    } else {
      this.#numberBase = undefined;
      this.#space.openSegment(0, undefined);
    }
  }

  /** `min_doc_count` 0 lists values of documents that the query does not match too. */
  #noteAllNumbers(leaf: NumberLeaf, docCount: number): void {
    const docs = new Uint32Array(BATCH);
    for (let from = 0; from < docCount; from += BATCH) {
      const n = Math.min(BATCH, docCount - from);
      for (let i = 0; i < n; i++) docs[i] = from + i;
      const m = leaf.gather(docs, n);
      this.#numberKeys(leaf, this.#filterNumbers(leaf, m));
    }
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    if (this.#terms) this.#collectTerms(this.#terms, docs, buckets, n, bucketCount);
    else if (this.#numbers) this.#collectNumbers(this.#numbers, docs, buckets, n, bucketCount);
  }

  #collectTerms(
    leaf: TermLeaf,
    docs: Uint32Array,
    buckets: Uint32Array,
    n: number,
    bucketCount: number,
  ): void {
    let m = leaf.gather(docs, n);
    let { owners, ordinals } = leaf;
    let identity = leaf.identity;
    this.#reserve(m);
    if (this.#accepted) {
      const kept = keepAccepted(this.#accepted, owners, ordinals, m, this.#docs, this.#locals);
      owners = this.#docs.slice(0, kept);
      ordinals = this.#locals;
      m = kept;
      identity = false;
    }
    const space = this.#local ?? this.#space;
    const parents = this.#parentsOf(buckets, owners, m, identity);
    space.collect(ordinals, parents, m, bucketCount, this.#buckets);
    this.#forward(docs, owners, m, identity);
  }

  #collectNumbers(
    leaf: NumberLeaf,
    docs: Uint32Array,
    buckets: Uint32Array,
    n: number,
    bucketCount: number,
  ): void {
    let m = leaf.gather(docs, n);
    this.#reserve(m);
    const filtered = this.#filterNumbers(leaf, m);
    const identity = leaf.identity && filtered === m;
    m = filtered;
    if (this.#numberBase !== undefined) subtractBase(leaf.values, this.#numberBase, m, this.#locals);
    else this.#numberKeys(leaf, m);
    const parents = this.#parentsOf(buckets, leaf.owners, m, identity);
    this.#space.collect(this.#locals, parents, m, bucketCount, this.#buckets);
    this.#forward(docs, leaf.owners, m, identity);
  }

  /** Drops values that `include` and `exclude` do not let in, and repetitions within a document. */
  #filterNumbers(leaf: NumberLeaf, m: number): number {
    const accepts = this.#acceptsNumber;
    if (!accepts && !leaf.multi) return m;
    const owners = leaf.owners.slice(0, m);
    const values = leaf.values.slice(0, m);
    const wides = leaf.wides.slice(0, Math.min(m, leaf.wides.length));
    let out = 0;
    for (let i = 0; i < m; i++) {
      if (accepts && !accepts(values[i]! + 0)) continue;
      const repeated = out > 0 && owners[out - 1] === owners[i] && values[out - 1] === values[i] &&
        (wides.length === 0 || wides[out - 1] === wides[i]);
      if (repeated) continue;
      owners[out] = owners[i]!;
      values[out] = values[i]!;
      if (wides.length > 0) wides[out] = wides[i]!;
      out++;
    }
    leaf.owners = owners;
    leaf.values = values;
    leaf.wides = wides;
    return out;
  }

  #numberKeys(leaf: NumberLeaf, m: number): void {
    this.#reserve(m);
    if (leaf.wides.length === 0) {
      this.#numberIds.ids(leaf.values, m, this.#locals);
      return;
    }
    const bias = leaf.type === "unsigned" ? 1n << 63n : 0n;
    for (let i = 0; i < m; i++) this.#locals[i] = this.#numberIds.idOfWide(leaf.wides[i]! + bias);
  }

  #reserve(m: number): void {
    if (m <= this.#locals.length) return;
    this.#locals = new Uint32Array(m * 2);
    this.#parents = new Uint32Array(m * 2);
    this.#docs = new Uint32Array(m * 2);
    this.#buckets = new Uint32Array(m * 2);
  }

  #parentsOf(buckets: Uint32Array, owners: Uint32Array, m: number, identity: boolean): Uint32Array {
    if (this.#single || identity) return buckets;
    bucketsOfPairs(this.#parents, buckets, owners, m);
    return this.#parents;
  }

  #forward(docs: Uint32Array, owners: Uint32Array, m: number, identity: boolean): void {
    if (this.#subs.length === 0) return;
    let pairDocs = docs;
    if (!identity) {
      bucketsOfPairs(this.#docs, docs, owners, m);
      pairDocs = this.#docs;
    }
    forward(this.#subs, pairDocs, this.#buckets, m, this.#space.count);
  }

  summarize(): boolean {
    if (this.#use.kind === "unmapped") return true;
    const leaf = this.#terms;
    if (!leaf || this.#subs.length > 0 || !leaf.plain || this.#accepted) return false;
    if (!leaf.column) return leaf.termCount === 0;
    const counts = leaf.column.counts();
    if (!counts) return false;
    const space = this.#local ?? this.#space;
    for (let ordinal = 0; ordinal < leaf.termCount; ordinal++) {
      if (counts[ordinal]! > 0) space.add(space.findOrAdd(0, ordinal), counts[ordinal]!);
    }
    return true;
  }

  closeSegment(): void {
    closeAll(this.#subs);
    if (this.#local) this.#mergeLocal(this.#local, this.#terms!);
    this.#space.closeSegment();
    this.#local = undefined;
    this.#terms = undefined;
    this.#numbers = undefined;
    this.#accepted = undefined;
  }

  #mergeLocal(local: BucketSpace, leaf: TermLeaf): void {
    if (this.#single) {
      for (let ordinal = 0; ordinal < leaf.termCount; ordinal++) {
        const bucket = local.find(0, ordinal);
        if (bucket < 0) continue;
        this.#space.add(
          this.#space.findOrAdd(0, this.#termIds.id(leaf.term(ordinal))),
          local.docCount(bucket),
        );
      }
      local.closeSegment();
      return;
    }
    const order = new Uint32Array(local.count);
    for (let bucket = 0; bucket < order.length; bucket++) order[bucket] = bucket;
    order.sort((a, b) => local.keyOf(a) - local.keyOf(b));
    let last = -1;
    let id = -1;
    for (const bucket of order) {
      const ordinal = local.keyOf(bucket);
      if (ordinal !== last) {
        last = ordinal;
        id = this.#termIds.id(leaf.term(ordinal));
      }
      this.#space.add(this.#space.findOrAdd(local.parentOf(bucket), id), local.docCount(bucket));
    }
    local.closeSegment();
  }

  result(parent: number): TermsResult {
    const { spec } = this.node;
    const space = this.#space;
    const all = space.bucketsOf(parent);
    const found = spec.shardMinDocCount > 1
      ? all.filter((bucket) => space.docCount(bucket) >= spec.shardMinDocCount)
      : all;
    const keep = this.#env.shared ? Math.max(spec.shardSize, SHARED_KEEP) : spec.shardSize;
    const top = selectTop(found, keep, this.#comparator(found));
    let otherDocCount = 0;
    for (const bucket of found) otherDocCount += space.docCount(bucket);
    let buckets: Bucket[] = [];
    for (const bucket of top) {
      otherDocCount -= space.docCount(bucket);
      buckets.push({
        key: this.#key(space.keyOf(bucket)),
        count: space.docCount(bucket),
        error: 0,
        subs: resultsOf(this.#subs, bucket),
      });
    }
    if (spec.minDocCount === 0 && parent !== NO_BUCKET) buckets = buckets.concat(this.#emptyBuckets(parent));
    return {
      kind: "terms",
      keyType: this.#keyType(),
      format: this.#use.format,
      otherDocCount,
      docCountError: 0,
      truncated: top.length < found.length,
      buckets,
    };
  }

  #keyType(): TermsResult["keyType"] {
    if (this.#use.kind === "unmapped") return "";
    if (this.#use.kind === "term") return "string";
    switch (this.#use.numberType) {
      case "double":
        return "double";
      case "unsigned":
        return "unsigned";
      default:
        return "long";
    }
  }

  #key(id: number): BucketKey {
    if (this.#use.kind === "number") return this.#numberIds.value(id);
    return this.#ordinalLeaf ? byteString(this.#ordinalLeaf.term(id)) : this.#termIds.name(id);
  }

  #emptyBuckets(parent: number): Bucket[] {
    const keys = this.#use.kind === "number"
      ? this.#numberIds.count
      : this.#ordinalLeaf
      ? this.#ordinalLeaf.termCount
      : this.#termIds.count;
    const accepted = this.#ordinalLeaf
      ? acceptedOrdinals(this.node.spec, this.#use, this.#ordinalLeaf)
      : undefined;
    const buckets: Bucket[] = [];
    for (let id = 0; id < keys; id++) {
      if (accepted && !hasBit(accepted, id)) continue;
      if (this.#space.find(parent, id) >= 0) continue;
      buckets.push({ key: this.#key(id), count: 0, error: 0, subs: resultsOf(this.#subs, NO_BUCKET) });
    }
    this.#env.budget.take(buckets.length * 100);
    return buckets;
  }

  #comparator(buckets: Uint32Array): (a: number, b: number) => number {
    const space = this.#space;
    const compare: ((a: number, b: number) => number)[] = [];
    for (const one of this.#order) {
      const sign = one.ascending ? 1 : -1;
      if (one.by === "count") compare.push((a, b) => sign * (space.docCount(a) - space.docCount(b)));
      else if (one.by === "key") compare.push((a, b) => sign * this.#compareIds(a, b));
      else {
        const metrics = this.#metrics(one, buckets);
        compare.push((a, b) => sign * compareNumbers(metrics.get(a)!, metrics.get(b)!));
      }
    }
    const first = compare[0];
    if (compare.length === 1 && first) return (a, b) => first(a, b) || this.#compareIds(a, b);
    return (a, b) => {
      for (const one of compare) {
        const difference = one(a, b);
        if (difference !== 0) return difference;
      }
      return this.#compareIds(a, b);
    };
  }

  #metrics(order: ResolvedOrder, buckets: Uint32Array): Map<number, number> {
    const path = order.path!;
    const metrics = new Map<number, number>();
    const first = path.steps[0] ?? path.last;
    for (const bucket of buckets) {
      const subs: AggResult[] = [];
      if (first >= 0) subs[first] = this.#subs[first]!.result(bucket);
      metrics.set(bucket, metricAt(path, { key: 0, count: this.#space.docCount(bucket), error: 0, subs }));
    }
    return metrics;
  }

  #compareIds(a: number, b: number): number {
    const x = this.#space.keyOf(a);
    const y = this.#space.keyOf(b);
    if (this.#ordinalLeaf) return x - y;
    return this.#use.kind === "number"
      ? compareKeys(this.#numberIds.value(x), this.#numberIds.value(y))
      : this.#termIds.compare(x, y);
  }
}

function keepAccepted(
  accepted: Uint32Array,
  owners: Uint32Array,
  ordinals: Uint32Array,
  m: number,
  outOwners: Uint32Array,
  outOrdinals: Uint32Array,
): number {
  let out = 0;
  for (let i = 0; i < m; i++) {
    const ordinal = ordinals[i]!;
    if ((accepted[ordinal >>> 5]! & (1 << (ordinal & 31))) === 0) continue;
    outOwners[out] = owners[i]!;
    outOrdinals[out++] = ordinal;
  }
  return out;
}

function subtractBase(values: Float64Array, base: number, m: number, out: Uint32Array): void {
  for (let i = 0; i < m; i++) out[i] = values[i]! - base;
}
