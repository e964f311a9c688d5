/**
 * Snapshots and attached folders of the native dialect.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { DirectorySnapshots, ListedSnapshot } from "../control/snapshots.ts";
import type { Engine } from "../engine/engine.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";

/** POST `/v1/admin/snapshot`: `{"name": "before-upgrade"}`. */
export async function createSnapshot(
  snapshots: DirectorySnapshots,
  context: RequestContext,
): Promise<Answer> {
  const { name, ...rest } = await objectBody(context);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw illegalArgument(`unknown key [${unknown}]; there is [name]`);
  if (typeof name !== "string") throw illegalArgument("[name] must say what to call the snapshot");
  const made = await snapshots.create(name);
  return jsonAnswer({
    snapshot: made.name,
    path: made.path,
    created: new Date(made.createdMs).toISOString(),
    lsn: made.lsn,
    indices: made.indices,
    shards: made.shards,
    segments: made.segments,
    duration_ms: Math.round(made.durationMs * 10) / 10,
  }, 201);
}

/** GET `/v1/admin/snapshot`. */
export function listSnapshots(snapshots: DirectorySnapshots): Answer {
  return jsonAnswer({ snapshots: snapshots.list().map(snapshotJson) });
}

/** GET `/v1/admin/snapshot/{name}`. */
export function getSnapshot(snapshots: DirectorySnapshots, context: RequestContext): Answer {
  return jsonAnswer(snapshotJson(snapshots.get(context.params["name"]!)));
}

/** DELETE `/v1/admin/snapshot/{name}`. */
export async function deleteSnapshot(
  snapshots: DirectorySnapshots,
  context: RequestContext,
): Promise<Answer> {
  const { bytes } = await snapshots.delete(context.params["name"]!);
  return jsonAnswer({ acknowledged: true, freed_bytes: bytes });
}

function snapshotJson(snapshot: ListedSnapshot): Json {
  return {
    snapshot: snapshot.name,
    path: snapshot.path,
    created: new Date(snapshot.createdMs).toISOString(),
    lsn: snapshot.lsn,
    indices: snapshot.indices,
    segments: snapshot.segments,
    bytes: snapshot.bytes,
    unique_bytes: snapshot.uniqueBytes,
  };
}

/** POST `/v1/indices/{name}/_attach?rename=other`: makes an index of a folder of the data directory. */
export async function attachIndex(engine: Engine, context: RequestContext): Promise<Answer> {
  const folder = context.params["name"]!;
  const attached = await engine.indices.attach(folder, context.query.get("rename") ?? folder);
  const { state, docs, replayedBytes, warnings } = attached;
  return jsonAnswer({
    acknowledged: true,
    index: state.name,
    shards: state.shards,
    docs,
    replayed_bytes: replayedBytes,
    warnings,
  });
}
