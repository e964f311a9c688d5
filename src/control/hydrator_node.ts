/**
 * The hydrator thread: fetches what a lazy restore has left, also while main and the writers wait for it.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { RepositoryError } from "../backup/error.ts";
import { FileParts } from "../backup/file_parts.ts";
import { Hydrator, type HydratorProgress } from "../backup/hydrator.ts";
import { pieceFrom } from "../backup/manifest.ts";
import { UnfinishedFile } from "../backup/unfinished_file.ts";
import { HYDRATING_FILE, META_FOLDER } from "../format/file_names.ts";
import type { Hydration } from "../format/hydration.ts";
import { Bandwidth } from "../objectstore/limited_store.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import type { HydratingFile } from "../os/shared_blocks.ts";
import { explainedFailure } from "./backup_errors.ts";
import type { Destination } from "./destination.ts";
import { openDestination, openRepository } from "./open_repository.ts";

export interface HydratorNodeOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** As all threads have them. */
  readonly files: readonly HydratingFile[];
  readonly onProgress: (progress: HydratorProgress) => void;
  /** There is nothing more to do, and nothing will be. */
  readonly onDone: () => void;
}

export interface HydrateCall {
  readonly dataDir: string;
  readonly destination: Destination;
  readonly hydration: Hydration;
  /** Bytes/s, 0: no limit. */
  readonly bandwidth: number;
}

export class HydratorNode {
  readonly #options: HydratorNodeOptions;
  readonly #bandwidth: Bandwidth;
  #hydrator: Hydrator | undefined;
  #dataDir = "";
  #isOpen = false;
  #isRemoved = false;

  constructor(options: HydratorNodeOptions) {
    this.#options = options;
    this.#bandwidth = new Bandwidth(0, options.clock);
  }

  /** What main may call, by name. */
  calls() {
    return {
      prepare: (call: HydrateCall) => this.#prepare(call),
      opened: () => this.#opened(),
      forget: ({ folders }: { readonly folders: readonly string[] }) => this.#hydrator?.forget(folders),
      bandwidth: (bytesPerSecond: number) => void (this.#bandwidth.bytesPerSecond = bytesPerSecond),
    };
  }

  /** Resolves when all segments can be opened. @throws {RequestError} The repository cannot be read. */
  async #prepare({ dataDir, destination, hydration, bandwidth }: HydrateCall): Promise<HydratorProgress> {
    const { fs, log, files } = this.#options;
    this.#dataDir = dataDir;
    this.#bandwidth.bytesPerSecond = bandwidth;
    try {
      const open = { ...this.#options, bandwidth: this.#bandwidth, create: false };
      const repository = await openRepository(openDestination(destination, open), destination, open);
      const { repositoryId, backupId } = hydration;
      if (repository.id !== repositoryId) {
        throw new RepositoryError(
          `Cannot go on with the restore of ${backupId}: ${repository.place} is another repository than it came from`,
          {
            kind: "target",
            hint: "give the address, or the name in the configuration, of the one it came from",
          },
        );
      }
      const { head } = await repository.readHead();
      if (!head.backups.some(({ id }) => id === backupId)) {
        log.warn("the backup that is being restored is no longer listed: parts of it may be gone", {
          backup: backupId,
        });
      }
      const byPath = new Map(files.map((file) => [file.path, file]));
      const unfinished = hydration.files.map(({ path, pieces, sha256 }) => {
        const shared = byPath.get(`${dataDir}/${path}`);
        assert(shared, "all threads know the same files");
        return new UnfinishedFile({
          fs,
          shared,
          sha256,
          parts: new FileParts(repository, pieces.map(pieceFrom)),
        });
      });
      this.#hydrator = new Hydrator({
        ...this.#options,
        files: unfinished,
        control: files[0]!.control,
        onProgress: (progress) => this.#tell(progress),
      });
      await this.#hydrator.prepare();
      return this.#hydrator.progress();
    } catch (error) {
      // It may be called again.
      await this.#hydrator?.stop();
      throw explainedFailure(error);
    }
  }

  /** Every shard is open: from now on files get their names. */
  #opened(): void {
    this.#isOpen = true;
    this.#hydrator!.startBackground();
    this.#tell(this.#hydrator!.progress());
  }

  #tell(progress: HydratorProgress): void {
    if (progress.filesLeft === 0 && this.#isOpen && !this.#isRemoved) {
      const { fs } = this.#options;
      const folder = `${this.#dataDir}/${META_FOLDER}`;
      if (fs.exists(`${folder}/${HYDRATING_FILE}`)) fs.unlink(`${folder}/${HYDRATING_FILE}`);
      fs.syncDirectory(folder);
      this.#isRemoved = true;
    }
    this.#options.onProgress(progress);
    if (this.#isRemoved) this.#options.onDone();
  }
}
