/**
 * A segment as its shard's writer knows it: the reader, who is alive in it, and which deletes no file holds yet.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { SegmentReader } from "../segment/reader.ts";
import type { Mapping as FileMapping } from "../os/fs.ts";
import type { ManifestSegment } from "../format/manifest.ts";
import type { BuiltSegment } from "../segment/builder.ts";
import type { PublishedSegment, SegmentRef } from "./snapshot.ts";

/** Where the bytes are: made by a refresh and only in memory, or on disk and named by the manifest. */
export type SegmentHome =
  | { readonly kind: "memory"; readonly built: BuiltSegment }
  | { readonly kind: "disk"; readonly entry: ManifestSegment; readonly mappings: readonly FileMapping[] };

export class LiveSegment {
  /** Deletes that no segment's tombstones hold yet, in the order they came. Disk segments only. */
  pendingDeletes: number[] = [];
  liveCount: number;
  /** Working copy; null: all are alive. Never handed out: a publication copies it. */
  live: Uint32Array | null;
  #published: Uint32Array | null = null;
  #changed = true;

  #ref: SegmentRef;
  #reader: SegmentReader;
  #home: SegmentHome;

  constructor(ref: SegmentRef, reader: SegmentReader, home: SegmentHome) {
    this.#ref = ref;
    this.#reader = reader;
    this.#home = home;
    this.liveCount = reader.docCount;
    this.live = null;
    if (reader.bornDead) this.killBits(reader.bornDead);
  }

  get ref(): SegmentRef {
    return this.#ref;
  }

  get reader(): SegmentReader {
    return this.#reader;
  }

  get home(): SegmentHome {
    return this.#home;
  }

  /**
   * The same bytes, mapped anew from files that took the place of damaged ones. Who is alive, and the deletes that are
   * pending, stay. Nobody may hold on to the old reader but searches, whose snapshots do.
   *
   * @returns What was mapped so far, to be unmapped when no snapshot uses it any more.
   */
  remap(fresh: LiveSegment): LiveSegment {
    const { uuid, docCount } = this.#reader;
    assert(fresh.reader.uuid === uuid && fresh.reader.docCount === docCount, "it is the same segment");
    const old = new LiveSegment(this.#ref, this.#reader, this.#home);
    this.#ref = fresh.ref;
    this.#reader = fresh.reader;
    this.#home = fresh.home;
    return old;
  }

  /** A manifest says that the segment is of this level now. Disk segments only. */
  setLevel(level: number): void {
    assert(this.#home.kind === "disk", "a segment with a level is on disk");
    this.#home = { ...this.#home, entry: { ...this.#home.entry, level } };
  }

  isLive(doc: number): boolean {
    return this.live === null || (this.live[doc >>> 5]! & (1 << (doc & 31))) !== 0;
  }

  /** Marks a live document dead. */
  kill(doc: number): void {
    this.live ??= allAlive(this.reader.docCount);
    assert((this.live[doc >>> 5]! & (1 << (doc & 31))) !== 0, "a document dies once");
    this.live[doc >>> 5]! &= ~(1 << (doc & 31));
    this.liveCount--;
    this.#changed = true;
    if (this.home.kind === "disk") this.pendingDeletes.push(doc);
  }

  /** Takes back the last `kill`s, newest first: the write that brought them did not reach the log. */
  revive(doc: number): void {
    assert(this.live !== null, "only a dead document is revived");
    this.live[doc >>> 5]! |= 1 << (doc & 31);
    this.liveCount++;
    this.#changed = true;
    if (this.home.kind === "disk") {
      const last = this.pendingDeletes.pop();
      assert(last === doc, "deletes are taken back in reverse order");
    }
  }

  /** Marks dead what a file says is dead: tombstones, born-dead bits. Dead ones stay dead. */
  killRecorded(docs: Iterable<number>): void {
    for (const doc of docs) {
      if (!this.isLive(doc)) continue;
      this.live ??= allAlive(this.reader.docCount);
      this.live[doc >>> 5]! &= ~(1 << (doc & 31));
      this.liveCount--;
      this.#changed = true;
    }
  }

  killBits(dead: Uint32Array): void {
    this.killRecorded(bitsOf(dead, this.reader.docCount));
  }

  get changed(): boolean {
    return this.#changed;
  }

  /** The form for other threads. */
  publish(): PublishedSegment {
    if (this.#changed) {
      this.#published = this.live === null ? null : sharedCopy(this.live);
      this.#changed = false;
    }
    return { ref: this.ref, live: this.#published, liveCount: this.liveCount };
  }
}

/** Bitset with the bits [0, count) set. */
export function allAlive(count: number): Uint32Array {
  const bits = new Uint32Array((count + 31) >>> 5);
  bits.fill(0xffff_ffff);
  if ((count & 31) !== 0) bits[bits.length - 1] = (1 << (count & 31)) - 1;
  return bits;
}

/** Numbers of the set bits below `count`, ascending. */
export function* bitsOf(bits: Uint32Array, count: number): Generator<number> {
  for (let w = 0; w < bits.length; w++) {
    let word = bits[w]!;
    while (word !== 0) {
      const bit = 31 - Math.clz32(word & -word);
      const doc = w * 32 + bit;
      if (doc >= count) return;
      yield doc;
      word &= word - 1;
    }
  }
}

function sharedCopy(bits: Uint32Array): Uint32Array {
  const copy = new Uint32Array(new SharedArrayBuffer(bits.byteLength));
  copy.set(bits);
  return copy;
}
