/**
 * Elasticsearch's snapshot API over the server's own backups: repositories, create, get, status, delete, restore.
 *
 * A snapshot is a backup whose id is its name. Each shard counts as one that went well: a backup is whole or is none.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { BackupRun, Backups, ListedBackup } from "../control/backups.ts";
import type { RegisteredRepositories } from "../control/registered.ts";
import type { Restores } from "../control/restores.ts";
import { wildcardMatches } from "../engine/index_names.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";
import { answer, flag } from "./answer.ts";

export interface SnapshotApiOptions {
  readonly repositories: RegisteredRepositories;
  readonly backups: Backups;
  readonly restores: Restores;
  readonly node: { readonly id: string; readonly name: string };
}

/** Version that snapshots say they were made with, as clients expect one. */
const VERSION = "8.13.4";
const VERSION_ID = 8_130_499;

/** GET `/_snapshot`, `/_snapshot/{repository}`. */
export function getRepositories({ repositories }: SnapshotApiOptions, context: RequestContext): Answer {
  const asked = context.params["repository"] ?? "_all";
  const all = repositories.all();
  const body: Record<string, Json> = {};
  for (const part of asked.split(",")) {
    const pattern = part === "_all" ? "*" : part;
    const names = [...all.keys()].filter((name) => wildcardMatches(pattern, name));
    if (names.length === 0 && !pattern.includes("*")) repositories.get(part);
    for (const name of names) body[name] = all.get(name)! as unknown as Json;
  }
  return answer(context, body);
}

/** PUT `/_snapshot/{repository}`. */
export async function putRepository(
  { repositories, backups }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  const name = context.params["repository"]!;
  repositories.put(name, await objectBody(context));
  if (flag(context, "verify", true)) {
    try {
      await backups.prepareRepository(repositories.destination(name));
    } catch (error) {
      repositories.delete(name);
      throw error;
    }
  }
  return answer(context, { acknowledged: true });
}

/** DELETE `/_snapshot/{repository}`: forgets it; snapshots stay. */
export function deleteRepository({ repositories }: SnapshotApiOptions, context: RequestContext): Answer {
  for (const name of context.params["repository"]!.split(",")) repositories.delete(name);
  return answer(context, { acknowledged: true });
}

/** POST `/_snapshot/{repository}/_verify`. */
export async function verifyRepository(
  { repositories, backups, node }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  await backups.prepareRepository(repositories.destination(context.params["repository"]!));
  return answer(context, { nodes: { [node.id]: { name: node.name } } });
}

const CREATE_KEYS = [
  "indices",
  "ignore_unavailable",
  "include_global_state",
  "partial",
  "metadata",
  "feature_states",
];

/** PUT or POST `/_snapshot/{repository}/{snapshot}`. */
export async function createSnapshot(
  { repositories, backups }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  const { repository, snapshot } = context.params as { repository: string; snapshot: string };
  const body = await objectBody(context);
  checkKeys(body, CREATE_KEYS);
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(snapshot)) {
    throw new RequestError(
      `[${repository}:${snapshot.slice(0, 128)}] Invalid snapshot name [${
        snapshot.slice(0, 128)
      }], it must be of a-z, ` +
        "0-9, '.', '_', '-', and begin with a letter or digit",
      { status: 400, type: "invalid_snapshot_name_exception" },
    );
  }
  const destination = repositories.destination(repository);
  const known = await listedOf(backups, destination);
  if (known.some(({ id }) => id === snapshot)) {
    throw new RequestError(
      `[${repository}:${snapshot}] Invalid snapshot name [${snapshot}], snapshot with the same name already exists`,
      { status: 400, type: "invalid_snapshot_name_exception" },
    );
  }
  const indices = indicesOf(body);
  const { run, done } = backups.start({
    destination,
    flushFirst: false,
    kind: "manual",
    id: snapshot,
    ...(indices === undefined ? {} : { indices: indices.join(",") }),
  });
  if (!flag(context, "wait_for_completion")) return answer(context, { accepted: true });
  await done;
  return answer(context, { snapshot: runJson(run, repository) });
}

/** GET `/_snapshot/{repository}/{snapshot}`: names, patterns, `_all`, `_current`. */
export async function getSnapshots(
  { repositories, backups }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  const { repository, snapshot } = context.params as { repository: string; snapshot: string };
  const destination = repositories.destination(repository);
  const listed = await listedOf(backups, destination);
  const running = runningOf(backups, repositories, repository);
  const chosen = new Set<ListedBackup>();
  const current = new Set<BackupRun>();
  for (const part of snapshot.split(",")) {
    const pattern = part === "_all" ? "*" : part;
    const found = part === "_current" ? [] : listed.filter(({ id }) => wildcardMatches(pattern, id));
    const now = running.filter(({ id }) => part === "_current" || wildcardMatches(pattern, id));
    if (found.length + now.length === 0 && !/[*]/.test(pattern) && part !== "_current") {
      if (flag(context, "ignore_unavailable")) continue;
      throw missing(repository, part);
    }
    for (const one of found) chosen.add(one);
    for (const one of now) current.add(one);
  }
  const snapshots: Json[] = [];
  for (const one of chosen) snapshots.push(await listedJson(one, { backups, destination, repository }));
  for (const one of current) snapshots.push(runJson(one, repository));
  return answer(context, { snapshots, total: snapshots.length, remaining: 0 });
}

/** GET `/_snapshot/{repository}/{snapshot}/_status`. */
export async function snapshotStatus(
  { repositories, backups }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  const { repository, snapshot } = context.params as { repository: string; snapshot: string };
  const destination = repositories.destination(repository);
  const running = runningOf(backups, repositories, repository).find(({ id }) => id === snapshot);
  if (running) {
    const { progress } = running;
    const done = { file_count: progress?.filesDone ?? 0, size_in_bytes: progress?.bytesDone ?? 0 };
    const total = { file_count: progress?.filesTotal ?? 0, size_in_bytes: progress?.bytesTotal ?? 0 };
    return answer(context, {
      snapshots: [{
        snapshot,
        repository,
        uuid: snapshot,
        state: "STARTED",
        include_global_state: true,
        stats: { processed: done, total, start_time_in_millis: running.startedMs, time_in_millis: 0 },
      }],
    });
  }
  const found = (await listedOf(backups, destination)).find(({ id }) => id === snapshot);
  if (!found) throw missing(repository, snapshot);
  const total = { file_count: found.files, size_in_bytes: found.bytesTotal };
  return answer(context, {
    snapshots: [{
      snapshot,
      repository,
      uuid: uuidOf(found),
      state: "SUCCESS",
      include_global_state: true,
      stats: { incremental: total, total, start_time_in_millis: found.createdMs, time_in_millis: 0 },
    }],
  });
}

/** DELETE `/_snapshot/{repository}/{snapshot}`. */
export async function deleteSnapshot(
  { repositories, backups }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  const { repository, snapshot } = context.params as { repository: string; snapshot: string };
  const destination = repositories.destination(repository);
  const listed = await listedOf(backups, destination);
  for (const part of snapshot.split(",")) {
    const found = listed.filter(({ id }) => wildcardMatches(part, id));
    if (found.length === 0) throw missing(repository, part);
    for (const { id } of found) await backups.deleteBackup(destination, id);
  }
  return answer(context, { acknowledged: true });
}

const RESTORE_KEYS = [
  "indices",
  "ignore_unavailable",
  "include_global_state",
  "include_aliases",
  "partial",
  "rename_pattern",
  "rename_replacement",
  "feature_states",
];

/** POST `/_snapshot/{repository}/{snapshot}/_restore`. */
export async function restoreSnapshot(
  { repositories, backups, restores }: SnapshotApiOptions,
  context: RequestContext,
): Promise<Answer> {
  const { repository, snapshot } = context.params as { repository: string; snapshot: string };
  const body = await objectBody(context);
  checkKeys(body, RESTORE_KEYS);
  if (body["include_global_state"] === true) {
    throw illegalArgument(
      "[include_global_state] cannot be restored into a running server; see `xerj restore`",
    );
  }
  const destination = repositories.destination(repository);
  const found = (await listedOf(backups, destination)).find(({ id }) => id === snapshot);
  if (!found) throw missing(repository, snapshot);
  const { manifest } = await backups.manifest(destination, snapshot);
  const known = manifest.indices.map(({ name }) => name);
  const patterns = indicesOf(body) ?? ["*"];
  const chosen = known.filter((name) =>
    patterns.some((part) => wildcardMatches(part === "_all" ? "*" : part, name))
  );
  for (const part of patterns) {
    if (
      part.includes("*") || part === "_all" || known.includes(part) || body["ignore_unavailable"] === true
    ) continue;
    throw new RequestError(`[${repository}:${snapshot}] no such index [${part}] in the snapshot`, {
      status: 404,
      type: "index_not_found_exception",
    });
  }
  const rename = renamer(body);
  const work = async () => {
    for (const name of chosen) {
      await restores.restore({
        destination,
        backup: snapshot,
        indices: [name],
        rename: { pattern: ".*", replacement: rename(name).replaceAll("$", "") },
        dryRun: false,
      });
    }
  };
  if (flag(context, "wait_for_completion")) {
    await work();
    const shards = manifest.indices.filter(({ name }) => chosen.includes(name)).reduce(
      (n, { shards }) => n + shards,
      0,
    );
    return answer(context, {
      snapshot: {
        snapshot,
        indices: chosen.map(rename),
        shards: { total: shards, failed: 0, successful: shards },
      },
    });
  }
  // What can be known at once is refused at once.
  for (const name of chosen) {
    await restores.restore({
      destination,
      backup: snapshot,
      indices: [name],
      rename: { pattern: ".*", replacement: rename(name).replaceAll("$", "") },
      dryRun: true,
    });
  }
  work().catch((error) => backups.logFailure("a restore failed", { snapshot, repository }, error));
  return answer(context, { accepted: true });
}

/** As Java's `replaceAll`: anywhere in the name, `$1` for groups. */
function renamer(body: Readonly<Record<string, unknown>>): (name: string) => string {
  const { rename_pattern: pattern, rename_replacement: replacement } = body;
  if (pattern === undefined && replacement === undefined) return (name) => name;
  if (typeof pattern !== "string" || typeof replacement !== "string") {
    throw illegalArgument("[rename_pattern] and [rename_replacement] go together, and are texts");
  }
  let compiled: RegExp;
  try {
    compiled = new RegExp(pattern, "g");
  } catch (error) {
    throw illegalArgument(`[rename_pattern] is no regular expression: ${(error as Error).message}`);
  }
  return (name) => name.replace(compiled, replacement);
}

function checkKeys(body: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  for (const key of Object.keys(body)) {
    if (!known.includes(key)) throw illegalArgument(`Unknown parameter ${key.slice(0, 64)}`);
  }
}

function indicesOf({ indices }: Readonly<Record<string, unknown>>): string[] | undefined {
  if (indices === undefined) return undefined;
  if (typeof indices === "string") return indices.split(",");
  if (Array.isArray(indices) && indices.every((name) => typeof name === "string")) return indices as string[];
  throw illegalArgument("malformed indices section, should be an array of strings");
}

/** [] for a repository that nobody has written to yet. */
async function listedOf(
  backups: Backups,
  destination: ReturnType<RegisteredRepositories["destination"]>,
): Promise<readonly ListedBackup[]> {
  try {
    return (await backups.listRepository(destination)).backups;
  } catch (error) {
    if (error instanceof RequestError && error.type === "repository_missing_exception") return [];
    throw error;
  }
}

function runningOf(backups: Backups, repositories: RegisteredRepositories, name: string): BackupRun[] {
  const place = backups.placeOf(repositories.destination(name));
  return backups.runs.filter((run) => run.state === "running" && run.place === place);
}

function missing(repository: string, snapshot: string): RequestError {
  return new RequestError(`[${repository}:${snapshot.slice(0, 128)}] is missing`, {
    status: 404,
    type: "snapshot_missing_exception",
  });
}

function uuidOf({ sha256 }: ListedBackup): string {
  return sha256.slice(0, 22);
}

async function listedJson(
  listed: ListedBackup,
  { backups, destination, repository }: {
    readonly backups: Backups;
    readonly destination: ReturnType<RegisteredRepositories["destination"]>;
    readonly repository: string;
  },
): Promise<Json> {
  const { manifest } = await backups.manifest(destination, listed.id);
  const shards = manifest.indices.reduce((sum, { shards }) => sum + shards, 0);
  const time = new Date(listed.createdMs).toISOString();
  return {
    snapshot: listed.id,
    uuid: uuidOf(listed),
    repository,
    version_id: VERSION_ID,
    version: VERSION,
    indices: manifest.indices.map(({ name }) => name),
    data_streams: [],
    include_global_state: true,
    state: "SUCCESS",
    start_time: time,
    start_time_in_millis: listed.createdMs,
    end_time: time,
    end_time_in_millis: listed.createdMs,
    duration_in_millis: 0,
    failures: [],
    shards: { total: shards, failed: 0, successful: shards },
    feature_states: [],
  };
}

const STATES: Readonly<Record<BackupRun["state"], string>> = {
  running: "IN_PROGRESS",
  success: "SUCCESS",
  failed: "FAILED",
  cancelled: "FAILED",
};

function runJson(run: BackupRun, repository: string): Json {
  const end = run.endedMs ?? 0;
  return {
    snapshot: run.id,
    uuid: run.id,
    repository,
    version_id: VERSION_ID,
    version: VERSION,
    indices: [...run.indices],
    data_streams: [],
    include_global_state: true,
    state: STATES[run.state],
    start_time: new Date(run.startedMs).toISOString(),
    start_time_in_millis: run.startedMs,
    end_time: new Date(end).toISOString(),
    end_time_in_millis: end,
    duration_in_millis: Math.round(run.durationMs),
    failures: [],
    shards: { total: run.shards, failed: 0, successful: run.state === "success" ? run.shards : 0 },
    feature_states: [],
  };
}
