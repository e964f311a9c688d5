/**
 * What a restore brings, whichever way it came into the repository: a backup, or a stream at an instant.
 *
 * @module
 */
import { readObject } from "../backup/continuous/objects.ts";
import { planStreamRestore, type StreamRestorePlan } from "../backup/continuous/plan.ts";
import { restoreStream } from "../backup/continuous/restore.ts";
import { RepositoryError } from "../backup/error.ts";
import { fetchPiece } from "../backup/fetch_piece.ts";
import type { BackupEntry } from "../backup/manifest.ts";
import { Budget } from "../backup/parallel.ts";
import { collect, type Repository } from "../backup/repository.ts";
import { planRestore, restoreFiles, type RestoreOptions, type RestoreOutcome } from "../backup/restore.ts";
import { type Rename, select, type SelectedIndex } from "../backup/selection.ts";
import { beginHydration, planLazily } from "../backup/lazy_restore.ts";
import type { CatalogBody } from "../format/catalog.ts";
import type { HydrationPlace } from "../format/hydration.ts";
import { META_FOLDER, parseNumberedName } from "../format/file_names.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import { planCatalog } from "./restored_catalog.ts";

export interface RestoreSource {
  readonly repository: Repository;
  /** For people. */
  readonly title: string;
  /** For programs. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Version of the server that was backed up; undefined: nobody has noted it. */
  readonly madeBy: string | undefined;
  /** `docs`: undefined where nobody has counted them. */
  readonly indices: readonly (SelectedIndex & { readonly docs: number | undefined })[];
  /** Relative to the data directory. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** To be fetched; `bytes` as they are stored. */
  readonly objects: readonly { readonly object: string; readonly bytes: number }[];
  /** Of all files. */
  readonly bytes: number;
  readonly fetchBytes: number;
  readonly requests: number;
  readonly warnings: readonly string[];
  /** The catalogue that is to be written; undefined: the one that comes along is right. */
  readonly catalog: CatalogBody | undefined;
  /** Of files that a server brings when it runs; undefined: nothing is left to it. */
  readonly laterBytes?: number;
  /** As `restoreFiles` (`backup/restore.ts`): the marker is there when the call returns. */
  bring(options: RestoreOptions): Promise<RestoreOutcome>;
}

export interface IndexSelection {
  readonly indices?: readonly string[];
  readonly rename?: Rename;
}

const PARALLEL_REQUESTS = 4;

/**
 * @param backup Id, or "latest".
 * @throws {RepositoryError} "no_backup", "damaged", "selection", "version" @throws {StoreError}
 */
export async function backupSource(
  repository: Repository,
  { backup: id, signal, lazilyFrom, ...selection }: IndexSelection & {
    readonly backup: string;
    /** Brings what a server needs to start, which fetches the rest from there; undefined: brings all. */
    readonly lazilyFrom?: HydrationPlace | undefined;
    readonly signal: AbortSignal;
  },
): Promise<RestoreSource> {
  // Templates, pipelines and keys belong to a server, whichever indices it has.
  const plan = await planRestore(repository, { ...selection, backup: id, includeServerFiles: true, signal });
  const { backup, manifest, bytes } = plan;
  const lazy = lazilyFrom && planLazily(plan);
  const now = lazy?.now ?? plan;
  const title = `backup ${backup.id} of ${new Date(backup.createdMs).toISOString()}`;
  const newest = newestCatalog(plan.files.map(({ entry }) => entry), title);
  const catalog = await contentOf(repository, newest, { signal, title });
  return {
    repository,
    title: `${title}, made by xerj ${manifest.server.version}`,
    facts: {
      backup_id: backup.id,
      created: new Date(backup.createdMs).toISOString(),
      made_by: manifest.server.version,
    },
    madeBy: manifest.server.version,
    indices: plan.indices.map((index) => ({
      ...index,
      docs: manifest.indices.find(({ name }) => name === index.name)?.docs,
    })),
    files: plan.files.map(({ entry, path }) => ({ path, bytes: entry.bytes })),
    objects: now.files.flatMap(({ entry }) => entry.pieces),
    bytes,
    fetchBytes: now.fetchBytes,
    requests: now.requests,
    warnings: [],
    catalog: planCatalog(catalog, { title, path: newest.path, indices: plan.indices }),
    ...(lazy ? { laterBytes: lazy.laterBytes } : {}),
    bring: async (options) => {
      // The marker is there when this has been called: nothing is awaited before.
      const outcome = await restoreFiles(now, options);
      if (lazy && lazilyFrom) beginHydration(options.fs, options.to, { plan: lazy, place: lazilyFrom });
      return outcome;
    },
  };
}

export interface Instant {
  readonly stream: string;
  /** ms since the epoch. */
  readonly toTimeMs?: number;
  readonly toLsn?: number;
}

/** @throws {StreamError} "missing", "out_of_reach", "damaged", "version" @throws {RepositoryError} "selection" */
export async function streamSource(
  repository: Repository,
  { instant, signal, ...selection }: IndexSelection & {
    readonly instant: Instant;
    readonly signal: AbortSignal;
  },
): Promise<RestoreSource> {
  const whole = await planStreamRestore(repository, { ...instant, signal });
  const { stream, timeline, lsn, atMs, owner } = whole;
  const at = new Date(atMs).toISOString();
  // A time is cut record by record while they are brought: only then is it known which is the last.
  const isExact = instant.toTimeMs === undefined;
  const title = `stream ${stream} at ${at}${isExact ? `, LSN ${lsn}` : ""}`;
  const { plan, indices } = selectOfStream(whole, selection);
  const newest = newestCatalog(plan.files, title);
  const slice = newest.slices[0]!;
  const plain = await readObject(repository, slice.object, {
    object: plan.objects.get(slice.object)!,
    signal,
  });
  const catalog = plain.subarray(slice.at, slice.at + slice.length);
  const objects = [...plan.objects].map(([object, { bytes }]) => ({ object, bytes }));
  return {
    repository,
    title: `${title}, of instance ${owner.instanceId}`,
    facts: { stream, timeline, at, ...(isExact ? { lsn } : {}), instance_id: owner.instanceId },
    madeBy: undefined,
    indices: indices.map((index) => ({ ...index, docs: undefined })),
    files: [...plan.files, ...plan.logs.map(({ path, end }) => ({ path, bytes: end }))],
    objects,
    bytes: plan.bytes,
    fetchBytes: plan.fetchBytes,
    requests: plan.requests,
    warnings: plan.warnings,
    catalog: planCatalog(catalog, { title, path: newest.path, indices }),
    bring: (options) => restoreStream(plan, options),
  };
}

/** The plan of these indices alone, under their new names, and what they are. */
function selectOfStream(
  plan: StreamRestorePlan,
  selection: IndexSelection,
): { readonly plan: StreamRestorePlan; readonly indices: readonly SelectedIndex[] } {
  const entries = [...plan.files, ...plan.logs].map(({ path }): BackupEntry => {
    const folder = path.slice(0, path.indexOf("/"));
    const index = folder === META_FOLDER ? null : folder;
    return { path, index, bytes: 0, sha256: "", modifiedMs: 0, pieces: [] };
  });
  const selected = select({
    backupId: `of stream ${plan.stream}`,
    repositoryId: plan.repository.id,
    epoch: 1,
    createdMs: plan.atMs,
    server: { version: "", instanceId: plan.owner.instanceId },
    lsn: plan.lsn,
    kind: "",
    series: "",
    indices: plan.indices.map(({ name, incarnation, shards }) => ({ name, incarnation, shards, docs: 0 })),
    files: entries,
    extra: null,
  }, { ...selection, includeServerFiles: true });
  const paths = new Map(selected.files.map(({ entry, path }) => [entry.path, path]));
  const files = plan.files.flatMap((file) =>
    paths.has(file.path) ? [{ ...file, path: paths.get(file.path)! }] : []
  );
  const logs = plan.logs.flatMap((log) =>
    paths.has(log.path) ? [{ ...log, path: paths.get(log.path)! }] : []
  );
  const names = new Set([
    ...files.flatMap(({ slices }) => slices.map(({ object }) => object)),
    ...logs.flatMap(({ pieces }) => pieces.map(({ object }) => object)),
  ]);
  const objects = new Map([...plan.objects].filter(([name]) => names.has(name)));
  return {
    plan: {
      ...plan,
      files,
      logs,
      objects,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) + logs.reduce((sum, { end }) => sum + end, 0),
      fetchBytes: [...objects.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      requests: objects.size,
    },
    indices: selected.indices,
  };
}

function newestCatalog<F extends { readonly path: string }>(files: readonly F[], title: string): F {
  let newest: { readonly file: F; readonly number: number } | undefined;
  for (const file of files) {
    if (!file.path.startsWith(`${META_FOLDER}/`)) continue;
    const parsed = parseNumberedName(file.path.slice(META_FOLDER.length + 1));
    if (parsed?.kind !== "catalog" || parsed.staged || parsed.number <= (newest?.number ?? 0)) continue;
    newest = { file, number: parsed.number };
  }
  if (newest) return newest.file;
  throw new RepositoryError(`Cannot restore ${title}: it has no catalogue`, { kind: "damaged" });
}

async function contentOf(
  repository: Repository,
  entry: BackupEntry,
  { signal, title }: { readonly signal: AbortSignal; readonly title: string },
): Promise<Uint8Array> {
  const requests = new Budget(PARALLEL_REQUESTS);
  const pieces = entry.pieces.map((piece) => fetchPiece(repository, piece, 0, { requests, signal }));
  const bytes = entry.inline ?? await collect(joined(pieces));
  if (sha256Hex(bytes) === entry.sha256) return bytes;
  throw new RepositoryError(`Cannot restore ${title}: ${entry.path} is not what was backed up`, {
    kind: "damaged",
    hint: "`xerj backup verify --full` says what else is wrong; choose another backup",
  });
}

async function* joined(pieces: readonly AsyncIterable<Uint8Array>[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield* piece;
}
