/**
 * Which doc does each value of a column belong to? Docs in the order in which values came, ascending, repeated where
 * a doc has several.
 *
 * A column that every doc has exactly once needs no list: value i is doc i's. The list comes into being with the first
 * value of which that is not so.
 *
 * @module
 */
export class DocList {
  /** Number of values. */
  length = 0;
  /** The doc of the last value, -1 before the first. */
  last = -1;
  /** Whether some doc came more than once. */
  repeats = false;
  #listed = false;
  #docs: Uint32Array = new Uint32Array(0);

  get sizeBytes(): number {
    return this.#listed ? this.length * 4 : 0;
  }

  /** Counts a further value of `doc`, which is not less than the one before. */
  push(doc: number): void {
    const i = this.length++;
    if (this.#listed) {
      if (i === this.#docs.length) this.#grow(i);
      this.#docs[i] = doc;
      if (doc === this.last) this.repeats = true;
    } else if (doc !== i) this.#list(i, doc);
    this.last = doc;
  }

  at(i: number): number {
    return this.#listed ? this.#docs[i]! : i;
  }

  /** Copies the docs of values [from, from + n) to the front of `out`. */
  copy(from: number, n: number, out: Uint32Array): void {
    if (this.#listed) {
      const docs = this.#docs;
      for (let i = 0; i < n; i++) out[i] = docs[from + i]!;
    } else {
      for (let i = 0; i < n; i++) out[i] = from + i;
    }
  }

  /** Keeps the first `length` values, with the docs that `docs` names for them. */
  replace(docs: Uint32Array, length: number): void {
    this.#docs = docs;
    this.#listed = true;
    this.length = length;
    this.repeats = false;
    for (let i = 1; i < length && !this.repeats; i++) this.repeats = docs[i] === docs[i - 1];
  }

  #list(i: number, doc: number): void {
    this.#grow(i);
    const docs = this.#docs;
    for (let k = 0; k < i; k++) docs[k] = k;
    docs[i] = doc;
    this.#listed = true;
    if (doc === this.last) this.repeats = true;
  }

  #grow(length: number): void {
    const grown = new Uint32Array(Math.max(64, length * 2));
    grown.set(this.#docs);
    this.#docs = grown;
  }
}
