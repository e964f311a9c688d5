/**
 * The log that one shard's writer appends to: one active generation, its syncs, its rolls.
 *
 * Invariants
 * - One record, one append, one write call; what a record says is true only if it is wholly there.
 * - A mark covers whole records that a sync has returned for, never more.
 * - The active generation has its name, is synced up to its first record and was made by this run: nothing that
 *   an opening found is ever appended to.
 *
 * @module
 */
import { assert, RequestError } from "../base/errors.ts";
import { operationsSpan } from "../format/operations.ts";
import { uuidToBytes } from "../format/uuid_bytes.ts";
import type { WalHead } from "../format/wal_header.ts";
import {
  generationSeed,
  MAX_PAYLOAD_BYTES,
  RECORD_HEADER_BYTES,
  RecordKind,
  sealRecord,
} from "../format/wal.ts";
import type { Clock, FileSystem, OpenFile, Random } from "../os/fs.ts";
import {
  type CreatedGeneration,
  createGeneration,
  type NewHeader,
  type RepeatedTail,
} from "./generation_create.ts";
import type { FoundBody } from "./generation_file.ts";
import { diskFull, isDiskFull, type Poison } from "./poison.ts";
import { ALL_RULES, type Rules } from "./rules.ts";

export interface LogOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  /** The shard's WAL folder. */
  readonly folder: string;
  readonly poison: Poison;
  /** Draws from the node's counter. */
  readonly nextLsn: () => number;
  /** Draws a generation number. */
  readonly nextGeneration: () => number;
  /** Hears of each generation once it has its name. */
  readonly onGeneration: (created: LogGeneration) => void;
  readonly rules?: Rules | undefined;
}

/** A generation of this run, as releasing needs to know it. */
export interface LogGeneration {
  readonly path: string;
  readonly head: Omit<WalHead, "stub">;
  /** Size of the generation before it, 0 if this is the run's first. */
  readonly previousBytes: number;
}

/** What every header of a run repeats. */
export type RunHeader = Pick<
  NewHeader,
  "incarnation" | "indexUuid" | "shard" | "shards" | "boot" | "history"
>;

export interface LogPosition {
  /** Number of the active generation. */
  readonly generation: number;
  /** LSN of the last record, 0: none. */
  readonly lsn: number;
  /** Last sequence number, -1: none. */
  readonly seqNo: number;
  /** Size of the active generation. */
  readonly bytes: number;
}

export interface RecordToAppend {
  /** First sequence number; ignored unless the record holds operations. */
  readonly seqNo: number;
  /** Last sequence number. */
  readonly lastSeqNo: number;
  /** Concatenated. The first piece of operations holds at least their eight bytes of head. */
  readonly payload: readonly Uint8Array[];
}

const BUFFER_BYTES = 256 * 1024;
/** A buffer that one large record made grow is given back above this. */
const KEEP_BUFFER_BYTES = 8 * 1024 * 1024;
/** Room that must be there before a full disk is probed with a new generation. */
const PROBE_FREE_BYTES = 1024 * 1024;

export class ShardLog {
  readonly #options: LogOptions;
  readonly #run: RunHeader;
  #active!: CreatedGeneration & { readonly number: number; readonly seed: number };
  #file: OpenFile;
  #lsn: number;
  #seqNo: number;
  /** End of the last whole record. */
  #bytes: number;
  /** End of the last record that is not a mark. */
  #realEnd: number;
  #syncedBytes: number;
  #syncedLsn: number;
  /** The mark that the last record carries. */
  #markedBytes: number;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #blocked = false;
  #shared = false;
  #closed = false;
  #running: Promise<void> | undefined;
  /** What it syncs: the active file, or one that was left meanwhile. */
  #syncing: OpenFile | undefined;
  #queued: Promise<void> | undefined;

  /**
   * Starts a log with a generation of its own.
   *
   * @param place Generation number, base, previous generation; `repeated` are records behind the base.
   * @throws {IoError}
   */
  constructor(
    options: LogOptions,
    run: RunHeader,
    { place, repeated, last, found }: {
      readonly place: Omit<NewHeader, keyof RunHeader | "createdMs">;
      readonly repeated: RepeatedTail | undefined;
      /** Position behind the repeated records. */
      readonly last: { readonly lsn: number; readonly seqNo: number };
      /** Go on in this one, against `Rules.foundFilesUntouched`. */
      readonly found?: FoundBody;
    },
  ) {
    this.#options = options;
    this.#run = run;
    this.#lsn = last.lsn;
    this.#seqNo = last.seqNo;
    const created = found ? this.#adopt(found) : this.#create(place, repeated);
    this.#active = created.active;
    this.#file = created.file;
    this.#bytes = this.#syncedBytes = this.#realEnd = created.active.sizeBytes;
    this.#markedBytes = this.#realEnd;
    this.#syncedLsn = last.lsn;
  }

  get position(): LogPosition {
    return { generation: this.#active.number, lsn: this.#lsn, seqNo: this.#seqNo, bytes: this.#bytes };
  }

  /** Every record up to here survives a power cut. */
  get syncedLsn(): number {
    return this.#syncedLsn;
  }

  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  /** The disk was full at the last append; `tryUnblock` goes on. */
  get blocked(): boolean {
    return this.#blocked;
  }

  get path(): string {
    return this.#active.path;
  }

  /**
   * Appends one record. It is in the kernel's hands, not on disk.
   *
   * @throws {RequestError} 429 `disk_full`: nothing of it counts. 503: the shard is poisoned, perhaps by this very call.
   */
  append(kind: number, { seqNo, lastSeqNo, payload }: RecordToAppend): { readonly lsn: number } {
    const { poison } = this.#options;
    poison.check();
    assert(!this.#closed, "the log is open");
    if (this.#blocked) throw diskFull(this.#active.path);
    if (this.#shared) this.#refusing(() => this.roll());
    const isOperations = kind === RecordKind.Operations;
    if (isOperations) {
      assert(seqNo > this.#seqNo, `sequence number ${seqNo} is above ${this.#seqNo}`);
      assert(seqNo + operationsSpan(payload[0]!) === lastSeqNo, "the payload knows its last sequence number");
    }
    const lsn = this.#options.nextLsn();
    assert(lsn > this.#lsn, `lsn ${lsn} is above ${this.#lsn}`);
    this.#write(kind, { lsn, seqNo: isOperations ? seqNo : this.#seqNo, payload });
    this.#lsn = lsn;
    if (isOperations) this.#seqNo = lastSeqNo;
    this.#realEnd = this.#bytes;
    return { lsn };
  }

  #write(
    kind: number,
    { lsn, seqNo, payload }: {
      readonly lsn: number;
      readonly seqNo: number;
      readonly payload: readonly Uint8Array[];
    },
  ): void {
    let size = RECORD_HEADER_BYTES;
    for (const piece of payload) size += piece.length;
    if (size - RECORD_HEADER_BYTES > MAX_PAYLOAD_BYTES) {
      throw new RequestError(`a record of ${size} bytes exceeds ${MAX_PAYLOAD_BYTES}`, {
        status: 413,
        type: "illegal_argument_exception",
      });
    }
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(Math.max(size, 2 * this.#buffer.length));
    let at = RECORD_HEADER_BYTES;
    for (const piece of payload) {
      this.#buffer.set(piece, at);
      at += piece.length;
    }
    const bytes = this.#buffer.subarray(0, size);
    const timeMs = Math.max(0, Math.floor(this.#options.clock.nowMs()));
    const head = { kind, lsn, prevLsn: this.#lsn, seqNo, timeMs, syncedBytes: this.#syncedBytes };
    sealRecord(bytes, head, this.#active.seed, this.#bytes);
    try {
      this.#refusing(() => this.#options.poison.guardWrite(() => this.#file.write(bytes)));
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      // What arrived stays: the next generation's header says that this one ends before it.
      this.#blocked = true;
      throw diskFull(this.#active.path);
    } finally {
      if (this.#buffer.length > KEEP_BUFFER_BYTES) this.#buffer = new Uint8Array(BUFFER_BYTES);
    }
    this.#bytes += size;
    this.#markedBytes = this.#syncedBytes;
  }

  /** Whoever writes hears of the call that poisons as of any later one: what failed, and that nothing more is taken. */
  #refusing(call: () => void): void {
    try {
      call();
    } catch (error) {
      throw this.#options.poison.cause === undefined ? error : this.#options.poison.refusal();
    }
  }

  /** Makes everything appended so far durable, in this thread. @throws {IoError} Poisons. */
  sync(): void {
    this.#options.poison.check();
    if (this.#syncedBytes === this.#bytes) return;
    this.#options.poison.guard(() => this.#file.syncData());
    this.#synced(this.#active.number, this.#bytes, this.#lsn);
  }

  /**
   * Makes everything that was appended before this call durable. Calls that come while a sync runs share the next
   * one.
   *
   * @throws {RequestError} 503: the shard is poisoned, perhaps by this very call.
   */
  syncAsync(): Promise<void> {
    const { poison } = this.#options;
    if (poison.cause) return Promise.reject(poison.refusal());
    if (this.#queued) return this.#queued;
    if (!this.#running) return this.#startSync();
    const running = this.#running;
    const next = async () => {
      await running.catch(() => {});
      this.#queued = undefined;
      poison.check();
      await this.#startSync();
    };
    return this.#queued = next();
  }

  #startSync(): Promise<void> {
    if (this.#syncedBytes === this.#bytes) return Promise.resolve();
    const [generation, bytes, lsn] = [this.#active.number, this.#bytes, this.#lsn];
    const file = this.#syncing = this.#file;
    const run = async () => {
      try {
        await file.syncDataAsync();
        // Another sync of this file may have failed meanwhile: the kernel tells one caller, and calls the pages clean.
        this.#options.poison.check();
        if (this.#rules.marksOfSyncedRecords) this.#synced(generation, bytes, lsn);
        else this.#synced(this.#active.number, this.#bytes, this.#lsn);
      } catch (error) {
        this.#options.poison.taint(error);
        throw this.#options.poison.refusal();
      } finally {
        this.#running = this.#syncing = undefined;
        // A roll meanwhile has left the file to us.
        if (file !== this.#file || this.#closed) file.close();
      }
    };
    return this.#running = run();
  }

  #synced(generation: number, bytes: number, lsn: number): void {
    if (generation !== this.#active.number || bytes < this.#syncedBytes) return;
    this.#syncedBytes = bytes;
    this.#syncedLsn = lsn;
  }

  startWriteback(): void {
    if (this.#syncedBytes < this.#bytes && !this.#closed) this.#file.startWriteback();
  }

  /**
   * Appends a mark when everything is synced and no later record says so: an opening then finds a tail that needs no
   * repeating. To be called when nothing comes any more. @returns Whether one was appended.
   */
  markIfIdle(): boolean {
    if (this.#options.poison.cause || this.#blocked || this.#closed || this.#shared) return false;
    if (this.#syncedBytes < this.#realEnd || this.#markedBytes >= this.#realEnd) return false;
    try {
      this.#write(RecordKind.Mark, { lsn: this.#lsn, seqNo: this.#seqNo, payload: [] });
      return true;
    } catch (error) {
      // `blocked` says it to whoever appends next; a missing mark loses nothing.
      if (error instanceof RequestError && error.status === 429) return false;
      throw error;
    }
  }

  /** The active generation has been linked elsewhere: the next append goes to a new one. */
  markShared(): void {
    this.#shared = true;
  }

  /** Whether the active generation holds records. */
  get hasRecords(): boolean {
    return this.#bytes > this.#active.headerBytes;
  }

  /**
   * Ends the active generation, synced, and begins the next.
   *
   * @throws {RequestError} 429 `disk_full`: goes on in the old one.
   * @throws {IoError} Poisons.
   */
  roll(): void {
    this.#options.poison.check();
    assert(!this.#closed, "the log is open");
    if (this.#rules.rollSyncs) this.sync();
    const old = { file: this.#file, active: this.#active, bytes: this.#bytes };
    let created;
    try {
      created = this.#create({
        generation: this.#options.nextGeneration(),
        baseLsn: this.#lsn,
        baseSeqNo: this.#seqNo,
        previousUuid: old.active.uuid,
        previousEnd: old.bytes,
      }, undefined);
    } catch (error) {
      throw isDiskFull(error) ? diskFull(this.#options.folder) : error;
    }
    this.#active = created.active;
    this.#file = created.file;
    this.#bytes =
      this.#syncedBytes =
      this.#markedBytes =
      this.#realEnd =
        created.active.sizeBytes;
    this.#syncedLsn = this.#lsn;
    this.#blocked = false;
    this.#shared = false;
    // Not even then the one that is being synced: a sync may outlast several rolls.
    if (this.#syncing !== old.file) old.file.close();
  }

  /**
   * Goes on after a full disk: a new generation ends the old one before the bytes that did not fit.
   *
   * @returns Whether appends work again.
   * @throws {IoError} Poisons.
   */
  tryUnblock(): boolean {
    if (!this.#blocked) return true;
    this.#options.poison.check();
    if (this.#options.fs.freeBytes(this.#options.folder) < PROBE_FREE_BYTES) return false;
    try {
      this.roll();
      return true;
    } catch (error) {
      if (error instanceof RequestError && error.status === 429) return false;
      throw error;
    }
  }

  /** Leaves the file. Clean: synced, with a mark that says so. */
  close({ clean }: { readonly clean: boolean }): void {
    if (this.#closed) return;
    try {
      if (clean && !this.#options.poison.cause) {
        this.sync();
        if (this.markIfIdle()) this.sync();
      }
    } finally {
      this.#closed = true;
      if (this.#syncing !== this.#file) this.#file.close();
    }
  }

  get #rules(): Rules {
    return this.#options.rules ?? ALL_RULES;
  }

  #adopt({ path, sizeBytes, head }: FoundBody) {
    const { uuid, headerBytes, generation } = head;
    const file = this.#options.poison.guard(() => this.#options.fs.openAppend(path));
    const seed = generationSeed(uuidToBytes(uuid));
    return {
      file,
      active: { path, uuid, headerBytes, sizeBytes, markBytes: headerBytes, number: generation, seed },
    };
  }

  #create(place: Omit<NewHeader, keyof RunHeader | "createdMs">, repeated: RepeatedTail | undefined) {
    const { fs, folder, random, poison, clock } = this.#options;
    const nowMs = Math.max(0, Math.floor(clock.nowMs()));
    const header = { ...this.#run, ...place, createdMs: nowMs };
    const created = createGeneration(fs, folder, { header, repeated, random, poison, nowMs });
    const seed = generationSeed(uuidToBytes(created.uuid));
    const file = poison.guard(() => fs.openAppend(created.path));
    this.#options.onGeneration({
      path: created.path,
      head: { ...header, uuid: created.uuid },
      previousBytes: repeated || !this.#active ? 0 : this.#bytes,
    });
    return { file, active: { ...created, number: place.generation, seed } };
  }
}
