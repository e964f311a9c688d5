/**
 * Runs: the named byte ranges that a segment file's body consists of (`host:dict`, `host:postings`, ...). Whoever
 * encodes a part of a segment writes runs one after another and reads them back by name, and knows neither files
 * nor pages.
 *
 * @module
 */

/** Where a run lies. */
export interface RunRange {
  /** From the start of the file, a multiple of 64. */
  readonly offset: number;
  readonly length: number;
}

/** Writes runs, one at a time, front to back. Buffer what belongs to another run. */
export interface RunWriter {
  /** Starts a run. Names are unique in a file: `<field>:<part>`. */
  begin(name: string): void;
  /** Appends a copy of `bytes` to the current run. */
  append(bytes: Uint8Array): void;
  /** Appends `bytes` themselves: the caller never changes them again. For pieces that are large already. */
  appendOwned(bytes: Uint8Array): void;
  /** Bytes of the current run so far. */
  readonly length: number;
  /** Ends the current run; an empty one is allowed. */
  end(): RunRange;
  /** Makes a place for pieces of runs whose turn has not come, where they may be too many for memory. */
  readonly scratch?: (() => Scratch) | undefined;
}

/** Bytes that wait on a disk. */
export interface Scratch {
  write(piece: Uint8Array): void;
  /** All of it again, in order; each piece is valid until the next. */
  pieces(): Iterable<Uint8Array>;
  close(): void;
}

/**
 * One run for reading. `bytes` are the whole run, but may only be read where `touch` or `view` has let them: these
 * verify the checksums of the pages concerned (once) and count what was asked for.
 */
export interface Run {
  readonly name: string;
  readonly length: number;
  /** The run, 64-byte aligned in its file and at least 8-byte aligned in memory, so that typed arrays can lie over it. */
  readonly bytes: Uint8Array;
  /** Bytes asked for so far. */
  readonly touchedBytes: number;
  /**
   * Makes bytes [offset, offset + length) safe to read.
   *
   * @throws {CorruptionError} A page's checksum is wrong, or the range leaves the run.
   */
  touch(offset: number, length: number): void;
  /** `touch`, then the range as a view. Allocates: in hot loops use `touch` and index `bytes`. */
  view(offset: number, length: number): Uint8Array;
}

/** Finds runs by name. Look a run up once and keep it. */
export interface RunView {
  run(name: string): Run | undefined;
}
