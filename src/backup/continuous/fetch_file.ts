/**
 * One file back out of a repository, by its SHA-256: from its backups, else from what continuous shipping has sent, which
 * knows segments that are younger than the last backup.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { StoreError } from "../../objectstore/store.ts";
import type { FileSystem, OpenFile } from "../../os/fs.ts";
import { pause } from "../../os/pause.ts";
import { BLOCK_BYTES } from "../content.ts";
import { type FetchedFile, fetchFile, type WantedFile } from "../fetch_file.ts";
import { fetchPiece } from "../fetch_piece.ts";
import { Budget } from "../parallel.ts";
import type { Repository } from "../repository.ts";
import { StreamError } from "./error.ts";
import type { FileEntry, Inventory } from "./inventory.ts";
import { isStreamName } from "./names.ts";
import { readObject } from "./objects.ts";
import { loadInventory, readStreamHead } from "./state.ts";

/** A larger object is streamed, and holds one file. */
const PACK_OBJECT_BYTES = 16 * 1024 * 1024;
const PARALLEL_REQUESTS = 4;

export interface FetchLostOptions {
  readonly to: string;
  readonly fs: FileSystem;
  /** Names of streams that may have it. */
  readonly streams: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * As `fetchFile`, and then from streams.
 *
 * @returns "fetched": `source` says from where, such as "backup bk-1". @throws {StoreError} @throws {IoError}
 */
export async function fetchLostFile(
  repository: Repository,
  wanted: WantedFile,
  { streams, ...options }: FetchLostOptions,
): Promise<FetchedFile> {
  const found = await fetchFile(repository, wanted, options);
  if (found.kind === "fetched") return found;
  const reasons = [found.why];
  for (const stream of streams.filter(isStreamName)) {
    const why = await fromStream(repository, wanted, { ...options, stream });
    if (why === undefined) return { kind: "fetched", source: `stream ${stream}` };
    reasons.push(why);
  }
  return { kind: "absent", why: reasons.join("; ") };
}

/** @returns Why it could not be had; undefined: it is there. */
async function fromStream(
  repository: Repository,
  wanted: WantedFile,
  { stream, to, fs, signal }: Omit<FetchLostOptions, "streams"> & { readonly stream: string },
): Promise<string | undefined> {
  let file: OpenFile | undefined;
  let isWhole = false;
  try {
    const read = await readStreamHead(repository, stream, signal);
    if (!read) return `there is no stream ${stream}`;
    const inventory = await loadInventory(repository, read.head, signal);
    const entry = [...inventory.files.values()].find(({ sha256, bytes }) =>
      sha256 === wanted.sha256 && bytes === wanted.sizeBytes
    );
    if (!entry) return `stream ${stream} does not hold it`;
    if (fs.exists(to)) fs.unlink(to);
    file = fs.create(to);
    const sha256 = await append(repository, { inventory, entry, file, ...(signal ? { signal } : {}) });
    if (sha256 !== wanted.sha256) return `what stream ${stream} holds of it has SHA-256 ${sha256}`;
    await file.syncDataAsync();
    isWhole = true;
    return undefined;
  } catch (error) {
    const isDamage = error instanceof StreamError ||
      (error instanceof StoreError && (error.kind === "damaged" || error.kind === "missing"));
    if (!isDamage) throw error;
    return error.message;
  } finally {
    file?.close();
    if (file && !isWhole) fs.unlink(to);
  }
}

async function append(
  repository: Repository,
  { inventory, entry, file, signal = new AbortController().signal }: {
    readonly inventory: Inventory;
    readonly entry: FileEntry;
    readonly file: OpenFile;
    readonly signal?: AbortSignal;
  },
): Promise<string> {
  const hash = createHash("sha256");
  const requests = new Budget(PARALLEL_REQUESTS);
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      hash.update(block);
      file.write(block);
      if (block.length === BLOCK_BYTES) await pause();
    }
  };
  for (const { object: name, at, length } of entry.slices) {
    const object = inventory.objects.get(name)!;
    if (object.plainBytes <= PACK_OBJECT_BYTES) {
      await write((await readObject(repository, name, { object, signal })).subarray(at, at + length));
      continue;
    }
    const piece = { object: name, ...object };
    for await (const bytes of fetchPiece(repository, piece, 0, { requests, signal })) await write(bytes);
  }
  return hash.digest("hex");
}
