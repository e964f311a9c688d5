/**
 * Writes one segment file front to back: header, runs, page checksums, directory, footer. Nothing that went out is
 * touched again, so a merge can stream it to disk; a refresh collects the pieces in memory.
 *
 * @module
 */
import { crc32 } from "../base/crc.ts";
import { assert } from "../base/errors.ts";
import {
  encodeDirectory,
  encodeEnd,
  encodeHeader,
  type FileKindCode,
  RUN_ALIGNMENT,
  type RunEntry,
} from "../format/container.ts";
import { PAGE_BYTES } from "./file_view.ts";
import type { RunRange, RunWriter, Scratch } from "./runs.ts";

/** Takes a file's bytes in order. Pieces belong to the sink from then on. */
export interface ByteSink {
  write(piece: Uint8Array): void;
}

/** Makes the memory of a finished file; a `SharedArrayBuffer`-backed one where other threads read it. */
export type Allocate = (sizeBytes: number) => Uint8Array;

/** Collects a file in memory. */
export class MemorySink implements ByteSink {
  readonly pieces: Uint8Array[] = [];
  length = 0;

  write(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.length += piece.length;
  }

  /** All bytes in one array, in steps of about a megabyte. The pieces are let go. */
  *join(allocate: Allocate): Generator<void, Uint8Array> {
    const out = allocate(this.length);
    let at = 0;
    let copied = 0;
    for (const piece of this.pieces) {
      out.set(piece, at);
      at += piece.length;
      copied += piece.length;
      if (copied >= JOIN_BYTES) {
        copied = 0;
        yield;
      }
    }
    this.pieces.length = 0;
    return out;
  }
}

/** The state of a body that something will be appended to later. */
export interface OpenBody {
  readonly uuid: string;
  readonly bodyBytes: number;
  readonly runs: readonly RunEntry[];
  /** Checksum of each page so far; that of a short last page is its checksum up to `bodyBytes`. */
  readonly pageCrcs: Uint32Array;
}

/** Copied between two yields. */
const JOIN_BYTES = 1 << 20;
/** Small appends are gathered up to this size. */
const CHUNK_BYTES = 65536;
/** Pieces at least this large are not copied when they are given away. */
const OWNED_BYTES_MIN = 32768;
const ZEROS = new Uint8Array(RUN_ALIGNMENT);

export class RunFile implements RunWriter {
  readonly #kind: FileKindCode;
  readonly #uuid: string;
  readonly #sink: ByteSink;
  readonly #runs: RunEntry[] = [];
  readonly #names = new Set<string>();
  readonly #pageCrcs: number[] = [];
  /** Bytes handed to the sink. */
  #written = 0;
  #chunk = new Uint8Array(CHUNK_BYTES);
  #chunkLength = 0;
  #runName: string | undefined;
  #runOffset = 0;
  readonly scratch: (() => Scratch) | undefined;

  /** @param resume Body written before; its bytes are not given to the sink again. */
  constructor(
    kind: FileKindCode,
    uuid: string,
    options: { readonly sink: ByteSink; readonly resume?: OpenBody; readonly scratch?: () => Scratch },
  ) {
    this.#kind = kind;
    this.#uuid = uuid;
    this.#sink = options.sink;
    this.scratch = options.scratch;
    const { resume } = options;
    if (resume) {
      for (const run of resume.runs) {
        this.#runs.push(run);
        this.#names.add(run.name);
      }
      for (const crc of resume.pageCrcs) this.#pageCrcs.push(crc);
      this.#written = resume.bodyBytes;
    } else {
      this.append(encodeHeader(kind, uuid));
    }
  }

  get length(): number {
    return this.#position - this.#runOffset;
  }

  begin(name: string): void {
    assert(this.#runName === undefined, `run ${this.#runName} is still open`);
    assert(!this.#names.has(name), `run ${name} was not written before`);
    this.#align(RUN_ALIGNMENT);
    this.#runName = name;
    this.#runOffset = this.#position;
  }

  append(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#chunkLength === this.#chunk.length) this.#flushChunk();
      const size = Math.min(bytes.length - at, this.#chunk.length - this.#chunkLength);
      this.#chunk.set(
        at === 0 && size === bytes.length ? bytes : bytes.subarray(at, at + size),
        this.#chunkLength,
      );
      this.#chunkLength += size;
      at += size;
    }
  }

  appendOwned(bytes: Uint8Array): void {
    if (bytes.length < OWNED_BYTES_MIN) return this.append(bytes);
    this.#flushChunk();
    this.#give(bytes);
  }

  end(): RunRange {
    assert(this.#runName !== undefined, "a run is open");
    const entry = { name: this.#runName, offset: this.#runOffset, length: this.length };
    this.#runs.push(entry);
    this.#names.add(entry.name);
    this.#runName = undefined;
    return entry;
  }

  /** Ends the body without an end of the file. */
  suspend(): OpenBody {
    this.#endBody();
    return {
      uuid: this.#uuid,
      bodyBytes: this.#written,
      runs: this.#runs,
      pageCrcs: Uint32Array.from(this.#pageCrcs),
    };
  }

  /** Ends the file. @param meta What its kind puts into the directory. */
  finish(meta: Uint8Array): void {
    this.#endBody();
    this.#sink.write(encodeEnd({
      kind: this.#kind,
      uuid: this.#uuid,
      bodyBytes: this.#written,
      pageCrcs: Uint32Array.from(this.#pageCrcs),
      directory: encodeDirectory(this.#runs, meta),
    }));
  }

  get #position(): number {
    return this.#written + this.#chunkLength;
  }

  #endBody(): void {
    assert(this.#runName === undefined, `run ${this.#runName} is still open`);
    this.#align(RUN_ALIGNMENT);
    this.#flushChunk();
  }

  #align(alignment: number): void {
    const rest = this.#position % alignment;
    if (rest > 0) this.append(ZEROS.subarray(0, alignment - rest));
  }

  #flushChunk(): void {
    if (this.#chunkLength === 0) return;
    const piece = this.#chunk.subarray(0, this.#chunkLength);
    // A nearly empty chunk would keep its room for as long as the sink keeps the piece.
    const small = this.#chunkLength < this.#chunk.length / 2;
    if (!small) this.#chunk = new Uint8Array(CHUNK_BYTES);
    this.#chunkLength = 0;
    this.#give(small ? piece.slice() : piece);
  }

  /** Counts `piece` into the pages' checksums and gives it to the sink. */
  #give(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      const inPage = this.#written % PAGE_BYTES;
      const size = Math.min(piece.length - at, PAGE_BYTES - inPage);
      const part = piece.subarray(at, at + size);
      if (inPage === 0) this.#pageCrcs.push(crc32(part));
      else this.#pageCrcs.push(crc32(part, this.#pageCrcs.pop()!));
      this.#written += size;
      at += size;
    }
    this.#sink.write(piece);
  }
}
