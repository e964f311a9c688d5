/**
 * Storing damaged and missing objects of a repository again, under the names that manifests know. Their bytes come from
 * local files, such as those of live segments, or from another object of the repository that holds the same ones.
 *
 * Only for objects that listed backups name: no prune has condemned or will delete those names. Manifests cannot be
 * healed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { CorruptionError, IoError } from "../base/errors.ts";
import { StoreError } from "../objectstore/store.ts";
import type { FileSystem } from "../os/fs.ts";
import { type BackupFile, hashFile, type LocalPiece, PIECE_BYTES } from "./content.ts";
import { decodePiece, encodePiece } from "./encode_piece.ts";
import { DamagedFileError } from "./error.ts";
import type { Piece } from "./manifest.ts";
import { forEachParallel } from "./parallel.ts";
import type { Repository } from "./repository.ts";
import { type DamagedObject, usedObjects } from "./verify_repository.ts";

/** Each may hold a piece in memory. */
const PARALLEL_OBJECTS = 2;

export interface HealOptions {
  /** Local files that may hold what is lost, such as those of live segments; only those of fitting size are read. */
  readonly files: readonly BackupFile[];
  readonly fs: FileSystem;
  readonly signal?: AbortSignal;
  /** As the backups were made with; default 64 MiB. */
  readonly pieceBytes?: number;
  readonly onProgress?: (progress: HealProgress) => void;
}

export interface HealProgress {
  readonly objectsDone: number;
  readonly objectsTotal: number;
  readonly bytesSent: number;
}

/** What stays damaged. */
export interface UnhealedObject extends DamagedObject {
  /** Why it was not healed, in words. */
  readonly why: string;
}

export interface HealOutcome {
  /** Objects that are right again. */
  readonly healed: readonly string[];
  /** Their backups stay damaged. */
  readonly unhealed: readonly UnhealedObject[];
  readonly bytes: number;
}

/** @param damaged As `verifyRepository` found them. @throws {StoreError} @throws {IoError} */
export async function healRepository(
  repository: Repository,
  damaged: readonly DamagedObject[],
  { files, fs, signal, pieceBytes = PIECE_BYTES, onProgress }: HealOptions,
): Promise<HealOutcome> {
  const { log } = repository;
  const listed = await listedPieces(repository, signal);
  const unhealed: UnhealedObject[] = [];
  const wanted: (DamagedObject & { readonly piece: Piece })[] = [];
  for (const one of damaged) {
    const { piece } = one;
    if (!piece) {
      unhealed.push({ ...one, why: "a manifest is nowhere else: delete its backup, and make another" });
    } // Else its backups were deleted meanwhile: nobody needs it.
    else if (listed.has(piece.object)) wanted.push({ ...one, piece });
  }
  const local = await findLocal(wanted.map(({ piece }) => piece), { files, fs, pieceBytes });
  const bad = new Set(damaged.map(({ object }) => object));
  const twins = new Map<string, Piece>();
  for (const piece of listed.values()) if (!bad.has(piece.object)) twins.set(twinKey(piece), piece);

  const healed: string[] = [];
  let bytes = 0;
  let done = 0;
  const limits = { limit: PARALLEL_OBJECTS, ...(signal ? { signal } : {}) };
  await forEachParallel(wanted, limits, async (one, signal) => {
    const { piece, object, backups } = one;
    const file = local.get(piece.sha256);
    const twin = twins.get(twinKey(piece));
    let why: string | undefined = "neither a local file nor another object holds its bytes";
    let from = "";
    if (file) {
      why = await sendFile(repository, piece, { source: file, fs, signal });
      from = file.file.path;
    }
    if (why !== undefined && twin) {
      why = await sendTwin(repository, piece, { twin, signal });
      from = twin.object;
    }
    if (why === undefined) {
      bytes += piece.bytes;
      healed.push(object);
      log.warn("a damaged object of the repository was stored again", { object, backups, from });
    } else {
      unhealed.push({ ...one, why });
      log.error("a damaged object of the repository cannot be stored again", {
        object,
        backups,
        reason: why,
      });
    }
    onProgress?.({ objectsDone: ++done, objectsTotal: wanted.length, bytesSent: bytes });
  });
  return { healed: healed.sort(), unhealed, bytes };
}

/** Objects with this in common hold the very same bytes, but for encryption, whose bytes open with the same name. */
function twinKey({ sha256, encoding, bytes, plainBytes }: Piece): string {
  return `${sha256} ${encoding} ${bytes} ${plainBytes}`;
}

async function listedPieces(
  repository: Repository,
  signal: AbortSignal | undefined,
): Promise<Map<string, Piece>> {
  const { head } = await repository.readHead(signal);
  const used = await usedObjects(repository, head.backups, { damaged: [], ...(signal ? { signal } : {}) });
  return new Map(used.map(({ piece }) => [piece.object, piece]));
}

/** Local pieces that hold wanted bytes, by their SHA-256. */
async function findLocal(
  wanted: readonly Piece[],
  { files, fs, pieceBytes }: {
    readonly files: readonly BackupFile[];
    readonly fs: FileSystem;
    readonly pieceBytes: number;
  },
): Promise<Map<string, LocalPiece>> {
  const hashes = new Set(wanted.map(({ sha256 }) => sha256));
  const sizes = new Set(wanted.map(({ plainBytes }) => plainBytes));
  const found = new Map<string, LocalPiece>();
  for (const file of files) {
    if (found.size === hashes.size) break;
    const isWhole = file.sizeBytes <= pieceBytes;
    const mayFit = isWhole
      ? sizes.has(file.sizeBytes) && (file.sha256 === undefined || hashes.has(file.sha256))
      : sizes.has(pieceBytes) || sizes.has(file.sizeBytes % pieceBytes);
    if (!mayFit) continue;
    try {
      for (const piece of (await hashFile(fs, file, pieceBytes)).pieces) {
        if (hashes.has(piece.sha256)) found.set(piece.sha256, piece);
      }
    } catch (error) {
      // Damaged itself, or released by a server at work: no source for healing; scrubbing finds and reports damage.
      const isGone = error instanceof IoError && error.code === "ENOENT";
      if (!(error instanceof DamagedFileError) && !isGone) throw error;
    }
  }
  return found;
}

/** @returns Why the local bytes could not be made into the object that manifests state; undefined: it is there. */
async function sendFile(
  repository: Repository,
  piece: Piece,
  { source, fs, signal }: {
    readonly source: LocalPiece;
    readonly fs: FileSystem;
    readonly signal: AbortSignal;
  },
): Promise<string | undefined> {
  const { store, cipher, random } = repository;
  const compress = piece.encoding === "zstd" || piece.encoding === "zstd+aes";
  const content = repository.contentName(piece.sha256);
  const encoded = await encodePiece(source, { fs, compress, cipher, content, random });
  try {
    if (encoded.encoding !== piece.encoding || encoded.source.sizeBytes !== piece.bytes) {
      return `${source.file.path} holds its bytes, but compressed by this version they have another size than ` +
        "manifests, which cannot change, say";
    }
    await store.putFile(piece.object, encoded.source, { signal });
    return undefined;
  } finally {
    encoded.close();
  }
}

/** As `sendFile`, from another object. */
async function sendTwin(
  repository: Repository,
  piece: Piece,
  { twin, signal }: { readonly twin: Piece; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const { store, cipher } = repository;
  const found = await store.get(twin.object, { signal });
  if (found?.bytes.length !== twin.bytes) {
    return `${twin.object}, which held the same bytes, is not whole either`;
  }
  const { bytes } = found;
  const hash = createHash("sha256");
  try {
    const content = repository.contentName(piece.sha256);
    const stored = async function* () {
      yield await Promise.resolve(bytes);
    };
    for await (const plain of decodePiece(stored(), { encoding: twin.encoding, content, cipher })) {
      hash.update(plain);
    }
  } catch (error) {
    if (!(error instanceof CorruptionError) && !(error instanceof StoreError)) throw error;
    return error.message;
  }
  if (hash.digest("hex") !== piece.sha256) {
    return `${twin.object}, which held the same bytes, is damaged, too`;
  }
  await store.putFile(piece.object, {
    sizeBytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    read: (offset, length) => bytes.subarray(offset, offset + length),
  }, { signal });
  return undefined;
}
