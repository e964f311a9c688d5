/**
 * What may a document put into each mapped leaf without asking the exact parser?
 *
 * @module
 */
import { DateFormat } from "../schema/date_format.ts";
import type { Mapping } from "../schema/mapping.ts";
import type { Field } from "../schema/types.ts";

/** How a leaf's values are read. `Exact`: not at all, the exact parser takes the document. */
export const Rule = {
  Exact: 0,
  /** Strings (for keywords also numbers and booleans, as spelt) to be analysed or taken whole. */
  Text: 1,
  Integer: 2,
  Double: 3,
  Float: 4,
  HalfFloat: 5,
  ScaledFloat: 6,
  Boolean: 7,
  Date: 8,
  DateNanos: 9,
  Ip: 10,
} as const;

/** Lucene's limit, and ours: a longer keyword is an error, which the exact parser words. */
export const TERM_BYTES_MAX = 32_766;

/** A leaf of the mapping in a form for tight loops: `LeafRules` members by leaf number. */
export class LeafRules {
  readonly fields: readonly Field[];
  readonly rules: Uint8Array;
  /** Least and greatest value of whole-number types. */
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  readonly scales: Float64Array;
  /** 1: null stands for nothing. */
  readonly nullable: Uint8Array;
  /** 1: the date's format list begins with one that an ISO date-time follows. */
  readonly isoDates: Uint8Array;
  /** 1: whole numbers of six digits and more are ms since the epoch. */
  readonly epochDates: Uint8Array;
  readonly formats: readonly (DateFormat | undefined)[];
  /** Fields that a leaf's value goes to: [targetStarts[leaf], targetStarts[leaf + 1]) of the arrays below. */
  readonly targetStarts: Uint32Array;
  readonly targets: Uint32Array;
  /** 1: to be analysed; 0: the whole is a term. */
  readonly targetTexts: Uint8Array;
  /** Longest value in UTF-16 units; a longer one is left out and named in `_ignored`. */
  readonly targetLimits: Uint32Array;
  readonly targetNames: readonly string[];

  constructor(mapping: Mapping) {
    const leaves = mapping.root.enabled ? leavesOf(mapping) : [];
    this.fields = leaves.map((leaf) => leaf.field);
    this.rules = Uint8Array.from(leaves, (leaf) => leaf.rule);
    this.lows = Float64Array.from(leaves, (leaf) => INTEGER_RANGES[leaf.field.type]?.[0] ?? 0);
    this.highs = Float64Array.from(leaves, (leaf) => INTEGER_RANGES[leaf.field.type]?.[1] ?? 0);
    this.scales = Float64Array.from(leaves, (leaf) => leaf.field.scalingFactor);
    this.nullable = Uint8Array.from(leaves, ({ targets, rule }) => {
      return rule !== Rule.Exact && targets.every((field) => field.nullValue === undefined) ? 1 : 0;
    });
    this.isoDates = Uint8Array.from(
      leaves,
      ({ field }) => ISO_FORMATS.has(field.format.split("||")[0]!) ? 1 : 0,
    );
    this.epochDates = Uint8Array.from(leaves, ({ field }) => EPOCH_FORMATS.has(field.format) ? 1 : 0);
    this.formats = leaves.map(({ field }) => field.format === "" ? undefined : DateFormat.of(field.format));
    const targets = leaves.flatMap((leaf) => leaf.targets);
    this.targets = Uint32Array.from(targets, (field) => field.ordinal);
    this.targetTexts = Uint8Array.from(targets, (field) => field.kind === "text" ? 1 : 0);
    this.targetLimits = Uint32Array.from(
      targets,
      (field) => field.kind === "text" ? 0xffff_ffff : field.ignoreAbove,
    );
    this.targetNames = targets.map((field) => field.name);
    this.targetStarts = new Uint32Array(leaves.length + 1);
    leaves.forEach((leaf, i) => this.targetStarts[i + 1] = this.targetStarts[i]! + leaf.targets.length);
  }
}

/** Beyond 2^53 the exact parser takes over. */
const INTEGER_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  byte: [-128, 127],
  short: [-32768, 32767],
  integer: [-2147483648, 2147483647],
  long: [-(2 ** 53), 2 ** 53],
};

const ISO_FORMATS: ReadonlySet<string> = new Set([
  "strict_date_optional_time",
  "strict_date_optional_time_nanos",
  "date_optional_time",
]);

const EPOCH_FORMATS: ReadonlySet<string> = new Set([
  "strict_date_optional_time||epoch_millis",
  "strict_date_optional_time_nanos||epoch_millis",
  "epoch_millis",
]);

interface Leaf {
  readonly field: Field;
  readonly rule: number;
  readonly targets: readonly Field[];
}

function leavesOf(mapping: Mapping): Leaf[] {
  const leaves: Leaf[] = [];
  for (const field of mapping.fields) {
    // Multi-fields and parts of flattened fields take their parent's values.
    if (field.parent !== "") continue;
    const targets = [field];
    let known = true;
    for (const ordinal of field.multiFields) targets.push(mapping.fields[ordinal]!);
    for (const path of field.copyTo) {
      const target = mapping.field(path);
      if (target && target.multiFields.length === 0) targets.push(target);
      else known = false;
    }
    const rule = ruleOf(field);
    // A value is read once: so all that it goes to must take it as text, or there is one field only.
    const simple = targets.length === 1 ||
      (rule === Rule.Text && targets.every((target) => ruleOf(target) === Rule.Text));
    leaves.push({ field, rule: known && simple ? rule : Rule.Exact, targets });
  }
  return leaves;
}

function ruleOf(field: Field): number {
  switch (field.type) {
    case "text":
      return Rule.Text;
    case "keyword":
      return field.normalizer === "" && field.declaredType !== "constant_keyword" ? Rule.Text : Rule.Exact;
    case "byte":
    case "short":
    case "integer":
    case "long":
      return Rule.Integer;
    case "double":
      return Rule.Double;
    case "float":
      return Rule.Float;
    case "half_float":
      return Rule.HalfFloat;
    case "scaled_float":
      return Rule.ScaledFloat;
    case "boolean":
      return Rule.Boolean;
    case "date":
      return Rule.Date;
    case "date_nanos":
      return Rule.DateNanos;
    case "ip":
      return Rule.Ip;
    default:
      return Rule.Exact;
  }
}
