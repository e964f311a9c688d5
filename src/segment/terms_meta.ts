/**
 * What the directory of a segment file keeps of a dictionary: its statistics, and how to read its runs.
 *
 * Runs of a field: `<field>:dict`, `:fst`, `:postings`, `:positions`, `:norms`, `:presence`. Empty ones are left out.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { bitsOf } from "../format/postings_bits.ts";
import { codeBitsOf, type TermBlockLayout, TERMS_PER_BLOCK } from "../format/terms_block.ts";

/** Of plain JSON values. */
export interface TermsMeta {
  readonly termCount: number;
  /** Documents of the segment. */
  readonly segmentDocs: number;
  /** Documents that hold at least one of the terms. */
  readonly docCount: number;
  readonly sumDocFreq: number;
  readonly sumTotalTermFreq: number;
  readonly postings: boolean;
  readonly freqs: boolean;
  readonly positions: boolean;
  /** The bytes that occur in terms, ascending, in hex; "" when they take 8 bits each anyway. */
  readonly alphabet: string;
  /** Bytes of the blocks in the dict run; their offsets follow, of `offsetBytes` each. */
  readonly blocksBytes: number;
  readonly offsetBytes: number;
  /** As `Fst`; keys are the blocks. */
  readonly fstRoot: number;
  /** Text only. */
  readonly norms: NormsMeta | null;
}

export interface NormsMeta {
  /**
   * `bytes`: one a doc in the norms run. `constant`: every doc has `value`. `none`: the field has norms off.
   */
  readonly kind: "bytes" | "constant" | "none";
  readonly value: number;
  /** Documents that have the field, empty texts included. */
  readonly present: number;
  /**
   * Which docs have the field. `all`; `norms`: those whose norm byte is not 0; `bits`: one bit a doc, least
   * significant first, in the presence run (little-endian u32 words).
   */
  readonly presence: "all" | "norms" | "bits";
}

export function blocksOf(meta: TermsMeta): number {
  return Math.ceil(meta.termCount / TERMS_PER_BLOCK);
}

export function layoutOf(meta: TermsMeta): TermBlockLayout {
  const alphabet = Uint8Array.from(meta.alphabet.match(/../g) ?? [], (hex) => parseInt(hex, 16));
  return {
    postings: meta.postings,
    freqs: meta.freqs,
    positions: meta.positions,
    docBits: meta.segmentDocs <= 1 ? 0 : bitsOf(meta.segmentDocs - 1),
    alphabet: padAlphabet(alphabet),
    codeBits: meta.alphabet === "" && meta.termCount > 0 ? 8 : codeBitsOf(alphabet.length),
  };
}

/** An entry for each possible code, so that a look-up stays in bounds. */
function padAlphabet(alphabet: Uint8Array): Uint8Array {
  const padded = new Uint8Array(256);
  padded.set(alphabet);
  return padded;
}

/**
 * Takes a meta out of a parsed directory.
 *
 * @throws {CorruptionError} It is not one.
 */
export function parseTermsMeta(json: unknown): TermsMeta {
  const meta = json as TermsMeta;
  const good = typeof json === "object" && json !== null &&
    [
      meta.termCount,
      meta.segmentDocs,
      meta.docCount,
      meta.sumDocFreq,
      meta.sumTotalTermFreq,
      meta.blocksBytes,
    ]
      .every((value) => Number.isSafeInteger(value) && value >= 0) &&
    [meta.postings, meta.freqs, meta.positions].every((value) => typeof value === "boolean") &&
    meta.docCount <= meta.segmentDocs && meta.segmentDocs < 2 ** 31 &&
    Number.isSafeInteger(meta.offsetBytes) && meta.offsetBytes >= 0 && meta.offsetBytes <= 6 &&
    Number.isSafeInteger(meta.fstRoot) && meta.fstRoot >= -1 &&
    typeof meta.alphabet === "string" && /^([0-9a-f]{2}){0,256}$/.test(meta.alphabet) &&
    (meta.norms === null || isNormsMeta(meta.norms));
  if (!good) throw new CorruptionError("Cannot decode directory: terms of a field are not described rightly");
  return meta;
}

function isNormsMeta(norms: NormsMeta): boolean {
  return typeof norms === "object" && ["bytes", "constant", "none"].includes(norms.kind) &&
    ["all", "norms", "bits"].includes(norms.presence) && Number.isSafeInteger(norms.present) &&
    Number.isInteger(norms.value) && norms.value >= 0 && norms.value <= 255;
}
