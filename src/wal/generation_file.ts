/**
 * WAL files as they are found in a folder.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { parseNumberedName } from "../format/file_names.ts";
import {
  decodeWalHead,
  decodeWalHeader,
  WAL_HEAD_BYTES,
  type WalHead,
  type WalHeader,
  walHeaderBytes,
} from "../format/wal_header.ts";
import type { FileSystem, OpenFile } from "../os/fs.ts";

interface Found {
  readonly number: number;
  readonly path: string;
  readonly sizeBytes: number;
}

export type FoundGeneration =
  | Found & { readonly kind: "body"; readonly head: WalHeader }
  | Found & { readonly kind: "stub"; readonly head: WalHead; readonly modifiedMs: number }
  | Found & { readonly kind: "unreadable"; readonly error: CorruptionError };

export type FoundBody = Extract<FoundGeneration, { kind: "body" }>;

/** Most headers fit: one read. */
const FIRST_READ_BYTES = 4096;

/**
 * Reads the header of a generation or stub. What does not decode is a finding, not an error.
 *
 * @throws {IoError}
 */
export function readGeneration(fs: FileSystem, path: string, number: number): FoundGeneration {
  const file = fs.openRead(path);
  try {
    const sizeBytes = file.size();
    try {
      return decodeFound(fs, file, { number, sizeBytes });
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      return {
        kind: "unreadable",
        number,
        path,
        sizeBytes,
        error: new CorruptionError(error.message, { file: path, offset: 0 }),
      };
    }
  } finally {
    file.close();
  }
}

function decodeFound(
  fs: FileSystem,
  file: OpenFile,
  { number, sizeBytes }: { readonly number: number; readonly sizeBytes: number },
): FoundGeneration {
  const { path } = file;
  let bytes: Uint8Array = new Uint8Array(Math.min(sizeBytes, FIRST_READ_BYTES));
  bytes = bytes.subarray(0, file.readAt(bytes, 0));
  const head = decodeWalHead(bytes, sizeBytes);
  if (head.generation !== number) {
    throw new CorruptionError(
      `Cannot decode WAL header: it is generation ${head.generation}, its name says ${number}`,
    );
  }
  if (head.stub) return { kind: "stub", number, path, sizeBytes, head, modifiedMs: fs.stat(path).modifiedMs };
  const headerBytes = walHeaderBytes(bytes);
  if (headerBytes > bytes.length) {
    bytes = new Uint8Array(Math.min(headerBytes, sizeBytes));
    bytes = bytes.subarray(0, file.readAt(bytes, 0));
  }
  return { kind: "body", number, path, sizeBytes, head: decodeWalHeader(bytes, sizeBytes) };
}

export interface FoundWal {
  /** In ascending order. */
  readonly generations: readonly FoundGeneration[];
  /** Paths of staged files. */
  readonly staged: readonly string[];
  /** Highest number in any name, 0: none. */
  readonly highest: number;
}

/** Lists a WAL folder and reads every header; an absent folder holds nothing. */
export function findGenerations(fs: FileSystem, folder: string): FoundWal {
  const generations: FoundGeneration[] = [];
  const staged: string[] = [];
  let highest = 0;
  if (!fs.exists(folder)) return { generations, staged, highest };
  for (const { name, isFile } of fs.list(folder)) {
    const parsed = parseNumberedName(name);
    if (parsed?.kind !== "generation" || !isFile) continue;
    highest = Math.max(highest, parsed.number);
    if (parsed.staged) staged.push(`${folder}/${name}`);
    else generations.push(readGeneration(fs, `${folder}/${name}`, parsed.number));
  }
  generations.sort((a, b) => a.number - b.number);
  return { generations, staged, highest };
}

/**
 * Whether a WAL file is of an incarnation, by its first bytes alone; one that cannot be read may be.
 *
 * @throws {IoError}
 */
export function mayBeOf(fs: FileSystem, path: string, incarnation: string): boolean {
  const file = fs.openRead(path);
  try {
    const bytes = new Uint8Array(WAL_HEAD_BYTES);
    return decodeWalHead(bytes.subarray(0, file.readAt(bytes, 0)), file.size()).incarnation === incarnation;
  } catch (error) {
    if (error instanceof CorruptionError) return true;
    throw error;
  } finally {
    file.close();
  }
}
