/**
 * Ids of the memtable's documents, and what is the latest write under each.
 *
 * Ids that the server made have no entry at first: no write can mean them before they were answered. They cost their
 * bytes, and get their entries when somebody asks for an id that has none.
 *
 * @module
 */
import { InternTable } from "../base/intern.ts";
import type { IdCursor } from "../segment/input.ts";

export class IdTable {
  readonly #table = new InternTable();
  // By entry: the latest write.
  #docs: Int32Array = new Int32Array(32);
  #seqNos: Float64Array = new Float64Array(32);
  #versions: Float64Array = new Float64Array(32);
  /** By doc: its entry, or ~n when its id is the nth without an entry. */
  #docIds: Int32Array = new Int32Array(64);
  #docCount = 0;
  #loose: Uint8Array = new Uint8Array(1024);
  #looseEnds: Uint32Array = new Uint32Array(64);
  #looseCount = 0;
  /** Sequence numbers of the loose ids' docs. */
  #looseSeqNos: Float64Array = new Float64Array(64);
  /** Docs below this one need no look: their ids have entries. */
  #adoptedDocs = 0;
  #adoptedLoose = 0;

  /** Number of entries: distinct ids that are tracked. */
  get entryCount(): number {
    return this.#table.count;
  }

  get sizeBytes(): number {
    return this.#table.sizeBytes + this.#table.count * 20 + this.#docCount * 4 + this.#looseLength +
      this.#looseCount * 12;
  }

  /** Latest entry of the id that is bytes [start, end), or -1. Loose ids get their entries when one is missed. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const entry = this.#table.find(bytes, start, end);
    if (entry >= 0 || this.#adoptedLoose === this.#looseCount) return entry;
    this.#adopt();
    return this.#table.find(bytes, start, end);
  }

  /** Doc of an entry's latest write, -1 when that is a delete. */
  doc(entry: number): number {
    return this.#docs[entry]!;
  }

  seqNo(entry: number): number {
    return this.#seqNos[entry]!;
  }

  version(entry: number): number {
    return this.#versions[entry]!;
  }

  /** Puts back what an entry said before. */
  restore(entry: number, doc: number, seqNo: number, version: number): void {
    this.#docs[entry] = doc;
    this.#seqNos[entry] = seqNo;
    this.#versions[entry] = version;
  }

  /** View of an entry's id; valid until the next write. */
  id(entry: number): Uint8Array {
    return this.#table.bytes(entry);
  }

  /** View of a doc's id; valid until the next write. */
  docId(doc: number): Uint8Array {
    const entry = this.#docIds[doc]!;
    return entry >= 0
      ? this.#table.bytes(entry)
      : this.#loose.subarray(~entry === 0 ? 0 : this.#looseEnds[~entry - 1]!, this.#looseEnds[~entry]!);
  }

  /** Records a write of the next doc (docs come in order, from 0). */
  add(bytes: Uint8Array, start: number, end: number, seqNo: number, version: number): void {
    this.#pushDoc(this.#put(bytes, start, end, this.#docCount, seqNo, version));
  }

  /** The next doc's id, which no other doc has, at version 1; without an entry until somebody asks for one. */
  addLoose(bytes: Uint8Array, start: number, end: number, seqNo: number): void {
    const from = this.#looseLength;
    const need = from + end - start;
    if (need > this.#loose.length) {
      const grown = new Uint8Array(Math.max(need, this.#loose.length * 2));
      grown.set(this.#loose);
      this.#loose = grown;
    }
    for (let i = start, to = from; i < end; i++) this.#loose[to++] = bytes[i]!;
    const n = this.#looseCount++;
    if (n === this.#looseEnds.length) {
      const grown = new Uint32Array(n * 2);
      grown.set(this.#looseEnds);
      this.#looseEnds = grown;
      const seqNos = new Float64Array(n * 2);
      seqNos.set(this.#looseSeqNos);
      this.#looseSeqNos = seqNos;
    }
    this.#looseEnds[n] = need;
    this.#looseSeqNos[n] = seqNo;
    this.#pushDoc(~n);
  }

  /** Records a delete. */
  addTombstone(bytes: Uint8Array, start: number, end: number, seqNo: number, version: number): void {
    this.#put(bytes, start, end, -1, seqNo, version);
  }

  /** Ids in doc order. */
  cursor(): IdCursor {
    return new DocIdCursor(
      this.#table,
      this.#loose,
      this.#looseEnds,
      this.#docIds.subarray(0, this.#docCount),
    );
  }

  get #looseLength(): number {
    return this.#looseCount === 0 ? 0 : this.#looseEnds[this.#looseCount - 1]!;
  }

  /** Gives the loose ids that came since the last time their entries. Each doc is looked at once. */
  #adopt(): void {
    for (; this.#adoptedDocs < this.#docCount; this.#adoptedDocs++) {
      const n = ~this.#docIds[this.#adoptedDocs]!;
      if (n < 0) continue;
      const start = n === 0 ? 0 : this.#looseEnds[n - 1]!;
      this.#put(this.#loose, start, this.#looseEnds[n]!, this.#adoptedDocs, this.#looseSeqNos[n]!, 1);
    }
    this.#adoptedLoose = this.#looseCount;
  }

  #put(bytes: Uint8Array, start: number, end: number, doc: number, seqNo: number, version: number): number {
    const entry = this.#table.intern(bytes, start, end);
    if (entry >= this.#docs.length) this.#growEntries();
    this.#docs[entry] = doc;
    this.#seqNos[entry] = seqNo;
    this.#versions[entry] = version;
    return entry;
  }

  #pushDoc(entry: number): void {
    const doc = this.#docCount++;
    if (doc === this.#docIds.length) {
      const grown = new Int32Array(doc * 2);
      grown.set(this.#docIds);
      this.#docIds = grown;
    }
    this.#docIds[doc] = entry;
  }

  #growEntries(): void {
    const size = this.#docs.length * 2;
    const docs = new Int32Array(size);
    docs.set(this.#docs);
    this.#docs = docs;
    const seqNos = new Float64Array(size);
    seqNos.set(this.#seqNos);
    this.#seqNos = seqNos;
    const versions = new Float64Array(size);
    versions.set(this.#versions);
    this.#versions = versions;
  }
}

class DocIdCursor implements IdCursor {
  bytes: Uint8Array;
  start = 0;
  end = 0;
  #doc = -1;
  readonly #table: InternTable;
  readonly #loose: Uint8Array;
  readonly #looseEnds: Uint32Array;
  readonly #docIds: Int32Array;

  constructor(table: InternTable, loose: Uint8Array, looseEnds: Uint32Array, docIds: Int32Array) {
    this.#table = table;
    this.#loose = loose;
    this.#looseEnds = looseEnds;
    this.#docIds = docIds;
    this.bytes = loose;
  }

  next(): boolean {
    if (++this.#doc >= this.#docIds.length) return false;
    const entry = this.#docIds[this.#doc]!;
    if (entry >= 0) {
      this.bytes = this.#table.pool;
      this.start = this.#table.starts[entry]!;
      this.end = this.#table.starts[entry + 1]!;
    } else {
      const n = ~entry;
      this.bytes = this.#loose;
      this.start = n === 0 ? 0 : this.#looseEnds[n - 1]!;
      this.end = this.#looseEnds[n]!;
    }
    return true;
  }
}
