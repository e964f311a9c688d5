/**
 * Which indices are there? Creates, opens, deletes and maps them; the catalogue on disk says so before a client hears.
 *
 * @module
 */
import { AnalyzerSet } from "../analysis/mod.ts";
import { assert, CorruptionError, RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turn } from "../base/turn.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import { Mapping, type MappingJson } from "../schema/mapping.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import type { Catalog, CatalogIndex } from "./catalog.ts";
import { checkIndexName, indexNotFound } from "./index_names.ts";
import { type IndexSettings, parseIndexSettings, shardCount, totalFieldsLimit } from "./index_settings.ts";
import { IndexState } from "./index_state.ts";
import type { AttachCall, IndexSpec, NodeSettings, OpenCall, OpenedShardReport } from "./messages.ts";
import { inspectPutBack } from "./put_back.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Threads } from "./threads.ts";

export interface CreateRequest {
  /** `mappings` of the request, Elasticsearch's shape. */
  readonly mappings?: unknown;
  readonly settings?: unknown;
  /** Alias names with their options. */
  readonly aliases?: Readonly<Record<string, unknown>>;
  /** Made because a document came for it. */
  readonly auto?: boolean;
}

export interface AttachReport {
  readonly state: IndexState;
  readonly docs: number;
  /** Bytes of log that were behind the folder's segments. */
  readonly replayedBytes: number;
  /** What opening found that an operator should know. */
  readonly warnings: readonly string[];
}

export interface IndicesOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly dataDir: string;
  readonly catalog: Catalog;
  readonly threads: Threads;
  readonly snapshots: Snapshots;
  readonly settings: () => NodeSettings;
}

export class Indices {
  readonly #options: IndicesOptions;
  readonly #byName = new Map<string, IndexState>();
  readonly #byIncarnation = new Map<string, IndexState>();
  /** What opening found that an operator should know, by index. */
  readonly warnings: { readonly index: string; readonly warning: string }[] = [];
  /**
   * Creates and deletes of one name take turns. Never one turn for all: a bulk that holds a shard of one index may
   * wait for another index to be made, while a delete of the first waits for that shard.
   */
  readonly #changes = new Map<string, Turn>();

  constructor(options: IndicesOptions) {
    this.#options = options;
  }

  get(name: string): IndexState | undefined {
    return this.#byName.get(name);
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  all(): IndexState[] {
    return [...this.#byName.values()];
  }

  /** Alias -> names of its indices. */
  aliases(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>();
    for (const [alias, targets] of Object.entries(this.#options.catalog.aliases)) {
      found.set(alias, Object.keys(targets));
    }
    return found;
  }

  aliasWriteIndex(alias: string): string | undefined {
    const targets = Object.entries(this.#options.catalog.aliases[alias] ?? {});
    if (targets.length === 1 && targets[0]![1]["is_write_index"] !== false) return targets[0]![0];
    return targets.find(([, options]) => options["is_write_index"] === true)?.[0];
  }

  /** Aliases of an index with their options. */
  aliasesOf(name: string): Record<string, Readonly<Record<string, unknown>>> {
    const found: Record<string, Readonly<Record<string, unknown>>> = {};
    for (const [alias, targets] of Object.entries(this.#options.catalog.aliases)) {
      if (targets[name]) found[alias] = targets[name];
    }
    return found;
  }

  /**
   * Opens what the catalogue lists, then starts this run of the server: until all shards are open nothing is written.
   *
   * @throws {CorruptionError | OpenRefusedError} What a shard refused; nothing on disk has changed.
   */
  async openAll(): Promise<void> {
    const { catalog, threads } = this.#options;
    await Promise.all(
      catalog.indices.map((entry) =>
        catalog.adopted.includes(entry.name) ? this.#openAdopted(entry) : this.#openOne(entry)
      ),
    );
    catalog.start();
    await threads.all("writers", "startRuns", {});
    catalog.confirmInstance();
  }

  /** A folder that no catalogue lists may be half of something, as in a copy: then it is left alone. */
  async #openAdopted(entry: CatalogIndex): Promise<void> {
    const { catalog, threads, snapshots, log } = this.#options;
    const { name, incarnation, shards } = entry;
    try {
      await this.#openOne(entry);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await threads.all("writers", "closeIndex", { incarnation, deleted: false });
      snapshots.forget(incarnation, shards);
      catalog.leaveOut(name);
      const warning = `the folder was put back, but cannot be opened, and is left alone: ${error.message}`;
      this.warnings.push({ index: name, warning });
      log.warn("left alone a folder that cannot be opened", { index: name, reason: error.message });
    }
  }

  async #openOne(entry: CatalogIndex): Promise<void> {
    const { threads } = this.#options;
    const spec = this.#spec(entry, { mapping: {}, settings: {} });
    const reports = (await this.#eachWriter(entry, (shards, writer) => {
      const call: OpenCall = { spec, mode: "open", shards };
      return threads.writers[writer]!.call<OpenedShardReport[]>("open", call);
    })).flat();
    await this.#opened(entry, reports);
  }

  /** Lists an index whose shards are open. */
  async #opened(entry: CatalogIndex, reports: readonly OpenedShardReport[]): Promise<IndexState> {
    const { threads } = this.#options;
    for (const { warnings } of reports) {
      for (const warning of warnings) this.warnings.push({ index: entry.name, warning });
    }
    // Over the shards of an index the highest version of the mapping counts.
    const newest = reports.reduce((best, report) =>
      report.mappingVersion > best.mappingVersion ? report : best
    );
    const settings = newest.settings as IndexSettings;
    const analyzers = AnalyzerSet.fromSettings(settings, this.#options.settings().defaultAnalyzer);
    const mapping = Mapping.fromStored(newest.mapping as MappingJson, this.#limits(analyzers, settings));
    const state = this.#add(entry, settings, analyzers, mapping);
    if (reports.some(({ mappingVersion }) => mappingVersion < newest.mappingVersion)) {
      await threads.all("writers", "mapping", { incarnation: entry.incarnation, mapping: newest.mapping });
    }
    return state;
  }

  /**
   * Makes an index: folders and first manifests durable, then the catalogue, then the answer.
   *
   * @throws {RequestError} 400 for a bad name, mapping or setting, or when it exists.
   */
  async create(name: string, request: CreateRequest = {}): Promise<IndexState> {
    checkIndexName(name);
    const settings = parseIndexSettings(request.settings);
    const { catalog, threads } = this.#options;
    const analyzers = AnalyzerSet.fromSettings(settings, this.#options.settings().defaultAnalyzer);
    const mapping = request.mappings === undefined || request.mappings === null
      ? Mapping.empty(this.#limits(analyzers, settings))
      : Mapping.parse(request.mappings, this.#limits(analyzers, settings));
    return await this.#turn(name).take(async () => {
      const known = this.#byName.get(name);
      if (known && request.auto) return known;
      if (known) throw alreadyExists(known);
      if (this.aliases().has(name)) throw nameIsAlias(name);
      const aliases = checkAliases(name, request.aliases ?? {}, this.#byName);
      const entry = catalog.prepare(name, shardCount(settings));
      const spec = this.#spec(entry, { mapping: mapping.toStored(), settings });
      try {
        await this.#eachWriter(entry, (shards, writer) => {
          const call: OpenCall = { spec, mode: "create", shards };
          return threads.writers[writer]!.call<OpenedShardReport[]>("open", call);
        });
        catalog.create(entry, aliases);
      } catch (error) {
        await threads.all("writers", "closeIndex", { incarnation: entry.incarnation, deleted: false });
        this.#options.snapshots.forget(entry.incarnation, entry.shards);
        throw this.#discard(entry) ?? error;
      }
      const state = this.#add(entry, settings, analyzers, mapping);
      this.#options.log.info("index created", {
        index: name,
        shards: entry.shards,
        auto: request.auto === true,
      });
      return state;
    });
  }

  /**
   * Makes an index of a folder that was put into the data directory. The folder's files are linked, not moved; what
   * the new index does not need of them goes after the retention.
   *
   * @param folder Its name in the data directory.
   * @param name Of the new index; may be the folder's.
   * @throws {RequestError} 400: the name is taken, the folder is a live index's, not whole or damaged. 404: no such
   * folder. Nothing of it has changed.
   */
  async attach(folder: string, name: string): Promise<AttachReport> {
    checkIndexName(folder);
    checkIndexName(name);
    const names = [...new Set([folder, name])].sort();
    return await this.#turn(names[0]!).take(() =>
      names.length === 1
        ? this.#attach(folder, name)
        : this.#turn(names[1]!).take(() => this.#attach(folder, name))
    );
  }

  /**
   * Makes an index of a folder that the server itself has brought, such as a restored one. It is linked, and may be
   * removed afterwards.
   *
   * @param path Of the folder, relative to the data directory and below one of its own folders.
   * @throws {RequestError} As `attach`.
   */
  async attachBrought(path: string, name: string): Promise<AttachReport> {
    assert(path.startsWith("_"), "no index's folder");
    checkIndexName(name);
    return await this.#turn(name).take(() => this.#attach(path, name));
  }

  async #attach(folder: string, name: string): Promise<AttachReport> {
    const { fs, catalog, threads, dataDir, log, snapshots } = this.#options;
    for (const taken of [name, folder]) {
      const known = this.#byName.get(taken);
      if (known) throw alreadyExists(known);
    }
    if (this.aliases().has(name)) throw nameIsAlias(name);
    const source = inspectPutBack(fs, dataDir, folder);
    const entry = catalog.prepare(name, source.shards);
    const { incarnation, shards } = entry;
    const spec = this.#spec(entry, { mapping: {}, settings: {} });
    const from = { ...source, directory: `${dataDir}/${folder}` };
    try {
      await this.#eachWriter(entry, (list, writer) => {
        // A restore has just hashed what it brought; what others put there may be anything.
        const isChecked = folder.startsWith("_");
        const call: AttachCall = { spec, source: from, shards: list, isChecked };
        return threads.writers[writer]!.call("attachOpen", call);
      });
      const reports = (await this.#eachWriter(
        entry,
        (_, writer) => threads.writers[writer]!.call<OpenedShardReport[]>("attachMake", { incarnation }),
      )).flat();
      catalog.attach(entry, folder.startsWith("_") ? undefined : source);
      const state = await this.#opened(entry, reports);
      const sum = (of: (report: OpenedShardReport) => number) => reports.reduce((a, b) => a + of(b), 0);
      const report = { docs: sum((r) => r.liveDocs), replayedBytes: sum((r) => r.replayedBytes) };
      log.info("index attached", { index: name, folder, incarnation: source.incarnation, ...report });
      return { state, ...report, warnings: reports.flatMap(({ warnings }) => warnings) };
    } catch (error) {
      await threads.all("writers", "attachDrop", { incarnation });
      await threads.all("writers", "closeIndex", { incarnation, deleted: false });
      snapshots.forget(incarnation, shards);
      this.#discard(entry);
      throw isRefusal(error) ? cannotAttach(folder, error) : error;
    }
  }

  /**
   * Removes what a failed create or attach has made; a folder that it was made of stays as it is.
   *
   * @returns Why that failed too: then nobody knows whether the next start finds the index, and "try again" is no answer.
   */
  #discard(entry: CatalogIndex): unknown {
    try {
      this.#options.catalog.discard(entry);
      return undefined;
    } catch (error) {
      this.#options.log.warn("files of an index that could not be made are left", {
        index: entry.name,
        failure: String(error),
      });
      return error;
    }
  }

  /** Deletes an index: last manifests say so, then the catalogue, then the answer. Files go after the retention. */
  async delete(state: IndexState): Promise<void> {
    const { catalog, threads, snapshots } = this.#options;
    await this.#turn(state.name).take(async () => {
      if (this.#byName.get(state.name) !== state) throw indexNotFound(state.name);
      await threads.all("writers", "closeIndex", { incarnation: state.incarnation, deleted: true });
      catalog.delete(state.name);
      this.#byName.delete(state.name);
      this.#byIncarnation.delete(state.incarnation);
      snapshots.forget(state.incarnation, state.shards);
      this.#options.log.info("index deleted", { index: state.name });
    });
  }

  /** Adds fields that a document needs, for a writer: answers with the whole mapping, in stored form. */
  mergeMapping(incarnation: string, update: unknown): unknown {
    const state = this.#byIncarnation.get(incarnation);
    if (!state) throw new RequestError("no such index", { status: 404, type: "index_not_found_exception" });
    this.#merge(state, update);
    return state.mapping.toStored();
  }

  /** Adds fields that a client asks for; durable when this resolves. @throws {RequestError} 400 on conflicts. */
  async putMapping(state: IndexState, update: unknown): Promise<void> {
    this.#merge(state, update);
    await this.#options.threads.all("writers", "logMapping", { incarnation: state.incarnation });
  }

  #turn(name: string): Turn {
    let turn = this.#changes.get(name);
    if (!turn) this.#changes.set(name, turn = new Turn());
    return turn;
  }

  #merge(state: IndexState, update: unknown): void {
    const merged = state.mapping.merge(update);
    if (merged === state.mapping) return;
    for (const warning of merged.warnings) this.#options.log.warn(warning, { index: state.name });
    state.mapping = merged;
    const change = { incarnation: state.incarnation, mapping: merged.toStored() };
    for (const writer of this.#options.threads.writers) writer.notify("mapping", change);
  }

  #add(entry: CatalogIndex, settings: IndexSettings, analyzers: AnalyzerSet, mapping: Mapping): IndexState {
    const { name, uuid, incarnation, shards, createdMs } = entry;
    const state = new IndexState(name, uuid, incarnation, shards, createdMs, settings, analyzers, mapping);
    this.#byName.set(name, state);
    this.#byIncarnation.set(incarnation, state);
    return state;
  }

  /** The node's limit on fields, or the index's own. */
  #limits(analyzers: AnalyzerSet, settings: IndexSettings) {
    return { maxFields: totalFieldsLimit(settings) ?? this.#options.settings().maxFields, analyzers };
  }

  #spec(entry: CatalogIndex, { mapping, settings }: { mapping: unknown; settings: unknown }): IndexSpec {
    const { name: index, uuid, incarnation, shards, firstNumbers } = entry;
    return {
      index,
      uuid,
      incarnation,
      shards,
      firstNumbers,
      mapping,
      settings,
      directory: `${this.#options.dataDir}/${index}`,
    };
  }

  async #eachWriter<T>(
    { incarnation, shards }: CatalogIndex,
    call: (shards: number[], writer: number) => Promise<T>,
  ): Promise<T[]> {
    const { threads } = this.#options;
    const byWriter = new Map<number, number[]>();
    for (let shard = 0; shard < shards; shard++) {
      const writer = threads.writerOf(incarnation, shard);
      byWriter.set(writer, [...(byWriter.get(writer) ?? []), shard]);
    }
    const answers = await Promise.allSettled([...byWriter].map(([writer, list]) => call(list, writer)));
    // When one fails the others are through too, so that whoever cleans up does not race with them.
    return answers.map((answer) => {
      if (answer.status === "rejected") throw answer.reason;
      return answer.value;
    });
  }
}

function isRefusal(error: unknown): error is Error {
  return error instanceof CorruptionError || error instanceof OpenRefusedError;
}

function cannotAttach(folder: string, { message }: Error): RequestError {
  return new RequestError(`the folder [${folder}] cannot be attached, and was left as it is: ${message}`, {
    status: 400,
    type: "index_damaged_exception",
    details: { index: folder },
  });
}

function checkAliases(
  name: string,
  aliases: Readonly<Record<string, unknown>>,
  known: ReadonlyMap<string, IndexState>,
): Record<string, Readonly<Record<string, unknown>>> {
  const checked: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const [alias, options] of Object.entries(aliases)) {
    checkAliasName(alias);
    if (alias === name || known.has(alias)) {
      throw new RequestError(
        `Invalid alias name [${alias}]: an index or data stream exists with the same name as the alias`,
        {
          status: 400,
          type: "invalid_alias_name_exception",
        },
      );
    }
    checked[alias] = (options ?? {}) as Readonly<Record<string, unknown>>;
  }
  return checked;
}

/** As for indices, but for capital letters: an alias is no folder. */
function checkAliasName(alias: string): void {
  try {
    checkIndexName(alias.toLowerCase());
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const rule = error.message.slice(error.message.indexOf("], ") + 3);
    throw new RequestError(`Invalid alias name [${alias}]: ${rule}`, {
      status: 400,
      type: "invalid_alias_name_exception",
    });
  }
}

function alreadyExists({ name, uuid }: IndexState): RequestError {
  return new RequestError(`index [${name}/${uuid}] already exists`, {
    status: 400,
    type: "resource_already_exists_exception",
    details: { index_uuid: uuid, index: name },
  });
}

function nameIsAlias(name: string): RequestError {
  return new RequestError(`Invalid index name [${name}], already exists as alias`, {
    status: 400,
    type: "invalid_index_name_exception",
    details: { index_uuid: "_na_", index: name },
  });
}
