/**
 * Reads `segment.ids` in place: the id of a doc, the doc of an id, tombstones, the born dead.
 *
 * @module
 */
import { ByteReader, utf8Text } from "../base/bytes.ts";
import { assert, CorruptionError } from "../base/errors.ts";
import { extractBits } from "../format/bitpack.ts";
import {
  bucketOf,
  decodeIdsMeta,
  decodeTombstones,
  fingerprintOf,
  hashId,
  ID_BLOCK_DOCS,
  IdBlockDecoder,
  type IdsMeta,
} from "../format/ids.ts";
import type { Door } from "./door.ts";
import type { IdCursor } from "./input.ts";
import type { Tombstones } from "./reader.ts";
import type { Run } from "./runs.ts";

export class IdsReader {
  readonly docCount: number;
  readonly #door: Door;
  readonly #meta: IdsMeta;
  readonly #blocks: Run;
  readonly #offsets: Run;
  readonly #offsetWords: Uint32Array;
  readonly #starts: PackedRun;
  readonly #entries: PackedRun;
  readonly #decoder: IdBlockDecoder;
  #tombstones: readonly Tombstones[] | undefined;
  #bornDead: Uint32Array | null | undefined;

  /** @throws {CorruptionError} The directory contradicts itself. */
  constructor(door: Door) {
    this.#door = door;
    const meta = this.#meta = decodeIdsMeta(new ByteReader(door.container.meta));
    this.docCount = meta.docCount;
    this.#blocks = door.need("ids:blocks");
    this.#offsets = door.need("ids:offsets");
    const { buffer, byteOffset, length } = this.#offsets.bytes;
    this.#offsetWords = new Uint32Array(buffer, byteOffset, length >>> 2);
    const startCount = meta.buckets === 0 ? 0 : meta.buckets + 1;
    this.#starts = new PackedRun(door.need("ids:starts"), meta.startBits, startCount);
    this.#entries = new PackedRun(
      door.need("ids:entries"),
      meta.docBits + meta.fingerprintBits,
      meta.docCount,
    );
    this.#decoder = new IdBlockDecoder(meta);
    if (length !== Math.ceil(meta.docCount / ID_BLOCK_DOCS) * 4) {
      throw new CorruptionError("Cannot open segment: id blocks and documents differ in number", {
        file: door.image.label,
      });
    }
  }

  id(doc: number): string {
    this.#decode(doc);
    return utf8Text(this.#decoder.bytes.subarray(0, this.#decoder.length));
  }

  /** The highest doc that has the id, or -1: where an id occurs twice, the later one overwrote it. */
  find(id: Uint8Array): number {
    const { buckets, docBits, fingerprintBits } = this.#meta;
    if (buckets === 0) return -1;
    const hash = hashId(id, 0, id.length);
    const bucket = bucketOf(hash, buckets);
    this.#starts.touch(bucket, bucket + 2);
    const from = this.#starts.at(bucket);
    const to = this.#starts.at(bucket + 1);
    if (to > this.docCount || from > to) {
      throw new CorruptionError("Cannot read segment: id buckets are not ordered", {
        file: this.#door.image.label,
      });
    }
    this.#entries.touch(from, to);
    const wanted = fingerprintOf(hash, fingerprintBits);
    for (let i = to; (i = this.#entries.lastWith(wanted, docBits, from, i)) >= 0;) {
      const entry = this.#entries.at(i);
      const doc = (entry & ((1 << docBits) - 1)) >>> 0;
      this.#decode(doc);
      if (this.#matches(id)) return doc;
    }
    return -1;
  }

  /** Ids in doc order. */
  cursor(): IdCursor {
    return new StoredIdCursor(this.docCount, new IdBlockDecoder(this.#meta), (block, into) => {
      into.decodeAll(this.#block(block), Math.min(ID_BLOCK_DOCS, this.docCount - block * ID_BLOCK_DOCS));
    });
  }

  /** By byte value: 1 where it may occur in an id. */
  get usedBytes(): Uint8Array {
    const { alphabet } = this.#meta;
    const used = new Uint8Array(256);
    if (alphabet.length === 0 && this.docCount > 0) used.fill(1);
    for (const byte of alphabet) used[byte] = 1;
    return used;
  }

  get tombstones(): readonly Tombstones[] {
    if (!this.#tombstones) {
      const run = this.#door.run("ids:tombstones");
      this.#tombstones = run ? decodeTombstones(run.view(0, run.length)) : [];
    }
    return this.#tombstones;
  }

  get bornDead(): Uint32Array | null {
    if (this.#bornDead === undefined) {
      const run = this.#door.run("ids:born_dead");
      if (run) {
        const bytes = run.view(0, run.length);
        this.#bornDead = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
      } else this.#bornDead = null;
    }
    return this.#bornDead;
  }

  #matches(id: Uint8Array): boolean {
    const { bytes, length } = this.#decoder;
    if (length !== id.length) return false;
    for (let i = 0; i < length; i++) if (bytes[i] !== id[i]) return false;
    return true;
  }

  /** Leaves the id of `doc` in the decoder. */
  #decode(doc: number): void {
    assert(doc >= 0 && doc < this.docCount, `doc ${doc} is in the segment`);
    const block = Math.floor(doc / ID_BLOCK_DOCS);
    const count = Math.min(ID_BLOCK_DOCS, this.docCount - block * ID_BLOCK_DOCS);
    this.#decoder.decode(this.#block(block), count, doc - block * ID_BLOCK_DOCS);
  }

  #block(block: number): Uint8Array {
    const last = block === this.#offsetWords.length - 1;
    this.#offsets.touch(block * 4, last ? 4 : 8);
    const from = this.#offsetWords[block]! * 4;
    const to = last ? this.#blocks.length : this.#offsetWords[block + 1]! * 4;
    return this.#blocks.view(from, to - from);
  }
}

/** A run of values of one width. */
class PackedRun {
  readonly #run: Run;
  readonly #width: number;
  readonly #words: Int32Array;

  constructor(run: Run, width: number, count: number) {
    if (run.length < Math.ceil(width * count / 32) * 4 || run.length % 4 !== 0) {
      throw new CorruptionError(`Cannot open segment: run ${run.name} is ${run.length} bytes`);
    }
    this.#run = run;
    this.#width = width;
    this.#words = new Int32Array(run.bytes.buffer, run.bytes.byteOffset, run.length >>> 2);
  }

  touch(from: number, to: number): void {
    const first = Math.floor(from * this.#width / 32);
    const end = Math.ceil(to * this.#width / 32);
    this.#run.touch(first * 4, (end - first) * 4);
  }

  /** The last value in [from, to) whose bits from `shift` on are `high`; -1: none. */
  lastWith(high: number, shift: number, from: number, to: number): number {
    if (to <= from) return -1;
    const words = this.#words;
    const width = this.#width;
    const mask = (1 << (width - shift)) - 1;
    const last = to - 1;
    const place = (last & 31) * width;
    let word = Math.floor(last / 32) * width + (place >>> 5);
    let bit = place & 31;
    for (let i = last; i >= from; i--) {
      let value = words[word]! >>> bit;
      if (bit + width > 32) value |= words[word + 1]! << (32 - bit);
      if (((value >>> shift) & mask) === high) return i;
      bit -= width;
      if (bit < 0) {
        bit += 32;
        word--;
      }
    }
    return -1;
  }

  at(i: number): number {
    // By groups of 32 values, since i * width may exceed 32 bits.
    return extractBits(this.#words, Math.floor(i / 32) * this.#width, this.#width, i & 31);
  }
}

/** Decodes each block once. */
class StoredIdCursor implements IdCursor {
  start = 0;
  end = 0;
  readonly #docCount: number;
  readonly #decoder: IdBlockDecoder;
  readonly #load: (block: number, into: IdBlockDecoder) => void;
  #doc = 0;

  /** @param load Decodes a whole block. */
  constructor(
    docCount: number,
    decoder: IdBlockDecoder,
    load: (block: number, into: IdBlockDecoder) => void,
  ) {
    this.#docCount = docCount;
    this.#decoder = decoder;
    this.#load = load;
  }

  get bytes(): Uint8Array {
    return this.#decoder.all;
  }

  next(): boolean {
    if (this.#doc === this.#docCount) return false;
    const i = this.#doc % ID_BLOCK_DOCS;
    if (i === 0) this.#load(this.#doc / ID_BLOCK_DOCS, this.#decoder);
    this.#doc++;
    this.start = i === 0 ? 0 : this.#decoder.ends[i - 1]!;
    this.end = this.#decoder.ends[i]!;
    return true;
  }
}
