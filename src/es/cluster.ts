/**
 * The server and its state on port 9200: `/`, `_cluster/health`.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { Double, type Json } from "../base/json.ts";
import type { Engine } from "../engine/engine.ts";
import type { IndexState } from "../engine/index_state.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { answer, COMPATIBLE_VERSION } from "./answer.ts";
import { expandOptions } from "./indices.ts";

export interface NodeIdentity {
  /** Name of the node: the host's. */
  readonly name: string;
  /** Instance id of the data directory. */
  readonly instanceId: string;
  readonly version: string;
}

/** GET `/`: what the official clients read to know whom they speak to. */
export function root(identity: NodeIdentity, context: RequestContext): Answer {
  return answer(context, {
    name: identity.name,
    cluster_name: "xerj",
    cluster_uuid: identity.instanceId,
    version: {
      number: COMPATIBLE_VERSION,
      build_flavor: "default",
      build_type: "xerj",
      build_hash: identity.version,
      build_date: "1970-01-01T00:00:00.000Z",
      build_snapshot: false,
      lucene_version: "9.10.0",
      minimum_wire_compatibility_version: "7.17.0",
      minimum_index_compatibility_version: "7.0.0",
    },
    tagline: "You Know, for Search",
  });
}

export type HealthColor = "green" | "yellow" | "red";

/** Red: some shard takes no writes. */
export function indexHealth(index: IndexState): HealthColor {
  return index.failures.size > 0 ? "red" : "green";
}

const COLORS: readonly HealthColor[] = ["green", "yellow", "red"];

/** A health's name in a parameter; null: not given. @throws {RequestError} 400 */
export function healthColor(
  value: string | null,
  reason: (value: string) => string,
): HealthColor | undefined {
  if (value === null || value === "") return undefined;
  const color = COLORS.find((name) => name === value.toLowerCase());
  if (color === undefined) throw illegalArgument(reason(value));
  return color;
}

const LEVELS = ["cluster", "indices", "shards"];

/** GET `/_cluster/health[/{index}]`. */
export function clusterHealth(engine: Engine, context: RequestContext): Answer {
  const { query } = context;
  const level = query.get("level") ?? "cluster";
  if (!LEVELS.includes(level)) {
    throw illegalArgument(
      `level parameter must be one of [cluster] or [indices] or [shards] but was [${level}]`,
    );
  }
  const waited = healthColor(
    query.get("wait_for_status"),
    (value) => `No enum constant org.elasticsearch.cluster.health.ClusterHealthStatus.${value.toUpperCase()}`,
  );
  const indices = engine.expand(context.params["index"], {
    ...expandOptions(context),
    ignoreUnavailable: true,
  });
  const isMissing = indices.length === 0 && context.params["index"] !== undefined &&
    !context.params["index"].includes("*");
  const shards = indices.reduce((sum, index) => sum + index.shards, 0);
  const status = isMissing || indices.some((index) => indexHealth(index) === "red") ? "red" : "green";
  // Nothing here changes by waiting.
  const timedOut = isMissing || waited !== undefined && COLORS.indexOf(status) > COLORS.indexOf(waited);
  return answer(context, {
    cluster_name: "xerj",
    status,
    timed_out: timedOut,
    number_of_nodes: 1,
    number_of_data_nodes: 1,
    active_primary_shards: shards,
    active_shards: shards,
    relocating_shards: 0,
    initializing_shards: 0,
    unassigned_shards: 0,
    delayed_unassigned_shards: 0,
    number_of_pending_tasks: 0,
    number_of_in_flight_fetch: 0,
    task_max_waiting_in_queue_millis: 0,
    active_shards_percent_as_number: new Double(100),
    indices: level === "cluster"
      ? undefined
      : Object.fromEntries(indices.map((index) => [index.name, indexHealthJson(index, level)])),
  }, timedOut ? 408 : 200);
}

function indexHealthJson(index: IndexState, level: string): Json {
  const shards = Array.from({ length: index.shards }, (_, shard): [string, Json] => [String(shard), {
    status: index.failures.has(shard) ? "red" : "green",
    primary_active: true,
    active_shards: 1,
    relocating_shards: 0,
    initializing_shards: 0,
    unassigned_shards: 0,
  }]);
  return {
    status: indexHealth(index),
    number_of_shards: index.shards,
    number_of_replicas: 0,
    active_primary_shards: index.shards,
    active_shards: index.shards,
    relocating_shards: 0,
    initializing_shards: 0,
    unassigned_shards: 0,
    shards: level === "shards" ? Object.fromEntries(shards) : undefined,
  };
}
