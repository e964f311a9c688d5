/**
 * From docs to positions of their values: the half of a gather that is the same for numbers and ordinals.
 *
 * @module
 */
import { Shape } from "../format/column_record.ts";
import type { Owners } from "./column_match.ts";

/** 0, 1, 2, ...: the owners of a dense gather. Grows; never written to otherwise. */
let identity = Uint32Array.from({ length: 4096 }, (_, i) => i);

/** Pairs of (index into the docs asked for, value position); [0, count) is used. */
export class Positions {
  /** Index into the docs that were asked for. Do not write to it. */
  owners: Uint32Array = identity;
  /** Position of the value. */
  at: Uint32Array = new Uint32Array(0);
  #ownOwners = new Uint32Array(256);
  #ownAt = new Uint32Array(256);

  /** Finds the values of docs[0, n), ascending; returns how many. */
  find(shape: number, owners: Owners, docs: Uint32Array, n: number): number {
    if (shape === Shape.Dense) {
      while (identity.length < n) identity = Uint32Array.from({ length: identity.length * 2 }, (_, i) => i);
      this.owners = identity;
      this.at = docs;
      return n;
    }
    const count = owners.starts ? this.#findMany(owners, docs, n) : this.#findOne(owners, docs, n);
    this.owners = this.#ownOwners;
    this.at = this.#ownAt;
    return count;
  }

  #findOne({ presence }: Owners, docs: Uint32Array, n: number): number {
    this.#reserve(n);
    let count = 0;
    for (let i = 0; i < n; i++) {
      const rank = presence.rank(docs[i]!);
      if (rank < 0) continue;
      this.#ownOwners[count] = i;
      this.#ownAt[count++] = rank;
    }
    return count;
  }

  #findMany({ presence, starts }: Owners, docs: Uint32Array, n: number): number {
    let count = 0;
    for (let i = 0; i < n; i++) {
      const rank = presence.rank(docs[i]!);
      if (rank < 0) continue;
      const from = starts!.start(rank);
      const to = starts!.start(rank + 1);
      this.#reserve(count + to - from);
      for (let at = from; at < to; at++) {
        this.#ownOwners[count] = i;
        this.#ownAt[count++] = at;
      }
    }
    return count;
  }

  #reserve(size: number): void {
    if (size <= this.#ownAt.length) return;
    const room = Math.max(size, this.#ownAt.length * 2);
    const owners = new Uint32Array(room);
    owners.set(this.#ownOwners);
    this.#ownOwners = owners;
    const at = new Uint32Array(room);
    at.set(this.#ownAt);
    this.#ownAt = at;
  }
}
