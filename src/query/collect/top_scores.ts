/**
 * The best k docs by score, ties to the doc that came first.
 *
 * @module
 */

/** Docs must come in order: segment by segment, ascending within one. */
export class TopScores {
  readonly #k: number;
  #size = 0;
  // A heap, the worst on top: lower scores, then later docs.
  readonly #scores: Float64Array;
  readonly #docs: Uint32Array;
  readonly #segments: Uint32Array;
  /** Scores above this one enter; -1 while everything does. */
  threshold: number;

  constructor(k: number) {
    this.#k = k;
    this.#scores = new Float64Array(k);
    this.#docs = new Uint32Array(k);
    this.#segments = new Uint32Array(k);
    this.threshold = k === 0 ? Infinity : -1;
  }

  get size(): number {
    return this.#size;
  }

  add(segment: number, doc: number, score: number): void {
    if (!(score > this.threshold)) return;
    if (this.#size < this.#k) {
      this.#siftUp(this.#size++, segment, doc, score);
      if (this.#size === this.#k) this.threshold = this.#scores[0]!;
      return;
    }
    this.#siftDown(this.#k, segment, doc, score);
    this.threshold = this.#scores[0]!;
  }

  addAll(segment: number, docs: Uint32Array, scores: Float64Array, n: number): void {
    for (let i = 0; i < n; i++) if (scores[i]! > this.threshold) this.add(segment, docs[i]!, scores[i]!);
  }

  /** Best first. Empties the heap. */
  take(): { readonly segment: number; readonly doc: number; readonly score: number }[] {
    const best = [];
    while (this.#size > 0) {
      best.push({ segment: this.#segments[0]!, doc: this.#docs[0]!, score: this.#scores[0]! });
      const last = --this.#size;
      if (last > 0) this.#siftDown(last, this.#segments[last]!, this.#docs[last]!, this.#scores[last]!);
    }
    return best.reverse();
  }

  /** Whether the entry at `i` is worse than the given one. */
  #isWorse(i: number, segment: number, doc: number, score: number): boolean {
    if (this.#scores[i] !== score) return this.#scores[i]! < score;
    return this.#segments[i] !== segment ? this.#segments[i]! > segment : this.#docs[i]! > doc;
  }

  #put(i: number, segment: number, doc: number, score: number): void {
    this.#scores[i] = score;
    this.#docs[i] = doc;
    this.#segments[i] = segment;
  }

  #siftUp(i: number, segment: number, doc: number, score: number): void {
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (this.#isWorse(parent, segment, doc, score)) break;
      this.#put(i, this.#segments[parent]!, this.#docs[parent]!, this.#scores[parent]!);
      i = parent;
    }
    this.#put(i, segment, doc, score);
  }

  /** Places an entry from the top on, in a heap of `size`. */
  #siftDown(size: number, segment: number, doc: number, score: number): void {
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      const right = child + 1;
      if (
        right < size && this.#isWorse(right, this.#segments[child]!, this.#docs[child]!, this.#scores[child]!)
      ) {
        child = right;
      }
      if (!this.#isWorse(child, segment, doc, score)) break;
      this.#put(i, this.#segments[child]!, this.#docs[child]!, this.#scores[child]!);
      i = child;
    }
    this.#put(i, segment, doc, score);
  }
}
