/**
 * `_cat/indices`: a line an index.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { wildcardMatches } from "../engine/index_names.ts";
import type { IndexState } from "../engine/index_state.ts";
import type { ShardStats } from "../engine/messages.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { answer, flag, text } from "./answer.ts";
import { healthColor, indexHealth } from "./cluster.ts";
import { expandOptions } from "./indices.ts";

interface Column {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly kind: "text" | "number" | "bytes";
  /** Shown unless the request names columns. */
  readonly byDefault: boolean;
  readonly of: (index: IndexState, shards: readonly ShardStats[]) => string | number;
}

const COLUMNS: readonly Column[] = [
  column("health", "h", "text", indexHealth),
  column("status", "s", "text", () => "open"),
  column("index", "i,idx", "text", ({ name }) => name),
  column("uuid", "id", "text", ({ uuid }) => uuid),
  column("pri", "p,shards.primary,shardsPrimary", "number", ({ shards }) => shards),
  column("rep", "r,shards.replica,shardsReplica", "number", () => 0),
  column("docs.count", "dc,docsCount", "number", (_, shards) => sum(shards, ({ liveDocs }) => liveDocs)),
  column(
    "docs.deleted",
    "dd,docsDeleted",
    "number",
    (_, shards) => sum(shards, ({ deletedDocs }) => deletedDocs),
  ),
  column("store.size", "ss,storeSize", "bytes", (_, shards) => segmentBytes(shards)),
  column("pri.store.size", "", "bytes", (_, shards) => segmentBytes(shards)),
  column("dataset.size", "", "bytes", (_, shards) => segmentBytes(shards)),
  { ...column("creation.date", "cd", "number", ({ createdMs }) => createdMs), byDefault: false },
  {
    ...column("creation.date.string", "cds", "text", ({ createdMs }) => new Date(createdMs).toISOString()),
    byDefault: false,
  },
  {
    ...column("segments.count", "sc,segmentsCount", "number", (_, shards) => segmentCount(shards)),
    byDefault: false,
  },
  { ...column("pri.segments.count", "", "number", (_, shards) => segmentCount(shards)), byDefault: false },
];

function column(name: string, aliases: string, kind: Column["kind"], of: Column["of"]): Column {
  return { name, aliases: aliases.split(",").filter((alias) => alias !== ""), kind, of, byDefault: true };
}

function sum(shards: readonly ShardStats[], of: (stats: ShardStats) => number): number {
  return shards.reduce((total, stats) => total + of(stats), 0);
}

function segmentBytes(shards: readonly ShardStats[]): number {
  return sum(shards, ({ segments }) => segments.reduce((total, { sizeBytes }) => total + sizeBytes, 0));
}

function segmentCount(shards: readonly ShardStats[]): number {
  return sum(shards, ({ segments }) => segments.length);
}

/** GET `/_cat/indices[/{index}]`. */
export async function catIndices(engine: Engine, context: RequestContext): Promise<Answer> {
  const { query, request } = context;
  if (flag(context, "help")) return text(help());
  const health = healthColor(query.get("health"), (value) => `unknown cluster health status [${value}]`);
  const unit = bytesUnit(query.get("bytes"));
  const indices = engine.expand(context.params["index"], expandOptions(context))
    .filter((index) => health === undefined || indexHealth(index) === health);
  const stats = await engine.stats();
  const rows = indices.map((index): Row => {
    const shards = stats.filter(({ incarnation }) => incarnation === index.incarnation);
    return (column) => column.of(index, shards);
  });
  sortRows(rows, query.get("s"));
  const columns = columnsOf(query.get("h"));
  const cells = rows.map((row) => columns.map(({ column }) => show(row(column), column, unit)));
  const wantsJson = query.get("format") === "json" ||
    query.get("format") === null && (request.headers.get("accept") ?? "").includes("json");
  if (wantsJson) {
    const objects = cells.map((line) => Object.fromEntries(line.map((cell, i) => [columns[i]!.title, cell])));
    return answer(context, objects);
  }
  return text(table(columns, cells, flag(context, "v")));
}

type Row = (column: Column) => string | number;

/** A column under the name by which it was asked for. */
interface Shown {
  readonly column: Column;
  readonly title: string;
}

function known(name: string): Column | undefined {
  return COLUMNS.find((column) => column.name === name || column.aliases.includes(name));
}

/** `h`: names, short names and patterns; what is not known is not shown, as in Elasticsearch. */
function columnsOf(wanted: string | null): Shown[] {
  if (wanted === null || wanted === "") {
    return COLUMNS.filter(({ byDefault }) => byDefault).map((column) => ({ column, title: column.name }));
  }
  return wanted.split(",").map((name) => name.trim()).flatMap((name): Shown[] => {
    if (name.includes("*")) {
      return COLUMNS.filter((column) => wildcardMatches(name, column.name))
        .map((column) => ({ column, title: column.name }));
    }
    const column = known(name);
    return column ? [{ column, title: name }] : [];
  });
}

function sortRows(rows: Row[], by: string | null): void {
  if (by === null || by === "") return;
  const keys = by.split(",").map((part) => {
    const [name, order] = part.split(":");
    const column = known(name!.trim());
    if (column === undefined) throw illegalArgument(`Unable to sort by unknown sort key \`${name}\``);
    return { column, sign: order === "desc" ? -1 : 1 };
  });
  rows.sort((a, b) => {
    for (const { column, sign } of keys) {
      const x = a(column);
      const y = b(column);
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
  pb: 2 ** 50,
  p: 2 ** 50,
};

/** Bytes in the unit in which all sizes shall be shown; undefined: in one that suits each. */
function bytesUnit(name: string | null): number | undefined {
  if (name === null || name === "") return undefined;
  const unit = SIZE_UNITS[name];
  if (unit === undefined) throw illegalArgument(`failed to parse [bytes] with value [${name}]`);
  return unit;
}

function show(value: string | number, { kind }: Column, unit: number | undefined): string {
  if (kind !== "bytes") return String(value);
  const bytes = value as number;
  if (unit !== undefined) return String(Math.floor(bytes / unit));
  for (const [name, size] of [["tb", 2 ** 40], ["gb", 2 ** 30], ["mb", 2 ** 20], ["kb", 2 ** 10]] as const) {
    if (bytes >= size) return `${Math.floor(bytes / size * 10) / 10}${name}`;
  }
  return `${bytes}b`;
}

/** Numbers to the right, words to the left, as `_cat` prints them; the last column is not padded. */
function table(columns: readonly Shown[], rows: readonly (readonly string[])[], header: boolean): string {
  const all = header ? [columns.map(({ title }) => title), ...rows] : rows;
  const widths = columns.map((_, i) => Math.max(0, ...all.map((cells) => cells[i]!.length)));
  return all.map((cells) =>
    cells.map((cell, i) => {
      if (columns[i]!.column.kind !== "text") return cell.padStart(widths[i]!);
      return i === cells.length - 1 ? cell : cell.padEnd(widths[i]!);
    }).join(" ") + "\n"
  ).join("");
}

function help(): string {
  const lines = COLUMNS.map(({ name, aliases }) => [name, aliases.join(",") || "-"] as const);
  const widths = [0, 1].map((i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines.map(([name, aliases]) => `${name.padEnd(widths[0]!)} | ${aliases.padEnd(widths[1]!)}\n`).join(
    "",
  );
}
