/**
 * Is a generation what was written? Reads it through: header, every record's checksum and place in the chain, marks,
 * payloads. Memory: one piece, or one record where that is larger.
 *
 * @module
 */
import { utf8TextStrict } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";
import { OperationsReader } from "../../format/operations.ts";
import { RecordKind } from "../../format/wal.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { FoundBody, FoundGeneration } from "../../wal/generation_file.ts";
import { RecordReader } from "../../wal/record_reader.ts";
import { scanGeneration, type TornTail, tornTail } from "../../wal/scan.ts";
import { type Problem, problemOf, type Progress } from "./finding.ts";

export interface GenerationFacts {
  readonly number: number;
  readonly path: string;
  readonly problems: readonly Problem[];
  /** What follows the last whole record, where nothing says that there was more. */
  readonly torn: TornTail | undefined;
  readonly records: number;
  readonly operations: number;
}

/** Records between two pauses. */
const RECORDS_PER_PAUSE = 64;

/**
 * @param end Where it ends, as the header of the generation behind it says; undefined: it is the last one.
 * @param maxLsn Records beyond belong to a past that a later run ended.
 * @param sameBoot The kernel that wrote it still runs, and this is not a copy.
 */
export async function checkGeneration(
  fs: FileSystem,
  found: FoundBody,
  { end, maxLsn, sameBoot, progress }: {
    readonly end: number | undefined;
    readonly maxLsn: number;
    readonly sameBoot: boolean;
    readonly progress: Progress;
  },
): Promise<GenerationFacts> {
  const { path, number, head } = found;
  const problems: Problem[] = [];
  const facts = {
    number,
    path,
    problems,
    records: 0,
    operations: 0,
    torn: undefined as TornTail | undefined,
  };
  const file = fs.openRead(path);
  try {
    if (end !== undefined && found.sizeBytes < end) {
      problems.push({
        file: path,
        offset: found.sizeBytes,
        what: `it has ${found.sizeBytes} bytes, the generation behind it says ${end}`,
        absent: true,
      });
    }
    const reader = new RecordReader(file, head, Math.min(found.sizeBytes, end ?? Infinity));
    const marks = new Marks(head.headerBytes);
    let lastSeqNo = head.baseSeqNo;
    let before = 0;
    while (reader.next()) {
      if (reader.lsn > maxLsn) break;
      facts.records++;
      const wrong = marks.check(reader.end, reader.syncedBytes) ?? checkPayload(reader, lastSeqNo, facts);
      if (wrong) {
        problems.push({ file: path, offset: reader.offset, what: `Cannot decode WAL record: ${wrong}` });
      }
      lastSeqNo = Math.max(lastSeqNo, reader.lastSeqNo);
      if (facts.records % RECORDS_PER_PAUSE !== 0) continue;
      progress.read(reader.end - before);
      before = reader.end;
      await progress.pause();
    }
    progress.read(found.sizeBytes - before);
    if (reader.bad !== undefined) {
      if (end !== undefined) {
        problems.push({
          file: path,
          offset: reader.end,
          what: `Cannot decode WAL record: ${reader.bad}, before its end at ${end}`,
        });
      } else facts.torn = tornTail(found, scanGeneration(fs, found, { maxLsn }), sameBoot);
    } else if (end !== undefined && reader.end < end && reader.lsn <= maxLsn && problems.length === 0) {
      problems.push({ file: path, offset: reader.end, what: `it ends before ${end}`, absent: true });
    }
  } catch (error) {
    problems.push(problemOf(error, path));
  } finally {
    file.close();
  }
  return facts;
}

/** Marks never go back, and lie behind whole records. */
class Marks {
  readonly #ends: number[] = [];
  #first = 0;
  #mark: number;

  constructor(headerBytes: number) {
    this.#mark = headerBytes;
    this.#ends.push(headerBytes);
  }

  /** @param end Behind the record that carries the mark. */
  check(end: number, mark: number): string | undefined {
    if (mark < this.#mark) return `its mark ${mark} is below an earlier one, ${this.#mark}`;
    while (this.#ends[this.#first]! < mark && this.#first < this.#ends.length - 1) this.#first++;
    if (this.#ends[this.#first] !== mark) return `its mark ${mark} is not behind a record`;
    if (this.#first > 4096) {
      this.#ends.splice(0, this.#first);
      this.#first = 0;
    }
    this.#mark = mark;
    this.#ends.push(end);
    return undefined;
  }
}

/** Decodes what a record holds. @returns What is wrong with it. */
function checkPayload(
  { kind, seqNo, payload }: RecordReader,
  lastSeqNo: number,
  count: { operations: number },
): string | undefined {
  try {
    if (kind === RecordKind.Operations) {
      if (seqNo <= lastSeqNo) return `sequence number ${seqNo} follows ${lastSeqNo}`;
      const operations = new OperationsReader(payload);
      while (operations.next()) count.operations++;
    }
    if (kind === RecordKind.Mapping) JSON.parse(utf8TextStrict(payload));
  } catch (error) {
    if (error instanceof CorruptionError || error instanceof SyntaxError) return error.message;
    throw error;
  }
  return undefined;
}

/** The newest generation that goes on from `found`, among those found. */
export function successorOf(
  found: FoundBody,
  generations: readonly FoundGeneration[],
): FoundBody | undefined {
  for (const other of generations.toReversed()) {
    if (other.kind === "body" && other.number > found.number && other.head.previousUuid === found.head.uuid) {
      return other;
    }
  }
  return undefined;
}
