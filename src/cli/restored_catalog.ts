/**
 * The catalogue of a restored data directory: where not everything that the backed-up server had comes back, or comes
 * back under other names, a new one that lists exactly what did.
 *
 * @module
 */
import { CorruptionError, RequestError } from "../base/errors.ts";
import { RepositoryError } from "../backup/error.ts";
import type { SelectedIndex } from "../backup/selection.ts";
import { checkIndexName } from "../engine/index_names.ts";
import { type CatalogBody, decodeCatalog, encodeCatalog } from "../format/catalog.ts";
import { catalogName, META_FOLDER, STAGED_SUFFIX } from "../format/file_names.ts";
import type { FileSystem } from "../os/fs.ts";

/**
 * What the restored directory's catalogue is to be.
 *
 * @param bytes The catalogue that comes along. @param title What is restored, for messages. @param path Of that catalogue.
 * @returns undefined: the one that comes along, as it is.
 * @throws {RepositoryError} "damaged": it does not list what is restored. "version": a newer server wrote it. "selection": a
 * new name cannot be an index's, or an alias that comes along has it.
 */
export function planCatalog(
  bytes: Uint8Array,
  { title, path, indices }: {
    readonly title: string;
    readonly path: string;
    readonly indices: readonly SelectedIndex[];
  },
): CatalogBody | undefined {
  for (const { name, as } of indices) if (name !== as) checkName(name, as);
  let body: CatalogBody | "stub";
  try {
    body = decodeCatalog(bytes);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const isNewer = error.message.includes("is newer than");
    throw new RepositoryError(`Cannot restore ${title}: ${error.message}`, {
      kind: isNewer ? "version" : "damaged",
      hint: isNewer ? "use the version that made it, or a later one" : "",
      cause: error,
    });
  }
  if (body === "stub") throw damaged(title, `${path} has been released`);
  const unlisted = indices.filter(({ name }) => !body.indices.some((listed) => listed.name === name));
  if (unlisted.length > 0) {
    throw damaged(title, `${path} does not list ${unlisted.map(({ name }) => name).join(", ")}`);
  }
  return restoredCatalog(body, indices);
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

function damaged(title: string, reason: string): RepositoryError {
  return new RepositoryError(`Cannot restore ${title}: ${reason}`, {
    kind: "damaged",
    hint: "`xerj backup verify --full` says what else is wrong; choose another backup",
  });
}
