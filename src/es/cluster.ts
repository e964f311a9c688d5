/**
 * The server and its state on port 9200: `/`, `_cluster/health`, `_cat/indices`.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { Double, type Json } from "../base/json.ts";
import type { Engine } from "../engine/engine.ts";
import type { IndexState } from "../engine/index_state.ts";
import type { ShardStats } from "../engine/messages.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { answer, COMPATIBLE_VERSION, flag, text } from "./answer.ts";
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

/** GET `/_cluster/health[/{index}]`. */
export function clusterHealth(engine: Engine, context: RequestContext): Answer {
  const indices = engine.expand(context.params["index"], expandOptions(context));
  const shards = indices.reduce((sum, index) => sum + index.shards, 0);
  const level = context.query.get("level");
  const status = indices.some((index) => indexHealth(index) === "red") ? "red" : "green";
  const waited = context.query.get("wait_for_status");
  const timedOut = waited === "green" && status !== "green" || waited === "yellow" && status === "red";
  const perIndex = level === "indices" || level === "shards"
    ? Object.fromEntries(indices.map((index) => [index.name, indexHealthJson(index)]))
    : undefined;
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
    indices: perIndex,
  }, timedOut ? 408 : 200);
}

function indexHealthJson(index: IndexState): Json {
  return {
    status: indexHealth(index),
    number_of_shards: index.shards,
    number_of_replicas: 0,
    active_primary_shards: index.shards,
    active_shards: index.shards,
    relocating_shards: 0,
    initializing_shards: 0,
    unassigned_shards: 0,
  };
}

const COLUMNS = [
  "health",
  "status",
  "index",
  "uuid",
  "pri",
  "rep",
  "docs.count",
  "docs.deleted",
  "store.size",
  "pri.store.size",
  "dataset.size",
] as const;
type ColumnName = typeof COLUMNS[number];
/** Short names that Elasticsearch takes in `h` and `s`. */
const COLUMN_ALIASES: Readonly<Record<string, ColumnName>> = {
  h: "health",
  s: "status",
  i: "index",
  idx: "index",
  id: "uuid",
  p: "pri",
  "shards.primary": "pri",
  r: "rep",
  dc: "docs.count",
  docsCount: "docs.count",
  dd: "docs.deleted",
  ss: "store.size",
  storeSize: "store.size",
};
const NUMERIC: readonly ColumnName[] = [
  "pri",
  "rep",
  "docs.count",
  "docs.deleted",
  "store.size",
  "pri.store.size",
  "dataset.size",
];

/** GET `/_cat/indices[/{index}]`. */
export async function catIndices(engine: Engine, context: RequestContext): Promise<Answer> {
  const indices = engine.expand(context.params["index"], expandOptions(context));
  const stats = await engine.stats();
  const rows = indices.map((index) =>
    rowOf(index, stats.filter(({ incarnation }) => incarnation === index.incarnation))
  );
  const columns = columnsOf(context.query.get("h"));
  const bytesUnit = context.query.get("bytes");
  sortRows(rows, context.query.get("s"));
  const shown = rows.map((row) => columns.map((column) => show(row, column, bytesUnit)));
  if (
    context.query.get("format") === "json" || (context.request.headers.get("accept") ?? "").includes("json")
  ) {
    return answer(
      context,
      shown.map((cells) => Object.fromEntries(cells.map((cell, i) => [columns[i]!, cell]))),
    );
  }
  return text(table(columns, shown, flag(context, "v")));
}

type Row = Readonly<Record<ColumnName, string | number>>;

function rowOf(index: IndexState, shards: readonly ShardStats[]): Row {
  const sum = (of: (stats: ShardStats) => number) => shards.reduce((total, stats) => total + of(stats), 0);
  const bytes = sum(({ segments }) => segments.reduce((total, { sizeBytes }) => total + sizeBytes, 0));
  return {
    health: indexHealth(index),
    status: "open",
    index: index.name,
    uuid: index.uuid,
    pri: index.shards,
    rep: 0,
    "docs.count": sum(({ liveDocs }) => liveDocs),
    "docs.deleted": sum(({ deletedDocs }) => deletedDocs),
    "store.size": bytes,
    "pri.store.size": bytes,
    "dataset.size": bytes,
  };
}

function columnName(name: string): ColumnName {
  const known = COLUMNS.find((column) => column === name) ?? COLUMN_ALIASES[name];
  if (known) return known;
  throw new RequestError(`unknown column [${name}]; there are [${COLUMNS.join(", ")}]`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}

function columnsOf(wanted: string | null): readonly ColumnName[] {
  return wanted === null || wanted === "" ? COLUMNS : wanted.split(",").map(columnName);
}

function sortRows(rows: Row[], by: string | null): void {
  if (by === null) return;
  const keys = by.split(",").map((part) => {
    const [name, order] = part.split(":");
    return { column: columnName(name!), sign: order === "desc" ? -1 : 1 };
  });
  rows.sort((a, b) => {
    for (const { column, sign } of keys) {
      const x = a[column];
      const y = b[column];
      if (x !== y) return sign * (x < y ? -1 : 1);
    }
    return 0;
  });
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 2 ** 10,
  k: 2 ** 10,
  mb: 2 ** 20,
  m: 2 ** 20,
  gb: 2 ** 30,
  g: 2 ** 30,
  tb: 2 ** 40,
  t: 2 ** 40,
};

function show(row: Row, column: ColumnName, unit: string | null): string {
  const value = row[column];
  if (!column.endsWith(".size")) return String(value);
  const bytes = value as number;
  if (unit !== null) {
    const size = SIZE_UNITS[unit];
    if (size === undefined) {
      throw new RequestError(`failed to parse [bytes] with value [${unit}]`, {
        status: 400,
        type: "illegal_argument_exception",
      });
    }
    return String(Math.floor(bytes / size));
  }
  for (const [name, size] of [["tb", 2 ** 40], ["gb", 2 ** 30], ["mb", 2 ** 20], ["kb", 2 ** 10]] as const) {
    if (bytes >= size) return `${Math.floor(bytes / size * 10) / 10}${name}`.replace(".0", "");
  }
  return `${bytes}b`;
}

/** Right-aligned numbers, left-aligned words, as `_cat` prints them. */
function table(
  columns: readonly ColumnName[],
  rows: readonly (readonly string[])[],
  header: boolean,
): string {
  const all = header ? [columns as readonly string[], ...rows] : rows;
  const widths = columns.map((_, i) => Math.max(0, ...all.map((cells) => cells[i]!.length)));
  return all.map((cells) =>
    cells.map((cell, i) => {
      const numeric = NUMERIC.includes(columns[i]!);
      return numeric ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
    }).join(" ") + "\n"
  ).join("");
}
