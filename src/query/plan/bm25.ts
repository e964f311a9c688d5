/**
 * BM25 as Elasticsearch scores it, float for float, since ties are decided by the last bit.
 *
 *     idf    = ln(1 + (N - n + 0.5) / (n + 0.5))
 *     weight = boost * (k1 + 1) * idf
 *     score  = weight - weight / (1 + freq * normInverse[norm])
 *     normInverse[norm] = 1 / (k1 * ((1 - b) + b * length(norm) / average length))
 *
 * N is the number of docs that have the field and n of those that have the term, both with dead docs, over the
 * segments of one shard. Lucene 8 dropped (k1 + 1); Elasticsearch keeps it. Every operation rounds to float.
 *
 * Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
 *
 * @module
 */
import { NORM_LENGTHS } from "../../base/norm.ts";
import type { SearchTarget } from "../target.ts";

const K1 = Math.fround(1.2);
const B = Math.fround(0.75);
const fround = Math.fround;

/** What turns a frequency and a norm byte into a score. */
export interface Bm25 {
  readonly weight: number;
  /** By norm byte; entry 1 serves fields without norms. */
  readonly normInverse: Float32Array;
}

/** Score of one posting. */
export function bm25Score(scorer: Bm25, freq: number, norm: number): number {
  const weight = scorer.weight;
  return fround(weight - fround(weight / fround(1 + fround(freq * scorer.normInverse[norm]!))));
}

export function idf(docFreq: number, docCount: number): number {
  return fround(Math.log(1 + (docCount - docFreq + 0.5) / (docFreq + 0.5)));
}

/** @param idfSum Of a phrase: the sum of its terms' idf, each a float. */
export function bm25Weight(boost: number, idfSum: number): number {
  return fround(fround(fround(boost) * fround(1 + K1)) * fround(idfSum));
}

function normTable(averageLength: number): Float32Array {
  const table = new Float32Array(256);
  const average = fround(averageLength);
  for (let norm = 0; norm < 256; norm++) {
    const length = fround(NORM_LENGTHS[norm]!);
    const part = fround(fround(1 - B) + fround(fround(B * length) / average));
    table[norm] = fround(1 / fround(K1 * part));
  }
  return table;
}

interface FieldStatistics {
  readonly docCount: number;
  readonly normInverse: Float32Array;
}

/** Statistics of one shard, gathered as they are asked for. */
export class Statistics {
  readonly #target: SearchTarget;
  readonly #fields = new Map<string, FieldStatistics>();

  constructor(target: SearchTarget) {
    this.#target = target;
  }

  field(name: string): FieldStatistics {
    const known = this.#fields.get(name);
    if (known !== undefined) return known;
    let docCount = 0;
    let terms = 0;
    for (const { reader } of this.#target.segments) {
      const dictionary = reader.terms(name);
      if (dictionary === undefined) continue;
      docCount += dictionary.docCount;
      terms += dictionary.hasFreqs ? dictionary.sumTotalTermFreq : dictionary.sumDocFreq;
    }
    const statistics = { docCount, normInverse: normTable(docCount === 0 ? 1 : terms / docCount) };
    this.#fields.set(name, statistics);
    return statistics;
  }

  docFreq(name: string, term: Uint8Array): number {
    let sum = 0;
    for (const { reader } of this.#target.segments) sum += reader.terms(name)?.find(term)?.docFreq ?? 0;
    return sum;
  }

  /** Scorer for one term, a phrase or synonyms. Terms that no doc has add nothing. */
  scorer(name: string, docFreqs: readonly number[], boost: number): Bm25 {
    const { docCount, normInverse } = this.field(name);
    let sum = 0;
    for (const docFreq of docFreqs) if (docFreq > 0) sum += idf(docFreq, docCount);
    return { weight: bm25Weight(boost, sum), normInverse };
  }

  /** Score of one of a boolean's two values: as of a term without norms. */
  booleanScore(name: string, value: boolean, boost: number): number {
    let docCount = 0;
    let valueCount = 0;
    let docFreq = 0;
    for (const { reader } of this.#target.segments) {
      const column = reader.numeric(name);
      if (column === undefined) continue;
      docCount += column.docsWithValue;
      valueCount += column.valueCount;
      docFreq += value ? column.sum : column.valueCount - column.sum;
    }
    if (docFreq === 0) return 0;
    const scorer = {
      weight: bm25Weight(boost, idf(docFreq, docCount)),
      normInverse: normTable(valueCount / docCount),
    };
    return bm25Score(scorer, 1, 1);
  }
}
