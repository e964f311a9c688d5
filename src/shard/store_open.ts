/**
 * Opening a shard: read, decide, write nothing.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { Manifest } from "../format/manifest.ts";
import { RecordKind, type WalRecord } from "../format/wal.ts";
import type { FileSystem } from "../os/fs.ts";
import { Poison } from "../wal/poison.ts";
import { RecordReader } from "../wal/record_reader.ts";
import type { TornTail } from "../wal/scan.ts";
import { shardLabel, ShardStore } from "./store.ts";
import { decide, type Decision } from "./store_decide.ts";
import type { ShardIdentity, StoreEnvironment } from "./store_environment.ts";
import { takeInventory } from "./store_inventory.ts";
import { manifestFolder, segmentFolder, walFolder } from "./store_names.ts";
import { planAfterOpening } from "./store_run.ts";

/** How long replay works before it lets others have a turn. */
const SLICE_MS = 4;
/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 16;

export interface ReplayOptions {
  /** Bytes of log read so far, and in all. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/**
 * Reads a shard's folder and decides what to believe.
 *
 * @throws {OpenRefusedError | CorruptionError} It cannot be opened; names the files; nothing on disk has changed.
 * @throws {IoError}
 */
export function openShard(
  environment: StoreEnvironment,
  directory: string,
  identity: ShardIdentity,
): OpenedShard {
  const { fs, cleanStop, log, raiseLsn } = environment;
  const poison = new Poison(shardLabel(directory));
  if (!cleanStop) syncDirectories(fs, directory);
  const inventory = takeInventory(fs, directory, { identity });
  const decision = decide(environment, inventory);
  raiseLsn(decision.maxLsn);
  const warnings: string[] = [];
  for (const { path, reason } of decision.passedOver) {
    warnings.push(`${path} could not be used: ${reason}`);
    log.warn("passed over a manifest", { file: path, reason, used: decision.opened.path });
  }
  const { tornTail } = decision;
  if (tornTail) {
    const { file, offset, bytes, validBehind } = tornTail;
    warnings.push(`${file} has a torn tail of ${bytes} bytes at offset ${offset}, which is ignored`);
    log.warn("ignored a torn WAL tail", { file, offset, bytes, validBehind });
  }
  const { manifest } = decision.opened;
  const plan = planAfterOpening(inventory, { decision, isCopy: environment.isCopy });
  const store = new ShardStore(environment, { inventory, poison, manifest, plan });
  return new OpenedShard(environment, { decision, store, warnings, mayWait: plan.mayWait });
}

/** What is seen from now on is what a power cut leaves. */
function syncDirectories(fs: FileSystem, directory: string): void {
  const folders = [walFolder(directory), manifestFolder(directory)];
  if (fs.exists(directory)) {
    for (const { name, isDirectory } of fs.list(directory)) {
      if (isDirectory && name.startsWith("seg-")) folders.push(`${directory}/${name}`);
    }
    folders.push(directory);
  }
  for (const folder of folders) if (fs.exists(folder)) fs.syncDirectory(folder);
}

/** A shard whose files were found good. Nothing has been written yet. */
export class OpenedShard {
  readonly store: ShardStore;
  readonly manifest: Manifest;
  /** Path of the manifest that was opened. */
  readonly manifestFile: string;
  /** What the operator should know, in sentences. */
  readonly warnings: readonly string[];
  /** Position behind everything that replay will bring. */
  readonly recovered: { readonly lsn: number; readonly seqNo: number };
  readonly tornTail: TornTail | undefined;
  /** The run may start with the first change; else `startRun` starts it at once whatever is asked for. */
  readonly mayWait: boolean;
  readonly #environment: StoreEnvironment;
  readonly #decision: Decision;

  constructor(
    environment: StoreEnvironment,
    { decision, store, warnings, mayWait }: {
      readonly decision: Decision;
      readonly store: ShardStore;
      readonly warnings: readonly string[];
      readonly mayWait: boolean;
    },
  ) {
    this.#environment = environment;
    this.#decision = decision;
    this.store = store;
    this.manifest = decision.opened.manifest;
    this.manifestFile = decision.opened.path;
    this.warnings = warnings;
    this.recovered = decision.recovered;
    this.tornTail = decision.tornTail;
    this.mayWait = mayWait;
  }

  get walBytesToReplay(): number {
    return this.#decision.chain.reduce((sum, { found, end }) => sum + end - found.head.headerBytes, 0);
  }

  /**
   * Reads the records behind the checkpoint in order, marks left out; yields every few ms. Memory: one piece of a file,
   * or one record. To be run before the run starts.
   *
   * @param onRecord Gets the reader itself: valid during the call.
   * @throws {CorruptionError} With file and offset; what `onRecord` throws so gets them too.
   */
  *replay(onRecord: (record: WalRecord) => void, { onProgress }: ReplayOptions = {}): Generator<void, void> {
    const { fs, clock } = this.#environment;
    const { checkpoint } = this.manifest;
    const total = this.walBytesToReplay;
    let before = 0;
    let sliceEndMs = clock.monotonicMs() + SLICE_MS;
    let countdown = RECORDS_PER_LOOK;
    for (const { found, end } of this.#decision.chain) {
      const file = fs.openRead(found.path);
      try {
        const reader = new RecordReader(file, found.head, end);
        while (reader.next()) {
          if (reader.kind !== RecordKind.Mark && reader.lsn > checkpoint.lsn) {
            apply(reader, onRecord, found.path);
          }
          countdown -= 1 + (reader.bytes.length >>> 14);
          if (countdown > 0) continue;
          countdown = RECORDS_PER_LOOK;
          if (clock.monotonicMs() < sliceEndMs) continue;
          onProgress?.(before + reader.end - found.head.headerBytes, total);
          yield;
          sliceEndMs = clock.monotonicMs() + SLICE_MS;
        }
        if (reader.end !== end) {
          throw new CorruptionError(`Cannot decode WAL record: ${reader.bad}`, {
            file: found.path,
            offset: reader.end,
          });
        }
      } finally {
        file.close();
      }
      before += end - found.head.headerBytes;
    }
    onProgress?.(total, total);
  }

  /**
   * Hands the shard over to writing.
   *
   * @param now Start the run at once, though it might wait.
   * @throws {RequestError | IoError} As `ShardStore.ensureRun`.
   */
  startRun(now: boolean): ShardStore {
    if (now || !this.mayWait) this.store.ensureRun();
    return this.store;
  }

  /** Gives up without writing anything. */
  close(): void {
    this.store.close({ clean: false });
  }

  segmentPath(number: number): string {
    return segmentFolder(this.store.directory, number);
  }
}

function apply(reader: RecordReader, onRecord: (record: WalRecord) => void, path: string): void {
  try {
    onRecord(reader);
  } catch (error) {
    if (!(error instanceof CorruptionError) || error.file !== "") throw error;
    throw new CorruptionError(error.message, { file: path, offset: reader.offset });
  }
}
