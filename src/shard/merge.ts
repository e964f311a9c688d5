/**
 * How do several segments become one? Their shard's writer captures who is durably alive in them, a merger thread builds
 * the files, the writer commits.
 *
 * Invariants
 * - Only deletes that files of the manifest hold are baked in. Those that only the log holds stay pending: they are
 *   carried over to the new segment's documents, and the next flush makes them durable.
 * - Deletes that a flush made durable while the files were built are the new segment's born dead.
 * - Deletes that the inputs carry for segments that stay, the new segment carries on.
 * - Documents in = documents out + deletes that came meanwhile, or the files are thrown away.
 * - Flushes wait for a capture and for a commit, never for a build. Writes wait for the swap in memory alone.
 *
 * @module
 */
import { assert, CorruptionError, IoError, RequestError } from "../base/errors.ts";
import { countBits, setBit } from "../base/bitset.ts";
import { randomUuid } from "../base/uuid.ts";
import type { ManifestSegment } from "../format/manifest.ts";
import { finishIds } from "../segment/ids_tail.ts";
import { type DocMap, DROPPED, newDoc } from "../segment/merge_parts.ts";
import type { SegmentReader, Tombstones } from "../segment/reader.ts";
import type { Rules } from "../wal/rules.ts";
import { mapSegment, unmapSegment } from "./images.ts";
import { allAlive, bitsOf, type LiveSegment } from "./live_segment.ts";
import type { BuiltMerge, MergeControl, MergeJob, MergeThreads } from "./merge_job.ts";
import type { MergePlan, PlannedSegment } from "./merge_plan.ts";
import { publishIfChanged } from "./refresh.ts";
import type { ShardState } from "./state.ts";
import type { StagedSegment } from "./store.ts";

export interface MergeReport {
  /** 0: nobody was alive, or the segment only changed its level. */
  readonly segmentsWritten: number;
  readonly inputs: number;
  readonly docs: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly throttledMs: number;
}

/** An input and who was durably alive in it when the merge began. */
interface CapturedInput {
  readonly segment: LiveSegment;
  readonly live: Uint32Array | null;
  readonly liveCount: number;
  /** Read at once: when all of its documents die meanwhile, a flush lets the segment go, and its memory with it. */
  readonly tombstones: readonly Tombstones[];
}

interface Begun {
  readonly inputs: readonly CapturedInput[];
  readonly staged: StagedSegment;
  readonly job: MergeJob;
  readonly release: () => void;
}

export interface MergeOptions {
  readonly plan: MergePlan;
  readonly threads: MergeThreads;
  readonly control: MergeControl;
}

const NOTHING_WRITTEN = { segmentsWritten: 0, docs: 0, bytesRead: 0, bytesWritten: 0, throttledMs: 0 };

/**
 * Carries out a plan. Nothing is lost when it fails: the inputs stay what they were.
 *
 * @returns Undefined when the inputs are not all there any more.
 * @throws {CorruptionError} An input is not as it was written; names the file.
 * @throws {RequestError} 429 `disk_full`, 503 `merge_cancelled`, 503 poisoned.
 * @throws {IoError}
 */
export async function runMerge(state: ShardState, options: MergeOptions): Promise<MergeReport | undefined> {
  const { plan, threads, control } = options;
  const begun = await state.flushes.take(() => state.turn.take(() => begin(state, plan, control)));
  if (begun === undefined) return undefined;
  if (begun === "done") {
    publishIfChanged(state);
    return { ...NOTHING_WRITTEN, inputs: plan.inputs.length };
  }
  const { staged, job, release, inputs } = begun;
  try {
    const built = await build(threads, { job, staged });
    const segmentsWritten = await state.flushes.take(() => commit(state, { ...options, begun, built }));
    const { docCount: docs, bytesRead, bytesWritten, throttledMs } = built;
    return { segmentsWritten, inputs: inputs.length, docs, bytesRead, bytesWritten, throttledMs };
  } finally {
    release();
  }
}

/** What a planner wants to know of the shard's segments, in their order. Those in `busy` are left out. */
export function plannedSegments(state: ShardState, busy: ReadonlySet<number>): PlannedSegment[] {
  const planned: PlannedSegment[] = [];
  const uuids = new Set<string>();
  for (const { home, reader } of state.segments) if (home.kind === "disk") uuids.add(reader.uuid);
  for (const { home, ref, reader, liveCount, pendingDeletes } of state.segments) {
    if (home.kind !== "disk" || busy.has(ref.number)) continue;
    planned.push({
      number: ref.number,
      sizeBytes: ref.sizeBytes,
      docs: reader.docCount,
      liveDocs: liveCount + pendingDeletes.length,
      carries: reader.tombstones.some(({ uuid }) => uuids.has(uuid)),
      level: home.entry.level,
      ...timeRangeOf(reader),
    });
  }
  return planned;
}

/** The field whose values say of which time a document is. */
const TIME_FIELD = "@timestamp";

export function timeRangeOf(reader: SegmentReader): Pick<PlannedSegment, "minTimeMs" | "maxTimeMs"> {
  const column = reader.numeric(TIME_FIELD);
  if (column?.min === undefined || column.max === undefined) return {};
  const { min, max } = column;
  // A `date_nanos` is wide.
  if (typeof min === "bigint") {
    return { minTimeMs: Number(min / 1_000_000n), maxTimeMs: Number((max as bigint) / 1_000_000n) };
  }
  return { minTimeMs: Math.floor(min), maxTimeMs: Math.floor(max as number) };
}

/** Fixes what is merged. The caller holds the flushes and the turn. */
function begin(state: ShardState, plan: MergePlan, control: MergeControl): Begun | "done" | undefined {
  const { onlyDurableDeletesBakedIn } = state.store.rules;
  const inputs: CapturedInput[] = [];
  for (const number of plan.inputs) {
    const segment = state.segments.find(({ ref, home }) => home.kind === "disk" && ref.number === number);
    if (!segment) return undefined;
    const alive = onlyDurableDeletesBakedIn ? durablyAlive(segment) : durablyAlive(segment, []);
    inputs.push({ segment, ...alive, tombstones: segment.reader.tombstones });
  }
  if (control.cancelled) return undefined;
  if (plan.kind === "move") {
    moveToLevel(state, inputs[0]!.segment, plan.level);
    return "done";
  }
  const alive = inputs.filter(({ liveCount }) => liveCount > 0);
  if (alive.length === 0 && carriedTombstones(state, inputs).length === 0) {
    dropInputs(state, inputs);
    return "done";
  }
  const { store, environment, names } = state;
  const staged = store.stageSegment(store.nextSegmentNumber());
  return {
    inputs,
    staged,
    release: store.holdSegments(plan.inputs),
    job: {
      id: `${names.incarnation}/${names.shard}/${staged.number}`,
      index: names.index,
      shard: names.shard,
      uuid: randomUuid(environment.random),
      stagedPath: staged.path,
      control: control.words,
      inputs: alive.map(({ segment: { ref, reader }, live }) => ({
        path: store.segmentPath(ref.number),
        uuid: reader.uuid,
        docCount: reader.docCount,
        sizeBytes: ref.sizeBytes,
        live,
      })),
    },
  };
}

async function build(
  threads: MergeThreads,
  { job, staged }: { readonly job: MergeJob; readonly staged: StagedSegment },
): Promise<BuiltMerge> {
  try {
    return await threads.build(job);
  } catch (error) {
    // A read that failed says nothing about the disk that is written to, and the input is named.
    if (error instanceof IoError && error.path.startsWith(staged.path)) staged.failed(error);
    staged.discard();
    throw error;
  }
}

/** Puts the new segment in the place of its inputs. The caller holds the flushes. @returns Segments written. */
async function commit(
  state: ShardState,
  { plan, threads, control, begun, built }: MergeOptions & {
    readonly begun: Begun;
    readonly built: BuiltMerge;
  },
): Promise<number> {
  const { inputs, staged, job } = begun;
  const { environment, store } = state;
  let written: ManifestSegment;
  let fresh: LiveSegment;
  try {
    if (control.cancelled) {
      throw new RequestError("the merge was given up", { status: 503, type: "merge_cancelled" });
    }
    const maps = mapsOf(inputs, built);
    const { tombstonesRemapped, onlyDurableDeletesBakedIn } = store.rules;
    const bornDead = tombstonesRemapped ? diedDurably(inputs, maps, built.docCount) : null;
    const dead = bornDead ? countBits(bornDead) : 0;
    if (tombstonesRemapped && onlyDurableDeletesBakedIn) checkAccounts(inputs, built.docCount, dead);
    const tombstones = carriedTombstones(state, inputs);
    if (built.docCount === dead && tombstones.length === 0) {
      await threads.digest(job.id, undefined);
      await state.turn.take(() => dropInputs(state, inputs));
      staged.discard();
      publishIfChanged(state);
      return 0;
    }
    const tail = finishIds(built.ids, { tombstones, bornDead });
    const sha256 = await threads.digest(job.id, tail);
    staged.adopt("segment.seg");
    staged.adopt("segment.sidx");
    await staged.append("segment.ids", { sizeBytes: built.idsBytes, tail });
    await staged.publish();
    written = {
      number: staged.number,
      uuid: job.uuid,
      docCount: built.docCount,
      liveDocs: built.docCount - dead,
      files: {
        "segment.seg": built.seg,
        "segment.sidx": built.sidx,
        "segment.ids": { sizeBytes: built.idsBytes + tail.length, sha256 },
      },
      ...(plan.level > 0 ? { level: plan.level } : {}),
    };
    // Mapped before it is published: what cannot be opened must not be named.
    fresh = mapSegment(environment, store.segmentPath(written.number), written);
    checkFresh(fresh, written);
    const times = timeRangeOf(fresh.reader);
    if (times.minTimeMs !== undefined) Object.assign(written, times);
  } catch (error) {
    staged.discard();
    throw error;
  }
  try {
    publishReplacing(state, inputs, written);
  } catch (error) {
    unmapSegment(fresh);
    // When the shard is poisoned nobody knows whether a manifest names it: it stays.
    if (!store.poisoned) staged.discard();
    throw error;
  }
  await state.turn.take(() => {
    if (store.rules.tombstonesRemapped) {
      carryPending(inputs, mapsOf(inputs, built), { fresh, rules: store.rules });
    }
    swap(state, inputs, fresh);
  });
  publishIfChanged(state);
  return 1;
}

/** Without the deletes that only the log holds. */
function durablyAlive(
  segment: LiveSegment,
  pendingDeletes: readonly number[] = segment.pendingDeletes,
): { readonly live: Uint32Array | null; readonly liveCount: number } {
  const { live, liveCount, reader } = segment;
  const count = liveCount + pendingDeletes.length;
  if (live === null || count === reader.docCount) return { live: null, liveCount: reader.docCount };
  const copy = new Uint32Array(new SharedArrayBuffer(live.byteLength));
  copy.set(live);
  for (const doc of pendingDeletes) setBit(copy, doc);
  return { live: copy, liveCount: count };
}

const NOWHERE: DocMap = { base: -1, docs: new Uint32Array(0) };

/** Old doc -> new doc for each input; those in which nobody was alive were not read. */
function mapsOf(inputs: readonly CapturedInput[], { docMaps }: BuiltMerge): readonly DocMap[] {
  let next = 0;
  const maps = inputs.map(({ liveCount }) => liveCount > 0 ? docMaps[next++]! : NOWHERE);
  assert(next === docMaps.length, "there is a map for each input that was read");
  return maps;
}

/** Documents of the new segment whose deletes a flush made durable while it was built. */
function diedDurably(
  inputs: readonly CapturedInput[],
  maps: readonly DocMap[],
  docCount: number,
): Uint32Array | null {
  let dead: Uint32Array | null = null;
  inputs.forEach(({ segment, live: before, liveCount }, i) => {
    if (liveCount === 0) return;
    const now = durablyAlive(segment);
    if (now.liveCount === liveCount || now.live === null) return;
    const { docCount: docs } = segment.reader;
    const died = before === null ? allAlive(docs) : Uint32Array.from(before);
    for (let word = 0; word < died.length; word++) died[word]! &= ~now.live[word]!;
    for (const doc of bitsOf(died, docs)) {
      const target = newDoc(maps[i]!, doc);
      assert(target !== DROPPED, "who was alive has a place in the new segment");
      dead ??= new Uint32Array((docCount + 31) >>> 5);
      setBit(dead, target);
    }
  });
  return dead;
}

/** Invariant: nothing is lost and nothing comes twice. */
function checkAccounts(inputs: readonly CapturedInput[], docCount: number, dead: number): void {
  const before = inputs.reduce((sum, { liveCount }) => sum + liveCount, 0);
  const now = inputs.reduce((sum, { segment }) => sum + durablyAlive(segment).liveCount, 0);
  assert(
    before === docCount && now === docCount - dead,
    `a merge's documents balance: ${before} in, ${docCount} out; of them ${dead} died meanwhile, and ${now} are left`,
  );
}

function checkFresh(
  { reader, liveCount }: LiveSegment,
  { number, uuid, docCount, liveDocs }: ManifestSegment,
): void {
  if (reader.uuid === uuid && reader.docCount === docCount && liveCount === liveDocs) return;
  throw new CorruptionError(
    `Cannot open merged segment ${number}: uuid ${reader.uuid}, ${reader.docCount} documents, ${liveCount} alive; ` +
      `written were ${uuid}, ${docCount}, ${liveDocs}`,
  );
}

/** What the inputs say of the dead in segments that stay. */
function carriedTombstones(state: ShardState, inputs: readonly CapturedInput[]): Tombstones[] {
  if (!state.store.rules.tombstonesCarried) return [];
  const merged = new Set(inputs.map(({ segment }) => segment));
  const carried: Tombstones[] = [];
  for (const stays of state.segments) {
    if (stays.home.kind !== "disk" || merged.has(stays)) continue;
    const { uuid } = stays.reader;
    const docs = new Set<number>();
    for (const { tombstones } of inputs) {
      for (const one of tombstones) if (one.uuid === uuid) { for (const doc of one.docs) docs.add(doc); }
    }
    if (docs.size > 0) {
      carried.push({ segment: stays.ref.number, uuid, docs: Uint32Array.from(docs).sort() });
    }
  }
  return carried;
}

/** Deletes that only the log holds go on being pending, in the new segment. The caller holds the turn. */
function carryPending(
  inputs: readonly CapturedInput[],
  maps: readonly DocMap[],
  { fresh, rules }: { readonly fresh: LiveSegment; readonly rules: Rules },
): void {
  inputs.forEach(({ segment }, i) => {
    for (const doc of segment.pendingDeletes) {
      const target = newDoc(maps[i]!, doc);
      if (rules.onlyDurableDeletesBakedIn || target !== DROPPED) fresh.kill(target);
    }
  });
}

/** The current manifest with `written` in the place of the first input. */
function publishReplacing(
  { store }: ShardState,
  inputs: readonly CapturedInput[],
  written: ManifestSegment | undefined,
): void {
  const { segments: before, checkpoint, mapping, mappingVersion, settings } = store.manifest;
  const numbers = new Set(inputs.map(({ segment }) => segment.ref.number));
  const segments: ManifestSegment[] = [];
  let placed = written === undefined;
  for (const entry of before) {
    if (!numbers.has(entry.number)) {
      segments.push(entry);
    } else if (!placed) {
      segments.push(written!);
      placed = true;
    }
  }
  // All inputs may have died, and gone, while the merge was running.
  if (!placed) segments.push(written!);
  store.publish({ segments, checkpoint, mapping, mappingVersion, settings });
}

/** The inputs go without anything in their place. The caller holds the turn. */
function dropInputs(state: ShardState, inputs: readonly CapturedInput[]): void {
  publishReplacing(state, inputs, undefined);
  swap(state, inputs, undefined);
}

/** Swaps in memory. The caller holds the turn. */
function swap(state: ShardState, inputs: readonly CapturedInput[], fresh: LiveSegment | undefined): void {
  const gone = new Set(inputs.map(({ segment }) => segment));
  const at = state.segments.findIndex((segment) => gone.has(segment));
  const kept = state.segments.filter((segment) => !gone.has(segment));
  for (const segment of state.segments) if (gone.has(segment)) state.retired.set(segment.ref.key, segment);
  if (fresh) {
    const diskCount = kept.filter(({ home }) => home.kind === "disk").length;
    kept.splice(at < 0 ? diskCount : Math.min(at, diskCount), 0, fresh);
  }
  state.segments = kept;
  state.segmentsChanged = true;
}

/** Only the manifest says of which level a segment is. The caller holds the turn. */
function moveToLevel({ store }: ShardState, segment: LiveSegment, level: number): void {
  const { segments: before, checkpoint, mapping, mappingVersion, settings } = store.manifest;
  const segments = before.map((entry) => entry.number === segment.ref.number ? { ...entry, level } : entry);
  store.publish({ segments, checkpoint, mapping, mappingVersion, settings });
  segment.setLevel(level);
}

/** Free space that a merge of `inputs` needs at most. */
export function spaceNeeded(inputs: readonly PlannedSegment[]): number {
  let bytes = 0;
  for (const { sizeBytes, docs, liveDocs } of inputs) {
    if (docs > 0) bytes += Math.ceil(sizeBytes * liveDocs / docs);
  }
  return Math.ceil(bytes * SPACE_MARGIN);
}

/** A merged segment is mostly smaller than its inputs; what waits for its turn lies on the disk meanwhile. */
const SPACE_MARGIN = 1.3;
