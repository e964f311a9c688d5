/**
 * One file back out of a repository, by its SHA-256 alone: whichever listed backup holds its bytes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { StoreError } from "../objectstore/store.ts";
import type { FileSystem, OpenFile } from "../os/fs.ts";
import { pause } from "../os/pause.ts";
import { BLOCK_BYTES } from "./content.ts";
import { RepositoryError } from "./error.ts";
import { fetchPiece } from "./fetch_piece.ts";
import type { BackupEntry, BackupManifest } from "./manifest.ts";
import { Budget, throwIfCancelled } from "./parallel.ts";
import type { Repository } from "./repository.ts";

const PARALLEL_REQUESTS = 4;

export interface WantedFile {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export type FetchedFile =
  /** `source` in words, such as "backup bk-1". */
  | { readonly kind: "fetched"; readonly source: string }
  /** `why` in words: no backup holds it, or what they hold is damaged, too. */
  | { readonly kind: "absent"; readonly why: string };

/**
 * Writes and syncs a file with these bytes; a file that is there is replaced. Asks backups from the newest on, each
 * different set of objects once.
 *
 * @returns "absent": there is no file at `to`. @throws {StoreError} The store cannot be asked. @throws {IoError}
 */
export async function fetchFile(
  repository: Repository,
  wanted: WantedFile,
  { to, fs, signal = new AbortController().signal, onFetched = () => {} }: {
    readonly to: string;
    readonly fs: FileSystem;
    readonly signal?: AbortSignal;
    readonly onFetched?: (bytes: number) => void;
  },
): Promise<FetchedFile> {
  const { head } = await repository.readHead(signal);
  const tried = new Set<string>();
  let why = `no backup at ${repository.place} holds it`;
  for (const listed of head.backups.toReversed()) {
    throwIfCancelled(signal);
    let manifest: BackupManifest;
    try {
      manifest = await repository.readManifest(listed, signal);
    } catch (error) {
      if (!(error instanceof RepositoryError) || error.kind !== "damaged") throw error;
      continue;
    }
    const entry = manifest.files.find(({ sha256, bytes }) =>
      sha256 === wanted.sha256 && bytes === wanted.sizeBytes
    );
    if (!entry) continue;
    const source = entry.pieces.map(({ object }) => object).join(" ");
    if (tried.has(source)) continue;
    tried.add(source);
    const failure = await write(repository, entry, { to, fs, signal, onFetched });
    if (failure === undefined) return { kind: "fetched", source: `backup ${listed.id}` };
    why = `what backup ${listed.id} holds is damaged, too: ${failure}`;
  }
  return { kind: "absent", why };
}

/** @returns Why the bytes are not what they should be; undefined: they are there. */
async function write(
  repository: Repository,
  entry: BackupEntry,
  { to, fs, signal, onFetched }: {
    readonly to: string;
    readonly fs: FileSystem;
    readonly signal: AbortSignal;
    readonly onFetched: (bytes: number) => void;
  },
): Promise<string | undefined> {
  if (fs.exists(to)) fs.unlink(to);
  const file = fs.create(to);
  let isWhole = false;
  try {
    const sha256 = await append(repository, entry, { file, signal, onFetched });
    if (file.size() !== entry.bytes || sha256 !== entry.sha256) {
      return `${file.size()} bytes with SHA-256 ${sha256} came`;
    }
    await file.syncDataAsync();
    isWhole = true;
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError) || (error.kind !== "damaged" && error.kind !== "missing")) throw error;
    return error.message;
  } finally {
    file.close();
    if (!isWhole) fs.unlink(to);
  }
}

async function append(
  repository: Repository,
  entry: BackupEntry,
  { file, signal, onFetched }: {
    readonly file: OpenFile;
    readonly signal: AbortSignal;
    readonly onFetched: (bytes: number) => void;
  },
): Promise<string> {
  const hash = createHash("sha256");
  if (entry.inline !== undefined) {
    hash.update(entry.inline);
    file.write(entry.inline);
  }
  const requests = new Budget(PARALLEL_REQUESTS);
  for (const piece of entry.pieces) {
    for await (const bytes of fetchPiece(repository, piece, 0, { requests, signal, onFetched })) {
      for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
        const block = bytes.subarray(at, at + BLOCK_BYTES);
        hash.update(block);
        file.write(block);
        if (block.length === BLOCK_BYTES) await pause();
      }
    }
  }
  return hash.digest("hex");
}
