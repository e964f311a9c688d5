/**
 * Which terms or numbers do `include` and `exclude` let into a terms aggregation?
 *
 * @module
 */
import { newBits, setBit } from "../../base/bitset.ts";
import { utf8 } from "../../base/bytes.ts";
import { illegalArgument } from "../../base/errors.ts";
import { tryParseIp } from "../../schema/ip.ts";
import { regexpAutomaton } from "../plan/regexp.ts";
import { type FieldUse, parseNumber } from "./field_use.ts";
import type { TermFilter, TermsSpec } from "./node.ts";
import type { TermLeaf } from "./sources.ts";
import { byteString } from "./value_format.ts";

/** Bits of the ordinals that pass; undefined: all do. */
export function acceptedOrdinals(spec: TermsSpec, use: FieldUse, leaf: TermLeaf): Uint32Array | undefined {
  if (!spec.include && !spec.exclude) return undefined;
  const accepts = termPredicate(spec.include, use.ip, true);
  const rejects = termPredicate(spec.exclude, use.ip, false);
  const bits = newBits(leaf.termCount);
  for (let ordinal = 0; ordinal < leaf.termCount; ordinal++) {
    const term = leaf.term(ordinal);
    if (accepts(term) && !rejects(term)) setBit(bits, ordinal);
  }
  return bits;
}

function termPredicate(
  filter: TermFilter | undefined,
  ip: boolean,
  whenAbsent: boolean,
): (term: Uint8Array) => boolean {
  if (!filter) return () => whenAbsent;
  switch (filter.kind) {
    case "regexp": {
      if (ip) {
        throw illegalArgument(
          "Aggregation cannot support regular expression style include/exclude settings as they can only be " +
            "applied to string fields. Use an array of values for include/exclude clauses",
        );
      }
      const automaton = regexpAutomaton(filter.pattern, false);
      return (term) => automaton.accepts(term);
    }
    case "list": {
      const terms = new Set(filter.values.map((value) => byteString(listTerm(String(value), ip))));
      return (term) => terms.has(byteString(term));
    }
    case "partition":
      return (term) => floorMod(murmur3(term, PARTITION_SEED), filter.partitions) === filter.partition;
  }
}

function listTerm(value: string, ip: boolean): Uint8Array {
  if (!ip) return utf8(value);
  const address = tryParseIp(value);
  if (!address) throw illegalArgument(`'${value}' is not an IP string literal.`);
  return address;
}

/** @throws {RequestError} 400: a pattern for a number. */
export function numberPredicate(
  name: string,
  spec: TermsSpec,
  use: FieldUse,
  nowMs: number,
): ((value: number) => boolean) | undefined {
  if (!spec.include && !spec.exclude) return undefined;
  const accepts = oneNumberPredicate(name, spec.include, use, nowMs, true);
  const rejects = oneNumberPredicate(name, spec.exclude, use, nowMs, false);
  return (value) => accepts(value) && !rejects(value);
}

function oneNumberPredicate(
  name: string,
  filter: TermFilter | undefined,
  use: FieldUse,
  nowMs: number,
  whenAbsent: boolean,
): (value: number) => boolean {
  if (!filter) return () => whenAbsent;
  switch (filter.kind) {
    case "regexp":
      throw illegalArgument(
        `Aggregation [${name}] cannot support regular expression style include/exclude settings as they can ` +
          "only be applied to string fields. Use an array of numeric values for include/exclude clauses used to " +
          "filter numeric fields",
      );
    case "list": {
      const numbers = new Set(
        filter.values.map((value) => parseNumber(value, use.numberType, use.format, nowMs) + 0),
      );
      return (value) => numbers.has(value);
    }
    case "partition":
      return (value) =>
        Number(floorModBig(mix64(longBits(value, use)), filter.partitions)) === filter.partition;
  }
}

/** Source: Elasticsearch's `IncludeExclude.HASH_PARTITIONING_SEED`. */
const PARTITION_SEED = 31;

function floorMod(value: number, by: number): number {
  return ((value % by) + by) % by;
}

function floorModBig(value: bigint, by: number): bigint {
  const n = BigInt(by);
  return ((value % n) + n) % n;
}

/** MurmurHash3 (x86, 32 bits), signed. */
function murmur3(bytes: Uint8Array, seed: number): number {
  let h = seed;
  const whole = bytes.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    h ^= scramble(word);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe654_6b64) | 0;
  }
  let rest = 0;
  for (let i = bytes.length - 1; i >= whole; i--) rest = (rest << 8) | bytes[i]!;
  if (whole < bytes.length) h ^= scramble(rest);
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

function scramble(word: number): number {
  const k = Math.imul(word, 0xcc9e_2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b87_3593);
}

function longBits(value: number, use: FieldUse): bigint {
  if (use.numberType !== "double") return BigInt(Math.trunc(value));
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigInt64(0);
  // Doubles as sortable longs.
  return bits ^ ((bits >> 63n) & 0x7fff_ffff_ffff_ffffn);
}

/** Source: HPPC's `BitMixer.mix64`. */
function mix64(value: bigint): bigint {
  const mask = 0xffff_ffff_ffff_ffffn;
  let z = value & mask;
  z = ((z ^ (z >> 32n)) * 0x4cd6_944c_5cc2_0b6dn) & mask;
  z = ((z ^ (z >> 29n)) * 0xfc12_c5b1_9d32_59e9n) & mask;
  return BigInt.asIntN(64, z ^ (z >> 32n));
}
