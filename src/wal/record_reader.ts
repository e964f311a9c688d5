/**
 * Reads the records of one generation front to back, in pieces: memory is one piece, or one record where that is
 * larger.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { operationsSpan } from "../format/operations.ts";
import {
  decodeRecordHead,
  generationSeed,
  plausibleHeader,
  RECORD_HEADER_BYTES,
  recordCrc,
  RecordKind,
  recordLength,
  type WalRecord,
} from "../format/wal.ts";
import type { WalHeader } from "../format/wal_header.ts";
import { uuidToBytes } from "../format/uuid_bytes.ts";
import type { OpenFile } from "../os/fs.ts";

const PIECE_BYTES = 1024 * 1024;
/** A buffer that one large record made grow is given back above this. */
const KEEP_BYTES = 8 * 1024 * 1024;

/** The reader is the record: its fields are those of the current one. */
export class RecordReader implements WalRecord {
  kind = 0;
  lsn = 0;
  prevLsn = 0;
  seqNo = -1;
  lastSeqNo: number;
  syncedBytes = 0;
  timeMs = 0;
  payload: Uint8Array = new Uint8Array(0);
  /** The whole record as it lies in the file; valid until `next`. */
  bytes: Uint8Array = this.payload;
  /** Offset of the current record. */
  offset: number;
  /** Offset behind the current record. */
  end: number;
  /** Why `next` stopped before the end; undefined when it reached it. */
  bad: string | undefined;
  /** LSN of the last record with one: the next one's `prev`. */
  #lastLsn: number;
  #buffer = new Uint8Array(0);
  #view = new DataView(this.#buffer.buffer);
  /** Offset in the file of the buffer's first byte. */
  #bufferAt = 0;
  #buffered = 0;
  readonly #seed: number;

  /** @param limit Offset at which reading ends: the file's size, or the end that the next generation states. */
  constructor(private readonly file: OpenFile, header: WalHeader, private readonly limit: number) {
    this.#seed = generationSeed(uuidToBytes(header.uuid));
    this.#lastLsn = header.baseLsn;
    this.lastSeqNo = header.baseSeqNo;
    this.offset = header.headerBytes;
    this.end = header.headerBytes;
  }

  /**
   * Moves to the next record; false at the end, and at a bad record, which `bad` then describes and `end` locates.
   *
   * @throws {CorruptionError} A whole record is not the one that follows, or is of an unknown kind.
   * @throws {IoError}
   */
  next(): boolean {
    const at = this.end;
    if (at >= this.limit) return false;
    if (at + RECORD_HEADER_BYTES > this.limit) return this.#stop(`it ends within a record's header`);
    this.#need(at, RECORD_HEADER_BYTES);
    if (!plausibleHeader(this.#view, at - this.#bufferAt, at, this.limit)) {
      return this.#stop("no record's header stands there");
    }
    const size = RECORD_HEADER_BYTES + recordLength(this.#view, at - this.#bufferAt);
    this.#need(at, size);
    const start = at - this.#bufferAt;
    const bytes = this.#buffer.subarray(start, start + size);
    const crc = recordCrc(this.#seed, at, bytes);
    const stored = this.#view.getUint32(start, true);
    if (crc !== stored) return this.#stop(`crc is 0x${crc.toString(16)}, stored 0x${stored.toString(16)}`);
    this.#take(at, bytes, start);
    return true;
  }

  #take(at: number, bytes: Uint8Array, start: number): void {
    const head = decodeRecordHead(this.#view, start);
    const isMark = head.kind === RecordKind.Mark;
    const grows = isMark ? head.lsn === this.#lastLsn : head.lsn > this.#lastLsn;
    if (head.prevLsn !== this.#lastLsn || !grows) {
      this.#corrupt(at, `lsn ${head.lsn} after ${head.prevLsn} follows ${this.#lastLsn}`);
    }
    if (head.kind > RecordKind.Mark) this.#corrupt(at, `kind ${head.kind} is unknown to this version`);
    this.offset = at;
    this.end = at + bytes.length;
    this.bytes = bytes;
    this.payload = bytes.subarray(RECORD_HEADER_BYTES);
    this.kind = head.kind;
    this.lsn = head.lsn;
    this.prevLsn = head.prevLsn;
    this.seqNo = head.seqNo;
    this.syncedBytes = head.syncedBytes;
    this.timeMs = head.timeMs;
    this.#lastLsn = head.lsn;
    if (head.kind === RecordKind.Operations) this.lastSeqNo = head.seqNo + operationsSpan(this.payload);
  }

  #corrupt(offset: number, reason: string): never {
    throw new CorruptionError(`Cannot decode WAL record: ${reason}`, { file: this.file.path, offset });
  }

  #stop(reason: string): false {
    this.bad = reason;
    return false;
  }

  /** Makes [at, at + size) of the file lie in the buffer. */
  #need(at: number, size: number): void {
    if (at >= this.#bufferAt && at + size <= this.#bufferAt + this.#buffered) return;
    const wanted = Math.max(size, PIECE_BYTES);
    if (this.#buffer.length < size || (this.#buffer.length > KEEP_BYTES && wanted <= KEEP_BYTES)) {
      this.#buffer = new Uint8Array(Math.max(wanted, Math.min(2 * size, this.limit - at)));
      this.#view = new DataView(this.#buffer.buffer);
    }
    const into = this.#buffer.subarray(0, Math.min(this.#buffer.length, this.limit - at));
    this.#bufferAt = at;
    this.#buffered = this.file.readAt(into, at);
    // The file was longer when its size was asked: something truncates it under us.
    if (this.#buffered < size) {
      this.#corrupt(at, `the file has ${at + this.#buffered} bytes, ${this.limit} were expected`);
    }
  }
}
