/**
 * SQLite as a peer: FTS5 over the message and six indexes, in process, one transaction a batch, WAL mode.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { Corpus } from "./corpus.ts";
import { directoryBytes, type Quantiles, timeCalls } from "./measure.ts";

export interface SqliteResult {
  readonly seconds: number;
  readonly bytes: number;
  readonly searches: Readonly<Record<string, Quantiles>>;
}

interface LogDocument {
  readonly [key: string]: string | number | boolean | undefined;
}

const COLUMNS = [
  "@timestamp",
  "service",
  "host",
  "level",
  "status",
  "latency_ms",
  "bytes",
  "client_ip",
  "path",
  "user_agent",
  "trace_id",
  "message",
  "cost_usd",
  "cache_hit",
];

export async function runSqlite({ lines }: Corpus, batch: number): Promise<SqliteResult> {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-bench-sqlite-" });
  const db = new DatabaseSync(`${directory}/logs.db`);
  try {
    db.exec("pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -262144");
    db.exec(`create table logs(id integer primary key, ${COLUMNS.map((name) => `"${name}"`).join(", ")})`);
    for (const name of ["@timestamp", "service", "level", "status", "latency_ms", "trace_id"]) {
      db.exec(`create index "by_${name}" on logs("${name}")`);
    }
    db.exec(`create virtual table fts using fts5(message, content='logs', content_rowid='id')`);
    const insert = db.prepare(`insert into logs values(?, ${COLUMNS.map(() => "?").join(", ")})`);
    const index = db.prepare("insert into fts(rowid, message) values(?, ?)");
    const text = new TextDecoder().decode(lines);
    const started = performance.now();
    let id = 0;
    db.exec("begin");
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const doc = JSON.parse(line) as LogDocument;
      id++;
      const values = COLUMNS.map((name) => {
        const value = doc[name];
        return value === undefined ? null : typeof value === "boolean" ? Number(value) : value;
      });
      insert.run(id, ...values);
      index.run(id, doc["message"] as string);
      if (id % batch === 0) db.exec("commit; begin");
    }
    db.exec("commit");
    const seconds = (performance.now() - started) / 1000;
    db.exec("pragma wal_checkpoint(truncate)");
    const select = {
      "match top 10": db.prepare(
        `select logs.* from fts join logs on logs.id = fts.rowid where fts match 'connection OR timeout' order by bm25(fts) limit 10`,
      ),
      "phrase": db.prepare(
        `select logs.* from fts join logs on logs.id = fts.rowid where fts match '"circuit breaker open"' order by bm25(fts) limit 10`,
      ),
      "filter, newest 10": db.prepare(
        `select * from logs where service = 'checkout' and status >= 500 order by "@timestamp" desc limit 10`,
      ),
    };
    const searches: Record<string, Quantiles> = {};
    for (const [name, statement] of Object.entries(select)) {
      searches[name] = await timeCalls(() => statement.all(), 50);
    }
    return { seconds, bytes: directoryBytes(directory), searches };
  } finally {
    db.close();
    Deno.removeSync(directory, { recursive: true });
  }
}
