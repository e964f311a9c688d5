/**
 * How does a shard come back? Segments of the newest usable manifest are mapped, deletes that later segments carry are
 * applied, and the log behind the checkpoint is replayed through the ordinary write path.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { utf8Text } from "../base/bytes.ts";
import type { AnalyzerSet } from "../analysis/mod.ts";
import { OperationsReader, OpKind } from "../format/operations.ts";
import { RecordKind, type WalRecord } from "../format/wal.ts";
import { FastParser } from "../ingest/fast_document.ts";
import { Mapping } from "../schema/mapping.ts";
import { mapSegment } from "./images.ts";
import type { LiveSegment } from "./live_segment.ts";
import { WriteOperation, WriteOutcome } from "./operation.ts";
import { buildFrozen, freeze, newMemtable } from "./refresh.ts";
import { type ShardEnvironment, type ShardIdentityNames, ShardState } from "./state.ts";
import type { OpenedShard, ShardStore } from "./store.ts";
import { setMapping, WriteBatch } from "./write.ts";

export interface RecoverOptions {
  readonly environment: ShardEnvironment;
  readonly names: ShardIdentityNames;
  readonly analyzers: AnalyzerSet;
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/** A shard over a store that was just created. */
export function emptyShard(store: ShardStore, options: RecoverOptions): ShardState {
  return assemble(store, options);
}

/**
 * Brings an opened shard into memory. Writes nothing: its run starts later.
 *
 * @throws {CorruptionError} A segment or a record does not hold what it should.
 */
export async function recoverShard(opened: OpenedShard, options: RecoverOptions): Promise<ShardState> {
  const { environment, onProgress } = options;
  const store = opened.store;
  const state = assemble(store, options);
  loadSegments(state);
  state.nextSeqNo = opened.manifest.checkpoint.seqNo + 1;
  const operation = new WriteOperation();
  const outcome = new WriteOutcome();
  for (const step of opened.replay((record) => apply(state, record, operation, outcome), { onProgress })) {
    void step;
    await environment.pause();
    if (state.memtable.sizeBytes > environment.limits.flushSizeBytes) {
      const frozen = freeze(state);
      if (frozen) await buildFrozen(state, frozen);
    }
  }
  state.nextSeqNo = Math.max(state.nextSeqNo, opened.recovered.seqNo + 1);
  return state;
}

function assemble(
  store: ShardStore,
  { environment, names, analyzers }: RecoverOptions,
): ShardState {
  const { mapping: stored, settings, checkpoint } = store.manifest;
  const { maxFields } = environment.limits;
  const mapping = Mapping.fromStored(stored as Readonly<Record<string, unknown>>, { maxFields, analyzers });
  const state = new ShardState(names, environment, store, mapping, analyzers, settings);
  state.parser = new FastParser(mapping, state.environment.limits.maxJsonDepth);
  state.memtable = newMemtable(state);
  state.nextSeqNo = checkpoint.seqNo + 1;
  return state;
}

/** Maps every segment and applies the deletes that later ones carry. */
export function loadSegments(state: ShardState): void {
  const { store, environment } = state;
  const byUuid = new Map<string, LiveSegment>();
  for (const entry of store.manifest.segments) {
    const segment = mapSegment(environment, store.segmentPath(entry.number), entry);
    const isOther = store.rules.segmentUuids && segment.reader.uuid !== entry.uuid;
    if (isOther || segment.reader.docCount !== entry.docCount) {
      throw new CorruptionError(
        `Cannot open segment ${entry.number}: it holds uuid ${segment.reader.uuid} and ${segment.reader.docCount} ` +
          `documents, the manifest says ${entry.uuid} and ${entry.docCount}`,
        { file: store.segmentPath(entry.number) },
      );
    }
    byUuid.set(entry.uuid, segment);
    state.segments.push(segment);
  }
  for (const { reader } of state.segments) {
    // Tombstones for a segment that has been merged away since speak of nothing.
    for (const { uuid, docs } of reader.tombstones) byUuid.get(uuid)?.killRecorded(docs);
  }
  for (const segment of state.segments) {
    const entry = store.manifest.segments.find(({ uuid }) => uuid === segment.reader.uuid)!;
    if (segment.liveCount !== entry.liveDocs) {
      throw new CorruptionError(
        `Cannot open segment ${entry.number}: ${segment.liveCount} documents are alive, the manifest says ${entry.liveDocs}`,
        { file: store.segmentPath(entry.number) },
      );
    }
  }
}

function apply(state: ShardState, record: WalRecord, operation: WriteOperation, outcome: WriteOutcome): void {
  if (record.kind === RecordKind.Mapping) {
    const { maxFields } = state.environment.limits;
    const stored = JSON.parse(utf8Text(record.payload)) as Readonly<Record<string, unknown>>;
    setMapping(state, Mapping.fromStored(stored, { maxFields, analyzers: state.analyzers }));
    state.mappingUnlogged = false;
    return;
  }
  if (record.kind !== RecordKind.Operations) return;
  const batch = new WriteBatch(state);
  const entries = new OperationsReader(record.payload);
  while (entries.next()) {
    operation.reset();
    operation.id = record.payload;
    operation.idStart = entries.idStart;
    operation.idEnd = entries.idEnd;
    operation.source = record.payload;
    operation.start = entries.sourceStart;
    operation.end = entries.sourceEnd;
    const seqNo = record.seqNo + entries.seqNoDelta;
    if (entries.kind === OpKind.Delete) {
      batch.replayDelete(operation, seqNo, entries.version);
      continue;
    }
    batch.replayIndex(operation, seqNo, entries.version, outcome);
    if (outcome.kind === "error" || outcome.kind === "mapping") {
      const why = outcome.kind === "error"
        ? outcome.reason
        : "it needs fields that no mapping record brought";
      throw new CorruptionError(`Cannot replay operation ${seqNo} of record ${record.lsn}: ${why}`);
    }
  }
  batch.endReplay();
}
