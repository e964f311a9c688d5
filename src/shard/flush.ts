/**
 * How do writes get out of the log and into segments on disk?
 *
 * A flush captures, in one turn, a checkpoint and who is dead at it; builds whatever is still in the memtable; joins
 * the memory segments into one; writes it, with the tombstones of the captured deletes, under a staged name; publishes
 * a manifest; and swaps the mapped segment for the memory ones. Deletes that come meanwhile are not baked in: the log
 * behind the checkpoint has them (`protocol`: a flush must not make a delete more durable than the write that caused
 * it).
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { Checkpoint, ManifestSegment } from "../format/manifest.ts";
import type { BuiltSegment } from "../segment/builder.ts";
import { finishIds } from "../segment/ids_tail.ts";
import { mergeInput } from "../segment/merge_input.ts";
import { type DocMap, newDoc } from "../segment/merge_parts.ts";
import type { Tombstones } from "../segment/reader.ts";
import { mapSegment, SEGMENT_FILES, unmapSegment } from "./images.ts";
import { allAlive, bitsOf, type LiveSegment } from "./live_segment.ts";
import { buildFrozen, drive, freeze, newMemtable, publishIfChanged } from "./refresh.ts";
import { logMapping, noteUnflushed } from "./write.ts";
import type { FrozenMemtable, ShardState } from "./state.ts";

export interface FlushReport {
  /** Segments written: 0 or 1. */
  readonly segmentsWritten: number;
  /** LSN up to which everything of this shard is in segments. */
  readonly checkpointLsn: number;
  readonly bytesWritten: number;
}

/** A memory segment and who was alive in it at the checkpoint. */
interface CapturedPart {
  readonly segment: LiveSegment;
  readonly live: Uint32Array | null;
  readonly liveCount: number;
}

interface Capture {
  readonly checkpoint: Checkpoint;
  readonly frozen: FrozenMemtable | undefined;
  readonly parts: CapturedPart[];
  /** Disk segments with the deletes that no file held; for those that are kept, the new one carries them. */
  readonly deletes: readonly { readonly segment: LiveSegment; readonly docs: readonly number[] }[];
  /** Disk segments as the manifest will list them: those with anybody alive. */
  readonly kept: readonly { readonly segment: LiveSegment; readonly liveCount: number }[];
  /** Disk segments without anybody alive, which the manifest will not list. */
  readonly dropped: readonly LiveSegment[];
}

/** A log with this much in its active generation rolls at a flush, else what is in segments stays in the log. */
const ROLL_AT_FLUSH_BYTES = 64 * 1024 * 1024;

/**
 * Puts everything that was applied before this call into segments on disk.
 *
 * @param requested Roll the log too, so that the whole of it can be released.
 * @throws {IoError | RequestError | CorruptionError} Nothing is lost: the log still has it all.
 */
export function flush(
  state: ShardState,
  { requested }: { readonly requested: boolean },
): Promise<FlushReport> {
  return state.flushes.take(async () => {
    // Its folder and its numbers may be another index's by now.
    if (state.closed) return { segmentsWritten: 0, checkpointLsn: state.store.position.lsn, bytesWritten: 0 };
    const captured = await state.maintenance.take(async () => {
      const capture = await state.turn.take(() => captureState(state, requested));
      return capture ? { capture, parts: await buildCaptured(state, capture) } : undefined;
    });
    if (!captured) return { segmentsWritten: 0, checkpointLsn: state.store.position.lsn, bytesWritten: 0 };
    const { capture, parts } = captured;
    try {
      const report = await writeCapture(state, capture, parts);
      state.flushFailure = undefined;
      state.flushesTotal++;
      return report;
    } catch (error) {
      state.flushFailure = error instanceof Error ? error : new Error(String(error));
      // The tombstones that no file holds after all are due with the next flush, before those that came since.
      for (const { segment, docs } of capture.deletes) {
        segment.pendingDeletes = [...docs, ...segment.pendingDeletes];
      }
      // And so is all else, though no write may come to ask for it.
      noteUnflushed(state);
      throw error;
    }
  });
}

/** Whether a flush would find anything to do. */
export function hasUnflushed(state: ShardState): boolean {
  return state.unflushedSinceMs !== 0 || state.mappingUnlogged || state.memtable.docCount > 0 ||
    state.frozen !== undefined ||
    state.segments.some(({ home, pendingDeletes }) => home.kind === "memory" || pendingDeletes.length > 0);
}

function captureState(state: ShardState, requested: boolean): Capture | undefined {
  const { store } = state;
  if (!hasUnflushed(state)) {
    const behind = store.position.lsn > store.manifest.checkpoint.lsn ||
      (requested && store.position.generation > store.manifest.checkpoint.generation);
    if (!behind) return undefined;
  }
  store.ensureRun();
  if (state.mappingUnlogged) logMapping(state);
  if (requested || store.position.bytes > ROLL_AT_FLUSH_BYTES) store.roll();
  const { generation, lsn, seqNo } = store.position;
  const frozen = freeze(state);
  // Without documents the memtable may still hold tombstones, which the captured deletes make durable.
  if (!frozen) state.memtable = newMemtable(state);
  const parts: CapturedPart[] = [];
  const deletes: { segment: LiveSegment; docs: number[] }[] = [];
  const kept: { segment: LiveSegment; liveCount: number }[] = [];
  const dropped: LiveSegment[] = [];
  for (const segment of state.segments) {
    const { liveCount } = segment;
    if (segment.home.kind === "memory") {
      parts.push({ segment, live: segment.live?.slice() ?? null, liveCount });
    } else if (liveCount === 0) {
      dropped.push(segment);
    } else {
      kept.push({ segment, liveCount });
    }
    // Those of dropped segments too: if the flush fails, a merge must not take these documents for durably dead.
    if (segment.pendingDeletes.length > 0) deletes.push({ segment, docs: segment.pendingDeletes });
    segment.pendingDeletes = [];
  }
  state.unflushedSinceMs = 0;
  return { checkpoint: { generation, lsn, seqNo }, frozen, parts, deletes, kept, dropped };
}

/** The memory segments of the checkpoint, the memtable's own among them. */
async function buildCaptured(state: ShardState, capture: Capture): Promise<readonly CapturedPart[]> {
  if (!capture.frozen) return capture.parts;
  // As of the checkpoint: whoever died in it since is in `killed`.
  const bornDead = capture.frozen.memtable.bornDead();
  const segment = await buildFrozen(state, capture.frozen);
  const live = bornDead ? without(allAlive(segment.reader.docCount), bornDead) : null;
  publishIfChanged(state);
  return [...capture.parts, { segment, live, liveCount: live ? count(live) : segment.reader.docCount }];
}

async function writeCapture(
  state: ShardState,
  capture: Capture,
  parts: readonly CapturedPart[],
): Promise<FlushReport> {
  const joined = await joinParts(state, parts);
  const tombstones = tombstonesOf(capture);
  const { store, environment } = state;
  let written: ManifestSegment | undefined;
  let bytesWritten = 0;
  if (joined || tombstones.length > 0) {
    const built = joined?.built ?? await drive(environment, mergeInput([]).input);
    written = await writeSegment(state, built, { tombstones, bornDead: joined?.bornDead ?? null });
    bytesWritten = SEGMENT_FILES.reduce((sum, file) => sum + written!.files[file].sizeBytes, 0);
  }
  if (store.rules.walBeforeManifest) await store.syncAsync();
  const segments = capture.kept.map(({ segment, liveCount }): ManifestSegment => {
    assert(segment.home.kind === "disk", "kept segments are on disk");
    return { ...segment.home.entry, liveDocs: liveCount };
  });
  const { mapping, settings } = state;
  // Mapped before it is published: what cannot be opened must not be named.
  const fresh = written ? mapSegment(environment, store.segmentPath(written.number), written) : undefined;
  try {
    store.publish({
      segments: written ? [...segments, written] : segments,
      checkpoint: capture.checkpoint,
      mapping: mapping.toStored(),
      mappingVersion: mapping.version,
      settings,
    });
  } catch (error) {
    if (fresh) unmapSegment(fresh);
    throw error;
  }
  await state.turn.take(() => install(state, { capture, parts, fresh, docMaps: joined?.docMaps }));
  publishIfChanged(state);
  return { segmentsWritten: fresh ? 1 : 0, checkpointLsn: capture.checkpoint.lsn, bytesWritten };
}

interface Joined {
  readonly built: BuiltSegment;
  readonly bornDead: Uint32Array | null;
  /** Per part: old doc -> new doc, or undefined where they are the same. */
  readonly docMaps: readonly (DocMap | undefined)[];
}

/** More dead documents than this share are dropped by a rebuild rather than written as born dead. */
const REBUILD_DEAD_SHARE = 0.2;

/** One segment out of all parts; the bytes of a single one are used as they are. */
async function joinParts(state: ShardState, parts: readonly CapturedPart[]): Promise<Joined | undefined> {
  const alive = parts.filter(({ liveCount }) => liveCount > 0);
  if (alive.length === 0) return undefined;
  const only = alive[0]!;
  const { docCount } = only.segment.reader;
  if (alive.length === 1 && docCount - only.liveCount <= docCount * REBUILD_DEAD_SHARE) {
    assert(only.segment.home.kind === "memory", "parts are in memory");
    const bornDead = only.live ? without(allAlive(docCount), only.live) : null;
    const docMaps = parts.map((part) => part === only ? undefined : NOWHERE);
    return { built: only.segment.home.built, bornDead, docMaps };
  }
  const { input, docMaps } = mergeInput(alive.map(({ segment: { reader }, live }) => ({ reader, live })));
  const built = await drive(state.environment, input);
  let next = 0;
  return {
    built,
    bornDead: null,
    docMaps: parts.map((part) => alive.includes(part) ? docMaps[next++]! : NOWHERE),
  };
}

/** Map of a part nobody of which was alive. */
const NOWHERE: DocMap = { base: -1, docs: new Uint32Array(0) };

/** The captured deletes, and those for kept segments that only a dropped one has carried so far. */
function tombstonesOf({ deletes, kept, dropped }: Capture): Tombstones[] {
  const pending = new Map(deletes.map(({ segment, docs }) => [segment, docs]));
  const tombstones: Tombstones[] = [];
  for (const { segment } of kept) {
    const { uuid } = segment.reader;
    const docs = new Set(pending.get(segment));
    for (const { reader } of dropped) {
      for (const carried of reader.tombstones) {
        if (carried.uuid === uuid) { for (const doc of carried.docs) docs.add(doc); }
      }
    }
    if (docs.size > 0) {
      tombstones.push({ segment: segment.ref.number, uuid, docs: Uint32Array.from(docs).sort() });
    }
  }
  return tombstones;
}

async function writeSegment(
  state: ShardState,
  built: BuiltSegment,
  last: { readonly tombstones: readonly Tombstones[]; readonly bornDead: Uint32Array | null },
): Promise<ManifestSegment> {
  const { store, environment } = state;
  const number = store.nextSegmentNumber();
  const staged = store.stageSegment(number);
  const ids = [built.idsBody.bytes, finishIds(built.idsBody, last)];
  const pieces: Record<string, Uint8Array[]> = {
    "segment.seg": [built.seg],
    "segment.sidx": [built.sidx],
    "segment.ids": ids,
  };
  const files: Record<string, { sizeBytes: number; sha256: string }> = {};
  try {
    for (const name of SEGMENT_FILES) {
      files[name] = await staged.write(name, pieces[name]!, environment.pause);
    }
    await staged.publish();
  } catch (error) {
    staged.discard();
    throw error;
  }
  const dead = last.bornDead ? count(last.bornDead) : 0;
  return {
    number,
    uuid: built.uuid,
    docCount: built.docCount,
    liveDocs: built.docCount - dead,
    files: files as ManifestSegment["files"],
  };
}

/** Swaps the new segment for the parts that it was made of. The caller holds the turn. */
function install(
  state: ShardState,
  { capture, parts, fresh, docMaps }: {
    readonly capture: Capture;
    readonly parts: readonly CapturedPart[];
    readonly fresh: LiveSegment | undefined;
    readonly docMaps: readonly (DocMap | undefined)[] | undefined;
  },
): void {
  parts.forEach(({ segment, live }, i) => {
    if (!fresh || !docMaps) return;
    const docMap = docMaps[i];
    for (const doc of diedSince(segment, live)) fresh.kill(docMap ? newDoc(docMap, doc) : doc);
  });
  const gone = new Set<LiveSegment>([...parts.map(({ segment }) => segment), ...capture.dropped]);
  const disk = state.segments.filter((segment) => segment.home.kind === "disk" && !gone.has(segment));
  const memory = state.segments.filter((segment) => segment.home.kind === "memory" && !gone.has(segment));
  state.segments = [...disk, ...(fresh ? [fresh] : []), ...memory];
  for (const segment of gone) state.retired.set(segment.ref.key, segment);
  state.segmentsChanged = true;
}

function* diedSince(segment: LiveSegment, captured: Uint32Array | null): Generator<number> {
  if (segment.live === null) return;
  const { docCount } = segment.reader;
  yield* bitsOf(without(captured ?? allAlive(docCount), segment.live), docCount);
}

/** a and not b. */
function without(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = a.slice();
  for (let i = 0; i < out.length; i++) out[i]! &= ~b[i]!;
  return out;
}

function count(bits: Uint32Array): number {
  let total = 0;
  for (let word of bits) {
    word -= (word >>> 1) & 0x5555_5555;
    word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
    total += Math.imul((word + (word >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
  }
  return total;
}
