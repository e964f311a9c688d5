/**
 * Buckets between given bounds: range, date_range, ip_range. Ranges may overlap; each is from inclusive to
 * exclusive.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import { illegalArgument } from "../../base/errors.ts";
import { formatIp, parseCidr, tryParseIp } from "../../schema/ip.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "../target.ts";
import { closeAll, type Collector, type CollectorEnv, forward, openAll, resultsOf } from "./collector.ts";
import { type FieldUse, notANumber, parseDate, resolveField } from "./field_use.ts";
import type { AggNode, RangeBounds, RangeSpec } from "./node.ts";
import type { RangesResult, ResolvedRange } from "./result.ts";
import { BATCH, NumberLeaf, openNumbers, openTermLeaf, type TermLeaf } from "./sources.ts";
import { doubleOrText, numberText, type ValueFormat } from "./value_format.ts";

interface Limits {
  readonly resolved: ResolvedRange;
  readonly low: number;
  readonly high: number;
  /** Addresses; undefined: open. */
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
}

export class RangesCollector implements Collector {
  readonly #env: CollectorEnv;
  readonly #subs: readonly Collector[];
  readonly #use: FieldUse;
  readonly #ranges: readonly Limits[];
  #counts: Float64Array = new Float64Array(0);
  #numbers: NumberLeaf | undefined;
  #terms: TermLeaf | undefined;
  /** Ordinals [lows[r], highs[r]) of the open segment. */
  #lows: number[] = [];
  #highs: number[] = [];
  #docs: Uint32Array = new Uint32Array(BATCH);
  #buckets: Uint32Array = new Uint32Array(BATCH);

  constructor(
    readonly node: AggNode & { readonly spec: RangeSpec },
    env: CollectorEnv,
    subs: readonly Collector[],
  ) {
    const { spec } = node;
    this.#env = env;
    this.#subs = subs;
    this.#use = resolveField(spec, spec.kind, {
      accepts: spec.kind === "ip_range" ? "ip" : "numbers",
      context: env.context,
      unmappedDates: spec.kind === "date_range",
    });
    if (spec.ranges.length === 0) {
      throw illegalArgument(`No [ranges] specified for the [${node.name}] aggregation`);
    }
    this.#ranges = spec.kind === "ip_range"
      ? spec.ranges.map(addressLimits).sort(compareAddresses)
      : spec.ranges.map((range) => numberLimits(range, this.#use, env.context))
        .sort((a, b) => a.low - b.low || a.high - b.high || 0);
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    openAll(this.#subs, target, segment);
    this.#numbers = this.#use.kind === "number" ? openNumbers(this.#use, target, segment) : undefined;
    this.#terms = this.#use.kind === "term" ? openTermLeaf(this.#use, target, segment) : undefined;
    const terms = this.#terms;
    if (!terms) return;
    this.#lows = this.#ranges.map((range) => range.from ? firstNotBelow(terms, range.from) : 0);
    this.#highs = this.#ranges.map((range) => range.to ? firstNotBelow(terms, range.to) : Infinity);
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    const leaf = this.#numbers ?? this.#terms;
    if (!leaf) return;
    const m = leaf.gather(docs, n);
    const ranges = this.#ranges.length;
    this.#counts = this.#env.budget.float64(this.#counts, bucketCount * ranges);
    if (m > this.#docs.length) {
      this.#docs = new Uint32Array(m * 2);
      this.#buckets = new Uint32Array(m * 2);
    }
    const values = leaf instanceof NumberLeaf ? leaf.values : leaf.ordinals;
    for (let r = 0; r < ranges; r++) {
      const low = this.#numbers ? this.#ranges[r]!.low : this.#lows[r]!;
      const high = this.#numbers ? this.#ranges[r]!.high : this.#highs[r]!;
      let out = 0;
      let last = -1;
      for (let i = 0; i < m; i++) {
        const value = values[i]!;
        if (!(value >= low && value < high)) continue;
        const owner = leaf.owners[i]!;
        if (owner === last) continue;
        last = owner;
        const bucket = buckets[owner]! * ranges + r;
        this.#counts[bucket]!++;
        this.#docs[out] = docs[owner]!;
        this.#buckets[out++] = bucket;
      }
      if (this.#subs.length > 0) forward(this.#subs, this.#docs, this.#buckets, out, bucketCount * ranges);
    }
  }

  summarize(): boolean {
    return this.#use.kind === "unmapped";
  }

  closeSegment(): void {
    closeAll(this.#subs);
    this.#numbers = undefined;
    this.#terms = undefined;
  }

  result(parent: number): RangesResult {
    return {
      kind: "ranges",
      format: this.#use.format,
      ranges: this.#ranges.map((range) => range.resolved),
      buckets: this.#ranges.map((_, r) => {
        const bucket = parent * this.#ranges.length + r;
        return { key: r, count: this.#counts[bucket] ?? 0, error: 0, subs: resultsOf(this.#subs, bucket) };
      }),
    };
  }
}

function numberLimits(range: RangeBounds, use: FieldUse, context: SearchContext): Limits {
  const from = numberBound(range.from, use, context);
  const to = numberBound(range.to, use, context);
  const key = range.key ??
    `${from === undefined ? "*" : doubleOrText(use.format, from)}-${
      to === undefined ? "*" : doubleOrText(use.format, to)
    }`;
  return {
    resolved: {
      key,
      from,
      to,
      fromText: from === undefined ? undefined : numberText(use.format, from),
      toText: to === undefined ? undefined : numberText(use.format, to),
    },
    low: asValue(from ?? -Infinity, use),
    high: asValue(to ?? Infinity, use),
    from: undefined,
    to: undefined,
  };
}

function numberBound(
  value: string | number | undefined,
  use: FieldUse,
  context: SearchContext,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && use.format.kind === "date") return boundDate(value, use.format, context);
  const number = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
  if (Number.isNaN(number)) throw notANumber(value);
  return number;
}

/** A bound as the field's values are rounded. */
function asValue(bound: number, use: FieldUse): number {
  return use.float ? Math.fround(bound) : bound;
}

function boundDate(text: string, format: ValueFormat & { kind: "date" }, context: SearchContext): number {
  return parseDate(text, format, context.nowMs);
}

function addressLimits(range: RangeBounds): Limits {
  let from = address(range.from);
  let to = address(range.to);
  let key = range.key;
  if (range.mask !== undefined) {
    const block = parseCidr(range.mask);
    from = block.low;
    to = successor(block.high);
    key ??= range.mask;
  }
  const fromText = from && formatIp(from);
  const toText = to && formatIp(to);
  key ??= `${fromText ?? "*"}-${toText ?? "*"}`;
  return {
    resolved: { key, from: fromText, to: toText, fromText: undefined, toText: undefined },
    low: 0,
    high: Infinity,
    from,
    to,
  };
}

function address(value: string | number | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  const bytes = tryParseIp(String(value));
  if (!bytes) throw illegalArgument(`'${value}' is not an IP string literal.`);
  return bytes;
}

/** The next address; undefined after the last. */
function successor(bytes: Uint8Array): Uint8Array | undefined {
  const next = bytes.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = (next[i]! + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

function compareAddresses(a: Limits, b: Limits): number {
  const froms = a.from && b.from ? compareBytes(a.from, b.from) : (a.from ? 1 : 0) - (b.from ? 1 : 0);
  if (froms !== 0) return froms;
  return a.to && b.to ? compareBytes(a.to, b.to) : (a.to ? 0 : 1) - (b.to ? 0 : 1);
}

/** First ordinal whose term is not below `term`; the terms of a leaf ascend. */
function firstNotBelow(leaf: TermLeaf, term: Uint8Array): number {
  let low = 0;
  let high = leaf.termCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(leaf.term(middle), term) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
