/**
 * Indices of the native dialect: create, list, describe, delete, flush.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { Engine, IndexFlushReport } from "../engine/engine.ts";
import type { IndexState } from "../engine/index_state.ts";
import type { MergeStats, SegmentStats, ShardStats } from "../engine/messages.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { nativeSchema } from "../schema/native_schema.ts";
import { objectBody } from "../http/json_body.ts";

const CREATE_KEYS = ["shards", "schema", "settings", "mappings"];

/** PUT `/v1/indices/{name}`: `{"shards": 1, "schema": {"host": "keyword", ...}}`. */
export async function createIndex(engine: Engine, context: RequestContext): Promise<Answer> {
  const body = await objectBody(context);
  for (const key of Object.keys(body)) {
    if (!CREATE_KEYS.includes(key)) throw bad(`unknown key [${key}]; there are [${CREATE_KEYS.join(", ")}]`);
  }
  if (body["schema"] !== undefined && body["mappings"] !== undefined) {
    throw bad("[schema] and [mappings] say the same thing; send one of them");
  }
  const shards = body["shards"];
  const settings = {
    ...(body["settings"] ?? {}) as Record<string, unknown>,
    ...(shards === undefined ? {} : { number_of_shards: shards }),
  };
  const mappings = body["schema"] === undefined ? body["mappings"] : nativeSchema(body["schema"]);
  const index = await engine.indices.create(context.params["name"]!, { mappings, settings });
  return jsonAnswer({ acknowledged: true, index: index.name, shards: index.shards }, 201);
}

/** DELETE `/v1/indices/{name}`. */
export async function deleteIndex(engine: Engine, context: RequestContext): Promise<Answer> {
  const index = engine.indices.get(context.params["name"]!);
  if (!index) throw engine.one(context.params["name"]!) && bad("an alias cannot be deleted as an index");
  await engine.indices.delete(index);
  return jsonAnswer({ acknowledged: true });
}

/** GET `/v1/indices`. */
export async function listIndices(engine: Engine, _context: RequestContext): Promise<Answer> {
  const stats = await engine.stats();
  return jsonAnswer({
    indices: engine.indices.all().sort((a, b) => a.name < b.name ? -1 : 1).map((index) =>
      summary(index, statsOf(index, stats))
    ),
  });
}

/** GET `/v1/indices/{name}`. */
export async function describeIndex(engine: Engine, context: RequestContext): Promise<Answer> {
  const index = engine.one(context.params["name"]!);
  const stats = statsOf(index, await engine.stats());
  return jsonAnswer({
    ...summary(index, stats) as Record<string, Json>,
    schema: index.mapping.toJson() as Json,
    settings: index.settings as Json,
    merges: mergesJson(stats),
    segments: stats.flatMap(({ shard, segments }) => segments.map((segment) => segmentJson(shard, segment))),
    columns: columnTotals(stats),
  });
}

/** GET `/v1/indices/{name}/_mapping`. */
export function getMapping(engine: Engine, context: RequestContext): Answer {
  const index = engine.one(context.params["name"]!);
  return jsonAnswer({ [index.name]: { mappings: index.mapping.toJson() as Json } });
}

/** PUT `/v1/indices/{name}/_mapping`: `{"schema": {...}}` or Elasticsearch's `{"properties": {...}}`. */
export async function putMapping(engine: Engine, context: RequestContext): Promise<Answer> {
  const body = await objectBody(context);
  const index = engine.one(context.params["name"]!);
  await engine.indices.putMapping(index, body["schema"] === undefined ? body : nativeSchema(body["schema"]));
  return jsonAnswer({ acknowledged: true });
}

/** POST `/v1/admin/flush` (all indices) and `/v1/indices/{name}/flush`. */
export async function flush(engine: Engine, context: RequestContext): Promise<Answer> {
  const name = context.params["name"];
  const indices = name === undefined ? engine.indices.all() : engine.expand(name, { allowNoIndices: false });
  const reports = await engine.flush(indices);
  const failed = reports.find(({ failure }) => failure !== undefined);
  if (failed) {
    throw new RequestError(`[${failed.index}] could not be flushed: ${failed.failure}`, {
      status: 500,
      type: "flush_failed_engine_exception",
      details: { index: failed.index, shard: failed.shard },
    });
  }
  return jsonAnswer(flushJson(reports, engine.lastLsn));
}

function flushJson(reports: readonly IndexFlushReport[], lastLsn: number): Json {
  return {
    flushed_indices: new Set(reports.map(({ index }) => index)).size,
    segments_written: reports.reduce((sum, { segmentsWritten }) => sum + segmentsWritten, 0),
    // Up to the smallest of the shards' checkpoints everything is in segments; without shards, up to the newest record.
    wal_checkpoint: reports.length === 0
      ? lastLsn
      : Math.min(...reports.map(({ checkpointLsn }) => checkpointLsn)),
  };
}

const MERGE_KEYS = ["max_num_segments", "only_expunge_deletes"];

/** POST `/v1/indices/{name}/merge`: `{"max_num_segments": 1}`; without a body, what is due anyway. */
export async function merge(engine: Engine, context: RequestContext): Promise<Answer> {
  const body = await objectBody(context);
  for (const key of Object.keys(body)) {
    if (!MERGE_KEYS.includes(key)) throw bad(`unknown key [${key}]; there are [${MERGE_KEYS.join(", ")}]`);
  }
  const maxSegments = body["max_num_segments"];
  if (maxSegments !== undefined && !(Number.isInteger(maxSegments) && Number(maxSegments) >= 1)) {
    throw bad(`[max_num_segments] must be an integer from 1 on, it is [${JSON.stringify(maxSegments)}]`);
  }
  const reports = await engine.forceMerge(engine.expand(context.params["name"]!, { allowNoIndices: false }), {
    maxSegments: maxSegments as number | undefined,
    expungeOnly: body["only_expunge_deletes"] === true,
  });
  const failed = reports.find(({ failure }) => failure !== undefined);
  if (failed) {
    throw new RequestError(`[${failed.index}][${failed.shard}] could not be merged: ${failed.failure}`, {
      status: 500,
      type: "merge_failed_exception",
      details: { index: failed.index, shard: failed.shard },
    });
  }
  return jsonAnswer({
    shards: reports.map(({ index, shard, segmentsBefore, segmentsAfter }) => ({
      index,
      shard,
      segments_before: segmentsBefore,
      segments_after: segmentsAfter,
    })),
  });
}

/** POST `/v1/indices/{name}/refresh`. */
export async function refresh(engine: Engine, context: RequestContext): Promise<Answer> {
  await engine.refresh(engine.expand(context.params["name"]!, { allowNoIndices: false }));
  return jsonAnswer({ refreshed: true });
}

function statsOf({ incarnation }: IndexState, stats: readonly ShardStats[]): ShardStats[] {
  return stats.filter((shard) => shard.incarnation === incarnation);
}

function summary(index: IndexState, stats: readonly ShardStats[]): Json {
  const sum = (of: (shard: ShardStats) => number) => stats.reduce((total, shard) => total + of(shard), 0);
  return {
    name: index.name,
    uuid: index.uuid,
    shards: index.shards,
    created: new Date(index.createdMs).toISOString(),
    docs: sum(({ liveDocs }) => liveDocs),
    deleted_docs: sum(({ deletedDocs }) => deletedDocs),
    segment_count: sum(({ segments }) => segments.length),
    size_bytes: sum(({ segments }) => segments.reduce((total, { sizeBytes }) => total + sizeBytes, 0)),
    memory_bytes: sum(({ memoryBytes }) => memoryBytes),
    retained_bytes: sum(({ retainedBytes }) => retainedBytes),
    wal: {
      size_bytes: sum(({ walBytes }) => walBytes),
      last_lsn: Math.max(0, ...stats.map(({ lsn }) => lsn)),
      synced_lsn: Math.min(...stats.map(({ walSyncedLsn }) => walSyncedLsn)),
      checkpoint_lsn: Math.min(...stats.map(({ checkpointLsn }) => checkpointLsn)),
    },
    failure: stats.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** What is being merged, what should be, and what was. */
function mergesJson(stats: readonly ShardStats[]): Json {
  const sum = (of: (merges: MergeStats) => number) =>
    stats.reduce((total, { merges }) => total + of(merges), 0);
  return {
    running: stats.flatMap(({ shard, merges }) =>
      merges.running.map(({ inputs, why, started, bytesTotal, bytesDone, seconds }) => ({
        shard,
        segments: [...inputs],
        because: why,
        state: started ? "running" : "queued",
        bytes_total: bytesTotal,
        bytes_done: bytesDone,
        took_s: Math.round(seconds * 1000) / 1000,
      }))
    ),
    debt_bytes: sum(({ debtBytes }) => debtBytes),
    waiting: stats.find(({ merges }) => merges.waiting !== undefined)?.merges.waiting,
    failure: stats.find(({ merges }) => merges.failure !== undefined)?.merges.failure,
    damaged_files: stats.flatMap(({ merges }) => [...merges.damaged]),
    total: sum(({ total }) => total),
    failed: sum(({ failedTotal }) => failedTotal),
    docs: sum(({ docsTotal }) => docsTotal),
    read_bytes: sum(({ bytesReadTotal }) => bytesReadTotal),
    written_bytes: sum(({ bytesWrittenTotal }) => bytesWrittenTotal),
    throttled_s: Math.round(sum(({ throttledMsTotal }) => throttledMsTotal)) / 1000,
  };
}

function segmentJson(shard: number, segment: SegmentStats): Json {
  return {
    name: segment.name,
    shard,
    uuid: segment.uuid,
    in_memory: segment.inMemory,
    docs: segment.docs,
    deleted: segment.deleted,
    size_bytes: segment.sizeBytes,
    files: segment.files as Json | undefined,
    columns: segment.columns.map(({ field, type, encoding, bytes, values, docs }) => ({
      field,
      type,
      encoding,
      bytes,
      values,
      docs,
    })),
  };
}

/** Bytes per column over all segments. */
function columnTotals(stats: readonly ShardStats[]): Json {
  const totals = new Map<string, number>();
  for (const { segments } of stats) {
    for (const { columns } of segments) {
      for (const { field, bytes } of columns) totals.set(field, (totals.get(field) ?? 0) + bytes);
    }
  }
  return Object.fromEntries([...totals].sort((a, b) => b[1] - a[1]));
}

function bad(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "illegal_argument_exception" });
}
