/**
 * How does a write become visible? A refresh freezes the memtable, builds a segment of it in shared memory and
 * publishes a snapshot. Writes go on meanwhile: the shard's turn is held only to swap and to install.
 *
 * @module
 */
import { Memtable } from "../memtable/memtable.ts";
import { buildSegment, type BuiltSegment } from "../segment/builder.ts";
import { randomUuid } from "../base/uuid.ts";
import type { SegmentInput } from "../segment/input.ts";
import { allocateShared, memorySegment } from "./images.ts";
import type { LiveSegment } from "./live_segment.ts";
import type { ShardSnapshot } from "./snapshot.ts";
import type { FrozenMemtable, ShardEnvironment, ShardState } from "./state.ts";

/** How long a build runs before it lets others in. */
const BUILD_SLICE_MS = 5;

/** Makes every write that was applied before this call visible to searches. */
export function refresh(state: ShardState): Promise<void> {
  return state.maintenance.take(async () => {
    const frozen = await state.turn.take(() => freeze(state));
    if (frozen) await buildFrozen(state, frozen);
    publishIfChanged(state);
  });
}

/** Swaps the memtable for a new one; undefined when it holds nothing to build. The caller holds the turn. */
export function freeze(state: ShardState): FrozenMemtable | undefined {
  if (state.memtable.docCount === 0) {
    return undefined;
  }
  const frozen: FrozenMemtable = { memtable: state.memtable, killed: [] };
  state.frozen = frozen;
  state.memtable = newMemtable(state);
  return frozen;
}

export function newMemtable(state: Pick<ShardState, "mapping" | "analyzers">): Memtable {
  return new Memtable({ mapping: state.mapping, analyzers: state.analyzers });
}

/** Builds and installs what `freeze` swapped out. The caller holds `maintenance`, not the turn. */
export async function buildFrozen(state: ShardState, frozen: FrozenMemtable): Promise<LiveSegment> {
  const { memtable } = frozen;
  const bornDead = memtable.bornDead();
  const built = await drive(state.environment, memtable.freeze());
  const segment = memorySegment(`${state.names.index}/${state.names.shard}`, built, bornDead);
  await state.turn.take(() => {
    for (const doc of frozen.killed) segment.kill(doc);
    state.segments.push(segment);
    state.segmentsChanged = true;
    state.frozen = undefined;
  });
  return segment;
}

/** Runs a build in slices. */
export async function drive(
  environment: Pick<ShardEnvironment, "clock" | "pause" | "random">,
  input: SegmentInput,
): Promise<BuiltSegment> {
  const steps = buildSegment(input, { uuid: randomUuid(environment.random), allocate: allocateShared });
  let started = environment.clock.monotonicMs();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (environment.clock.monotonicMs() - started < BUILD_SLICE_MS) continue;
    await environment.pause();
    started = environment.clock.monotonicMs();
  }
}

/** Publishes when a segment came or went, a document died, or the mapping grew; never after the shard was closed. */
export function publishIfChanged(state: ShardState, force = false): void {
  if (state.closed) return;
  const changed = force || state.segmentsChanged || state.publishedMappingVersion !== state.mapping.version ||
    state.segments.some((segment) => segment.changed);
  if (changed) state.environment.publish(snapshotOf(state));
}

function snapshotOf(state: ShardState): ShardSnapshot {
  const { names, mapping } = state;
  const segments = state.segments.map((segment) => segment.publish());
  state.publishedMappingVersion = mapping.version;
  state.segmentsChanged = false;
  return {
    ...names,
    version: ++state.snapshotVersion,
    mapping: mapping.toStored(),
    mappingVersion: mapping.version,
    settings: state.settings,
    segments,
    liveDocs: segments.reduce((sum, { liveCount }) => sum + liveCount, 0),
  };
}
