/**
 * Puts a shard with damaged segments back into a state that opens: what is damaged goes aside, what can still be read of
 * it becomes new segments, a new manifest names them. Nothing is deleted, and nothing that was found is written to.
 *
 * Order: new segments durable, manifest durable, damaged folders aside. Cut off anywhere in between, the shard is as it
 * was, or as it will be.
 *
 * @module
 */
import { AnalyzerSet } from "../../analysis/mod.ts";
import { setBit } from "../../base/bitset.ts";
import { utf8, utf8Text } from "../../base/bytes.ts";
import { randomUuid } from "../../base/uuid.ts";
import { manifestName } from "../../format/file_names.ts";
import { encodeManifest, type Manifest, type ManifestSegment } from "../../format/manifest.ts";
import { Memtable } from "../../memtable/memtable.ts";
import { parseDocument } from "../../schema/document.ts";
import { Mapping } from "../../schema/mapping.ts";
import { StagedDocument } from "../../schema/staged.ts";
import { buildSegmentNow, type BuiltSegment } from "../../segment/builder.ts";
import { finishIds } from "../../segment/ids_tail.ts";
import { mergeInput } from "../../segment/merge_input.ts";
import type { StoredSegment } from "../../segment/open.ts";
import type { Tombstones } from "../../segment/reader.ts";
import { Poison } from "../../wal/poison.ts";
import { writeDurably } from "../../wal/staged_file.ts";
import { shardLabel } from "../store.ts";
import type { ShardIdentity, StoreEnvironment } from "../store_environment.ts";
import { type Inventory, takeInventory } from "../store_inventory.ts";
import { manifestFolder, segmentFolder } from "../store_names.ts";
import { StagedSegment } from "../store_segments.ts";
import { countBits } from "../verify/accounting.ts";
import { openByRead } from "../verify/segment_files.ts";
import { moveAside } from "./move_aside.ts";
import { Salvage, type SalvagedDocument } from "./salvage.ts";
import type { LostDocument, Rebuild, SegmentPlan } from "./segment_plan.ts";

export interface SegmentRepairReport {
  /** Where damaged folders and manifests are now. */
  readonly aside: readonly string[];
  /** Undefined: another manifest takes over. */
  readonly rebuilt: {
    readonly manifest: number;
    readonly segments: readonly number[];
    readonly documents: number;
    readonly fromLog: number;
    readonly withoutVersion: number;
    readonly lost: readonly LostDocument[];
    /** Deletes and overwritings that nothing tells of any more: that many older documents may be back. */
    readonly forgotten: number;
    /** The replay starts behind it. */
    readonly checkpointSeqNo: number;
  } | undefined;
}

/** Memory of documents that a rebuilt segment is made from. */
const SEGMENT_BYTES = 128 * 1024 * 1024;
/** Whatever depth was allowed when a document came in. */
const MAX_JSON_DEPTH = 1000;

/** @throws {RequestError} 429 `disk_full`: nothing has changed. @throws {IoError} */
export async function repairSegments(
  environment: StoreEnvironment,
  directory: string,
  { identity, plan, manifests, pause }: {
    readonly identity: ShardIdentity;
    readonly plan: Pick<SegmentPlan, "aside" | "rebuild">;
    /** Paths of manifests that cannot be read. */
    readonly manifests: readonly string[];
    readonly pause: () => Promise<void>;
  },
): Promise<SegmentRepairReport> {
  const poison = new Poison(shardLabel(directory));
  const inventory = takeInventory(environment.fs, directory, { identity });
  const rebuilt = plan.rebuild &&
    await new Rebuilding(environment, directory, { inventory, poison, rebuild: plan.rebuild, pause }).run();
  const paths = [...plan.aside.map((number) => segmentFolder(directory, number)), ...manifests];
  return { aside: moveAside(environment.fs, directory, { paths, poison }), rebuilt };
}

class Rebuilding {
  readonly #environment: StoreEnvironment;
  readonly #directory: string;
  readonly #inventory: Inventory;
  readonly #poison: Poison;
  readonly #rebuild: Rebuild;
  readonly #pause: () => Promise<void>;
  readonly #mapping: Mapping;
  readonly #analyzers: AnalyzerSet;
  readonly #written: ManifestSegment[] = [];
  readonly #misfits: LostDocument[] = [];
  readonly #staged = new StagedDocument();
  /** Who is dead in the segments that stay; grows as overwritten documents are found. */
  readonly #dead: Map<number, Uint32Array>;
  #memtable: Memtable;
  #documents = 0;

  constructor(
    environment: StoreEnvironment,
    directory: string,
    { inventory, poison, rebuild, pause }: {
      readonly inventory: Inventory;
      readonly poison: Poison;
      readonly rebuild: Rebuild;
      readonly pause: () => Promise<void>;
    },
  ) {
    this.#environment = environment;
    this.#directory = directory;
    this.#inventory = inventory;
    this.#poison = poison;
    this.#rebuild = rebuild;
    this.#pause = pause;
    const { mapping, settings } = rebuild.manifest;
    this.#analyzers = AnalyzerSet.fromSettings(settings, "standard");
    this.#mapping = Mapping.fromStored(mapping, { maxFields: Infinity, analyzers: this.#analyzers });
    this.#memtable = this.#newMemtable();
    this.#dead = new Map([...rebuild.dead].map(([number, bits]) => [number, bits.slice()]));
  }

  async run(): Promise<SegmentRepairReport["rebuilt"]> {
    const { manifest, damaged, kept, checkpoint, history, lost, fromLog, withoutVersion } = this.#rebuild;
    const { fs, clock } = this.#environment;
    const closers: (() => void)[] = [];
    const salvages = damaged.map((entry) =>
      new Salvage(fs, segmentFolder(this.#directory, entry.number), entry)
    );
    closers.push(() => salvages.forEach((salvage) => salvage.close()));
    try {
      const older = this.#rebuild.forgotten.size === 0 ? [] : kept.map((entry) => {
        const open = openByRead(fs, segmentFolder(this.#directory, entry.number));
        closers.push(open.close);
        return { entry, reader: open.reader };
      });
      for (const salvage of salvages) await this.#takeIn(salvage, older);
      await this.#writeLast(salvages, older);
      const next: Manifest = {
        ...manifest,
        number: this.#inventory.next.manifest++,
        previous: manifest.number,
        createdMs: Math.max(0, Math.floor(clock.nowMs())),
        segments: [
          ...kept.map((entry) => ({ ...entry, liveDocs: this.#liveIn(entry) })),
          ...this.#written,
        ],
        checkpoint,
        history,
      };
      const name = manifestName(next.number);
      const bytes = encodeManifest(next);
      writeDurably(fs, manifestFolder(this.#directory), { name, bytes, poison: this.#poison });
      let forgotten = 0;
      for (const { number, docCount, liveDocs } of kept) {
        if (!this.#rebuild.forgotten.has(number)) continue;
        forgotten += docCount - countBits(this.#dead.get(number)!, docCount) - liveDocs;
      }
      for (const { number } of damaged) forgotten += this.#rebuild.forgotten.get(number) ?? 0;
      return {
        manifest: next.number,
        segments: this.#written.map(({ number }) => number),
        documents: this.#documents,
        fromLog,
        withoutVersion,
        lost: [...lost, ...this.#misfits],
        forgotten,
        checkpointSeqNo: checkpoint.seqNo,
      };
    } finally {
      for (const close of closers) close();
    }
  }

  /** Puts what can be read of a damaged segment into new ones. */
  async #takeIn(salvage: Salvage, kept: readonly KeptSegment[]): Promise<void> {
    const { number } = salvage.entry;
    const checked = this.#rebuild.forgotten.has(number) ? kept : [];
    let count = 0;
    for (const document of salvage.documents(this.#dead.get(number)!)) {
      if (++count % 256 === 0) await this.#pause();
      const { id, source, seqNo } = document;
      if (!id || !source || checked.some((other) => this.#newerIn(other, id, seqNo) >= 0)) continue;
      this.#add(number, { ...document, id, source });
      if (this.#memtable.sizeBytes < SEGMENT_BYTES || count % 1024 !== 0) continue;
      await this.#write(this.#build(), []);
      this.#memtable = this.#newMemtable();
    }
  }

  #add(segment: number, { doc, id, source, seqNo, version }: SalvagedDocument & Readable): void {
    const bytes = source.slice();
    this.#staged.reset(bytes);
    const { kind } = parseDocument(this.#mapping, bytes, 0, bytes.length, this.#staged, {
      maxDepth: MAX_JSON_DEPTH,
    });
    if (kind !== "ok") {
      this.#misfits.push({ id: utf8Text(id), seqNo, segment, doc });
      return;
    }
    const [number, edition] = seqNo < 0 || version < 0 ? [0, 1] : [seqNo, version];
    this.#memtable.add(this.#staged, id, 0, id.length, bytes, 0, bytes.length, number, edition, true);
    this.#documents++;
  }

  /** The last segment carries the deletes that the damaged ones carried, and those that were found out meanwhile. */
  async #writeLast(salvages: readonly Salvage[], kept: readonly KeptSegment[]): Promise<void> {
    const built = this.#memtable.docCount > 0 ? this.#build() : undefined;
    const lists = new Map<string, Set<number>>();
    const { kept: entries, forgotten } = this.#rebuild;
    for (const { tombstones } of salvages) {
      for (const { uuid, docs } of tombstones ?? []) {
        const list = lists.get(uuid) ?? new Set();
        lists.set(uuid, list);
        for (const doc of docs) list.add(doc);
      }
    }
    for (const each of kept) {
      if (!forgotten.has(each.entry.number)) continue;
      const list = lists.get(each.entry.uuid) ?? new Set();
      lists.set(each.entry.uuid, list);
      for (const doc of await this.#overwrittenIn(each, kept)) list.add(doc);
    }
    const tombstones = entries.flatMap(({ number, uuid, docCount }): Tombstones[] => {
      const docs = [...lists.get(uuid) ?? []].filter((doc) => doc < docCount);
      return docs.length === 0 ? [] : [{ segment: number, uuid, docs: Uint32Array.from(docs).sort() }];
    });
    if (!built && tombstones.length === 0) return;
    const uuid = randomUuid(this.#environment.random);
    await this.#write(built ?? buildSegmentNow(mergeInput([]).input, { uuid }), tombstones);
  }

  /** Live documents of a segment whose id is alive in another with a higher sequence number; marks them dead. */
  async #overwrittenIn(self: KeptSegment, kept: readonly KeptSegment[]): Promise<number[]> {
    const { fs } = this.#environment;
    const { docCount, number } = self.entry;
    const dead = this.#dead.get(number)!;
    const fresh = this.#written.map(({ number }) => openByRead(fs, segmentFolder(this.#directory, number)));
    const found: number[] = [];
    try {
      for (let doc = 0; doc < docCount; doc++) {
        if (doc % 256 === 0) await this.#pause();
        if ((dead[doc >>> 5]! & (1 << (doc & 31))) !== 0) continue;
        const id = utf8(self.reader.id(doc));
        const seqNo = seqNoOf(self.reader, doc);
        const isOld = kept.some((other) => other !== self && this.#newerIn(other, id, seqNo) >= 0) ||
          fresh.some(({ reader }) => reader.findId(id) >= 0) ||
          this.#memtable.find(id, 0, id.length) >= 0;
        if (!isOld) continue;
        found.push(doc);
        setBit(dead, doc);
      }
    } finally {
      for (const { close } of fresh) close();
    }
    return found;
  }

  /** Document of a segment that is alive, has the id, and is newer; -1: none. */
  #newerIn({ entry, reader }: KeptSegment, id: Uint8Array, seqNo: number): number {
    const doc = reader.findId(id);
    if (doc < 0 || (this.#dead.get(entry.number)![doc >>> 5]! & (1 << (doc & 31))) !== 0) return -1;
    return seqNoOf(reader, doc) > seqNo ? doc : -1;
  }

  #liveIn({ number, docCount }: ManifestSegment): number {
    return docCount - countBits(this.#dead.get(number)!, docCount);
  }

  #build(): BuiltSegment {
    return buildSegmentNow(this.#memtable.freeze(), { uuid: randomUuid(this.#environment.random) });
  }

  async #write(built: BuiltSegment, tombstones: readonly Tombstones[]): Promise<void> {
    const number = this.#inventory.next.segment++;
    const { fs } = this.#environment;
    const staged = new StagedSegment(fs, this.#directory, {
      number,
      poison: this.#poison,
      onDiscard: () => {},
    });
    try {
      const ids = finishIds(built.idsBody, { tombstones, bornDead: null });
      const files = {
        "segment.seg": await staged.write("segment.seg", [built.seg]),
        "segment.sidx": await staged.write("segment.sidx", [built.sidx]),
        "segment.ids": await staged.write("segment.ids", [built.idsBody.bytes, ids]),
      };
      await staged.publish();
      const { uuid, docCount } = built;
      this.#written.push({ number, uuid, docCount, liveDocs: docCount, files });
    } catch (error) {
      if (!this.#poison.cause) staged.discard();
      throw error;
    }
  }

  #newMemtable(): Memtable {
    return new Memtable({ mapping: this.#mapping, analyzers: this.#analyzers });
  }
}

interface KeptSegment {
  readonly entry: ManifestSegment;
  readonly reader: StoredSegment;
}

interface Readable {
  readonly id: Uint8Array;
  readonly source: Uint8Array;
}

function seqNoOf(reader: StoredSegment, doc: number): number {
  const cursor = reader.numeric("_seq_no")?.cursor();
  return cursor && cursor.gather(Uint32Array.of(doc), 1) === 1 ? cursor.values[0]! : -1;
}
