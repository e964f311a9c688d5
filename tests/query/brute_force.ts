/**
 * A slow evaluator of queries over plain documents that shares nothing with the engine but the norm table: what the
 * engine must agree with.
 *
 * @module
 */
import { lengthToNorm, NORM_LENGTHS } from "../../src/base/norm.ts";

export interface PlainDoc {
  /** Text with norms. */
  readonly a?: string;
  readonly k?: readonly string[];
  readonly i?: readonly number[];
  readonly f?: number;
  /** ISO date. */
  readonly d?: string;
  readonly t?: boolean;
}

export const PROPERTIES = {
  a: { type: "text" },
  k: { type: "keyword" },
  i: { type: "integer" },
  f: { type: "double" },
  d: { type: "date" },
  t: { type: "boolean" },
};

// deno-lint-ignore no-explicit-any
type Body = any;

/** Scores by query; a doc that does not match has undefined. Deleted docs count in the statistics. */
export class BruteForce {
  readonly #docs: readonly PlainDoc[];
  /** Words of each doc, and of those that have any. */
  readonly #words: readonly (readonly string[])[];
  readonly #texts: readonly (readonly string[])[];
  readonly #average: number;
  readonly #idfs = new Map<string, number>();

  constructor(docs: readonly PlainDoc[]) {
    this.#docs = docs;
    this.#words = docs.map((doc) => doc.a?.split(" ").filter((word) => word !== "") ?? []);
    this.#texts = this.#words.filter((words) => words.length > 0);
    this.#average = this.#texts.reduce((sum, words) => sum + words.length, 0) / this.#texts.length;
  }

  #cached(key: string, idf: () => number): number {
    let known = this.#idfs.get(key);
    if (known === undefined) this.#idfs.set(key, known = idf());
    return known;
  }

  score(query: Body, at: number): number | undefined {
    const doc = this.#docs[at]!;
    const [kind, body] = Object.entries(query)[0] as [string, Body];
    switch (kind) {
      case "match_all":
        return 1;
      case "match":
        return this.#match(Object.values(body)[0] as Body, at);
      case "match_phrase":
        return this.#phrase(Object.values(body)[0] as string, at);
      case "term": {
        const [field, value] = Object.entries(body)[0] as [string, Body];
        if (field === "k") return doc.k?.includes(value) ? this.#keyword(value) : undefined;
        if (field === "t") return doc.t === value ? this.#flag(value) : undefined;
        return doc.i?.includes(value) ? 1 : undefined;
      }
      case "terms":
        return doc.k?.some((value) => body.k.includes(value)) ? 1 : undefined;
      case "prefix":
        return doc.k?.some((value) => value.startsWith(body.k)) ? 1 : undefined;
      case "exists":
        return doc[body.field as keyof PlainDoc] !== undefined ? 1 : undefined;
      case "ids":
        return body.values.includes(String(at)) ? 1 : undefined;
      case "range":
        return this.#range(body, doc) ? 1 : undefined;
      case "constant_score":
        return this.score(body.filter, at) === undefined ? undefined : body.boost;
      case "dis_max":
        return this.#disMax(body, at);
      case "bool":
        return this.#bool(body, at);
    }
    throw new Error(`no brute force for ${kind}`);
  }

  #idf(n: number, count: number): number {
    return Math.log(1 + (count - n + 0.5) / (n + 0.5));
  }

  #word(word: string, at: number): number | undefined {
    const freq = this.#words[at]!.filter((other) => other === word).length;
    if (freq === 0) return undefined;
    return this.#bm25(freq, at, this.#wordIdf(word));
  }

  #wordIdf(word: string): number {
    return this.#cached(
      `word ${word}`,
      () => this.#idf(this.#texts.filter((words) => words.includes(word)).length, this.#texts.length),
    );
  }

  #bm25(freq: number, at: number, idf: number): number {
    const length = NORM_LENGTHS[lengthToNorm(this.#words[at]!.length)]!;
    return (2.2 * idf * freq) / (freq + 1.2 * (0.25 + (0.75 * length) / this.#average));
  }

  #match(body: Body, at: number): number | undefined {
    const text: string = typeof body === "string" ? body : body.query;
    const terms = text.split(" ");
    const scores = terms.map((word) => this.#word(word, at));
    const found = scores.filter((score) => score !== undefined);
    if (found.length < (body.operator === "and" ? terms.length : 1)) return undefined;
    return found.reduce((sum, score) => sum + score, 0);
  }

  #phrase(text: string, at: number): number | undefined {
    const terms = text.split(" ");
    const own = this.#words[at]!;
    if (terms.length === 1) return this.#word(text, at);
    let freq = 0;
    for (let i = 0; i + terms.length <= own.length; i++) {
      if (terms.every((word, j) => own[i + j] === word)) freq++;
    }
    if (freq === 0) return undefined;
    return this.#bm25(freq, at, terms.reduce((sum, word) => sum + this.#wordIdf(word), 0));
  }

  #keyword(value: string): number {
    return this.#cached(`keyword ${value}`, () => this.#keywordScore(value));
  }

  #keywordScore(value: string): number {
    const having = this.#docs.filter((doc) => doc.k !== undefined && doc.k.length > 0);
    const distinct = having.reduce((sum, doc) => sum + new Set(doc.k).size, 0);
    const n = having.filter((doc) => doc.k!.includes(value)).length;
    const length = 0.25 + 0.75 / (distinct / having.length);
    return (2.2 * this.#idf(n, having.length)) / (1 + 1.2 * length);
  }

  #flag(value: boolean): number {
    return this.#cached(`flag ${value}`, () => {
      const having = this.#docs.filter((doc) => doc.t !== undefined);
      return this.#idf(having.filter((doc) => doc.t === value).length, having.length);
    });
  }

  #range(body: Body, doc: PlainDoc): boolean {
    const [field, bounds] = Object.entries(body)[0] as [keyof PlainDoc, Body];
    const raw = doc[field];
    if (raw === undefined) return false;
    const number = (value: unknown) => field === "d" ? Date.parse(value as string) : value as number;
    return (Array.isArray(raw) ? raw : [raw]).some((one) => {
      const value = number(one);
      return (bounds.gte === undefined || value >= number(bounds.gte)) &&
        (bounds.gt === undefined || value > number(bounds.gt)) &&
        (bounds.lte === undefined || value <= number(bounds.lte)) &&
        (bounds.lt === undefined || value < number(bounds.lt));
    });
  }

  #disMax(body: Body, at: number): number | undefined {
    const scores = (body.queries as Body[]).map((query) => this.score(query, at)).filter((score) =>
      score !== undefined
    );
    if (scores.length === 0) return undefined;
    const best = Math.max(...scores);
    return best + (scores.reduce((sum, score) => sum + score, 0) - best) * body.tie_breaker;
  }

  #bool(body: Body, at: number): number | undefined {
    const { must = [], filter = [], should = [], must_not = [] } = body;
    let sum = 0;
    for (const clause of must) {
      const score = this.score(clause, at);
      if (score === undefined) return undefined;
      sum += score;
    }
    for (const clause of filter) if (this.score(clause, at) === undefined) return undefined;
    for (const clause of must_not) if (this.score(clause, at) !== undefined) return undefined;
    let matched = 0;
    for (const clause of should) {
      const score = this.score(clause, at);
      if (score === undefined) continue;
      matched++;
      sum += score;
    }
    const none = must.length + filter.length === 0 && should.length > 0;
    if (matched < Math.max(body.minimum_should_match ?? 0, none ? 1 : 0)) return undefined;
    // An empty bool matches everything with the score of match_all.
    return must.length + filter.length + should.length + must_not.length === 0 ? 1 : sum;
  }
}
