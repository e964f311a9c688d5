/**
 * Segment files on their way to the store, beside the rounds: a segment of gigabytes takes minutes, and the logs must
 * not wait for it. What has arrived is handed over to the next round, file by file, so that a server which dies half-way
 * need not begin again.
 *
 * @module
 */
import type { ManifestFile } from "../../format/manifest.ts";
import type { Logger } from "../../base/log.ts";
import type { FileSystem } from "../../os/fs.ts";
import { sha256Hex } from "../../format/sealed_json.ts";
import { hashFile } from "../content.ts";
import { encodePiece } from "../encode_piece.ts";
import { DamagedFileError } from "../error.ts";
import { Budget } from "../parallel.ts";
import type { Repository } from "../repository.ts";
import type { FileEntry, ManifestFacts, Slice, StoredObject } from "./inventory.ts";
import { newStreamObject } from "./names.ts";
import { PackWriter } from "./pack.ts";

/** Smaller files share objects. */
const SMALL_BYTES = 4 * 1024 * 1024;
/** Manifests whose segments are sent at once. Each holds at most one compressed piece of 64 MiB in memory. */
const PARALLEL_JOBS = 2;

/** A manifest as it will be listed once its segments are there. */
export interface AwaitedManifest {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly facts: ManifestFacts;
}

export interface MissingFile {
  /** Relative to the data directory. */
  readonly path: string;
  /** Absolute. */
  readonly source: string;
  readonly file: ManifestFile;
}

/** What a round may list now. */
export interface Arrived {
  readonly files: readonly FileEntry[];
  readonly objects: readonly (readonly [string, StoredObject])[];
  /** All of its segments' files have arrived. */
  readonly manifest: AwaitedManifest | undefined;
}

/** Objects that hold a content already. */
export interface KnownContent {
  readonly slices: readonly Slice[];
  readonly objects: readonly (readonly [string, StoredObject])[];
}

export interface SegmentLaneOptions {
  readonly repository: Repository;
  readonly stream: string;
  readonly fs: FileSystem;
  readonly log: Logger;
  /** Of the head that is the next one now. */
  readonly revision: () => number;
  /** What the stream holds of a content, confirmed by the store; undefined: nothing. */
  readonly find: (file: ManifestFile) => Promise<KnownContent | undefined>;
  readonly signal: AbortSignal;
  /** A larger file is cut into pieces of this size; default as in backups. */
  readonly pieceBytes?: number;
}

/** A file that could not be sent is not read again at once. */
const RETRY_AFTER_MS = 30_000;

interface Job {
  /** What it sends counts no more, see `forget`. */
  isVoid: boolean;
  /** Objects that were drawn for it. */
  readonly names: Set<string>;
  readonly manifest: AwaitedManifest;
  done: Promise<void>;
}

export class SegmentLane {
  readonly #options: SegmentLaneOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #slots = new Budget(PARALLEL_JOBS);
  /** Objects that have arrived, until a head names them. */
  readonly #unlisted = new Set<string>();
  #arrived: Arrived[] = [];
  /** The last failure of each log, until a job of it succeeds; and when it may be tried again, monotonic. */
  readonly failures = new Map<string, { readonly error: unknown; readonly retryMs: number }>();
  bytesPut = 0;

  constructor(options: SegmentLaneOptions) {
    this.#options = options;
  }

  /** Whether a job of this log may begin: none is under way, and none has failed just now. */
  mayStart(key: string): boolean {
    return !this.#jobs.has(key) && !(this.#nowMs() < (this.failures.get(key)?.retryMs ?? 0));
  }

  get isIdle(): boolean {
    return this.#jobs.size === 0;
  }

  /** Manifests whose segments are under way. */
  *awaited(): Generator<ManifestFacts> {
    for (const { manifest } of this.#jobs.values()) yield manifest.facts;
    for (const { manifest } of this.#arrived) if (manifest) yield manifest.facts;
  }

  /** Whether an object was sent, or is being sent, that no head names yet. */
  has(object: string): boolean {
    return this.#unlisted.has(object) || [...this.#jobs.values()].some(({ names }) => names.has(object));
  }

  /** @param release Lets the local files go; called in any case. */
  start(
    key: string,
    manifest: AwaitedManifest,
    missing: readonly MissingFile[],
    release: () => void,
  ): void {
    const job: Job = { manifest, names: new Set(), isVoid: false, done: Promise.resolve() };
    const run = async () => {
      try {
        const give = await this.#slots.take(1);
        try {
          await this.#send(job, missing);
          this.failures.delete(key);
        } finally {
          give();
        }
      } catch (error) {
        this.failures.set(key, { error, retryMs: this.#nowMs() + RETRY_AFTER_MS });
        this.#options.log.warn("cannot ship a segment", { log: key, failure: messageOf(error) });
      } finally {
        this.#jobs.delete(key);
        release();
      }
    };
    this.#jobs.set(key, job);
    job.done = Promise.resolve().then(run);
  }

  /** What has arrived since the last call; belongs to the caller now, see `putBack`. */
  take(): readonly Arrived[] {
    const arrived = this.#arrived;
    this.#arrived = [];
    return arrived;
  }

  /** No head came to name it: the next one may. */
  putBack(arrived: readonly Arrived[]): void {
    this.#arrived = [...arrived, ...this.#arrived];
  }

  /**
   * Another server owned the stream meanwhile: what was sent before may have been swept since, as no head named it.
   */
  forget(): void {
    this.#arrived = [];
    this.#unlisted.clear();
    for (const job of this.#jobs.values()) job.isVoid = true;
  }

  /** A head names it. */
  committed(arrived: readonly Arrived[]): void {
    for (const { objects } of arrived) for (const [name] of objects) this.#unlisted.delete(name);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#jobs.size > 0) await Promise.all([...this.#jobs.values()].map(({ done }) => done));
  }

  #nowMs(): number {
    return this.#options.repository.clock.monotonicMs();
  }

  #arrive({ isVoid }: Job, arrived: Arrived): void {
    if (isVoid) return;
    for (const [name] of arrived.objects) this.#unlisted.add(name);
    this.#arrived.push(arrived);
  }

  async #send(job: Job, missing: readonly MissingFile[]): Promise<void> {
    const small: MissingFile[] = [];
    for (const file of missing) {
      const known = await this.#options.find(file.file);
      if (known) {
        const { path, file: { sizeBytes: bytes, sha256 } } = file;
        const entry = { path, bytes, sha256, slices: known.slices };
        this.#arrive(job, { files: [entry], objects: known.objects, manifest: undefined });
      } else if (file.file.sizeBytes < SMALL_BYTES) small.push(file);
      else await this.#sendLarge(file, job);
    }
    const packed = await this.#pack(small, job);
    this.#arrive(job, { ...packed, manifest: job.manifest });
  }

  async #sendLarge({ path, source, file }: MissingFile, job: Job): Promise<void> {
    const { repository, stream, fs, signal, pieceBytes } = this.#options;
    const local = { path, source, sizeBytes: file.sizeBytes, sha256: file.sha256 };
    const { pieces } = await hashFile(fs, local, pieceBytes);
    const slices: Slice[] = [];
    const objects: [string, StoredObject][] = [];
    for (const piece of pieces) {
      const place = { kind: "segments", revision: this.#options.revision() } as const;
      const name = newStreamObject(stream, place, repository.random);
      job.names.add(name);
      const { random, cipher } = repository;
      const content = repository.contentName(piece.sha256);
      const encoded = await encodePiece(piece, { fs, compress: true, cipher, content, random });
      try {
        await repository.store.putFile(name, encoded.source, { signal });
      } finally {
        encoded.close();
      }
      const { plainBytes, sha256 } = piece;
      const bytes = encoded.source.sizeBytes;
      this.bytesPut += bytes;
      objects.push([name, { bytes, plainBytes, encoding: encoded.encoding, sha256 }]);
      slices.push({ object: name, at: 0, length: plainBytes });
    }
    this.#arrive(job, {
      files: [{ path, bytes: file.sizeBytes, sha256: file.sha256, slices }],
      objects,
      manifest: undefined,
    });
  }

  async #pack(small: readonly MissingFile[], job: Job): Promise<Omit<Arrived, "manifest">> {
    const { repository, stream, fs, signal } = this.#options;
    const place = { stream, kind: "segments", revision: this.#options.revision() } as const;
    const pack = new PackWriter(repository, place, signal);
    const files: FileEntry[] = [];
    for (const { path, source, file } of small) {
      const bytes = fs.readFile(source);
      const sha256 = sha256Hex(bytes);
      if (sha256 !== file.sha256) {
        throw new DamagedFileError(
          { path, source },
          `its SHA-256 is ${sha256}, its manifest says ${file.sha256}`,
        );
      }
      const slices = bytes.length === 0 ? [] : [await pack.add(bytes)];
      files.push({ path, bytes: bytes.length, sha256, slices });
      for (const name of pack.names) job.names.add(name);
    }
    const objects = await pack.finish();
    this.bytesPut += pack.bytesPut;
    return { files, objects };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
