/**
 * The server's own manifest: names and their incarnations, aliases, templates, pipelines, keys as hashes, the server's
 * history. Kept by the main thread alone.
 *
 * Order at a start: `openCatalog` reads and decides; the shards are opened, which writes nothing either; `start`
 * publishes the server's run; the shards start their runs; `confirmInstance`. Only then is anybody answered.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { randomUuid } from "../base/uuid.ts";
import {
  type CatalogBody,
  type CatalogEntry,
  type CatalogSections,
  decodeCatalog,
  type DeletedIncarnation,
  encodeCatalog,
  encodeCatalogStub,
  encodeCleanStop,
  encodeDeleted,
  encodeInstance,
  type Instance,
  MAX_DELETED,
} from "../format/catalog.ts";
import { catalogName, deletedName, META_FOLDER } from "../format/file_names.ts";
import { extendHistory, foldHistory, type History } from "../format/history.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import type { Clock, DirectoryLock, FileSystem, Random } from "../os/fs.ts";
import type { NextNumbers } from "../shard/store.ts";
import { diskFull, isDiskFull, Poison } from "../wal/poison.ts";
import type { Rules } from "../wal/rules.ts";
import { makeDirectoryDurably, writeDurably } from "../wal/staged_file.ts";
import { STUB_LIFETIME_MS } from "../wal/stub.ts";
import { candidateFolders, inspectFolder, numbersOf } from "./catalog_folders.ts";
import {
  chooseCatalog,
  type ChosenCatalog,
  CLEAN_STOP_FILE,
  endedCleanly,
  findCatalogs,
  type FoundCatalogs,
} from "./catalog_open.ts";
import { removeDeletedData, removeDeletedTraces } from "./deleted_files.ts";
import { currentInstance, INSTANCE_FILE, isSamePlace, lockDirectory, readInstance } from "./instance.ts";

export interface CatalogEnvironment {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  /** The operating system's id of this machine, "" where there is none. */
  readonly machineId: string;
  readonly log: {
    info(message: string, fields?: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  };
  /** The node's LSN counter as it stands. */
  readonly lsn: () => number;
  readonly retainSupersededMs: () => number;
  /** For tests alone, which switch one off; default all. */
  readonly rules?: Rules | undefined;
}

/** An index as the catalogue lists it. */
export interface CatalogIndex extends CatalogEntry {
  /** Smallest free file numbers of each shard's folder, from the memory of the name. */
  readonly firstNumbers: readonly NextNumbers[];
}

/** Alias -> index -> options. */
export type AliasTable = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>
>;

/** A catalogue where it lies. */
export interface CatalogFile {
  readonly body: CatalogBody;
  readonly path: string;
  /** File of deleted incarnations that it names; undefined: none. */
  readonly deletedPath: string | undefined;
}

/** What `Catalog.update` may change. */
export interface CatalogDraft {
  indices: CatalogEntry[];
  /** Section -> name -> opaque value. */
  sections: Record<string, Record<string, unknown>>;
}

const FIRST_NUMBERS: Readonly<NextNumbers> = { generation: 1, manifest: 1, segment: 1 };

/**
 * Locks a data directory and chooses its catalogue; makes the directory if need be, writes nothing else.
 *
 * @throws {OpenRefusedError | CorruptionError} `locked`, `catalog_unreadable`, `index_missing`, `two_histories`.
 * @throws {IoError}
 */
export function openCatalog(environment: CatalogEnvironment, dataDir: string): Catalog {
  const { fs } = environment;
  const poison = new Poison(`the catalogue of ${dataDir}`);
  makeDirectoryDurably(fs, dataDir, poison);
  const lock = lockDirectory(fs, dataDir);
  try {
    const found = findCatalogs(fs, dataDir);
    const chosen = chooseCatalog(fs, dataDir, found, environment.rules);
    return new Catalog(environment, dataDir, { lock, poison, found, chosen });
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Superseded {
  readonly path: string;
  readonly number: number;
  readonly deletedFile: number | undefined;
  readonly sinceMs: number;
}

export class Catalog {
  readonly dataDir: string;
  /** This directory is a copy of another: shards start their runs at once. */
  readonly isCopy: boolean;
  /** The last process ended cleanly. */
  readonly cleanStop: boolean;
  /** What the operator should know, in sentences. */
  readonly warnings: readonly string[];
  /** Names that no catalogue listed: put back by hand. Whoever cannot open one may leave it out with a warning. */
  readonly adopted: readonly string[];
  readonly instanceId: string;
  /** Highest LSN that any catalogue knows: the counter goes on above. */
  readonly maxLsn: number;
  readonly #environment: CatalogEnvironment;
  readonly #lock: DirectoryLock;
  readonly #poison: Poison;
  readonly #instance: Instance;
  readonly #instanceIsNew: boolean;
  readonly #next: { catalog: number; deleted: number };
  readonly #leftovers: readonly string[];
  readonly #shortestHistory: number;
  #history: History;
  #body: CatalogBody;
  #indices: ReadonlyMap<string, CatalogIndex>;
  #deleted: readonly DeletedIncarnation[];
  #superseded: Superseded[] = [];
  #stubs: { readonly path: string; readonly modifiedMs: number }[] = [];
  /** Incarnations that this process has drawn and given up: their numbers count. */
  readonly #discarded: DeletedIncarnation[] = [];
  /** Names whose folders are being made. */
  readonly #prepared = new Set<string>();
  #deletedFiles: Set<number>;
  /** Deleted incarnations whose files may still be there, with when this process learned of it. */
  readonly #dying = new Map<DeletedIncarnation, { readonly sinceMs: number; dataGone: boolean }>();
  #started = false;
  #closed = false;

  constructor(
    environment: CatalogEnvironment,
    dataDir: string,
    { lock, poison, found, chosen }: {
      readonly lock: DirectoryLock;
      readonly poison: Poison;
      readonly found: FoundCatalogs;
      readonly chosen: ChosenCatalog;
    },
  ) {
    const { fs, clock, random, machineId } = environment;
    this.#environment = environment;
    this.dataDir = dataDir;
    this.#lock = lock;
    this.#poison = poison;
    this.#next = { ...found.next };
    this.#leftovers = found.staged;
    this.#deleted = chosen.deleted;
    this.#deletedFiles = new Set(found.deletedFiles);
    this.#history = chosen.history;
    this.#shortestHistory = chosen.shortestHistory;
    this.maxLsn = chosen.maxLsn;
    const known = readInstance(fs, dataDir);
    const isNew = chosen.body === undefined;
    const here = currentInstance(fs, dataDir, { id: known?.id ?? "", machineId });
    this.isCopy = !isNew && (known === undefined || !isSamePlace(known, here));
    this.#instanceIsNew = isNew || this.isCopy;
    this.instanceId = this.#instanceIsNew ? randomUuid(random) : known!.id;
    this.#instance = { ...here, id: this.instanceId };
    this.cleanStop = !this.isCopy && endedCleanly(fs, dataDir, chosen);
    const { adopted, warnings } = this.#adopt(chosen);
    this.adopted = adopted.map(({ name }) => name);
    this.warnings = [...chosen.warnings, ...warnings];
    this.#body = chosen.body ?? {
      number: 0,
      previous: 0,
      createdMs: 0,
      lsn: 0,
      indices: [],
      sections: {},
      deleted: undefined,
      history: chosen.history,
    };
    this.#body = { ...this.#body, indices: [...this.#body.indices, ...adopted] };
    this.#indices = this.#listed(this.#body);
    const nowMs = clock.monotonicMs();
    for (const { kind, number, path, ...rest } of found.catalogs) {
      if (kind === "stub") this.#stubs.push({ path, modifiedMs: fs.stat(path).modifiedMs });
      const body = "body" in rest ? rest.body : undefined;
      if (body) this.#superseded.push({ path, number, deletedFile: body.deleted?.number, sinceMs: nowMs });
    }
    for (const deleted of this.#deleted) {
      if (fs.exists(`${dataDir}/${deleted.name}`)) {
        this.#dying.set(deleted, { sinceMs: nowMs, dataGone: false });
      }
    }
  }

  get indices(): CatalogIndex[] {
    return [...this.#indices.values()];
  }

  index(name: string): CatalogIndex | undefined {
    return this.#indices.get(name);
  }

  /** Alias -> index -> options. */
  get aliases(): AliasTable {
    return this.section("aliases") as AliasTable;
  }

  /** What clients have set: `aliases`, `templates`, `component_templates`, `pipelines`, `keys`, ... */
  section(name: string): Readonly<Record<string, unknown>> {
    return this.#body.sections[name] ?? {};
  }

  /** Number of the newest catalogue that is durable. */
  get number(): number {
    return this.#body.number;
  }

  get started(): boolean {
    return this.#started;
  }

  get poisoned(): Error | undefined {
    return this.#poison.cause;
  }

  /** Whole folders that no catalogue names and nobody deleted: one index put back with `tar`. */
  #adopt({ body, deleted }: ChosenCatalog): { adopted: CatalogEntry[]; warnings: string[] } {
    const { fs } = this.#environment;
    const names = new Set(body?.indices.map(({ name }) => name));
    const incarnations = new Map(body?.indices.map(({ incarnation, name }) => [incarnation, name]));
    const gone = new Set(deleted.map(({ incarnation }) => incarnation));
    const adopted: CatalogEntry[] = [];
    const warnings: string[] = [];
    for (const name of candidateFolders(fs, this.dataDir)) {
      if (names.has(name)) continue;
      const found = inspectFolder(fs, this.dataDir, name);
      if (found.kind === "partial") warnings.push(`the folder ${name} is left alone: ${found.reason}`);
      if (found.kind !== "whole" || gone.has(found.entry.incarnation)) continue;
      const twin = incarnations.get(found.entry.incarnation);
      if (twin !== undefined) {
        warnings.push(`the folder ${name} is left alone: it is a copy of ${twin}`);
        continue;
      }
      incarnations.set(found.entry.incarnation, name);
      adopted.push(found.entry);
      warnings.push(`the folder ${name} was in no catalogue; it is taken for an index that was put back`);
    }
    return { adopted, warnings };
  }

  #listed({ indices }: CatalogBody): ReadonlyMap<string, CatalogIndex> {
    return new Map(
      indices.map((entry) => [entry.name, { ...entry, firstNumbers: this.#firstNumbers(entry) }]),
    );
  }

  #firstNumbers({ name, shards }: Pick<CatalogEntry, "name" | "shards">): NextNumbers[] {
    const first = { ...FIRST_NUMBERS };
    for (const deleted of [...this.#deleted, ...this.#discarded]) {
      if (deleted.name !== name) continue;
      first.generation = Math.max(first.generation, deleted.next.generation);
      first.manifest = Math.max(first.manifest, deleted.next.manifest);
      first.segment = Math.max(first.segment, deleted.next.segment);
    }
    return Array.from({ length: shards }, () => ({ ...first }));
  }

  /**
   * Publishes the first catalogue of this run of the server.
   *
   * @throws {RequestError} 429 `disk_full`. @throws {IoError} Poisons.
   */
  start(): void {
    assert(!this.#started, "a run starts once");
    const { random, lsn, fs } = this.#environment;
    this.#poison.check();
    makeDirectoryDurably(fs, `${this.dataDir}/${META_FOLDER}`, this.#poison);
    // LOCK may be new: it must not get another inode after a power cut.
    this.#poison.guard(() => fs.syncDirectory(this.dataDir));
    const run = {
      id: randomUuid(random),
      lsn: Math.max(lsn(), this.maxLsn),
      generation: 0,
      manifest: this.#next.catalog,
    };
    this.#history = foldHistory(extendHistory(this.#history, run), this.#shortestHistory);
    this.#publish(this.#body);
    this.#started = true;
    for (const path of this.#leftovers) if (fs.exists(path)) fs.unlink(path);
  }

  /** Remembers that this directory is no copy any more; to be called when all shards' runs have started. */
  confirmInstance(): void {
    assert(this.#started, "the run has started");
    if (!this.#instanceIsNew) return;
    const name = INSTANCE_FILE;
    this.#write({ name, bytes: encodeInstance(this.#instance) });
  }

  /** Draws the identity of a new index. Nothing is written: its folder and first manifests come before the catalogue. */
  prepare(name: string, shards: number): CatalogIndex {
    const { random, clock } = this.#environment;
    this.#prepared.add(name);
    return {
      name,
      uuid: randomUuid(random),
      incarnation: randomUuid(random),
      shards,
      createdMs: Math.floor(clock.nowMs()),
      closed: false,
      firstNumbers: this.#firstNumbers({ name, shards }),
    };
  }

  /** Lists an index whose folder and first manifests are durable; then it may be acknowledged. */
  create({ firstNumbers: _, ...entry }: CatalogIndex, aliases: Readonly<Record<string, unknown>> = {}): void {
    assert(!this.#indices.has(entry.name), `${entry.name} is a new name`);
    this.#prepared.delete(entry.name);
    this.update((draft) => {
      draft.indices.push(entry);
      const table = draft.sections["aliases"] ??= {};
      for (const [alias, options] of Object.entries(aliases)) {
        table[alias] = { ...(table[alias] as Record<string, unknown>), [entry.name]: options };
      }
    });
  }

  /** Forgets an index whose last manifests say that it is deleted; then that may be acknowledged. */
  delete(name: string): void {
    const { fs, clock } = this.#environment;
    const entry = this.#indices.get(name);
    assert(entry, `${name} is listed`);
    const { incarnation } = entry;
    const next = numbersOf(fs, this.dataDir, entry);
    const deleted: DeletedIncarnation = { name, incarnation, atMs: Math.floor(clock.nowMs()), next };
    this.update((draft) => {
      draft.indices = draft.indices.filter((other) => other.name !== name);
      const table = draft.sections["aliases"] ?? {};
      for (const [alias, targets] of Object.entries(table)) {
        const { [name]: gone, ...rest } = targets as Record<string, unknown>;
        if (gone === undefined) continue;
        if (Object.keys(rest).length > 0) table[alias] = rest;
        else delete table[alias];
      }
    }, deleted);
    this.#dying.set(deleted, { sinceMs: clock.monotonicMs(), dataGone: false });
  }

  /**
   * Lists an index that was made of a folder's files; the folder's own life ends with that.
   *
   * @param source The folder, and what it says of itself; undefined: no index's folder, so that no start takes it for one.
   */
  attach({ firstNumbers: _, ...entry }: CatalogIndex, source: CatalogEntry | undefined): void {
    const { fs, clock } = this.#environment;
    assert(!this.#indices.has(entry.name), `${entry.name} is a new name`);
    if (!source) {
      this.update((draft) => draft.indices.push(entry));
      this.#prepared.delete(entry.name);
      return;
    }
    const { name, incarnation } = source;
    const next = numbersOf(fs, this.dataDir, source);
    const ended: DeletedIncarnation = { name, incarnation, atMs: Math.floor(clock.nowMs()), next };
    this.update((draft) => draft.indices.push(entry), ended);
    this.#prepared.delete(entry.name);
    this.#dying.set(ended, { sinceMs: clock.monotonicMs(), dataGone: false });
  }

  /**
   * Gives up an index that `prepare` drew and that no catalogue has listed: what there is of it goes. It stays when one
   * lists it after all, or may: after a failed sync nobody knows, and half an index that is listed refuses the start.
   *
   * @throws {IoError}
   */
  discard(entry: CatalogIndex): void {
    const { fs, clock } = this.#environment;
    const { name, incarnation } = entry;
    this.#prepared.delete(name);
    if (this.#poison.cause || this.#indices.get(name)?.incarnation === incarnation) return;
    const deleted = {
      name,
      incarnation,
      atMs: Math.floor(clock.nowMs()),
      next: numbersOf(fs, this.dataDir, entry),
    };
    // A copy under way may have them: the next index of that name must not use them again.
    this.#discarded.push(deleted);
    const gone = { deleted, vacant: false, poison: this.#poison };
    // Without stubs, which a full disk has no room for: a whole folder that stays would be taken for one put back.
    removeDeletedData(fs, this.dataDir, { ...gone, stubs: false });
    removeDeletedTraces(fs, this.dataDir, gone);
  }

  /** Does not take in a folder that was put back, as it cannot be opened; before the run starts. */
  leaveOut(name: string): void {
    assert(!this.#started && this.adopted.includes(name), `${name} was put back by hand`);
    this.#body = { ...this.#body, indices: this.#body.indices.filter((other) => other.name !== name) };
    this.#indices = this.#listed(this.#body);
  }

  /** The server's runs; the last one is the present one's, once it has started. */
  get history(): History {
    return this.#history;
  }

  /**
   * Catalogues for whoever ships them, ascending: the newest, and those that this run has superseded since number `since`,
   * as far as they are there still.
   *
   * @throws {IoError}
   */
  filesSince(since: number): CatalogFile[] {
    const { fs } = this.#environment;
    this.#poison.check();
    const folder = `${this.dataDir}/${META_FOLDER}`;
    const older = this.#superseded.filter(({ number }) => number > since && number < this.#body.number);
    const bodies = older.flatMap(({ path }) => {
      if (!fs.exists(path)) return [];
      const body = decodeCatalog(fs.readFile(path));
      return body === "stub" ? [] : [body];
    });
    return [...bodies.sort((a, b) => a.number - b.number), this.#body].map((body) => ({
      body,
      path: `${folder}/${catalogName(body.number)}`,
      deletedPath: body.deleted && `${folder}/${deletedName(body.deleted.number)}`,
    }));
  }

  /**
   * Links the newest catalogue, and the list of deleted incarnations that it names, into a folder; the caller syncs it.
   *
   * @returns What it lists.
   * @throws {IoError}
   */
  linkInto(folder: string): CatalogIndex[] {
    const { fs } = this.#environment;
    this.#poison.check();
    const { number, deleted } = this.#body;
    const names = [catalogName(number), ...(deleted ? [deletedName(deleted.number)] : [])];
    for (const name of names) fs.link(`${this.dataDir}/${META_FOLDER}/${name}`, `${folder}/${name}`);
    return this.indices;
  }

  /**
   * Changes what is listed; durable when this returns. Changes of one instant share one call.
   *
   * @throws {RequestError} 429 `disk_full`: nothing has changed. 503: poisoned.
   * @throws {IoError} Poisons.
   */
  update(change: (draft: CatalogDraft) => void, deleted?: DeletedIncarnation): void {
    assert(this.#started && !this.#closed, "the run has started");
    const draft: CatalogDraft = {
      indices: [...this.#body.indices],
      sections: Object.fromEntries(
        Object.entries(this.#body.sections).map(([name, table]) => [name, { ...table }]),
      ),
    };
    change(draft);
    const body = { ...this.#body, indices: draft.indices, sections: draft.sections as CatalogSections };
    this.#publish(deleted ? { ...body, deleted: this.#writeDeleted([...this.#deleted, deleted]) } : body);
    if (deleted) this.#deleted = [...this.#deleted, deleted].slice(-MAX_DELETED);
    this.#indices = this.#listed(this.#body);
  }

  #writeDeleted(all: readonly DeletedIncarnation[]): CatalogBody["deleted"] {
    const number = this.#next.deleted++;
    const bytes = encodeDeleted(all.slice(-MAX_DELETED));
    this.#write({ name: deletedName(number), bytes });
    this.#deletedFiles.add(number);
    return { number, sha256: sha256Hex(bytes) };
  }

  #publish(content: CatalogBody): void {
    const { clock, lsn } = this.#environment;
    const body: CatalogBody = {
      ...content,
      number: this.#next.catalog++,
      previous: this.#body.number,
      createdMs: Math.max(0, Math.floor(clock.nowMs())),
      lsn: Math.max(lsn(), this.maxLsn, this.#body.lsn),
      history: this.#history,
    };
    this.#write({ name: catalogName(body.number), bytes: encodeCatalog(body) });
    if (this.#started) this.#supersede(this.#body);
    this.#body = body;
    this.#indices = this.#listed(body);
  }

  #supersede({ number, deleted }: CatalogBody): void {
    const path = `${this.dataDir}/${META_FOLDER}/${catalogName(number)}`;
    const sinceMs = this.#environment.clock.monotonicMs();
    this.#superseded.push({ path, number, deletedFile: deleted?.number, sinceMs });
  }

  #write({ name, bytes }: { readonly name: string; readonly bytes: Uint8Array }): void {
    this.#poison.check();
    const folder = `${this.dataDir}/${META_FOLDER}`;
    try {
      writeDurably(this.#environment.fs, folder, { name, bytes, poison: this.#poison });
    } catch (error) {
      throw isDiskFull(error) && !this.#poison.cause ? diskFull(folder) : error;
    }
  }

  /**
   * Does what time has come for: superseded catalogues become stubs, files of deleted indices go. To be called every
   * second or so.
   *
   * @throws {IoError}
   */
  release(): void {
    const { fs, clock, retainSupersededMs } = this.#environment;
    if (!this.#started || this.#closed || this.#poison.cause) return;
    const nowMs = clock.monotonicMs();
    const isDue = ({ sinceMs }: { readonly sinceMs: number }) => nowMs - sinceMs >= retainSupersededMs();
    for (const old of this.#superseded.filter(isDue)) {
      const name = catalogName(old.number);
      this.#write({ name, bytes: encodeCatalogStub(old.number) });
      this.#stubs.push({ path: old.path, modifiedMs: clock.nowMs() });
    }
    this.#superseded = this.#superseded.filter((old) => !isDue(old));
    this.#stubs = this.#stubs.filter(({ path, modifiedMs }) => {
      if (clock.nowMs() - modifiedMs < STUB_LIFETIME_MS) return true;
      fs.unlink(path);
      return false;
    });
    this.#releaseDeletedFiles();
    for (const [deleted, state] of this.#dying) this.#bury(deleted, state, isDue(state));
  }

  #releaseDeletedFiles(): void {
    const { fs } = this.#environment;
    const named = new Set([
      this.#body.deleted?.number,
      ...this.#superseded.map(({ deletedFile }) => deletedFile),
    ]);
    for (const number of this.#deletedFiles) {
      if (named.has(number)) continue;
      fs.unlink(`${this.dataDir}/${META_FOLDER}/${deletedName(number)}`);
      this.#deletedFiles.delete(number);
    }
  }

  #bury(deleted: DeletedIncarnation, state: { dataGone: boolean }, due: boolean): void {
    if (!due) return;
    const { fs, clock } = this.#environment;
    const vacant = !this.#indices.has(deleted.name) && !this.#prepared.has(deleted.name);
    if (!state.dataGone) {
      removeDeletedData(fs, this.dataDir, { deleted, vacant, poison: this.#poison });
      state.dataGone = true;
    }
    if (clock.nowMs() - deleted.atMs < STUB_LIFETIME_MS) return;
    removeDeletedTraces(fs, this.dataDir, { deleted, vacant, poison: this.#poison });
    this.#dying.delete(deleted);
  }

  /**
   * Lets the data directory go. Clean: every shard was closed cleanly before, and the next start may rely on it.
   *
   * @throws {RequestError | IoError}
   */
  close({ clean }: { readonly clean: boolean }): void {
    if (this.#closed) return;
    try {
      const run = this.#history.runs.at(-1);
      if (clean && this.#started && run && !this.#poison.cause) {
        this.#write({ name: CLEAN_STOP_FILE, bytes: encodeCleanStop(run.id) });
      }
    } finally {
      this.#closed = true;
      this.#lock.release();
    }
  }
}
