/**
 * What a stream holds: files, ranges of logs, and the objects that their bytes are in. Kept in the store as changes
 * ("deltas"): a base and what came since, so that a round that ships little writes little.
 *
 * Invariants
 * - A manifest is listed only together with, or after, all files of its segments.
 * - A generation's pieces follow each other without a gap, from its first byte on.
 * - An object is in `objects` exactly while a file or piece refers to it.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import { BodyReader } from "../../format/sealed_json.ts";
import type { PieceEncoding } from "../manifest.ts";
import { isSafePath } from "../names.ts";

/** An object of the store: what it takes to read its plain bytes. */
export interface StoredObject {
  /** As it is stored. */
  readonly bytes: number;
  readonly plainBytes: number;
  readonly encoding: PieceEncoding;
  /** Of the plain bytes, lower-case hex. */
  readonly sha256: string;
}

/** A range of an object's plain bytes. */
export interface Slice {
  readonly object: string;
  readonly at: number;
  readonly length: number;
}

/** Whole records of a generation; the first piece begins with its header. */
export interface WalPiece {
  /** In the generation. */
  readonly offset: number;
  readonly bytes: number;
  readonly object: string;
  /** In the object's plain bytes. */
  readonly at: number;
  /** CRC-32 of the bytes. */
  readonly crc: number;
  /** Of the last record, or the generation's base. */
  readonly endLsn: number;
  /** Over its records, marks included; both 0: there are none. */
  readonly minTimeMs: number;
  readonly maxTimeMs: number;
  /** How often pieces were joined into it. */
  readonly level: number;
  /** Revision that shipped its first byte: pieces of one object have the same. */
  readonly order: number;
}

export interface GenerationEntry {
  /** Relative to the data directory. */
  readonly path: string;
  readonly folder: string;
  readonly number: number;
  readonly incarnation: string;
  readonly uuid: string;
  /** "" for the first one. */
  readonly previousUuid: string;
  readonly previousEnd: number;
  readonly baseLsn: number;
  readonly createdMs: number;
  /** Id of the log's run that made it. */
  readonly run: string;
}

/** What a restore must know of a manifest to choose one. */
export interface ManifestFacts {
  readonly folder: string;
  readonly incarnation: string;
  readonly number: number;
  readonly createdMs: number;
  /** Checkpoint. */
  readonly lsn: number;
  readonly segments: readonly number[];
  /** Id of the log's run that made it. */
  readonly run: string;
}

export interface CatalogFacts {
  readonly number: number;
  readonly createdMs: number;
  readonly lsn: number;
  /** Number of its file of deleted incarnations, 0: none. */
  readonly deleted: number;
}

export interface FileEntry {
  /** Relative to the data directory. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly slices: readonly Slice[];
  readonly manifest?: ManifestFacts;
  readonly catalog?: CatalogFacts;
}

/** A change of an inventory. A piece replaces those that it covers. */
export interface Delta {
  readonly objects: readonly (readonly [name: string, object: StoredObject])[];
  readonly files: readonly FileEntry[];
  readonly generations: readonly GenerationEntry[];
  readonly pieces: readonly (readonly [path: string, pieces: readonly WalPiece[]])[];
  readonly droppedFiles: readonly string[];
  readonly droppedGenerations: readonly string[];
  /** Objects that nothing refers to any more, to be deleted later, with ms since the epoch. */
  readonly condemned: readonly (readonly [name: string, atMs: number])[];
  /** Condemned ones that were deleted. */
  readonly gone: readonly string[];
  /** Incarnations that the server does not have any more, with since when. */
  readonly ended: readonly (readonly [incarnation: string, atMs: number])[];
}

export const NO_CHANGE: Delta = {
  objects: [],
  files: [],
  generations: [],
  pieces: [],
  droppedFiles: [],
  droppedGenerations: [],
  condemned: [],
  gone: [],
  ended: [],
};

export interface Generation {
  readonly entry: GenerationEntry;
  pieces: WalPiece[];
}

/** What is held of one life of a log. */
export interface LogFiles {
  readonly folder: string;
  readonly incarnation: string;
  /** By number. */
  readonly manifests: Map<number, FileEntry>;
  readonly generations: Map<number, Generation>;
}

export class Inventory {
  readonly objects = new Map<string, StoredObject>();
  readonly files = new Map<string, FileEntry>();
  readonly generations = new Map<string, Generation>();
  readonly condemned = new Map<string, number>();
  readonly ended = new Map<string, number>();
  /** By `<folder>/<incarnation>`. */
  readonly #logs = new Map<string, LogFiles>();
  /** How many files' slices and pieces lie in an object. */
  readonly #uses = new Map<string, number>();

  apply(delta: Delta): void {
    for (const [name, object] of delta.objects) this.objects.set(name, object);
    for (const path of delta.droppedFiles) {
      const file = this.files.get(path);
      for (const { object } of file?.slices ?? []) this.#use(object, -1);
      if (file?.manifest) this.#filesOf(file.manifest).manifests.delete(file.manifest.number);
      this.files.delete(path);
    }
    for (const path of delta.droppedGenerations) {
      const generation = this.generations.get(path);
      for (const { object } of generation?.pieces ?? []) this.#use(object, -1);
      if (generation) this.#filesOf(generation.entry).generations.delete(generation.entry.number);
      this.generations.delete(path);
    }
    for (const file of delta.files) {
      for (const { object } of file.slices) this.#use(object, 1);
      for (const { object } of this.files.get(file.path)?.slices ?? []) this.#use(object, -1);
      this.files.set(file.path, file);
      if (file.manifest) this.#filesOf(file.manifest).manifests.set(file.manifest.number, file);
    }
    for (const entry of delta.generations) {
      const generation: Generation = { entry, pieces: [] };
      this.generations.set(entry.path, generation);
      this.#filesOf(entry).generations.set(entry.number, generation);
    }
    for (const [path, pieces] of delta.pieces) {
      const generation = this.generations.get(path);
      if (!generation) {
        throw new CorruptionError(`Cannot decode stream state: pieces of ${path}, which is not there`);
      }
      for (const piece of pieces) this.#addPiece(generation, piece);
    }
    for (const [name, atMs] of delta.condemned) {
      this.condemned.set(name, atMs);
      this.objects.delete(name);
    }
    for (const name of delta.gone) this.condemned.delete(name);
    for (const [incarnation, atMs] of delta.ended) this.ended.set(incarnation, atMs);
  }

  #addPiece(generation: Generation, piece: WalPiece): void {
    this.#use(piece.object, 1);
    const { pieces } = generation;
    const last = pieces.at(-1);
    if (!last || piece.offset === last.offset + last.bytes) {
      pieces.push(piece);
      return;
    }
    const end = piece.offset + piece.bytes;
    const from = pieces.findIndex(({ offset }) => offset === piece.offset);
    const behind = pieces.findIndex(({ offset }) => offset >= end);
    const to = behind < 0 ? pieces.length : behind;
    const lastCovered = pieces[to - 1];
    if (from < 0 || !lastCovered || lastCovered.offset + lastCovered.bytes !== end) {
      throw new CorruptionError(
        `Cannot decode stream state: a piece of ${generation.entry.path} covers none`,
      );
    }
    for (const { object } of pieces.splice(from, to - from, piece)) this.#use(object, -1);
  }

  #filesOf({ folder, incarnation }: { readonly folder: string; readonly incarnation: string }): LogFiles {
    const key = `${folder}/${incarnation}`;
    const known = this.#logs.get(key);
    if (known) return known;
    const fresh: LogFiles = { folder, incarnation, manifests: new Map(), generations: new Map() };
    this.#logs.set(key, fresh);
    return fresh;
  }

  #use(object: string, by: number): void {
    const uses = (this.#uses.get(object) ?? 0) + by;
    if (uses > 0) this.#uses.set(object, uses);
    else this.#uses.delete(object);
  }

  /** Listed objects that nothing refers to. */
  unused(): string[] {
    return [...this.objects.keys()].filter((name) => !this.#uses.has(name));
  }

  /** Everything as one change of an empty inventory. */
  asDelta(): Delta {
    return {
      ...NO_CHANGE,
      objects: [...this.objects],
      files: [...this.files.values()],
      generations: [...this.generations.values()].map(({ entry }) => entry),
      pieces: [...this.generations].map(([path, { pieces }]) => [path, pieces]),
      condemned: [...this.condemned],
      ended: [...this.ended],
    };
  }

  clone(): Inventory {
    const copy = new Inventory();
    copy.apply(this.asDelta());
    return copy;
  }

  /** Every life of every log that anything is held of. */
  logs(): LogFiles[] {
    return [...this.#logs.values()].filter(({ manifests, generations }) =>
      manifests.size + generations.size > 0
    );
  }

  /** Manifests of one life of a log, ascending. */
  manifests(folder: string, incarnation: string): FileEntry[] {
    const { manifests } = this.#filesOf({ folder, incarnation });
    return [...manifests.values()].sort((a, b) => a.manifest!.number - b.manifest!.number);
  }

  /** Generations of one life of a log, ascending. */
  log(folder: string, incarnation: string): Generation[] {
    const { generations } = this.#filesOf({ folder, incarnation });
    return [...generations.values()].sort((a, b) => a.entry.number - b.entry.number);
  }

  /** Ascending. */
  catalogs(): FileEntry[] {
    return [...this.files.values()].filter(({ catalog }) => catalog !== undefined)
      .sort((a, b) => a.catalog!.number - b.catalog!.number);
  }
}

/** Bytes of a generation that are shipped. */
export function endOf({ pieces }: Generation): number {
  const last = pieces.at(-1);
  return last ? last.offset + last.bytes : 0;
}

/** LSN of the last record that is shipped, or the generation's base. */
export function endLsnOf({ entry, pieces }: Generation): number {
  return pieces.at(-1)?.endLsn ?? entry.baseLsn;
}

/** As it is stored: tuples, since most of a state is pieces. */
export function deltaToJson(delta: Delta): unknown {
  return {
    ...delta,
    objects: delta.objects.map(([name, o]) => [name, o.bytes, o.plainBytes, o.encoding, o.sha256]),
    files: delta.files.map(({ slices, ...rest }) => ({
      ...rest,
      slices: slices.map(({ object, at, length }) => [object, at, length]),
    })),
    pieces: delta.pieces.map(([path, pieces]) => [
      path,
      pieces.map((p) => [
        p.offset,
        p.bytes,
        p.object,
        p.at,
        p.crc,
        p.endLsn,
        p.minTimeMs,
        p.maxTimeMs,
        p.level,
        p.order,
      ]),
    ]),
  };
}

const ENCODINGS: readonly string[] = ["plain", "zstd", "aes", "zstd+aes"] satisfies PieceEncoding[];

/** @throws {CorruptionError} */
export function deltaFromJson(json: unknown): Delta {
  const body = new BodyReader("stream state", json);
  return {
    objects: body.list("objects").map((item) => {
      const [name, bytes, plainBytes, encoding, sha256] = tuple(item, "object");
      if (!ENCODINGS.includes(encoding as string)) throw broken(`encoding ${String(encoding)} is unknown`);
      return [text(name), {
        bytes: count(bytes),
        plainBytes: count(plainBytes),
        encoding: encoding as PieceEncoding,
        sha256: text(sha256),
      }];
    }),
    files: body.list("files").map(fileFromJson),
    generations: body.list("generations").map((item) => {
      const entry = new BodyReader("stream generation", item);
      return {
        path: safePath(entry.text("path")),
        folder: safePath(entry.text("folder")),
        number: entry.integer("number", 1),
        incarnation: entry.text("incarnation"),
        uuid: entry.text("uuid"),
        previousUuid: entry.text("previousUuid"),
        previousEnd: entry.integer("previousEnd"),
        baseLsn: entry.integer("baseLsn"),
        createdMs: entry.integer("createdMs"),
        run: entry.text("run"),
      };
    }),
    pieces: body.list("pieces").map((item) => {
      const [path, pieces] = tuple(item, "pieces");
      return [text(path), (tuple(pieces, "pieces")).map(pieceFromJson)];
    }),
    droppedFiles: body.list("droppedFiles").map(text),
    droppedGenerations: body.list("droppedGenerations").map(text),
    condemned: body.list("condemned").map(timed),
    gone: body.list("gone").map(text),
    ended: body.list("ended").map(timed),
  };
}

function fileFromJson(json: unknown): FileEntry {
  const body = new BodyReader("stream file", json);
  const slices = body.list("slices").map((item) => {
    const [object, at, length] = tuple(item, "slice");
    return { object: text(object), at: count(at), length: count(length) };
  });
  return {
    path: safePath(body.text("path")),
    bytes: body.integer("bytes"),
    sha256: body.text("sha256"),
    slices,
    ...(body.has("manifest") ? { manifest: manifestFacts(body.member("manifest")) } : {}),
    ...(body.has("catalog") ? { catalog: catalogFacts(body.member("catalog")) } : {}),
  };
}

function manifestFacts(json: unknown): ManifestFacts {
  const body = new BodyReader("stream manifest", json);
  return {
    folder: safePath(body.text("folder")),
    incarnation: body.text("incarnation"),
    number: body.integer("number", 1),
    createdMs: body.integer("createdMs"),
    lsn: body.integer("lsn"),
    segments: body.list("segments").map(count),
    run: body.text("run"),
  };
}

function catalogFacts(json: unknown): CatalogFacts {
  const body = new BodyReader("stream catalogue", json);
  return {
    number: body.integer("number", 1),
    createdMs: body.integer("createdMs"),
    lsn: body.integer("lsn"),
    deleted: body.integer("deleted"),
  };
}

function pieceFromJson(json: unknown): WalPiece {
  const [offset, bytes, object, at, crc, endLsn, minTimeMs, maxTimeMs, level, order] = tuple(json, "piece");
  return {
    offset: count(offset),
    bytes: count(bytes),
    object: text(object),
    at: count(at),
    crc: count(crc),
    endLsn: count(endLsn),
    minTimeMs: count(minTimeMs),
    maxTimeMs: count(maxTimeMs),
    level: count(level),
    order: count(order),
  };
}

function timed(json: unknown): readonly [string, number] {
  const [name, atMs] = tuple(json, "timed name");
  return [text(name), count(atMs)];
}

function tuple(json: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(json)) throw broken(`a ${what} is not a list`);
  return json;
}

function text(json: unknown): string {
  if (typeof json !== "string") throw broken("a name is not a text");
  return json;
}

function count(json: unknown): number {
  if (typeof json !== "number" || !Number.isSafeInteger(json) || json < 0) {
    throw broken(`a count is ${JSON.stringify(json)}`);
  }
  return json;
}

function safePath(path: string): string {
  if (!isSafePath(path)) throw broken(`${JSON.stringify(path)} leaves its directory`);
  return path;
}

function broken(reason: string): CorruptionError {
  return new CorruptionError(`Cannot decode stream state: ${reason}`);
}
