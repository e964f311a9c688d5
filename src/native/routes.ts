/**
 * The native API: every route, and what stands behind it.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { DirectorySnapshots } from "../control/snapshots.ts";
import {
  adoptStream,
  type BackupRoutesOptions,
  cancelBackup,
  continuousStatus,
  createBackup,
  deleteBackup,
  getBackup,
  listBackups,
  restoreBackup,
} from "./backups.ts";
import { cancelVerification, getVerification, listVerifications, verifyRepository } from "./verifications.ts";
import type { Engine } from "../engine/engine.ts";
import { type Health, healthOf, type HealthWarning } from "../engine/health.ts";
import type { ShardStats } from "../engine/messages.ts";
import { Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext, RouteMeta } from "../http/context.ts";
import { JSON_BODIES, NDJSON_BODIES } from "../http/media.ts";
import { Router } from "../http/router.ts";
import {
  addDocument,
  deleteDocument,
  getDocument,
  putDocument,
  turboIngest,
  updateDocument,
} from "./documents.ts";
import {
  createIndex,
  deleteIndex,
  describeIndex,
  flush,
  getMapping,
  listIndices,
  merge,
  putMapping,
  refresh,
} from "./indices.ts";
import { type DrillRoutesOptions, holdDrill, listDrills } from "./drills.ts";
import type { MemoryReading, Metrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { attachIndex, createSnapshot, deleteSnapshot, getSnapshot, listSnapshots } from "./snapshots.ts";

/** What the server tells about itself. */
export interface ServerFacts {
  readonly version: string;
  readonly startedMonotonicMs: number;
  readonly monotonicMs: () => number;
  readonly memory: () => MemoryReading;
  /** Free bytes on the data directory's disk. */
  readonly freeBytes: () => number | undefined;
  readonly warnings: readonly HealthWarning[];
  /** Those that come and go by themselves. */
  readonly liveWarnings: () => readonly HealthWarning[];
  readonly maxLineBytes: () => number;
}

export interface NativeOptions {
  readonly engine: Engine;
  readonly metrics: Metrics;
  readonly facts: ServerFacts;
  readonly snapshots: DirectorySnapshots;
  readonly backups: BackupRoutesOptions;
  readonly drills: DrillRoutesOptions;
}

type EngineHandler = (
  engine: Engine,
  context: RequestContext,
) => Promise<Answer | Response> | Answer | Response;

const WRITE_PARAMETERS = ["refresh", "if_seq_no", "if_primary_term"];

export function nativeRouter(options: NativeOptions): Router {
  const { engine, metrics, facts } = options;
  const router = new Router({ commonParameters: ["pretty"] });
  const health = new HealthCheck(options);
  const on = (method: string, pattern: string, handler: EngineHandler, meta: RouteMeta) =>
    router.add(method, pattern, (context) => {
      if (!engine.ready) throw notReady(engine);
      return handler(engine, context);
    }, meta);
  const write = (method: string, pattern: string, handler: EngineHandler, meta: RouteMeta) =>
    on(method, pattern, async (_engine, context) => {
      const started = facts.monotonicMs();
      const answer = await handler(engine, context);
      const bytes = Number(context.request.headers.get("content-length") ?? 0);
      metrics.wrote((facts.monotonicMs() - started) / 1000, bytes);
      return answer;
    }, { parameters: WRITE_PARAMETERS, ...meta });

  router.add("GET", "/v1/health", () => health.answer(), { name: "health", access: "public" });
  router.add("GET", "/v1/health/ready", () => readiness(engine, facts), {
    name: "health.ready",
    access: "public",
  });
  router.add("GET", "/v1/metrics", async () => {
    const text = await metrics.render(engine, {
      memory: facts.memory(),
      health: health.current(),
      lastBackup: options.backups.backups.lastEnded,
      backups: options.backups.backups,
      continuous: options.backups.continuous?.status(),
      verified: options.backups.verifications,
      healed: options.backups.healer,
      drills: { ages: options.drills.schedules.ages, totals: options.drills.drills.totals },
    });
    return new Answer(200, text, "text/plain; version=0.0.4; charset=utf-8");
  }, { name: "metrics", access: "metrics" });
  router.add("GET", "/v1/openapi.json", () => jsonAnswer(openApiDocument(router.routes, facts.version)), {
    name: "openapi",
  });
  on("POST", "/v1/admin/flush", flush, { name: "admin.flush" });
  const { snapshots } = options;
  on("POST", "/v1/admin/snapshot", (_engine, context) => createSnapshot(snapshots, context), {
    name: "snapshots.create",
    accepts: JSON_BODIES,
  });
  on("GET", "/v1/admin/snapshot", () => listSnapshots(snapshots), { name: "snapshots.list" });
  on("GET", "/v1/admin/snapshot/{name}", (_engine, context) => getSnapshot(snapshots, context), {
    name: "snapshots.get",
  });
  on("DELETE", "/v1/admin/snapshot/{name}", (_engine, context) => deleteSnapshot(snapshots, context), {
    name: "snapshots.delete",
  });
  const { backups } = options;
  on("POST", "/v1/admin/backup", (_engine, context) => createBackup(backups, context), {
    name: "backups.create",
    accepts: JSON_BODIES,
    parameters: ["wait"],
  });
  on("GET", "/v1/admin/backups", (_engine, context) => listBackups(backups, context), {
    name: "backups.list",
    parameters: ["repository"],
  });
  on("GET", "/v1/admin/backups/{id}", (_engine, context) => getBackup(backups, context), {
    name: "backups.get",
  });
  on("DELETE", "/v1/admin/backups/{id}", (_engine, context) => deleteBackup(backups, context), {
    name: "backups.delete",
    parameters: ["repository"],
  });
  on("POST", "/v1/admin/backups/{id}/_cancel", (_engine, context) => cancelBackup(backups, context), {
    name: "backups.cancel",
  });
  on("POST", "/v1/admin/backup/verify", (_engine, context) => verifyRepository(backups, context), {
    name: "verifications.create",
    accepts: JSON_BODIES,
    parameters: ["wait"],
  });
  on("GET", "/v1/admin/backup/verify", () => listVerifications(backups), { name: "verifications.list" });
  on("GET", "/v1/admin/backup/verify/{id}", (_engine, context) => getVerification(backups, context), {
    name: "verifications.get",
  });
  on(
    "POST",
    "/v1/admin/backup/verify/{id}/_cancel",
    (_engine, context) => cancelVerification(backups, context),
    { name: "verifications.cancel" },
  );
  const { drills } = options;
  on("POST", "/v1/admin/drill", (_engine, context) => holdDrill(drills, context), {
    name: "drills.hold",
    accepts: JSON_BODIES,
    parameters: ["wait"],
  });
  on("GET", "/v1/admin/drills", () => listDrills(drills), { name: "drills.list" });
  on("GET", "/v1/admin/continuous", () => continuousStatus(backups), { name: "continuous.status" });
  on("POST", "/v1/admin/continuous/_adopt", () => adoptStream(backups), { name: "continuous.adopt" });
  on("POST", "/v1/admin/restore", (_engine, context) => restoreBackup(backups, context), {
    name: "backups.restore",
    accepts: JSON_BODIES,
  });
  on("POST", "/v1/indices/{name}/_attach", attachIndex, { name: "indices.attach", parameters: ["rename"] });
  on("GET", "/v1/indices", listIndices, { name: "indices.list" });
  on("PUT", "/v1/indices/{name}", createIndex, { name: "indices.create", accepts: JSON_BODIES });
  on("GET", "/v1/indices/{name}", describeIndex, { name: "indices.get" });
  on("DELETE", "/v1/indices/{name}", deleteIndex, { name: "indices.delete" });
  on("GET", "/v1/indices/{name}/_mapping", getMapping, { name: "indices.get_mapping" });
  on("PUT", "/v1/indices/{name}/_mapping", putMapping, { name: "indices.put_mapping", accepts: JSON_BODIES });
  for (const path of ["flush", "_flush"]) {
    on("POST", `/v1/indices/{name}/${path}`, flush, { name: "indices.flush" });
  }
  on("POST", "/v1/indices/{name}/merge", merge, { name: "indices.merge", accepts: JSON_BODIES });
  for (const path of ["refresh", "_refresh"]) {
    on("POST", `/v1/indices/{name}/${path}`, refresh, { name: "indices.refresh" });
  }
  write("POST", "/v1/indices/{name}/docs", addDocument, { name: "docs.add", accepts: JSON_BODIES });
  write("PUT", "/v1/indices/{name}/docs/{id}", putDocument, {
    name: "docs.put",
    accepts: JSON_BODIES,
    parameters: [...WRITE_PARAMETERS, "op_type"],
  });
  write("POST", "/v1/indices/{name}/docs/{id}/update", updateDocument, {
    name: "docs.update",
    accepts: JSON_BODIES,
  });
  write("DELETE", "/v1/indices/{name}/docs/{id}", deleteDocument, { name: "docs.delete" });
  on("GET", "/v1/indices/{name}/docs/{id}", getDocument, { name: "docs.get" });
  write(
    "POST",
    "/v1/indices/{name}/turbo-ingest",
    (_engine, context) =>
      turboIngest(engine, context, { maxLineBytes: facts.maxLineBytes(), onPiece: () => {} }),
    { name: "docs.turbo_ingest", accepts: NDJSON_BODIES, parameters: ["refresh", "id_field"] },
  );
  for (
    const [path, handler, name] of [["search", "native.search", "search"], [
      "_explain",
      "native.explain",
      "explain",
    ]] as const
  ) {
    for (const method of ["POST", "GET"]) {
      on(method, `/v1/indices/{name}/${path}`, (_engine, context) => search(options, context, handler), {
        name,
        accepts: JSON_BODIES,
      });
    }
  }
  on("GET", "/v1/cluster/health", () => jsonAnswer(clusterHealth(engine, health.current())), {
    name: "cluster.health",
  });
  for (const action of ["drain", "activate", "remove"]) {
    on("POST", `/v1/cluster/nodes/{id}/${action}`, () => {
      throw new RequestError("this server is a single node; there is no cluster to change", {
        status: 409,
        type: "illegal_state_exception",
      });
    }, { name: `cluster.${action}` });
  }
  return router;
}

async function search(
  { engine, metrics, facts }: NativeOptions,
  context: RequestContext,
  handler: string,
): Promise<Answer> {
  const started = facts.monotonicMs();
  const body = await context.readBody();
  const indices = engine.expand(context.params["name"], { allowNoIndices: false });
  const reply = await engine.search(indices, { handler, body, query: {}, requestId: context.requestId });
  metrics.searched((facts.monotonicMs() - started) / 1000, reply.body.length);
  return new Answer(reply.status, reply.body);
}

/** 503 with how far the logs are replayed. */
function notReady(engine: Engine): RequestError {
  const { bytesDone, bytesTotal } = engine.replay;
  return new RequestError(`the server is starting: ${bytesDone} of ${bytesTotal} bytes of log replayed`, {
    status: 503,
    type: "cluster_block_exception",
    headers: { "retry-after": "1" },
  });
}

function readiness(engine: Engine, facts: ServerFacts): Answer {
  const uptimeMs = facts.monotonicMs() - facts.startedMonotonicMs;
  const uptime = Math.floor(uptimeMs / 1000);
  if (engine.ready) {
    return jsonAnswer({
      status: "ready",
      wal_replayed: true,
      indices: engine.indices.names().length,
      uptime_s: uptime,
    });
  }
  const { bytesDone, bytesTotal } = engine.replay;
  const remainingMs = bytesDone > 0 ? (uptimeMs / bytesDone) * (bytesTotal - bytesDone) : undefined;
  return jsonAnswer(
    {
      status: "starting",
      wal_replayed: false,
      replayed_bytes: bytesDone,
      total_bytes: bytesTotal,
      estimated_remaining_s: remainingMs === undefined ? null : Math.ceil(remainingMs / 1000),
      uptime_s: uptime,
    },
    503,
    { "retry-after": "1" },
  );
}

function clusterHealth(engine: Engine, { status, warnings }: Health): Json {
  return {
    status,
    mode: "single",
    nodes: 1,
    indices: engine.indices.names().length,
    shards: engine.indices.all().reduce((sum, { shards }) => sum + shards, 0),
    warnings: warnings.map(({ cause, next }) => ({ cause, next })),
  };
}

/** How often health looks at the writers' figures and the disk: a health request itself asks nobody. */
const HEALTH_EVERY_MS = 1000;

class HealthCheck {
  readonly #options: NativeOptions;
  #stats: readonly ShardStats[] = [];
  #freeBytes: number | undefined;
  #checkedMs = -Infinity;
  #asking = false;

  constructor(options: NativeOptions) {
    this.#options = options;
  }

  current(): Health {
    this.#renew();
    const { engine, facts } = this.#options;
    return healthOf(engine, {
      stats: this.#stats,
      freeBytes: this.#freeBytes,
      standing: [...facts.warnings, ...facts.liveWarnings()],
    });
  }

  answer(): Answer {
    const { facts } = this.#options;
    const { status, warnings } = this.current();
    return jsonAnswer({
      status,
      uptime_s: Math.floor((facts.monotonicMs() - facts.startedMonotonicMs) / 1000),
      version: facts.version,
      warnings: warnings.map(({ cause, next }) => ({ cause, next })),
    });
  }

  #renew(): void {
    const { engine, facts } = this.#options;
    const now = facts.monotonicMs();
    if (now - this.#checkedMs < HEALTH_EVERY_MS || this.#asking) return;
    this.#checkedMs = now;
    this.#freeBytes = facts.freeBytes();
    if (!engine.ready) return;
    this.#asking = true;
    engine.stats().then((stats) => this.#stats = stats).finally(() => this.#asking = false);
  }
}
