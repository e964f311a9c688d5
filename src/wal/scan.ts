/**
 * What does a generation hold, up to where was it synced, and does it end well?
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { RecordKind } from "../format/wal.ts";
import type { FileSystem } from "../os/fs.ts";
import type { FoundBody } from "./generation_file.ts";
import { RecordReader } from "./record_reader.ts";
import { ALL_RULES, type Rules } from "./rules.ts";
import { searchBehind } from "./search_behind.ts";

/** A place in a shard's history, and in a file. */
export interface LogPlace {
  /** Offset behind the record. */
  readonly offset: number;
  readonly lsn: number;
  /** -1: none yet. */
  readonly seqNo: number;
}

export interface BadRecord {
  readonly offset: number;
  readonly reason: string;
  /** Bytes from there to the file's end. */
  readonly bytes: number;
  /** Whole records behind it, and the highest mark among them. */
  readonly validBehind: number;
  readonly markBehind: number;
  readonly maxLsnBehind: number;
}

export interface GenerationScan {
  /** Behind the last whole record that counts. */
  readonly end: LogPlace;
  /** The highest mark: at least the end of the header. */
  readonly mark: LogPlace;
  /** Records with operations or a mapping behind the mark. */
  readonly unmarkedRecords: number;
  /** It went on, but what follows belongs to a past that another run ended. */
  readonly cutOff: boolean;
  /** Highest LSN in the file, whether it counts or not. */
  readonly maxLsn: number;
  readonly bad: BadRecord | undefined;
}

export interface ScanLimits {
  /** End of what counts, from the next generation's header; undefined: the file's end. */
  readonly end?: number;
  /** Records beyond are another past's, see `History`. */
  readonly maxLsn: number;
  /** See `Rules.previousLsn`. */
  readonly gapless?: boolean;
}

/**
 * Reads a generation through.
 *
 * @throws {CorruptionError} A whole record that does not follow the one before it.
 * @throws {IoError}
 */
export function scanGeneration(fs: FileSystem, found: FoundBody, limits: ScanLimits): GenerationScan {
  const { head: header, path } = found;
  const file = fs.openRead(path);
  try {
    const limit = Math.min(found.sizeBytes, limits.end ?? Infinity);
    const reader = new RecordReader(file, header, limit);
    const tail = new Unmarked({ offset: header.headerBytes, lsn: header.baseLsn, seqNo: header.baseSeqNo });
    let end = tail.mark;
    let cutOff = false;
    while (reader.next()) {
      if (limits.gapless && reader.lsn > reader.prevLsn + 1) {
        throw new CorruptionError(`Cannot decode WAL record: lsn ${reader.lsn} follows ${reader.prevLsn}`, {
          file: path,
        });
      }
      cutOff ||= reader.lsn > limits.maxLsn;
      if (cutOff) continue;
      end = { offset: reader.end, lsn: reader.lsn, seqNo: reader.lastSeqNo };
      tail.add(end, reader.kind !== RecordKind.Mark, reader.syncedBytes);
    }
    let bad: BadRecord | undefined;
    if (reader.bad !== undefined && !cutOff) {
      const behind = searchBehind(file, header, { from: reader.end, limit: found.sizeBytes });
      bad = {
        offset: reader.end,
        reason: reader.bad,
        bytes: found.sizeBytes - reader.end,
        validBehind: behind.count,
        markBehind: behind.markBytes,
        maxLsnBehind: behind.maxLsn,
      };
    }
    const maxLsn = Math.max(header.baseLsn, reader.lsn, bad?.maxLsnBehind ?? 0);
    return { end, mark: tail.mark, unmarkedRecords: tail.records, cutOff, maxLsn, bad };
  } finally {
    file.close();
  }
}

/** Records behind the highest mark seen so far. */
class Unmarked {
  #places: LogPlace[] = [];
  #real: boolean[] = [];
  #first = 0;

  constructor(public mark: LogPlace) {}

  get records(): number {
    let count = 0;
    for (let i = this.#first; i < this.#real.length; i++) if (this.#real[i]) count++;
    return count;
  }

  add(place: LogPlace, real: boolean, markBytes: number): void {
    while (this.#first < this.#places.length && this.#places[this.#first]!.offset <= markBytes) {
      this.mark = this.#places[this.#first++]!;
    }
    if (this.#first > 0 && this.#first === this.#places.length) {
      this.#places = [];
      this.#real = [];
      this.#first = 0;
    }
    this.#places.push(place);
    this.#real.push(real);
  }
}

/** What lies behind the last whole record of the newest generation; left where it is. */
export interface TornTail {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly validBehind: number;
}

/**
 * Tells a torn tail, which a power cut or a copy leaves, from damage.
 *
 * @param sameBoot The kernel that wrote it still runs and this directory is not a copy: its page cache loses nothing.
 * @throws {CorruptionError} Those bytes were there once.
 */
export function tornTail(
  found: FoundBody,
  scan: GenerationScan,
  sameBoot: boolean,
  { laterMarks }: Pick<Rules, "laterMarks"> = ALL_RULES,
): TornTail | undefined {
  const { bad } = scan;
  if (!bad) return undefined;
  const where = { file: found.path, offset: bad.offset };
  if (bad.offset < Math.max(scan.mark.offset, laterMarks ? bad.markBehind : 0)) {
    throw new CorruptionError(
      `Cannot decode WAL record: ${bad.reason}, though it was synced up to byte ${bad.markBehind}`,
      where,
    );
  }
  if (sameBoot && bad.validBehind > 0) {
    throw new CorruptionError(
      `Cannot decode WAL record: ${bad.reason}, and ${bad.validBehind} whole records of the same boot follow`,
      where,
    );
  }
  return { file: found.path, offset: bad.offset, bytes: bad.bytes, validBehind: bad.validBehind };
}
