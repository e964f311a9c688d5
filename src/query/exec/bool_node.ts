/**
 * Conjunction, exclusion and optional clauses: the cheapest required node leads, the others test its batches.
 *
 * Scores as Lucene sums them: required clauses in double, then to float; optional ones in double, then to float;
 * the two in float.
 *
 * @module
 */
import type { Deadline } from "./deadline.ts";
import { type Batch, BATCH_DOCS, keepHits, Node } from "./node.ts";

const fround = Math.fround;

export interface BoolParts {
  /** Nodes that must match; those of `scoring` are among them. */
  readonly required: readonly Node[];
  /** Required nodes whose score counts. */
  readonly scoring: ReadonlySet<Node>;
  /** Nodes that must not match. */
  readonly prohibited: readonly Node[];
  /** Nodes that may match and add to the score. */
  readonly optional: readonly Node[];
  readonly deadline: Deadline;
}

export class BoolNode extends Node {
  readonly label = "bool";
  readonly cost: number;
  readonly #lead: Node;
  readonly #leadScores: boolean;
  /** Required nodes but for the lead, cheapest first. */
  readonly #others: readonly Node[];
  readonly #parts: BoolParts;
  readonly #hits = new Uint8Array(BATCH_DOCS);
  readonly #scores = new Float64Array(BATCH_DOCS);
  readonly #sums = new Float64Array(BATCH_DOCS);
  // Of `probe`: docs still in the race, where they stood, and their scores.
  #docs: Uint32Array | null = null;
  #places: Uint32Array | null = null;
  #running: Float64Array | null = null;
  #prepared = false;

  constructor(parts: BoolParts) {
    super();
    const required = [...parts.required].sort((a, b) => a.cost - b.cost);
    this.#lead = required[0]!;
    this.#others = required.slice(1);
    this.#leadScores = parts.scoring.has(this.#lead);
    this.#parts = parts;
    this.cost = this.#lead.cost;
  }

  protected fill(batch: Batch): number {
    if (!this.#prepared) this.#prepareOthers(this.#lead.cost);
    const { docs, scores } = batch;
    for (;;) {
      let n = this.#lead.next(batch);
      if (n === 0) return 0;
      this.#parts.deadline.spend(n);
      if (!this.#leadScores) scores.fill(0, 0, n);
      n = this.#narrow(docs, scores, n, this.#others, null);
      if (n > 0) return n;
    }
  }

  override prepare(docs: number): void {
    this.#lead.prepare(docs);
    this.#prepareOthers(Math.min(docs, this.#lead.cost));
  }

  #prepareOthers(docs: number): void {
    this.#prepared = true;
    let left = docs;
    for (const node of this.#others) {
      node.prepare(left);
      left = Math.min(left, node.cost);
    }
    for (const node of this.#parts.prohibited) node.prepare(left);
    for (const node of this.#parts.optional) node.prepare(left);
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const own = this.#docs ??= new Uint32Array(BATCH_DOCS);
    const places = this.#places ??= new Uint32Array(BATCH_DOCS);
    const running = this.#running ??= new Float64Array(BATCH_DOCS);
    for (let i = 0; i < n; i++) {
      own[i] = docs[i]!;
      places[i] = i;
    }
    running.fill(0, 0, n);
    hits.fill(0, 0, n);
    let kept = this.#narrow(own, running, n, [this.#lead], places);
    if (kept > 0) kept = this.#narrow(own, running, kept, this.#others, places);
    for (let i = 0; i < kept; i++) {
      hits[places[i]!] = 1;
      scores[places[i]!] = running[i]!;
    }
    return kept;
  }

  /** Tests docs[0..n) by `required`; when these are the last, by all the rest too. Returns how many stay. */
  #narrow(
    docs: Uint32Array,
    scores: Float64Array,
    n: number,
    required: readonly Node[],
    places: Uint32Array | null,
  ): number {
    const hits = this.#hits;
    const { scoring, prohibited, optional } = this.#parts;
    for (const node of required) {
      const found = node.probe(docs, n, hits, this.#scores);
      if (scoring.has(node)) addScores(scores, this.#scores, hits, n);
      if (found < n) {
        if (places !== null) keepPlaces(places, hits, n);
        n = keepHits(docs, scores, hits, n);
      }
      if (n === 0) return 0;
    }
    if (required !== this.#others) return n;
    for (const node of prohibited) {
      if (node.probe(docs, n, hits, this.#scores) === 0) continue;
      for (let i = 0; i < n; i++) hits[i]! ^= 1;
      if (places !== null) keepPlaces(places, hits, n);
      n = keepHits(docs, scores, hits, n);
      if (n === 0) return 0;
    }
    if (scoring.size > 1) roundScores(scores, n);
    if (optional.length > 0) this.#addOptional(docs, scores, n);
    return n;
  }

  #addOptional(docs: Uint32Array, scores: Float64Array, n: number): void {
    const sums = this.#sums;
    const hits = this.#hits;
    sums.fill(0, 0, n);
    for (const node of this.#parts.optional) {
      if (node.probe(docs, n, hits, this.#scores) > 0) addScores(sums, this.#scores, hits, n);
    }
    for (let i = 0; i < n; i++) scores[i] = fround(scores[i]! + fround(sums[i]!));
  }

  override get maxScore(): number {
    let sum = 0;
    for (const node of this.#parts.scoring) sum += node.maxScore;
    for (const node of this.#parts.optional) sum += node.maxScore;
    return sum;
  }

  override children(): readonly Node[] {
    return [this.#lead, ...this.#others, ...this.#parts.prohibited, ...this.#parts.optional];
  }
}

function addScores(into: Float64Array, scores: Float64Array, hits: Uint8Array, n: number): void {
  for (let i = 0; i < n; i++) if (hits[i] === 1) into[i]! += scores[i]!;
}

function roundScores(scores: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) scores[i] = fround(scores[i]!);
}

function keepPlaces(places: Uint32Array, hits: Uint8Array, n: number): void {
  let kept = 0;
  for (let i = 0; i < n; i++) if (hits[i] === 1) places[kept++] = places[i]!;
}

/** Docs of `positive`; their score is multiplied where `negative` matches. */
export class BoostingNode extends Node {
  readonly label = "boosting";
  readonly cost: number;
  readonly #positive: Node;
  readonly #negative: Node;
  readonly #factor: number;
  readonly #hits = new Uint8Array(BATCH_DOCS);
  readonly #scores = new Float64Array(BATCH_DOCS);
  #prepared = false;

  constructor(positive: Node, negative: Node, factor: number) {
    super();
    this.cost = positive.cost;
    this.#positive = positive;
    this.#negative = negative;
    this.#factor = fround(factor);
  }

  protected fill(batch: Batch): number {
    if (!this.#prepared) this.#negative.prepare(this.cost);
    this.#prepared = true;
    const n = this.#positive.next(batch);
    this.#lower(batch.docs, n, batch.scores);
    return n;
  }

  override prepare(docs: number): void {
    this.#positive.prepare(docs);
    this.#negative.prepare(docs);
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const found = this.#positive.probe(docs, n, hits, scores);
    if (found > 0) this.#lower(docs, n, scores);
    return found;
  }

  #lower(docs: Uint32Array, n: number, scores: Float64Array): void {
    if (n === 0 || this.#negative.probe(docs, n, this.#hits, this.#scores) === 0) return;
    for (let i = 0; i < n; i++) {
      if (this.#hits[i] === 1) scores[i] = fround(scores[i]! * this.#factor);
    }
  }

  override get maxScore(): number {
    return this.#positive.maxScore * Math.max(1, this.#factor);
  }

  override children(): readonly Node[] {
    return [this.#positive, this.#negative];
  }
}

/** Docs of another node, at one score. */
export class ConstantNode extends Node {
  readonly label = "constant_score";
  readonly cost: number;
  readonly #inner: Node;
  readonly #score: number;

  constructor(inner: Node, score: number) {
    super();
    this.#inner = inner;
    this.#score = score;
    this.cost = inner.cost;
  }

  protected fill(batch: Batch): number {
    const n = this.#inner.next(batch);
    batch.scores.fill(this.#score, 0, n);
    return n;
  }

  override prepare(docs: number): void {
    this.#inner.prepare(docs);
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const found = this.#inner.probe(docs, n, hits, scores);
    scores.fill(this.#score, 0, n);
    return found;
  }

  override get maxScore(): number {
    return this.#score;
  }

  override children(): readonly Node[] {
    return [this.#inner];
  }
}
