/**
 * A server as continuous shipping sees it, small enough to be killed thousands of times: logs with real records, synced
 * and unsynced bytes, flushes, rolls, runs, catalogues. Every value that it writes says which past it is of.
 *
 * @module
 */
import { concatBytes, utf8 } from "../../../src/base/bytes.ts";
import { randomUuid } from "../../../src/base/uuid.ts";
import type { LogView, ServerView } from "../../../src/backup/continuous/view.ts";
import { type CatalogBody, type CatalogEntry, encodeCatalog } from "../../../src/format/catalog.ts";
import { catalogName, generationName, manifestName, segmentName } from "../../../src/format/file_names.ts";
import { extendHistory, type History, NO_HISTORY } from "../../../src/format/history.ts";
import { encodeManifest, type Manifest, type ManifestSegment } from "../../../src/format/manifest.ts";
import { sha256Hex } from "../../../src/format/sealed_json.ts";
import { uuidToBytes } from "../../../src/format/uuid_bytes.ts";
import { generationSeed, RECORD_HEADER_BYTES, RecordKind, sealRecord } from "../../../src/format/wal.ts";
import { encodeWalHeader } from "../../../src/format/wal_header.ts";
import { MemoryDisk } from "../memory_disk.ts";
import type { SeededRandom } from "../support.ts";

const DIR = "/data";

export interface SimRecord {
  readonly lsn: number;
  readonly timeMs: number;
  readonly value: string;
}

interface Generation {
  readonly number: number;
  readonly uuid: string;
  readonly baseLsn: number;
  readonly headerBytes: number;
  /** Ends of records in the file, with them. */
  records: { readonly record: SimRecord; readonly end: number }[];
}

interface Log {
  readonly entry: CatalogEntry;
  generations: Generation[];
  syncedBytes: number;
  manifest: Manifest;
  /** All of this past, in order. */
  records: SimRecord[];
  nextNumber: number;
  history: History;
}

export class SimBox {
  disk = new MemoryDisk();
  readonly logs = new Map<string, Log>();
  history: History = NO_HISTORY;
  catalogs: CatalogBody[] = [];
  lsn = 0;
  /** Logs that were deleted, as they were. */
  readonly ended: Log[] = [];
  /** Logs that are in segments go at random moments, shipped or not. */
  releases = true;
  #values = 0;

  constructor(
    public past: string,
    public instanceId: string,
    readonly random: SeededRandom,
    readonly clock: { ms: number },
  ) {}

  /** A new run takes over what is on the disk. */
  start(): void {
    const before = this.lsn;
    this.lsn = 0;
    for (const log of this.logs.values()) {
      this.lsn = Math.max(this.lsn, log.records.at(-1)?.lsn ?? 0, log.manifest.checkpoint.lsn);
    }
    for (const { lsn } of this.catalogs) this.lsn = Math.max(this.lsn, lsn);
    this.lsn = Math.max(this.lsn, this.history.runs.at(-1)?.lsn ?? 0);
    if (before < this.lsn) throw new Error("a recovered LSN was never drawn");
    const run = { id: randomUuid(this.random), lsn: this.lsn, generation: 0, manifest: this.#nextCatalog };
    this.history = extendHistory(this.history, run);
    this.#publishCatalog();
    for (const log of this.logs.values()) this.#startLog(log);
  }

  #startLog(log: Log): void {
    const run = {
      id: randomUuid(this.random),
      lsn: log.records.at(-1)?.lsn ?? 0,
      generation: log.nextNumber,
      manifest: log.nextNumber,
    };
    log.history = extendHistory(log.history, run);
    this.#newGeneration(log, { repeats: true });
    this.#publish(log, log.manifest);
  }

  append(): void {
    const log = this.#pick();
    if (!log) return;
    this.clock.ms += this.random.below(3);
    const record = { lsn: ++this.lsn, timeMs: this.clock.ms, value: `${this.past}:${this.#values++}` };
    // Others draw, and give up.
    if (this.random.below(10) === 0) this.lsn++;
    this.#write(log, log.generations.at(-1)!, record);
    log.records.push(record);
  }

  sync(): void {
    for (const log of this.logs.values()) if (this.random.below(2) === 0) this.#sync(log);
  }

  flush(): void {
    const log = this.#pick();
    if (!log) return;
    this.#sync(log);
    if (this.random.below(2) === 0) this.#newGeneration(log, { repeats: false });
    const lsn = log.records.at(-1)?.lsn ?? 0;
    if (lsn === log.manifest.checkpoint.lsn) return;
    const fresh = log.records.filter((record) => record.lsn > log.manifest.checkpoint.lsn);
    // Now and then all segments are merged.
    const merges = this.random.below(3) === 0;
    const segment = this.#writeSegment(log, merges ? log.records : fresh);
    this.clock.ms += 1;
    this.#publish(log, {
      segments: merges ? [segment] : [...log.manifest.segments, segment],
      checkpoint: { generation: log.generations.at(-1)!.number, lsn, seqNo: 0 },
    });
    // What is in no need any more goes, as after a retention.
    if (this.releases && this.random.below(3) === 0) this.#release(log);
  }

  roll(): void {
    const log = this.#pick();
    if (!log || log.generations.at(-1)!.records.length === 0) return;
    this.#sync(log);
    this.#newGeneration(log, { repeats: false });
  }

  create(): void {
    if (this.logs.size >= 4) return;
    const name = ["a", "b", "c", "d"].find((name) => !this.logs.has(name))!;
    const entry = {
      name,
      uuid: randomUuid(this.random),
      incarnation: randomUuid(this.random),
      shards: 1,
      createdMs: this.clock.ms,
      closed: false,
    };
    const last = this.ended.findLast((log) => log.entry.name === name);
    const manifest: Manifest = {
      number: 0,
      previous: 0,
      indexUuid: entry.uuid,
      incarnation: entry.incarnation,
      shard: 0,
      shards: 1,
      createdMs: this.clock.ms,
      deleted: false,
      segments: [],
      checkpoint: { generation: 0, lsn: 0, seqNo: -1 },
      mappingVersion: 1,
      mapping: {},
      settings: {},
      history: NO_HISTORY,
    };
    const log: Log = {
      entry,
      generations: [],
      syncedBytes: 0,
      manifest,
      records: [],
      nextNumber: last?.nextNumber ?? 1,
      history: NO_HISTORY,
    };
    for (const folder of ["wal", "manifests"]) this.disk.makeDirectory(`${DIR}/${name}/${folder}`);
    this.#startLog(log);
    this.clock.ms += 1;
    this.logs.set(name, log);
    this.#publishCatalog();
  }

  remove(): void {
    const log = this.#pick();
    if (!log) return;
    this.clock.ms += 1;
    this.logs.delete(log.entry.name);
    this.ended.push(log);
    this.#publishCatalog();
  }

  /** What is not synced goes, or not, or in part. */
  cutPower(): void {
    for (const log of this.logs.values()) {
      const generation = log.generations.at(-1)!;
      const path = this.#walPath(log, generation);
      const bytes = this.disk.readFile(path);
      const left = log.syncedBytes + this.random.below(bytes.length - log.syncedBytes + 1);
      this.disk.put(path, bytes.slice(0, left));
      this.#forget(log, generation, left);
    }
  }

  /** The same bytes elsewhere, as a copy below the file system makes them: of the disk, not of the page cache. */
  clone(past: string, instanceId: string): SimBox {
    const copy = new SimBox(past, instanceId, this.random, this.clock);
    for (const [path, { bytes }] of this.disk.files) copy.disk.put(path, bytes.slice());
    for (const folder of this.disk.folders) copy.disk.makeDirectory(folder);
    for (const [name, log] of this.logs) {
      const generations = log.generations.map((one) => ({ ...one, records: [...one.records] }));
      copy.logs.set(name, { ...log, generations, records: [...log.records] });
    }
    copy.ended.push(...this.ended);
    copy.history = this.history;
    copy.catalogs = [...this.catalogs];
    copy.lsn = this.lsn;
    copy.cutPower();
    return copy;
  }

  view(): ServerView {
    // The view syncs, as a writer's does; LSNs that were drawn before are covered by it.
    for (const log of this.logs.values()) this.#sync(log);
    const logs = [...this.logs.values()].map((log): LogView => ({
      folder: log.entry.name,
      directory: `${DIR}/${log.entry.name}`,
      manifest: log.manifest,
      generations: log.generations.map(({ number }) => number),
      syncedBytes: log.syncedBytes,
      hold: () => () => {},
    }));
    return {
      owner: { instanceId: this.instanceId, run: this.history.runs.at(-1)!.id },
      history: this.history,
      atMs: this.clock.ms,
      coveredLsn: this.lsn,
      logs,
      hidden: [],
      catalogs: this.catalogs.map((body) => ({
        body,
        path: `${DIR}/_meta/${catalogName(body.number)}`,
        deletedPath: undefined,
      })),
      release() {},
    };
  }

  /** What each index held at an instant, by name; logs that were deleted later included. */
  at(
    { lsn = Infinity, timeMs = Infinity }: { readonly lsn?: number; readonly timeMs?: number },
  ): Map<string, string[]> {
    const catalog = this.catalogs.findLast((body) => body.lsn <= lsn && body.createdMs <= timeMs);
    const all = [...this.logs.values(), ...this.ended];
    return new Map((catalog?.indices ?? []).map(({ name, incarnation }) => {
      const log = all.find(({ entry }) => entry.incarnation === incarnation)!;
      const held = log.records.filter((record) => record.lsn <= lsn && record.timeMs <= timeMs);
      return [name, held.map(({ value }) => value)];
    }));
  }

  get #nextCatalog(): number {
    return (this.catalogs.at(-1)?.number ?? 0) + 1;
  }

  #pick(): Log | undefined {
    const logs = [...this.logs.values()];
    return logs[this.random.below(logs.length)];
  }

  #walPath({ entry }: Log, { number }: { readonly number: number }): string {
    return `${DIR}/${entry.name}/wal/${generationName(number)}`;
  }

  #sync(log: Log): void {
    log.syncedBytes = this.disk.stat(this.#walPath(log, log.generations.at(-1)!)).sizeBytes;
  }

  #write(log: Log, generation: Generation, record: SimRecord): void {
    const payload = utf8(record.value);
    const bytes = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
    bytes.set(payload, RECORD_HEADER_BYTES);
    const path = this.#walPath(log, generation);
    const before = this.disk.readFile(path);
    const prevLsn = generation.records.at(-1)?.record.lsn ?? generation.baseLsn;
    sealRecord(
      bytes,
      { kind: RecordKind.Mapping, lsn: record.lsn, prevLsn, seqNo: 0, syncedBytes: 0, timeMs: record.timeMs },
      generationSeed(uuidToBytes(generation.uuid)),
      before.length,
    );
    this.disk.put(path, concatBytes([before, bytes]));
    generation.records.push({ record, end: before.length + bytes.length });
  }

  /** @param repeats Of the old tail a random part stands in the new generation again, as behind an old mark. */
  #newGeneration(log: Log, { repeats }: { readonly repeats: boolean }): void {
    const old = log.generations.at(-1);
    const kept = old?.records ?? [];
    const count = repeats && this.random.below(2) === 0 ? this.random.below(kept.length + 1) : 0;
    const last = kept[kept.length - 1 - count];
    const previousEnd = last?.end ?? old?.headerBytes ?? 0;
    const baseLsn = last?.record.lsn ?? old?.baseLsn ?? 0;
    const number = log.nextNumber++;
    const uuid = randomUuid(this.random);
    const header = encodeWalHeader({
      uuid,
      incarnation: log.entry.incarnation,
      generation: number,
      baseLsn,
      baseSeqNo: -1,
      indexUuid: log.entry.uuid,
      shard: 0,
      shards: 1,
      previousUuid: old?.uuid ?? "",
      previousEnd,
      createdMs: this.clock.ms,
      boot: "0".repeat(32),
      history: log.history,
    });
    const generation: Generation = { number, uuid, baseLsn, headerBytes: header.length, records: [] };
    this.disk.put(this.#walPath(log, generation), header);
    log.generations.push(generation);
    for (const { record } of kept.slice(kept.length - count)) this.#write(log, generation, record);
    this.#sync(log);
  }

  #forget(log: Log, generation: Generation, bytes: number): void {
    generation.records = generation.records.filter(({ end }) => end <= bytes);
    const last = generation.records.at(-1)?.record.lsn ?? generation.baseLsn;
    log.records = log.records.filter(({ lsn }) => lsn <= last);
  }

  #writeSegment(log: Log, records: readonly SimRecord[]): ManifestSegment {
    const number = log.nextNumber++;
    const folder = `${DIR}/${log.entry.name}/${segmentName(number)}`;
    const file = (name: string, text: string) => {
      const bytes = utf8(text);
      this.disk.put(`${folder}/${name}`, bytes);
      return { sizeBytes: bytes.length, sha256: sha256Hex(bytes) };
    };
    return {
      number,
      uuid: randomUuid(this.random),
      docCount: records.length,
      liveDocs: records.length,
      files: {
        "segment.seg": file("segment.seg", JSON.stringify(records)),
        "segment.sidx": file("segment.sidx", `index of ${number}`),
        "segment.ids": file("segment.ids", `${log.entry.name} ${number}`),
      },
    };
  }

  #publish(log: Log, { segments, checkpoint }: Pick<Manifest, "segments" | "checkpoint">): void {
    const number = log.nextNumber++;
    const { manifest: { number: previous }, history } = log;
    log.manifest = {
      ...log.manifest,
      segments,
      checkpoint,
      history,
      previous,
      number,
      createdMs: this.clock.ms,
    };
    this.disk.put(`${DIR}/${log.entry.name}/manifests/${manifestName(number)}`, encodeManifest(log.manifest));
  }

  #release(log: Log): void {
    const { generation } = log.manifest.checkpoint;
    for (const old of log.generations) if (old.number < generation) this.disk.unlink(this.#walPath(log, old));
    log.generations = log.generations.filter(({ number }) => number >= generation);
  }

  #publishCatalog(): void {
    const body: CatalogBody = {
      number: this.#nextCatalog,
      previous: this.#nextCatalog - 1,
      createdMs: this.clock.ms,
      lsn: this.lsn,
      indices: [...this.logs.values()].map(({ entry }) => entry),
      sections: {},
      deleted: undefined,
      history: this.history,
    };
    this.catalogs.push(body);
    this.disk.put(`${DIR}/_meta/${catalogName(body.number)}`, encodeCatalog(body));
  }
}
