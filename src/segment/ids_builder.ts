/**
 * Builds the body of `segment.ids`: ids in doc order and the hash index over them. Tombstones and the end of the
 * file come later (`ids_tail.ts`), when the commit knows them.
 *
 * Runs: `ids:blocks`, `ids:offsets` (u32 for each block, in units of 4 bytes), `ids:starts`, `ids:entries`.
 *
 * @module
 */
import { ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { packBits, packedWords } from "../format/bitpack.ts";
import { FileKind } from "../format/container.ts";
import {
  bucketOf,
  encodeIdsMeta,
  fingerprintOf,
  hashId,
  ID_BLOCK_DOCS,
  IdBlockEncoder,
  type IdsMeta,
  idsMeta,
} from "../format/ids.ts";
import type { IdCursor } from "./input.ts";
import { type ByteSink, type OpenBody, RunFile } from "./run_file.ts";
import type { RunWriter } from "./runs.ts";

/** What finishing `segment.ids` needs to know of its body; may be posted to another thread. */
export interface IdsBodyState {
  readonly open: OpenBody;
  /** What the directory will say of the ids. */
  readonly meta: Uint8Array;
}

/** The same with the body itself: all of `segment.ids` up to its last part. */
export interface IdsBody extends IdsBodyState {
  readonly bytes: Uint8Array;
}

/** Values that are packed at a time; a multiple of 32, so that pieces join at word boundaries. */
const PACK_VALUES = 8192;
/** Ids between two yields. */
const YIELD_IDS = 8192;
/** Entries of the index that are in memory at a time. */
const SLICE_ENTRIES = 1 << 22;
/** The same while the index is made, where an id costs little. */
const INDEX_IDS = 1 << 16;

export function* buildIds(
  open: () => IdCursor,
  docCount: number,
  options: { readonly uuid: string; readonly sink: ByteSink; readonly used?: Uint8Array },
): Generator<void, IdsBodyState> {
  const file = new RunFile(FileKind.Ids, options.uuid, options);
  const meta = idsMeta(docCount, options.used ?? (yield* scanBytes(open())));
  const hashes = yield* writeBlocks(open(), meta, file);
  yield* writeIndex(hashes, meta, file);
  const metaBytes = new ByteWriter();
  encodeIdsMeta(meta, metaBytes);
  return { open: file.suspend(), meta: metaBytes.toBytes() };
}

/** By byte value: 1 where it occurs in an id. */
function* scanBytes(cursor: IdCursor): Generator<void, Uint8Array> {
  const used = new Uint8Array(256);
  for (let doc = 1; cursor.next(); doc++) {
    markBytes(cursor.bytes, cursor.start, cursor.end, used);
    if (doc % YIELD_IDS === 0) yield;
  }
  return used;
}

function markBytes(bytes: Uint8Array, start: number, end: number, used: Uint8Array): void {
  for (let at = start; at < end; at++) used[bytes[at]!] = 1;
}

/** Returns the ids' hashes. */
function* writeBlocks(cursor: IdCursor, meta: IdsMeta, file: RunWriter): Generator<void, Uint32Array> {
  const hashes = new Uint32Array(meta.docCount);
  const encoder = new IdBlockEncoder(meta);
  const out = new ByteWriter(65536);
  const offsets = new ByteWriter(Math.ceil(meta.docCount / ID_BLOCK_DOCS) * 4);
  let written = 0;
  file.begin("ids:blocks");
  let doc = 0;
  for (; cursor.next(); doc++) {
    const { bytes, start, end } = cursor;
    assert(doc < meta.docCount, "there are as many ids as documents");
    hashes[doc] = hashId(bytes, start, end);
    if (encoder.count === 0) offsets.u32((written + out.length) / 4);
    encoder.add(bytes, start, end);
    if (encoder.count === ID_BLOCK_DOCS) encoder.finish(out);
    if (doc % YIELD_IDS === YIELD_IDS - 1) {
      // Only between blocks: YIELD_IDS is a multiple of ID_BLOCK_DOCS.
      written += out.length;
      file.append(out.bytes());
      out.clear();
      yield;
    }
  }
  assert(doc === meta.docCount, `${doc} ids for ${meta.docCount} documents`);
  if (encoder.count > 0) encoder.finish(out);
  file.append(out.bytes());
  file.end();
  file.begin("ids:offsets");
  file.append(offsets.bytes());
  file.end();
  return hashes;
}

function* writeIndex(hashes: Uint32Array, meta: IdsMeta, file: RunWriter): Generator<void, void> {
  const { docCount, buckets, docBits, fingerprintBits, startBits } = meta;
  const starts = new Uint32Array(buckets + 1);
  for (let from = 0; from < docCount; from += INDEX_IDS) {
    const to = Math.min(from + INDEX_IDS, docCount);
    for (let doc = from; doc < to; doc++) starts[bucketOf(hashes[doc]!, buckets) + 1]!++;
    yield;
  }
  for (let b = 0; b < buckets; b++) starts[b + 1]! += starts[b]!;
  const startsRun = new PackedWriter(startBits, file);
  file.begin("ids:starts");
  if (buckets > 0) yield* startsRun.add(starts, starts.length);
  startsRun.finish();
  file.end();
  const width = docBits + fingerprintBits;
  const entriesRun = new PackedWriter(width, file);
  file.begin("ids:entries");
  // Some buckets at a time: each time all hashes are looked at, but only so many entries are held.
  for (let first = 0; first < buckets;) {
    const base = starts[first]!;
    let end = first + 1;
    while (end < buckets && starts[end + 1]! - base <= SLICE_ENTRIES) end++;
    const entries = new Uint32Array(starts[end]! - base);
    const next = starts.slice(first, end);
    for (let from = 0; from < docCount; from += INDEX_IDS) {
      const to = Math.min(from + INDEX_IDS, docCount);
      for (let doc = from; doc < to; doc++) {
        const hash = hashes[doc]!;
        const bucket = bucketOf(hash, buckets);
        if (bucket < first || bucket >= end) continue;
        entries[next[bucket - first]!++ - base] = (fingerprintOf(hash, fingerprintBits) << docBits) | doc;
      }
      yield;
    }
    yield* entriesRun.add(entries, entries.length);
    first = end;
  }
  entriesRun.finish();
  file.end();
}

/** Bit-packs values of one width into the open run. */
class PackedWriter {
  readonly #width: number;
  readonly #file: RunWriter;
  readonly #held = new Uint32Array(PACK_VALUES);
  readonly #words: Int32Array;
  #count = 0;

  constructor(width: number, file: RunWriter) {
    this.#width = width;
    this.#file = file;
    this.#words = new Int32Array(packedWords(width, PACK_VALUES));
  }

  /** Takes values[0, n). */
  *add(values: Uint32Array, n: number): Generator<void, void> {
    for (let from = 0; from < n;) {
      const size = Math.min(n - from, PACK_VALUES - this.#count);
      this.#held.set(values.subarray(from, from + size), this.#count);
      this.#count += size;
      from += size;
      if (this.#count < PACK_VALUES) continue;
      this.finish();
      yield;
    }
  }

  /** Writes what is held: after the last value, or PACK_VALUES of them. */
  finish(): void {
    const end = packBits(this.#held, this.#count, this.#width, this.#words, 0);
    this.#file.append(new Uint8Array(this.#words.buffer, 0, end * 4));
    this.#count = 0;
  }
}
