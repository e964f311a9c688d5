/**
 * Are a server's log and what a stream holds of it of one past? And how a generation begins.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { generationName, WAL_FOLDER } from "../../format/file_names.ts";
import { type History, historyLength, type Run } from "../../format/history.ts";
import {
  decodeWalHead,
  decodeWalHeader,
  WAL_HEAD_BYTES,
  type WalHeader,
  walHeaderBytes,
} from "../../format/wal_header.ts";
import type { FileSystem, OpenFile } from "../../os/fs.ts";
import { endLsnOf, type Inventory } from "./inventory.ts";
import type { LogView } from "./view.ts";

const FIRST_READ_BYTES = 4096;

/**
 * Holds what the stream has of a log against the log: the same bytes, or files that were released since.
 *
 * @returns Why they are of two pasts; undefined: they are of one. @throws {IoError} @throws {CorruptionError}
 */
export function pastProblem(fs: FileSystem, log: LogView, inventory: Inventory): string | undefined {
  const manifest = inventory.manifests(log.folder, log.manifest.incarnation).at(-1)?.manifest;
  if (manifest && manifest.number > log.manifest.number) {
    return `it holds manifest ${manifest.number}, and the newest one here is ${log.manifest.number}`;
  }
  const generation = inventory.log(log.folder, log.manifest.incarnation).at(-1);
  const newest = log.generations.at(-1) ?? 0;
  if (generation && generation.entry.number > newest) {
    return `it holds generation ${generation.entry.number} of the log, and the newest one here is ${newest}`;
  }
  const { runs } = longestHistory(fs, log, newest);
  const problem =
    (manifest && runProblem(runs, manifest.run, { manifest: manifest.number, lsn: manifest.lsn })) ??
      (generation &&
        runProblem(runs, generation.entry.run, {
          generation: generation.entry.number,
          lsn: endLsnOf(generation),
        }));
  if (problem !== undefined) return problem;
  const piece = generation?.pieces.at(-1);
  if (!generation || !piece) return undefined;
  const { entry } = generation;
  const path = `${log.directory}/${WAL_FOLDER}/${generationName(entry.number)}`;
  if (!fs.exists(path)) return undefined;
  const file = fs.openRead(path);
  try {
    const sizeBytes = file.size();
    const head = new Uint8Array(WAL_HEAD_BYTES);
    file.readAt(head, 0);
    const { uuid, stub } = decodeWalHead(head, sizeBytes);
    if (uuid !== entry.uuid) return `generation ${entry.number} of the log here is another one`;
    if (stub) return undefined;
    const bytes = new Uint8Array(piece.bytes);
    const read = file.readAt(bytes, piece.offset);
    if (read < piece.bytes) {
      return `it holds more of generation ${entry.number} of the log than there is here`;
    }
    if (crc32(bytes) !== piece.crc) {
      return `generation ${entry.number} of the log has other records here, from byte ${piece.offset} on`;
    }
    return undefined;
  } finally {
    file.close();
  }
}

/** The log's runs: a run's first generation lists it before its first manifest does. */
function longestHistory(fs: FileSystem, { directory, manifest }: LogView, newest: number): History {
  const path = `${directory}/${WAL_FOLDER}/${generationName(newest)}`;
  if (!fs.exists(path)) return manifest.history;
  const { history } = readHeader(fs, path);
  return historyLength(history) > historyLength(manifest.history) ? history : manifest.history;
}

/** Whether the log's history knows the run that made a file, and did not leave it before that. */
function runProblem(
  runs: readonly Run[],
  id: string,
  made: { readonly manifest?: number; readonly generation?: number; readonly lsn: number },
): string | undefined {
  const at = runs.findIndex((run) => run.id === id);
  if (at < 0) return `run ${id} wrote what it holds, which the log here knows nothing of`;
  const next = runs[at + 1];
  if (!next) return undefined;
  const goesOn = (made.manifest ?? -1) >= next.manifest || (made.generation ?? -1) >= next.generation ||
    made.lsn > next.lsn;
  return goesOn ? `it goes on with run ${id} where the log here was taken over by run ${next.id}` : undefined;
}

/** @throws {CorruptionError} @throws {IoError} */
export function readHeader(fs: FileSystem, path: string): WalHeader {
  const file = fs.openRead(path);
  try {
    const sizeBytes = file.size();
    let bytes = readStart(file, Math.min(sizeBytes, FIRST_READ_BYTES));
    const headerBytes = walHeaderBytes(bytes);
    if (headerBytes > bytes.length) bytes = readStart(file, Math.min(sizeBytes, headerBytes));
    return decodeWalHeader(bytes, sizeBytes);
  } finally {
    file.close();
  }
}

function readStart(file: OpenFile, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, file.readAt(bytes, 0));
}
