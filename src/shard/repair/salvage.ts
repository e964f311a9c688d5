/**
 * What can still be read of a damaged segment? Every page has a checksum of its own, so that a document whose id,
 * source, sequence number and version lie in sound pages is as good as ever.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { setBit } from "../../base/bitset.ts";
import { CorruptionError, IoError } from "../../base/errors.ts";
import { FileKind } from "../../format/container.ts";
import type { ManifestSegment } from "../../format/manifest.ts";
import { decodeSegmentDirectory } from "../../format/segment_directory.ts";
import type { FileSystem } from "../../os/fs.ts";
import { Door } from "../../segment/door.ts";
import { IdsReader } from "../../segment/ids_reader.ts";
import { openSegment, type StoredSegment } from "../../segment/open.ts";
import type { Tombstones } from "../../segment/reader.ts";
import { StoredReader } from "../../segment/stored.ts";
import { SEGMENT_FILE_NAMES } from "../store_names.ts";
import { ReadImage } from "../verify/read_image.ts";

/** Memory that the pages of a segment may take before they are read anew. */
const MAX_LOADED_BYTES = 256 * 1024 * 1024;
const RENEW_EVERY_DOCS = 4096;

/** A document of a damaged segment, as far as it can be read. */
export interface SalvagedDocument {
  readonly doc: number;
  readonly id: Uint8Array | undefined;
  /** A view valid until the next one. */
  readonly source: Uint8Array | undefined;
  /** -1: cannot be read. */
  readonly seqNo: number;
  readonly version: number;
}

/** A damaged segment, opened as far as it goes. To be closed. */
export class Salvage {
  readonly entry: ManifestSegment;
  /** Deletes that it carries; undefined: cannot be read. */
  readonly tombstones: readonly Tombstones[] | undefined;
  /** Bit set: dead before it was written; undefined: cannot be read. */
  readonly bornDead: Uint32Array | undefined;
  #images: ReadImage[] = [];
  #ids: IdsReader | undefined;
  #stored: StoredReader | undefined;
  #whole: StoredSegment | undefined;

  /** @throws {IoError} For all but missing files and EIO. */
  constructor(private readonly fs: FileSystem, private readonly folder: string, entry: ManifestSegment) {
    this.entry = entry;
    this.#open();
    const words = (entry.docCount + 31) >>> 5;
    this.tombstones = attempt(() =>
      this.#ids?.tombstones.map((list) => ({ ...list, docs: list.docs.slice() }))
    );
    this.bornDead = attempt(() => this.#ids && (this.#ids.bornDead?.slice() ?? new Uint32Array(words)));
  }

  #open(): void {
    this.#images = [];
    const [seg, sidx, ids] = SEGMENT_FILE_NAMES.map((name) =>
      attempt(() => {
        const image = new ReadImage(this.fs, `${this.folder}/${name}`);
        this.#images.push(image);
        return image;
      })
    );
    const { docCount, uuid } = this.entry;
    this.#ids = ids && attempt(() => {
      const door = new Door(ids, FileKind.Ids);
      const reader = new IdsReader(door);
      return door.container.uuid === uuid && reader.docCount === docCount ? reader : undefined;
    });
    this.#stored = seg && attempt(() => {
      const door = new Door(seg, FileKind.Seg);
      const directory = decodeSegmentDirectory(door.container.meta);
      if (door.container.uuid !== uuid || directory.docCount !== docCount) return undefined;
      return new StoredReader(door, docCount);
    });
    this.#whole = seg && sidx && ids && attempt(() => openSegment({ seg, sidx, ids }));
  }

  /** Gives back the memory of what was read, once it is much. */
  #renew(): void {
    let bytes = 0;
    for (const { loadedBytes } of this.#images) bytes += loadedBytes;
    if (bytes < MAX_LOADED_BYTES) return;
    this.close();
    this.#open();
  }

  /**
   * Every document that is not in `dead`, in order.
   *
   * @param dead Bit set: left out.
   */
  *documents(dead: Uint32Array): Generator<SalvagedDocument> {
    for (let doc = 0; doc < this.entry.docCount; doc++) {
      if (doc % RENEW_EVERY_DOCS === 0) this.#renew();
      if ((dead[doc >>> 5]! & (1 << (doc & 31))) !== 0) continue;
      const id = attempt(() => this.#ids && utf8(this.#ids.id(doc)));
      yield {
        doc,
        id,
        source: attempt(() => this.#stored?.source(doc)),
        seqNo: attempt(() => this.#number("_seq_no", doc)) ?? -1,
        version: attempt(() => this.#number("_version", doc)) ?? -1,
      };
    }
  }

  /** Of each id that occurs more than once, all but the last: they were overwritten before the segment was written. */
  markOverwritten(dead: Uint32Array): void {
    const ids = this.#ids;
    if (!ids) return;
    for (let doc = 0; doc < this.entry.docCount; doc++) {
      const later = attempt(() => ids.find(utf8(ids.id(doc))));
      if (later !== undefined && later > doc) setBit(dead, doc);
    }
  }

  #number(field: "_seq_no" | "_version", doc: number): number | undefined {
    const cursor = this.#whole?.numeric(field)?.cursor();
    const docs = Uint32Array.of(doc);
    return cursor && cursor.gather(docs, 1) === 1 ? cursor.values[0] : undefined;
  }

  close(): void {
    for (const image of this.#images) image.close();
  }
}

/** What a call gives; undefined where the bytes that it needs are damaged or absent. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    const isBad = error instanceof CorruptionError || (error instanceof RangeError) ||
      (error instanceof IoError && (error.code === "ENOENT" || error.code === "EIO"));
    if (!isBad) throw error;
    return undefined;
  }
}
