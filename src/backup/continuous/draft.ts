/**
 * What the next head will add to a stream, while it is put together.
 *
 * @module
 */
import { CorruptionError, IoError } from "../../base/errors.ts";
import type { Archive } from "./head.ts";
import type {
  Delta,
  FileEntry,
  GenerationEntry,
  Inventory,
  Slice,
  StoredObject,
  WalPiece,
} from "./inventory.ts";
import type { PackWriter } from "./pack.ts";
import type { CatalogView, LogView, ServerView } from "./view.ts";

/** What one view comes to, over several replacements of the head. */
export class Round {
  readonly incomplete = new Set<string>();
  readonly problems: string[] = [];
  readonly #skipped = new Set<string>();
  cutShort = false;
  /** Of logs, since `begin`; and in all. */
  readBytes = 0;
  walBytes = 0;

  constructor(readonly view: ServerView) {}

  begin(): void {
    this.cutShort = false;
    this.readBytes = 0;
    this.incomplete.clear();
    this.problems.length = 0;
    this.#skipped.clear();
  }

  read(bytes: number): void {
    this.readBytes += bytes;
    this.walBytes += bytes;
  }

  /** The rest of this log comes with the next replacement of the head; its manifest too. */
  cut(log: LogView): void {
    this.cutShort = true;
    this.#skipped.add(keyOf(log));
  }

  fail(log: LogView, error: unknown): void {
    this.#skipped.add(keyOf(log));
    this.problem(log, error);
  }

  problem(log: LogView, error: unknown): void {
    this.incomplete.add(log.manifest.incarnation);
    this.problems.push(`${log.folder}: ${error instanceof Error ? error.message : String(error)}`);
  }

  isSkipped(log: LogView): boolean {
    return this.#skipped.has(keyOf(log));
  }
}

/** What the next head adds to the inventory. */
export class Draft {
  readonly objects: (readonly [string, StoredObject])[] = [];
  readonly files: FileEntry[] = [];
  readonly joined: [string, WalPiece][] = [];
  readonly gone: string[] = [];
  readonly ended = new Map<string, number>();
  expired: readonly Archive[] = [];
  readonly #generations = new Map<string, GenerationEntry>();
  readonly #pieces = new Map<string, WalPiece[]>();
  readonly #condemned = new Map<string, number>();
  #droppedFiles: readonly string[] = [];
  #droppedGenerations: readonly string[] = [];

  constructor(readonly inventory: Inventory, readonly packs: PackWriter) {}

  generation(path: string): GenerationEntry | undefined {
    return this.#generations.get(path);
  }

  addGeneration(entry: GenerationEntry): void {
    this.#generations.set(entry.path, entry);
  }

  addPiece(path: string, piece: WalPiece): void {
    const pieces = this.#pieces.get(path);
    if (pieces) pieces.push(piece);
    else this.#pieces.set(path, [piece]);
  }

  addFile(file: FileEntry): void {
    this.files.push(file);
  }

  file(path: string): FileEntry | undefined {
    return this.inventory.files.get(path) ?? this.files.find((file) => file.path === path);
  }

  /** Bytes of a generation that are shipped, or will be. */
  end(path: string): number {
    const last = this.#lastPiece(path);
    return last ? last.offset + last.bytes : 0;
  }

  endLsn({ path, baseLsn }: GenerationEntry): number {
    return this.#lastPiece(path)?.endLsn ?? baseLsn;
  }

  #lastPiece(path: string): WalPiece | undefined {
    return this.#pieces.get(path)?.at(-1) ?? this.inventory.generations.get(path)?.pieces.at(-1);
  }

  /** 0: none. */
  newestManifest(folder: string, incarnation: string): number {
    let newest = 0;
    const isOf = (file: FileEntry) =>
      file.manifest?.folder === folder && file.manifest.incarnation === incarnation;
    for (const { manifest } of this.files.filter(isOf)) newest = Math.max(newest, manifest!.number);
    return Math.max(newest, this.inventory.manifests(folder, incarnation).at(-1)?.manifest?.number ?? 0);
  }

  drop(
    { droppedFiles, droppedGenerations }: {
      droppedFiles: readonly string[];
      droppedGenerations: readonly string[];
    },
  ) {
    this.#droppedFiles = droppedFiles;
    this.#droppedGenerations = droppedGenerations;
  }

  condemn(name: string, atMs: number): void {
    this.#condemned.set(name, Math.floor(atMs));
  }

  /** Whether anything that is added lies in an object. */
  refersTo(object: string): boolean {
    return this.files.some(({ slices }) => slices.some((slice: Slice) => slice.object === object)) ||
      this.joined.some(([, piece]) => piece.object === object) ||
      [...this.#pieces.values()].some((pieces) => pieces.some((piece) => piece.object === object));
  }

  /** Over everything that is added. */
  get highestLsn(): number {
    let highest = 0;
    for (const pieces of this.#pieces.values()) highest = Math.max(highest, pieces.at(-1)!.endLsn);
    for (const { manifest, catalog } of this.files) {
      highest = Math.max(highest, manifest?.lsn ?? 0, catalog?.lsn ?? 0);
    }
    return highest;
  }

  get isEmpty(): boolean {
    return this.objects.length + this.files.length + this.joined.length + this.gone.length + this.ended.size +
        this.#pieces.size + this.#condemned.size + this.#droppedFiles.length +
        this.#droppedGenerations.length +
        this.expired.length === 0;
  }

  delta(): Delta {
    const generations = [...this.#generations.values()].filter(({ path }) => this.#pieces.has(path));
    return {
      objects: this.objects,
      files: this.files,
      generations,
      pieces: [...this.#pieces, ...this.joined.map(([path, piece]) => [path, [piece]] as const)],
      droppedFiles: this.#droppedFiles,
      droppedGenerations: this.#droppedGenerations,
      condemned: [...this.#condemned],
      gone: this.gone,
      ended: [...this.ended],
    };
  }

  /** Generations of a log with their ends, ascending, those to come included. */
  log(folder: string, incarnation: string): { readonly entry: GenerationEntry; readonly end: number }[] {
    const known = this.inventory.log(folder, incarnation).map(({ entry }) => entry);
    const fresh = [...this.#generations.values()].filter((entry) =>
      entry.folder === folder && entry.incarnation === incarnation && this.#pieces.has(entry.path)
    );
    return [...known, ...fresh].map((entry) => ({ entry, end: this.end(entry.path) }));
  }

  newestManifestLsn(folder: string, incarnation: string): number | undefined {
    const fresh = this.files.findLast(({ manifest }) =>
      manifest?.folder === folder && manifest.incarnation === incarnation
    );
    return (fresh ?? this.inventory.manifests(folder, incarnation).at(-1))?.manifest?.lsn;
  }
}

export function keyOf({ folder, manifest }: LogView): string {
  return `${folder}/${manifest.incarnation}`;
}

/** Whether a restore to the newest instant finds a manifest of this log, and all of the log behind it. */
export function isRestorable(draft: Draft, { folder, manifest: { incarnation } }: LogView): boolean {
  const lsn = draft.newestManifestLsn(folder, incarnation);
  if (lsn === undefined) return false;
  const log = draft.log(folder, incarnation);
  const first = log.findLastIndex(({ entry }) => entry.baseLsn <= lsn);
  if (first < 0) return false;
  return log.slice(first).every(({ entry, end }, i, part) => {
    const next = part[i + 1]?.entry;
    return !next || (next.previousUuid === entry.uuid && end >= next.previousEnd);
  });
}

/** Whether a manifest of each of its indices is there. */
export function isWhole({ body }: CatalogView, draft: Draft): boolean {
  return body.indices.every(({ name, incarnation, shards }) => {
    for (let shard = 0; shard < shards; shard++) {
      const folder = shards === 1 ? name : `${name}/shard-${shard}`;
      if (draft.newestManifest(folder, incarnation) === 0) return false;
    }
    return true;
  });
}

/** A file of ours that cannot be read, or is not what it should be: the rest is shipped all the same. */
export function isLocal(error: unknown): boolean {
  return error instanceof CorruptionError || error instanceof IoError;
}
