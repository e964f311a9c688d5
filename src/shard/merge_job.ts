/**
 * What a writer and the thread that builds a merge say to each other.
 *
 * @module
 */
import type { ManifestFile } from "../format/manifest.ts";
import type { IdsBodyState } from "../segment/ids_builder.ts";
import type { DocMap } from "../segment/merge_parts.ts";

export interface MergeJob {
  /** Unique in this process. */
  readonly id: string;
  readonly index: string;
  readonly shard: number;
  /** Of the segment that is made. */
  readonly uuid: string;
  /** The folder, made by the writer, that the three files go to. */
  readonly stagedPath: string;
  readonly inputs: readonly MergeJobInput[];
  /** Over shared memory, see `MergeControl`. */
  readonly control: Int32Array;
}

export interface MergeJobInput {
  /** Folder of the segment. */
  readonly path: string;
  readonly uuid: string;
  readonly docCount: number;
  /** Of its three files. */
  readonly sizeBytes: number;
  /** Bit set = alive as far as files say; over shared memory. Null: all are. */
  readonly live: Uint32Array | null;
}

export interface BuiltMerge {
  readonly docCount: number;
  readonly seg: ManifestFile;
  readonly sidx: ManifestFile;
  /** `segment.ids` as far as it is written: the writer appends the rest. */
  readonly idsBytes: number;
  readonly ids: IdsBodyState;
  /** For each input. */
  readonly docMaps: readonly DocMap[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Time that the limit on reading and writing took. */
  readonly throttledMs: number;
}

/** Threads that build merges, as a writer sees them. */
export interface MergeThreads {
  /**
   * Builds the files; resolves when all of them but the end of `segment.ids` are on disk.
   *
   * @throws {CorruptionError | IoError} An input cannot be read, or the output cannot be written.
   * @throws {RequestError} 503 `merge_cancelled`.
   */
  build(job: MergeJob): Promise<BuiltMerge>;
  /** SHA-256 of `segment.ids` with `tail` behind what was built. Undefined: the merge is given up. */
  digest(job: string, tail: Uint8Array | undefined): Promise<string>;
}

/** A merge's progress and its end, in memory that both threads see. */
export class MergeControl {
  readonly words: Int32Array;

  constructor(words: Int32Array = new Int32Array(new SharedArrayBuffer(12))) {
    this.words = words;
  }

  cancel(): void {
    Atomics.store(this.words, 0, 1);
  }

  get cancelled(): boolean {
    return Atomics.load(this.words, 0) !== 0;
  }

  /** KiB read and written so far. */
  get doneKib(): number {
    return Atomics.load(this.words, 1);
  }

  set doneKib(kib: number) {
    Atomics.store(this.words, 1, kib);
  }

  /** 0 while the merge waits for a thread. */
  get started(): boolean {
    return Atomics.load(this.words, 2) !== 0;
  }

  start(): void {
    Atomics.store(this.words, 2, 1);
  }
}
