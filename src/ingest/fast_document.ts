/**
 * Documents into staged values in one pass over their bytes, without an object or a string a document.
 *
 * Takes the common case: mapped paths, plain objects, values of the field's own JSON type, arrays of them. All else
 * (unmapped fields, conversions, `null_value`, flattened objects, arrays of objects, whatever is malformed) it hands
 * over to the exact parser, `schema/document.ts`, by returning false.
 *
 * Invariants, held by a test on generated and mutated documents
 * - What it accepts, the exact parser accepts, and stages the same values for each field in the same order.
 * - So it never accepts what is not JSON in UTF-8.
 *
 * Bench: `bench/ingest_core.ts`.
 *
 * @module
 */
import { utf8Text } from "../base/bytes.ts";
import { type DateParts, toNanos } from "../schema/date_format.ts";
import { tryParseIp } from "../schema/ip.ts";
import type { Mapping } from "../schema/mapping.ts";
import { roundHalf, roundScaled } from "../schema/numbers.ts";
import { type StagedDocument, StagedKind } from "../schema/staged.ts";
import { LeafRules, Rule, TERM_BYTES_MAX } from "./leaf_rules.ts";
import { PathTree } from "./path_tree.ts";
import {
  scanBoolean,
  scanDouble,
  scanInteger,
  scanIpv4,
  scanIsoDate,
  scanned,
  scanUtf8Sequence,
  skipSpace,
  STRING_BYTES,
  StringByte,
} from "./scan.ts";
import { appendEscape, appendIpv4, appendScratch, utf16Length } from "./scratch.ts";

const NESTING_MAX = 64;

/** Fewer digits may be a year. */
const EPOCH_MS_MIN = 100_000;
/** Ends of what `date_nanos` can hold, in whole ms. */
const NANOS_MS_MAX = 9_223_372_036_853;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

export class FastParser {
  readonly #leaves: LeafRules;
  readonly #tree: PathTree;
  /** By entry of the tree: the document that had it last, to find keys that come twice. */
  readonly #seen: Uint32Array;
  #document = 0;
  readonly #stackNodes = new Int32Array(NESTING_MAX);
  readonly #stackStates = new Int32Array(NESTING_MAX);
  readonly #depthMax: number;

  /** @param maxDepth Nesting that the exact parser is told to refuse beyond; the document's own object is 1. */
  constructor(mapping: Mapping, maxDepth = NESTING_MAX) {
    this.#leaves = new LeafRules(mapping);
    this.#tree = new PathTree(this.#leaves.fields.map((field, value) => ({ path: field.name, value })));
    this.#seen = new Uint32Array(this.#tree.entryCount);
    this.#depthMax = Math.min(maxDepth, NESTING_MAX);
  }

  /**
   * Stages the document in bytes [start, end). False: hand over to `parseDocument` (which resets `staged`).
   *
   * Bytes behind `end` may be read, never used.
   */
  parse(bytes: Uint8Array, start: number, end: number, staged: StagedDocument): boolean {
    staged.reset(bytes);
    const tree = this.#tree;
    const entryCount = tree.entryCount;
    const seen = this.#seen;
    if (this.#document === 0xffff_ffff) {
      seen.fill(0);
      this.#document = 0;
    }
    const document = ++this.#document;
    let at = skipSpace(bytes, start);
    if (bytes[at] !== OPEN_BRACE || this.#depthMax < 1) return false;
    let node: number = PathTree.ROOT;
    let state = entryCount + node;
    let depth = 0;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] === CLOSE_BRACE) return endsAt(bytes, at + 1, end);
    for (;;) {
      // A key.
      if (bytes[at] !== QUOTE) {
        at = skipSpace(bytes, at);
        if (bytes[at] !== QUOTE) return false;
      }
      at++;
      const entry = tree.entry(bytes, at, node, state);
      if (entry < 0 || seen[entry] === document) return false;
      seen[entry] = document;
      at = tree.nameEnd(entry, at);
      if (bytes[at] !== COLON) {
        at = skipSpace(bytes, at);
        if (bytes[at] !== COLON) return false;
      }
      at++;
      if (bytes[at]! <= 0x20) at = skipSpace(bytes, at);
      state = entry;
      // Its value.
      if (bytes[at] === OPEN_BRACE) {
        const child = tree.nodes[entry]!;
        if (child < 0 || depth + 1 >= this.#depthMax) return false;
        at = skipSpace(bytes, at + 1);
        if (bytes[at] !== CLOSE_BRACE) {
          this.#stackNodes[depth] = node;
          this.#stackStates[depth] = state;
          depth++;
          node = child;
          state = entryCount + child;
          continue;
        }
        at++;
      } else {
        const leaf = tree.leaves[entry]!;
        if (leaf < 0) return false;
        at = bytes[at] === OPEN_BRACKET
          ? this.#array(bytes, at, staged, leaf, depth)
          : this.#value(bytes, at, staged, leaf);
        if (at < 0) return false;
      }
      // What follows it.
      for (;;) {
        if (bytes[at]! <= 0x20) at = skipSpace(bytes, at);
        if (bytes[at] === COMMA) break;
        if (bytes[at] !== CLOSE_BRACE) return false;
        at++;
        if (depth === 0) return endsAt(bytes, at, end);
        depth--;
        node = this.#stackNodes[depth]!;
        state = this.#stackStates[depth]!;
      }
      at++;
    }
  }

  /** Scalars between brackets; position behind the closing one, or -1. */
  #array(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number, depth: number): number {
    if (depth + 2 > this.#depthMax || this.#leaves.rules[leaf] === Rule.Exact) return -1;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] === CLOSE_BRACKET) return at + 1;
    for (;;) {
      at = this.#value(bytes, at, staged, leaf);
      if (at < 0) return -1;
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_BRACKET) return at + 1;
      if (bytes[at] !== COMMA) return -1;
      at = skipSpace(bytes, at + 1);
    }
  }

  /** One scalar of a leaf; position behind it, or -1. */
  #value(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number): number {
    const leaves = this.#leaves;
    const first = bytes[at]!;
    if (first === 0x6e) {
      return leaves.nullable[leaf] === 1 && bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c &&
          bytes[at + 3] === 0x6c
        ? at + 4
        : -1;
    }
    switch (leaves.rules[leaf]) {
      case Rule.Text:
        return first === QUOTE
          ? this.#string(bytes, at + 1, staged, leaf)
          : this.#scalarText(bytes, at, staged, leaf);
      case Rule.Integer: {
        at = scanInteger(bytes, at);
        if (at < 0) return -1;
        const value = scanned[0]!;
        if (value < leaves.lows[leaf]! || value > leaves.highs[leaf]!) return -1;
        staged.number(this.#field(leaf), value);
        return at;
      }
      case Rule.Double:
        at = scanDouble(bytes, at);
        if (at >= 0) staged.number(this.#field(leaf), scanned[0]!);
        return at;
      case Rule.Float:
      case Rule.HalfFloat:
      case Rule.ScaledFloat:
        return this.#rounded(bytes, at, staged, leaf);
      case Rule.Boolean: {
        const end = scanBoolean(bytes, at);
        if (end >= 0) staged.number(this.#field(leaf), end - at === 4 ? 1 : 0);
        return end;
      }
      case Rule.Date:
      case Rule.DateNanos:
        return this.#date(bytes, at, staged, leaf);
      case Rule.Ip:
        return first === QUOTE ? this.#ip(bytes, at + 1, staged, leaf) : -1;
      default:
        return -1;
    }
  }

  /** Field of a leaf that has one only. */
  #field(leaf: number): number {
    return this.#leaves.targets[this.#leaves.targetStarts[leaf]!]!;
  }

  /** A floating type narrower than a double. */
  #rounded(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number): number {
    at = scanDouble(bytes, at);
    if (at < 0) return -1;
    const { rules, scales } = this.#leaves;
    const value = scanned[0]!;
    const rounded = rules[leaf] === Rule.ScaledFloat
      ? roundScaled(value, scales[leaf]!)
      : rules[leaf] === Rule.Float
      ? Math.fround(value)
      : roundHalf(Math.fround(value));
    // Too large is an error, and what became of a sign at zero the exact parser knows.
    if (!Number.isFinite(rounded) || (rounded === 0 && value !== 0)) return -1;
    staged.number(this.#field(leaf), rounded);
    return at;
  }

  /** A date, as text or number. */
  #date(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number): number {
    const leaves = this.#leaves;
    const field = this.#field(leaf);
    const nanos = leaves.rules[leaf] === Rule.DateNanos;
    if (bytes[at] === QUOTE) {
      if (leaves.isoDates[leaf] === 1) {
        const end = scanIsoDate(bytes, at + 1);
        if (end >= 0) return stageDate(staged, field, nanos, scanned[0]!, scanned[1]!) ? end + 1 : -1;
      }
      const end = plainStringEnd(bytes, at + 1);
      if (end < 0) return -1;
      const parts = leaves.formats[leaf]!.tryParse(utf8Text(bytes.subarray(at + 1, end)));
      return parts !== undefined && stageParts(staged, field, nanos, parts) ? end + 1 : -1;
    }
    const end = scanDouble(bytes, at);
    if (end < 0) return -1;
    const value = scanned[0]!;
    if (leaves.epochDates[leaf] === 1 && value >= EPOCH_MS_MIN && scanInteger(bytes, at) === end) {
      return stageDate(staged, field, nanos, value, 0) ? end : -1;
    }
    const parts = leaves.formats[leaf]!.tryParse(utf8Text(bytes.subarray(at, end)));
    return parts !== undefined && stageParts(staged, field, nanos, parts) ? end : -1;
  }

  #ip(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number): number {
    const end = scanIpv4(bytes, at);
    if (end >= 0) {
      const from = appendIpv4(staged, scanned[0]!);
      staged.scratchRange(this.#field(leaf), StagedKind.ScratchTerm, from, from + 16);
      return end + 1;
    }
    const textEnd = plainStringEnd(bytes, at);
    if (textEnd < 0) return -1;
    const address = tryParseIp(utf8Text(bytes.subarray(at, textEnd)));
    if (address === undefined) return -1;
    staged.scratchTerm(this.#field(leaf), address);
    return textEnd + 1;
  }

  /** A number or a boolean as the text that it is spelt as. */
  #scalarText(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number): number {
    const boolean = scanBoolean(bytes, at);
    const end = boolean >= 0 ? boolean : scanDouble(bytes, at);
    if (end >= 0) this.#stageRange(staged, leaf, bytes, at, end, 0);
    return end;
  }

  /** A string whose first byte is at `at`; position behind the closing quote, or -1. */
  #string(bytes: Uint8Array, at: number, staged: StagedDocument, leaf: number): number {
    const from = at;
    const classes = STRING_BYTES;
    for (;;) {
      while (classes[bytes[at]!] === StringByte.Plain) at++;
      const stop = classes[bytes[at]!];
      if (stop === StringByte.Quote) break;
      if (stop === StringByte.Backslash) return this.#escaped(bytes, from, at, staged, leaf);
      if (stop !== StringByte.NonAscii) return -1;
      at = scanUtf8Sequence(bytes, at);
      if (at < 0) return -1;
    }
    return this.#stageRange(staged, leaf, bytes, from, at, 0) ? at + 1 : -1;
  }

  /** The rest of a string from its first backslash on: builds it in scratch. */
  #escaped(bytes: Uint8Array, from: number, at: number, staged: StagedDocument, leaf: number): number {
    const begin = staged.scratchLength;
    let copied = from;
    for (;;) {
      const stop = STRING_BYTES[bytes[at]!];
      if (stop === StringByte.Plain) {
        at++;
      } else if (stop === StringByte.Backslash) {
        appendScratch(staged, bytes, copied, at);
        at = appendEscape(staged, bytes, at + 1);
        if (at < 0) return -1;
        copied = at;
      } else if (stop === StringByte.NonAscii) {
        at = scanUtf8Sequence(bytes, at);
        if (at < 0) return -1;
      } else if (stop === StringByte.Quote) {
        break;
      } else {
        return -1;
      }
    }
    appendScratch(staged, bytes, copied, at);
    return this.#stageRange(staged, leaf, staged.scratch, begin, staged.scratchLength, 1) ? at + 1 : -1;
  }

  /**
   * Stages text for all fields of a leaf.
   *
   * @param inScratch What to add to the kinds of source ranges: 1 for scratch ranges.
   * @returns False: too long for a term.
   */
  #stageRange(
    staged: StagedDocument,
    leaf: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    inScratch: 0 | 1,
  ): boolean {
    const { targetStarts, targets, targetTexts, targetLimits } = this.#leaves;
    const length = end - start;
    for (let i = targetStarts[leaf]!, to = targetStarts[leaf + 1]!; i < to; i++) {
      const field = targets[i]!;
      if (targetTexts[i] === 1) {
        if (inScratch === 1) staged.scratchRange(field, StagedKind.ScratchText, start, end);
        else staged.sourceText(field, start, end);
        continue;
      }
      const limit = targetLimits[i]!;
      if (length > limit && utf16Length(bytes, start, end) > limit) {
        staged.ignored.push(this.#leaves.targetNames[i]!);
        continue;
      }
      if (length > TERM_BYTES_MAX) return false;
      if (inScratch === 1) staged.scratchRange(field, StagedKind.ScratchTerm, start, end);
      else staged.sourceTerm(field, start, end);
    }
    return true;
  }
}

/** Whether nothing but white space lies between `at` and `end`. */
function endsAt(bytes: Uint8Array, at: number, end: number): boolean {
  if (at > end) return false;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false;
    at++;
  }
  return true;
}

/** Closing quote of a string of plain ASCII, or -1. */
function plainStringEnd(bytes: Uint8Array, at: number): number {
  while (STRING_BYTES[bytes[at]!] === StringByte.Plain) at++;
  return bytes[at] === QUOTE ? at : -1;
}

function stageParts(staged: StagedDocument, field: number, nanos: boolean, parts: DateParts): boolean {
  return stageDate(staged, field, nanos, parts.ms, parts.nanosOfMs);
}

/** False: out of range. */
function stageDate(
  staged: StagedDocument,
  field: number,
  nanos: boolean,
  ms: number,
  nanosOfMs: number,
): boolean {
  if (!nanos) {
    staged.number(field, ms);
    return true;
  }
  if (ms < 0 || ms > NANOS_MS_MAX) return false;
  staged.wide(field, toNanos({ ms, nanosOfMs }));
  return true;
}
