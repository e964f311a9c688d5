/**
 * The catalogue of a restored data directory: where not everything that the backed-up server had comes back, or comes
 * back under other names, a new one that lists exactly what did.
 *
 * @module
 */
import { CorruptionError, RequestError } from "../base/errors.ts";
import { RepositoryError } from "../backup/error.ts";
import { fetchPiece } from "../backup/fetch_piece.ts";
import type { BackupEntry } from "../backup/manifest.ts";
import { Budget } from "../backup/parallel.ts";
import { collect } from "../backup/repository.ts";
import type { RestorePlan } from "../backup/restore.ts";
import type { SelectedIndex } from "../backup/selection.ts";
import { checkIndexName } from "../engine/index_names.ts";
import { type CatalogBody, decodeCatalog, encodeCatalog } from "../format/catalog.ts";
import { catalogName, META_FOLDER, parseNumberedName, STAGED_SUFFIX } from "../format/file_names.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import type { FileSystem } from "../os/fs.ts";

const PARALLEL_REQUESTS = 4;

/**
 * Fetches the backup's catalogue and decides what the restored directory's is.
 *
 * @returns undefined: the backup's own, as it is.
 * @throws {RepositoryError} "damaged": the backup has none that lists what it holds. "selection": a new name cannot be an
 * index's, or an alias that comes along has it. @throws {StoreError}
 */
export async function planCatalog(plan: RestorePlan, signal: AbortSignal): Promise<CatalogBody | undefined> {
  for (const { name, as } of plan.indices) if (name !== as) checkName(name, as);
  const entry = newestCatalog(plan);
  const bytes = await contentOf(plan, entry, signal);
  let body: CatalogBody | "stub";
  try {
    body = decodeCatalog(bytes);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const isNewer = error.message.includes("is newer than");
    throw new RepositoryError(`Cannot restore backup ${plan.backup.id}: ${error.message}`, {
      kind: isNewer ? "version" : "damaged",
      hint: isNewer ? `use xerj ${plan.manifest.server.version}, which made it, or a later one` : "",
      cause: error,
    });
  }
  if (body === "stub") throw damaged(plan, `${entry.path} has been released`);
  const unlisted = plan.indices.filter(({ name }) => !body.indices.some((listed) => listed.name === name));
  if (unlisted.length > 0) {
    throw damaged(plan, `${entry.path} does not list ${unlisted.map(({ name }) => name).join(", ")}`);
  }
  return restoredCatalog(body, plan.indices);
}

/**
 * The next catalogue, with these indices only; templates, pipelines, keys and settings stay, aliases as far as what they
 * stand for does.
 *
 * @returns undefined: the given one lists exactly that already.
 * @throws {RepositoryError} "selection": an alias that stays has the name of an index.
 */
export function restoredCatalog(
  body: CatalogBody,
  indices: readonly SelectedIndex[],
): CatalogBody | undefined {
  const names = new Map(indices.map(({ name, as }) => [name, as]));
  const entries = body.indices.flatMap((entry) => {
    const as = names.get(entry.name);
    return as === undefined ? [] : [{ ...entry, name: as }];
  });
  const isSame = entries.length === body.indices.length &&
    entries.every(({ name }, at) => name === body.indices[at]!.name);
  if (isSame) return undefined;
  const aliases: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const [alias, targets] of Object.entries(body.sections["aliases"] ?? {})) {
    const kept = Object.entries(targets as Record<string, unknown>).flatMap(([index, options]) => {
      const as = names.get(index);
      return as === undefined ? [] : [[as, options] as const];
    });
    if (kept.length === 0) continue;
    if (entries.some(({ name }) => name === alias)) {
      throw new RepositoryError(
        `Cannot restore an index as ${alias}: an alias that comes along has that name`,
        {
          kind: "selection",
          hint: "choose another name with --rename",
        },
      );
    }
    aliases[alias] = Object.fromEntries(kept);
  }
  return {
    ...body,
    number: body.number + 1,
    previous: body.number,
    indices: entries,
    sections: { ...body.sections, aliases },
  };
}

/** Puts a catalogue into a directory that is being restored; again when it was there. Durable. @throws {IoError} */
export function writeCatalog(fs: FileSystem, dataDir: string, body: CatalogBody): void {
  const folder = `${dataDir}/${META_FOLDER}`;
  const path = `${folder}/${catalogName(body.number)}`;
  const staged = path + STAGED_SUFFIX;
  if (fs.exists(staged)) fs.unlink(staged);
  const file = fs.create(staged);
  try {
    file.write(encodeCatalog(body));
    file.syncData();
  } finally {
    file.close();
  }
  fs.rename(staged, path);
  fs.syncDirectory(folder);
}

function newestCatalog(plan: RestorePlan): BackupEntry {
  let newest: { readonly entry: BackupEntry; readonly number: number } | undefined;
  for (const { entry, path } of plan.files) {
    if (entry.index !== null || !path.startsWith(`${META_FOLDER}/`)) continue;
    const parsed = parseNumberedName(path.slice(META_FOLDER.length + 1));
    if (parsed?.kind !== "catalog" || parsed.staged || parsed.number <= (newest?.number ?? 0)) continue;
    newest = { entry, number: parsed.number };
  }
  if (newest) return newest.entry;
  throw damaged(plan, "it has no catalogue");
}

async function contentOf(
  { repository, backup }: RestorePlan,
  entry: BackupEntry,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const requests = new Budget(PARALLEL_REQUESTS);
  const pieces = entry.pieces.map((piece) => fetchPiece(repository, piece, 0, { requests, signal }));
  const bytes = entry.inline ?? await collect(joined(pieces));
  if (sha256Hex(bytes) === entry.sha256) return bytes;
  throw damaged({ backup }, `${entry.path} is not what was backed up`);
}

async function* joined(pieces: readonly AsyncIterable<Uint8Array>[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield* piece;
}

function checkName(name: string, as: string): void {
  try {
    checkIndexName(as);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new RepositoryError(`Cannot restore ${name} under another name: ${error.message}`, {
      kind: "selection",
    });
  }
}

function damaged({ backup }: Pick<RestorePlan, "backup">, reason: string): RepositoryError {
  return new RepositoryError(`Cannot restore backup ${backup.id}: ${reason}`, {
    kind: "damaged",
    hint: "`xerj backup verify --full` says what else is wrong; choose another backup",
  });
}
