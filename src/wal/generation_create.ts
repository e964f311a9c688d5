/**
 * How a generation comes to be: header and repeated records under a staged name, synced, renamed.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { randomUuid } from "../base/uuid.ts";
import { generationName, STAGED_SUFFIX } from "../format/file_names.ts";
import { uuidToBytes } from "../format/uuid_bytes.ts";
import { generationSeed, RECORD_HEADER_BYTES, RecordKind, sealRecord } from "../format/wal.ts";
import { encodeWalHeader, type WalHeader } from "../format/wal_header.ts";
import type { FileSystem, Random } from "../os/fs.ts";
import type { FoundBody } from "./generation_file.ts";
import type { Poison } from "./poison.ts";
import { RecordReader } from "./record_reader.ts";
import type { LogPlace } from "./scan.ts";
import { stageFile } from "./staged_file.ts";

export type NewHeader = Omit<WalHeader, "stub" | "headerBytes" | "uuid">;

/** Records of an old tail, to be sealed again for their new place. */
export interface RepeatedTail {
  readonly from: FoundBody;
  /** Behind this place... */
  readonly start: LogPlace;
  /** ...up to this one. */
  readonly end: LogPlace;
}

export interface CreatedGeneration {
  readonly path: string;
  readonly uuid: string;
  readonly headerBytes: number;
  /** Size of the file, all of it synced. */
  readonly sizeBytes: number;
  /** The mark that its last record carries, or the header's end. */
  readonly markBytes: number;
}

/**
 * Makes a generation durable under its final name.
 *
 * @throws {IoError} With a full disk nothing has changed; any other failure poisons.
 */
export function createGeneration(
  fs: FileSystem,
  folder: string,
  { header, repeated, random, poison, nowMs }: {
    readonly header: NewHeader;
    readonly repeated: RepeatedTail | undefined;
    readonly random: Random;
    readonly poison: Poison;
    readonly nowMs: number;
  },
): CreatedGeneration {
  const uuid = randomUuid(random);
  const head = encodeWalHeader({ ...header, uuid });
  const name = generationName(header.generation);
  const path = `${folder}/${name}`;
  assert(!fs.exists(path), `${path} is a new name`);
  const size = { bytes: head.length, mark: head.length };
  const pieces = function* (): Generator<Uint8Array> {
    yield head;
    if (repeated) yield* resealed(fs, repeated, { uuid, headerBytes: head.length, nowMs, size });
  };
  stageFile(fs, path + STAGED_SUFFIX, { bytes: pieces(), poison });
  poison.guard(() => {
    fs.rename(path + STAGED_SUFFIX, path);
    fs.syncDirectory(folder);
  });
  return { path, uuid, headerBytes: head.length, sizeBytes: size.bytes, markBytes: size.mark };
}

/** The old records with a new seal, then a mark over all of them: true once the staged file is synced. */
function* resealed(
  fs: FileSystem,
  { from, start, end }: RepeatedTail,
  { uuid, headerBytes, nowMs, size }: {
    readonly uuid: string;
    readonly headerBytes: number;
    readonly nowMs: number;
    readonly size: { bytes: number; mark: number };
  },
): Generator<Uint8Array> {
  const seed = generationSeed(uuidToBytes(uuid));
  const file = fs.openRead(from.path);
  try {
    const reader = new RecordReader(file, from.head, end.offset);
    while (reader.next()) {
      if (reader.offset < start.offset || reader.kind === RecordKind.Mark) continue;
      const { kind, lsn, prevLsn, seqNo, timeMs } = reader;
      sealRecord(
        reader.bytes,
        { kind, lsn, prevLsn, seqNo, timeMs, syncedBytes: headerBytes },
        seed,
        size.bytes,
      );
      yield reader.bytes;
      size.bytes += reader.bytes.length;
    }
    assert(reader.end === end.offset, `${from.path} still ends at ${end.offset}`);
  } finally {
    file.close();
  }
  const mark = new Uint8Array(RECORD_HEADER_BYTES);
  sealRecord(
    mark,
    {
      kind: RecordKind.Mark,
      lsn: end.lsn,
      prevLsn: end.lsn,
      seqNo: end.seqNo,
      syncedBytes: size.bytes,
      timeMs: nowMs,
    },
    seed,
    size.bytes,
  );
  size.mark = size.bytes;
  yield mark;
  size.bytes += mark.length;
}
