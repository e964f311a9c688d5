/**
 * What becomes of a shard whose segments are damaged? In this order: another retained manifest that does not name them
 * and the log behind it; else the documents that can still be read, and what the log has of the others. Plans only.
 *
 * Why a replay from further back is right: an operation of the log is applied only when its sequence number exceeds
 * that of the document that is there, and the log is whole from where the replay starts up to its end. So every id
 * whose last operation lies in the log comes out as that operation left it, whatever the segments say of it.
 *
 * @module
 */
import { setBit } from "../../base/bitset.ts";
import { utf8Text } from "../../base/bytes.ts";
import { manifestName } from "../../format/file_names.ts";
import type { Checkpoint, Manifest, ManifestSegment } from "../../format/manifest.ts";
import type { History } from "../../format/history.ts";
import { takeInventory } from "../store_inventory.ts";
import type { ShardIdentity } from "../store_environment.ts";
import { segmentFolder } from "../store_names.ts";
import { countBits } from "../verify/accounting.ts";
import { readOnly, type VerifyEnvironment } from "../verify/environment.ts";
import type { ShardFiles } from "../verify/shard_files.ts";
import { damagedSegments, decideAmong, earliestReplay } from "./candidates.ts";
import { Salvage } from "./salvage.ts";
import { segmentCorrections } from "./corrections.ts";
import { idsOfLog } from "./log_ids.ts";

/** A document that cannot be read any more and is not in the log. */
export interface LostDocument {
  /** "": its id cannot be read either. */
  readonly id: string;
  /** -1: cannot be read. */
  readonly seqNo: number;
  readonly segment: number;
  readonly doc: number;
}

export interface Rebuild {
  /** The manifest whose place the new one takes. */
  readonly manifest: Manifest;
  readonly damaged: readonly ManifestSegment[];
  readonly kept: readonly ManifestSegment[];
  /** Where the replay starts: the manifest's own checkpoint when nothing has to come from the log. */
  readonly checkpoint: Checkpoint;
  readonly history: History;
  /** Dead documents of each segment, by number; bit set: dead. */
  readonly dead: ReadonlyMap<number, Uint32Array>;
  readonly lost: readonly LostDocument[];
  /** Documents that could not be read and come back out of the log. */
  readonly fromLog: number;
  /** Documents that are rebuilt, though with a version and a sequence number of 1 and 0. */
  readonly withoutVersion: number;
  /** Deletes and overwritings that no file tells of any more, by segment: that many older documents may be back. */
  readonly forgotten: ReadonlyMap<number, number>;
}

export interface SegmentPlan {
  readonly kind: "aside" | "fallback" | "correct" | "rebuild" | "impossible";
  readonly lost: string;
  readonly next: string;
  /** Segments to be moved aside. */
  readonly aside: readonly number[];
  readonly rebuild?: Rebuild;
}

export async function planSegmentRepair(
  environment: VerifyEnvironment,
  directory: string,
  { identity, files }: { readonly identity: ShardIdentity; readonly files: ShardFiles },
): Promise<SegmentPlan> {
  const store = readOnly(environment);
  const inventory = takeInventory(environment.fs, directory, { identity });
  const damaged = damagedSegments(files);
  const aside = [...damaged].filter((number) => files.segments.has(number));
  const naming = ({ segments }: Manifest) => segments.some(({ number }) => damaged.has(number));
  const asItIs = decideAmong(store, inventory, (manifest) => manifest);
  const without = decideAmong(store, inventory, (manifest) => naming(manifest) ? undefined : manifest);
  if (without) {
    const name = manifestName(without.opened.number);
    const isUsed = asItIs?.opened.number === without.opened.number;
    return {
      kind: isUsed ? "aside" : "fallback",
      lost: `nothing: ${name}, which does not name the segment, and the log behind it hold everything`,
      next: `${REPAIR} moves the segment aside` + (isUsed ? "" : `, so that ${name} is opened`),
      aside,
    };
  }
  const { corrections, whole } = segmentCorrections(environment.fs, directory, { files, damaged });
  if ([...damaged].every((number) => whole.has(number) || !isNeeded(asItIs?.opened.manifest, number))) {
    const bits = corrections.reduce((sum, each) => sum + each.bits.length, 0);
    return {
      kind: "correct",
      lost: "nothing: checksums tell which bit has turned over, and the manifest's sha256 proves it",
      next: `${REPAIR} turns ${
        bits === 1 ? "the bit" : `${bits} bits`
      } back; look at the disk and the memory, too`,
      aside: aside.filter((number) => !whole.has(number)),
    };
  }
  const base = decideAmong(store, inventory, (manifest) => ({
    ...manifest,
    segments: manifest.segments.filter(({ number }) => !damaged.has(number)),
  }));
  const manifest = files.manifests.find(({ number }) => number === base?.opened.number);
  if (!base || manifest?.kind !== "ok") {
    return {
      kind: "impossible",
      lost: "this shard, as neither a manifest nor the log is whole without the segment",
      next: "restore this index from a backup",
      aside,
    };
  }
  const rebuild = await planRebuild(environment, directory, {
    manifest: manifest.manifest,
    earliest: earliestReplay(store, inventory, base),
    end: base.recovered.seqNo,
    chain: inventory.generations,
    history: base.history,
    damaged,
    files,
  });
  return { kind: "rebuild", ...describe(rebuild), aside, rebuild };
}

/** Without a manifest that opens, every one is. */
function isNeeded(manifest: Manifest | undefined, number: number): boolean {
  return !manifest || manifest.segments.some((segment) => segment.number === number);
}

const REPAIR = "with the server stopped, `xerj verify --repair`";

async function planRebuild(
  environment: VerifyEnvironment,
  directory: string,
  { manifest, earliest, end, chain, history, damaged, files }: {
    readonly manifest: Manifest;
    readonly earliest: Checkpoint;
    readonly end: number;
    readonly chain: ReturnType<typeof takeInventory>["generations"];
    readonly history: History;
    readonly damaged: ReadonlySet<number>;
    readonly files: ShardFiles;
  },
): Promise<Rebuild> {
  const { fs, progress } = environment;
  const bad = manifest.segments.filter(({ number }) => damaged.has(number));
  const kept = manifest.segments.filter(({ number }) => !damaged.has(number));
  const salvages = bad.map((entry) => new Salvage(fs, segmentFolder(directory, entry.number), entry));
  try {
    const dead = deadOf(manifest, { kept, salvages, files });
    const unread: LostDocument[] = [];
    const forgotten = new Map<number, number>();
    let withoutVersion = 0;
    for (const entry of manifest.segments) {
      const bits = dead.get(entry.number)!;
      const more = entry.docCount - countBits(bits, entry.docCount) - entry.liveDocs;
      if (more > 0) forgotten.set(entry.number, more);
    }
    for (const salvage of salvages) {
      let count = 0;
      for (const { doc, id, source, seqNo } of salvage.documents(dead.get(salvage.entry.number)!)) {
        if (++count % 256 === 0) await progress.pause();
        if (id && source) {
          if (seqNo < 0) withoutVersion++;
          continue;
        }
        unread.push({ id: id ? utf8Text(id) : "", seqNo, segment: salvage.entry.number, doc });
      }
    }
    const needsLog = (unread.length > 0 || forgotten.size > 0) && earliest.lsn < manifest.checkpoint.lsn;
    const inLog = needsLog
      ? await idsOfLog(fs, chain, {
        from: earliest.seqNo,
        to: end,
        wanted: new Set(unread.map(({ id }) => id)),
        progress,
      })
      : undefined;
    const lost = unread.filter(({ id, seqNo }) =>
      !inLog || !(seqNo > earliest.seqNo || (id !== "" && inLog.has(id)))
    );
    return {
      manifest,
      damaged: bad,
      kept,
      checkpoint: needsLog ? earliest : manifest.checkpoint,
      history,
      dead,
      lost,
      fromLog: unread.length - lost.length,
      withoutVersion,
      forgotten,
    };
  } finally {
    for (const salvage of salvages) salvage.close();
  }
}

/** Who is dead, by segment number, as far as deletes can be read. */
function deadOf(
  manifest: Manifest,
  { kept, salvages, files }: {
    readonly kept: readonly ManifestSegment[];
    readonly salvages: readonly Salvage[];
    readonly files: ShardFiles;
  },
): Map<number, Uint32Array> {
  const contents = kept.map(({ number }) => files.segments.get(number)!.content!);
  const lists = [
    ...contents.flatMap(({ tombstones }) => tombstones),
    ...salvages.flatMap(({ tombstones }) => tombstones ?? []),
  ];
  const dead = new Map<number, Uint32Array>();
  for (const { number, uuid, docCount } of manifest.segments) {
    const bits = new Uint32Array((docCount + 31) >>> 5);
    const salvage = salvages.find(({ entry }) => entry.number === number);
    const born = salvage ? salvage.bornDead : files.segments.get(number)!.content!.bornDead;
    if (born) bits.set(born.subarray(0, bits.length));
    if (salvage && !salvage.bornDead) salvage.markOverwritten(bits);
    for (const list of lists) {
      if (list.uuid !== uuid) continue;
      for (const doc of list.docs) if (doc < docCount) setBit(bits, doc);
    }
    dead.set(number, bits);
  }
  return dead;
}

/** Ids named in a sentence; a repair lists them all. */
const NAMED_IDS = 10;

export function describe({ lost, forgotten, fromLog, withoutVersion, checkpoint }: Rebuild): {
  readonly lost: string;
  readonly next: string;
} {
  const parts: string[] = [];
  if (lost.length > 0) parts.push(describeLost(lost));
  let back = 0;
  for (const count of forgotten.values()) back += count;
  if (back > 0) {
    parts.push(
      `up to ${back} deletes or overwritings up to sequence number ${checkpoint.seqNo}: older documents may be back`,
    );
  }
  const log = fromLog > 0 ? ` and ${fromLog} documents out of the log` : "";
  const versions = withoutVersion > 0 ? `; ${withoutVersion} documents lose their version` : "";
  return {
    lost: parts.length === 0 ? "nothing, once it is repaired" : parts.join("; "),
    next: `${REPAIR} rebuilds the segment from its sound pages${log}${versions}`,
  };
}

function describeLost(lost: readonly LostDocument[]): string {
  const named = lost.filter(({ id }) => id !== "").slice(0, NAMED_IDS).map(({ id }) => id);
  const seqNos = lost.map(({ seqNo }) => seqNo).filter((seqNo) => seqNo >= 0);
  const range = seqNos.length === 0
    ? ""
    : `, sequence numbers ${seqNos.reduce((a, b) => Math.min(a, b))} to ${
      seqNos.reduce((a, b) => Math.max(a, b))
    }`;
  const ids = named.length === 0 ? "" : `: ${named.join(", ")}${lost.length > named.length ? ", ..." : ""}`;
  return `${lost.length} documents${range}${ids}`;
}
