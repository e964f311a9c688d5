/**
 * Backups and restores of the native dialect.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";

import type {
  BackupOutcome,
  BackUpProgress,
  BackupRun,
  Backups,
  ListedBackup,
  RestoreProgress,
} from "../control/backups.ts";
import type { ContinuousShipper } from "../control/continuous.ts";
import { type Destination, destinationFromRequest } from "../control/destination.ts";
import type { Restored, Restores } from "../control/restores.ts";
import type { SegmentHealer } from "../control/segment_healer.ts";
import type { Verifications } from "../control/verifications.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";

export interface BackupRoutesOptions {
  readonly backups: Backups;
  readonly restores: Restores;
  readonly verifications: Verifications;
  readonly healer: SegmentHealer;
  /** A repository of the configuration. @throws {RequestError} 404, 400 */
  readonly named: (name: string) => Destination;
  /** undefined: switched off. */
  readonly continuous: ContinuousShipper | undefined;
}

export const NDJSON = "application/x-ndjson";

/** POST `/v1/admin/backup`. */
export async function createBackup(
  { backups, named }: BackupRoutesOptions,
  context: RequestContext,
): Promise<Answer | Response> {
  const body = await objectBody(context);
  checkKeys(body, [
    "destination",
    "credentials",
    "repository",
    "flush_first",
    "indices",
    "backup_id",
    "pinned",
  ]);
  const { run, done } = backups.start({
    destination: destinationOf(body, named),
    flushFirst: flag(body, "flush_first", false),
    kind: "manual",
    ...(body["pinned"] === undefined ? {} : { pinned: flag(body, "pinned", false) }),
    ...(body["indices"] === undefined ? {} : { indices: names(body, "indices").join(",") }),
    ...(body["backup_id"] === undefined ? {} : { id: text(body, "backup_id") }),
  });
  const { query, request } = context;
  if (request.headers.get("accept")?.includes(NDJSON)) {
    return progressStream(() => runJson(run), done.then(finished, (error) => failed(error, run)));
  }
  if (!waits(query)) return jsonAnswer(runJson(run), 202);
  return jsonAnswer(finished(await done));
}

/** `?wait`, true unless it is told otherwise. */
export function waits(query: URLSearchParams): boolean {
  const wait = query.get("wait");
  if (wait !== null && wait !== "true" && wait !== "false") {
    throw illegalArgument("[wait] must be true or false");
  }
  return wait !== "false";
}

/** What a backup that went well answers; the first three keys are those of the documentation. */
function finished(run: BackupRun): { readonly [key: string]: Json | undefined } {
  const { outcome } = run.result!;
  const warnings = [...run.result!.warnings, ...missingWords(outcome), ...uploadWords(outcome)];
  return {
    backup_id: run.id,
    bytes: outcome.bytes,
    duration_ms: Math.round(run.durationMs),
    bytes_total: outcome.bytesTotal,
    files: outcome.files,
    objects_sent: outcome.objectsPut,
    objects_reused: outcome.objectsReused,
    created: new Date(run.createdMs).toISOString(),
    indices: [...run.indices],
    resumed: run.isResumed || undefined,
    locks_extended: outcome.locksExtended || undefined,
    objects_missing: outcome.objectsMissing.length > 0 ? [...outcome.objectsMissing] : undefined,
    warnings: warnings.length > 0 ? warnings : undefined,
  };
}

function missingWords({ objectsMissing, backupsAffected }: BackupOutcome): string[] {
  if (objectsMissing.length === 0) return [];
  return [
    `${objectsMissing.length} objects that the repository should have are gone or cut; they were sent again for this ` +
    `backup, but the backups ${
      backupsAffected.join(", ")
    } name the lost ones: POST /v1/admin/backup/verify with ` +
    '"heal": true, or `xerj backup verify --heal`, stores them again',
  ];
}

function uploadWords({ uploadsLeft }: BackupOutcome): string[] {
  if (uploadsLeft.length === 0) return [];
  const named = uploadsLeft.slice(0, 3).join(", ");
  return [
    `the credentials may not end ${uploadsLeft.length} unfinished uploads, such as of ${named}: their parts cost room until ` +
    "a rule of the bucket, or another identity, ends them",
  ];
}

function failed(error: unknown, run: BackupRun): { readonly [key: string]: Json | undefined } {
  return { ...runJson(run), error: { reason: error instanceof Error ? error.message : String(error) } };
}

/** A run, ended or not. */
function runJson(run: BackupRun): { readonly [key: string]: Json | undefined } {
  if (run.state === "success") return { state: run.state, destination: run.place, ...finished(run) };
  return {
    backup_id: run.id,
    state: run.state,
    destination: run.place,
    kind: run.kind,
    created: new Date(run.createdMs).toISOString(),
    indices: [...run.indices],
    resumed: run.isResumed || undefined,
    ...(run.progress ? progressJson(run.progress, run) : {}),
    duration_ms: run.state === "running" ? undefined : Math.round(run.durationMs),
    error: run.error && { type: run.error.type, reason: run.error.reason },
  };
}

function progressJson(progress: BackUpProgress, { startedMs }: BackupRun): { readonly [key: string]: Json } {
  const seconds = Math.max(0.001, (Date.now() - startedMs) / 1000);
  const share = progress.bytesTotal === 0 ? 1 : progress.bytesDone / progress.bytesTotal;
  return {
    files_done: progress.filesDone,
    files: progress.filesTotal,
    bytes_done: progress.bytesDone,
    bytes_total: progress.bytesTotal,
    bytes_sent: progress.uploadedBytes,
    bytes_reused: progress.reusedBytes,
    bytes_per_second: Math.round(progress.uploadedBytes / seconds),
    remaining_seconds: share > 0 ? Math.round(seconds * (1 - share) / share) : -1,
  };
}

/** GET `/v1/admin/backups`: what this server has made since its start; `?repository=` what lies in a repository. */
export async function listBackups(
  { backups, named }: BackupRoutesOptions,
  context: RequestContext,
): Promise<Answer> {
  const repository = context.query.get("repository");
  if (repository === null) {
    return jsonAnswer({
      backups: backups.runs.map(runJson),
      unfinished: backups.unfinished.map(({ id, place }) => ({ backup_id: id, destination: place })),
    });
  }
  const listed = await backups.listRepository(named(repository));
  return jsonAnswer({
    repository,
    repository_id: listed.repositoryId,
    encrypted: listed.encrypted,
    backups: listed.backups.map(listedJson).reverse(),
    warnings: [...listed.warnings],
  });
}

export function listedJson(backup: ListedBackup): { readonly [key: string]: Json } {
  return {
    backup_id: backup.id,
    created: new Date(backup.createdMs).toISOString(),
    bytes_total: backup.bytesTotal,
    files: backup.files,
    lsn: backup.lsn,
    kind: backup.kind,
    pinned: backup.pinned,
  };
}

/** GET `/v1/admin/backups/{id}`. */
export function getBackup({ backups }: BackupRoutesOptions, context: RequestContext): Answer {
  return jsonAnswer(runJson(backups.get(context.params["id"]!)));
}

/** POST `/v1/admin/backups/{id}/_cancel`. */
export function cancelBackup({ backups }: BackupRoutesOptions, context: RequestContext): Answer {
  return jsonAnswer(runJson(backups.cancel(context.params["id"]!)), 202);
}

/** DELETE `/v1/admin/backups/{id}?repository=main`. */
export async function deleteBackup(
  { backups, named }: BackupRoutesOptions,
  context: RequestContext,
): Promise<Answer> {
  const repository = context.query.get("repository");
  if (repository === null) throw illegalArgument("[repository] must say which repository the backup lies in");
  const { removed, deleted, deletedBytes, undeleted, undeletedReason } = await backups.deleteBackup(
    named(repository),
    context.params["id"]!,
  );
  return jsonAnswer({
    acknowledged: true,
    removed: [...removed],
    objects_deleted: deleted,
    bytes_deleted: deletedBytes,
    objects_left: undeleted > 0 ? { objects: undeleted, reason: undeletedReason } : undefined,
  });
}

/** GET `/v1/admin/continuous`: how far behind continuous shipping is. */
export function continuousStatus({ continuous }: BackupRoutesOptions): Answer {
  if (!continuous) return jsonAnswer({ state: "off" });
  const status = continuous.status();
  return jsonAnswer({
    state: status.state,
    stream: status.stream,
    destination: status.place,
    lag_ms: Math.round(status.lagMs),
    lsn: status.lsn,
    lag_lsns: status.lagLsns,
    last_success: status.lastSuccessMs === undefined ? null : new Date(status.lastSuccessMs).toISOString(),
    last_round_ms: Math.round(status.lastRoundMs),
    rounds: status.roundsTotal,
    failures: status.failuresTotal,
    bytes: status.bytesTotal,
    objects: status.objectsTotal,
    wal_bytes: status.walBytesTotal,
    problems: [...status.problems],
    error: status.error && {
      reason: status.error.reason,
      hint: status.error.hint,
      at: new Date(status.error.atMs).toISOString(),
    },
  });
}

/** POST `/v1/admin/continuous/_adopt`: this server takes the stream over from whoever wrote it. */
export async function adoptStream({ continuous }: BackupRoutesOptions): Promise<Answer> {
  if (!continuous) throw illegalArgument("[backup.continuous] is not enabled");
  await continuous.adopt();
  return jsonAnswer({ acknowledged: true });
}

/** POST `/v1/admin/restore`. */
export async function restoreBackup(
  { restores, named }: BackupRoutesOptions,
  context: RequestContext,
): Promise<Answer | Response> {
  const body = await objectBody(context);
  checkKeys(body, [
    "destination",
    "credentials",
    "repository",
    "backup",
    "indices",
    "rename_pattern",
    "rename_replacement",
    "dry_run",
  ]);
  const [pattern, replacement] = [body["rename_pattern"], body["rename_replacement"]];
  if ((pattern === undefined) !== (replacement === undefined)) {
    throw illegalArgument("[rename_pattern] and [rename_replacement] go together");
  }
  let progress: RestoreProgress | undefined;
  const done = restores.restore({
    destination: destinationOf(body, named),
    backup: body["backup"] === undefined ? "latest" : text(body, "backup"),
    dryRun: flag(body, "dry_run", false),
    ...(body["indices"] === undefined ? {} : { indices: names(body, "indices") }),
    ...(pattern === undefined
      ? {}
      : { rename: { pattern: text(body, "rename_pattern"), replacement: text(body, "rename_replacement") } }),
    onProgress: (now) => progress = now,
  });
  if (!context.request.headers.get("accept")?.includes(NDJSON)) return jsonAnswer(restoredJson(await done));
  const state = () => ({
    state: "running",
    files_done: progress?.filesDone ?? 0,
    files: progress?.filesTotal,
    bytes_done: progress?.bytesDone ?? 0,
    bytes_total: progress?.bytesTotal,
    bytes_fetched: progress?.fetchedBytes ?? 0,
  });
  return progressStream(
    state,
    done.then((restored) => ({ state: "success", ...restoredJson(restored) }), (error) => ({
      state: "failed",
      error: {
        type: error instanceof RequestError ? error.type : "restore_failed_exception",
        reason: error instanceof Error ? error.message : String(error),
      },
    })),
  );
}

function restoredJson(
  { reply, indices, durationMs }: Restored,
): { readonly [key: string]: Json | undefined } {
  const { backup, files, bytes, fetchBytes, requests, outcome } = reply;
  return {
    backup_id: backup.id,
    created: new Date(backup.createdMs).toISOString(),
    dry_run: outcome === undefined || undefined,
    indices: outcome === undefined
      ? reply.indices.map(({ name, as }) => ({ index: name, as }))
      : indices.map(({ name, as, docs, warnings }) => ({
        index: name,
        as,
        docs,
        warnings: warnings.length > 0 ? [...warnings] : undefined,
      })),
    files,
    bytes,
    bytes_fetched: outcome?.fetchedBytes,
    bytes_to_fetch: outcome === undefined ? fetchBytes : undefined,
    requests: outcome === undefined ? requests : undefined,
    files_kept: outcome?.filesKept || undefined,
    duration_ms: Math.round(durationMs),
  };
}

/** How often a line of progress is written. */
const LINE_EVERY_MS = 500;

/** NDJSON: a line now and then, and a last one with the outcome. A client that goes away ends only the lines. */
export function progressStream(current: () => Json, end: Promise<Json>): Response {
  const encoder = new TextEncoder();
  let timer: number | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const line = (value: Json) => controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      line(current());
      timer = setInterval(() => line(current()), LINE_EVERY_MS);
      end.then((value) => {
        clearInterval(timer);
        if (timer === undefined) return;
        timer = undefined;
        line(value);
        controller.close();
      });
    },
    cancel() {
      clearInterval(timer);
      timer = undefined;
    },
  });
  return new Response(body, { headers: { "content-type": NDJSON } });
}

/** Where a request's backups lie. @throws {RequestError} 400, 404 */
export function destinationOf(
  body: Readonly<Record<string, unknown>>,
  named: (name: string) => Destination,
): Destination {
  if (body["repository"] === undefined) {
    return destinationFromRequest(body["destination"], body["credentials"]);
  }
  if (body["destination"] !== undefined || body["credentials"] !== undefined) {
    throw illegalArgument("give either [repository] or [destination] with [credentials]");
  }
  return named(text(body, "repository"));
}

/** @throws {RequestError} 400: a key that there is not. */
export function checkKeys(body: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  for (const key of Object.keys(body)) {
    if (!known.includes(key)) {
      throw illegalArgument(`unknown key [${key.slice(0, 64)}]; there are [${known.join(", ")}]`);
    }
  }
}

export function flag(body: Readonly<Record<string, unknown>>, key: string, otherwise: boolean): boolean {
  const value = body[key];
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw illegalArgument(`[${key}] must be true or false`);
  return value;
}

/** @throws {RequestError} 400 */
export function text(body: Readonly<Record<string, unknown>>, key: string): string {
  const value = body[key];
  if (typeof value !== "string" || value === "") throw illegalArgument(`[${key}] must be a text`);
  return value;
}

/** A list of names or patterns, or one text with commas. */
export function names(body: Readonly<Record<string, unknown>>, key: string): string[] {
  const value = body[key];
  const list = typeof value === "string" ? value.split(",") : value;
  if (
    !Array.isArray(list) || list.length === 0 || list.some((name) => typeof name !== "string" || name === "")
  ) {
    throw illegalArgument(`[${key}] must be a name, a pattern with *, or a list of them`);
  }
  return list as string[];
}
