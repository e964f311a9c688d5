/**
 * What a batch has to take back when its record does not reach the log: in typed arrays, since a bulk may hold 100,000
 * operations that nobody ever takes back.
 *
 * @module
 */
import type { LiveSegment } from "./live_segment.ts";
import type { RecentDelete } from "./state.ts";

/** Where the newest version of an id is. */
export type Whereabouts = "none" | "memtable" | "frozen" | "segment" | "deleted";

const WHEREABOUTS: readonly Whereabouts[] = ["none", "memtable", "frozen", "segment", "deleted"];
const CODES: Readonly<Record<Whereabouts, number>> = {
  none: 0,
  memtable: 1,
  frozen: 2,
  segment: 3,
  deleted: 4,
};
const TOMBSTONE = 8;

/** The version of an id before an operation. */
export interface Before {
  readonly where: Whereabouts;
  readonly segment: LiveSegment | undefined;
  readonly doc: number;
  /** Memtable entry, -1: none. */
  readonly entry: number;
  readonly seqNo: number;
  readonly version: number;
}

export interface Tombstone {
  readonly id: Uint8Array;
  /** What was remembered of the id's deletes before. */
  readonly recentDelete: RecentDelete | undefined;
}

/** A stack: `pop` shows the newest record in the members. */
export class UndoLog {
  /** Records held. */
  length = 0;
  /** Memtable doc added, or -1. */
  doc = -1;
  where: Whereabouts = "none";
  segment: LiveSegment | undefined;
  beforeDoc = -1;
  beforeEntry = -1;
  beforeSeqNo = -1;
  beforeVersion = 0;
  /** Undefined: a document was added. */
  tombstone: Tombstone | undefined;
  #docs = new Int32Array(0);
  #codes = new Uint8Array(0);
  #beforeDocs = new Int32Array(0);
  #beforeEntries = new Int32Array(0);
  #beforeSeqNos = new Float64Array(0);
  #beforeVersions = new Float64Array(0);
  // Of those records alone that have one.
  readonly #segments: LiveSegment[] = [];
  readonly #tombstones: Tombstone[] = [];

  /** Records that the version `before` ends. */
  push(before: Before, tombstone: Tombstone | undefined): void {
    const i = this.length++;
    if (i === this.#docs.length) this.#grow();
    this.#docs[i] = -1;
    this.#codes[i] = CODES[before.where] | (tombstone ? TOMBSTONE : 0);
    this.#beforeDocs[i] = before.doc;
    this.#beforeEntries[i] = before.entry;
    this.#beforeSeqNos[i] = before.seqNo;
    this.#beforeVersions[i] = before.version;
    if (before.where === "segment") this.#segments.push(before.segment!);
    if (tombstone) this.#tombstones.push(tombstone);
  }

  /** The newest record's document is in the memtable now. */
  added(doc: number): void {
    this.#docs[this.length - 1] = doc;
  }

  /** Takes the newest record off; false when there is none. */
  pop(): boolean {
    if (this.length === 0) return false;
    const i = --this.length;
    const code = this.#codes[i]!;
    this.doc = this.#docs[i]!;
    this.where = WHEREABOUTS[code & ~TOMBSTONE]!;
    this.beforeDoc = this.#beforeDocs[i]!;
    this.beforeEntry = this.#beforeEntries[i]!;
    this.beforeSeqNo = this.#beforeSeqNos[i]!;
    this.beforeVersion = this.#beforeVersions[i]!;
    this.segment = this.where === "segment" ? this.#segments.pop() : undefined;
    this.tombstone = (code & TOMBSTONE) !== 0 ? this.#tombstones.pop() : undefined;
    return true;
  }

  clear(): void {
    this.length = 0;
    this.#segments.length = 0;
    this.#tombstones.length = 0;
  }

  #grow(): void {
    const size = Math.max(16, this.length * 2);
    this.#docs = grown(this.#docs, new Int32Array(size));
    this.#codes = grown(this.#codes, new Uint8Array(size));
    this.#beforeDocs = grown(this.#beforeDocs, new Int32Array(size));
    this.#beforeEntries = grown(this.#beforeEntries, new Int32Array(size));
    this.#beforeSeqNos = grown(this.#beforeSeqNos, new Float64Array(size));
    this.#beforeVersions = grown(this.#beforeVersions, new Float64Array(size));
  }
}

function grown<A extends Int32Array | Float64Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
