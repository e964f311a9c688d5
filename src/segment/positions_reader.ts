/**
 * Where does a term stand within a doc? Reads the chunks that `format/postings_positions.ts` describes.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { BLOCK_SIZE } from "../format/postings_packed.ts";
import { decodePositionBlock, decodePositionTail, positionBlockWords } from "../format/postings_positions.ts";
import type { Run } from "./runs.ts";

/** A run and its words, looked up once. */
export interface WordRun {
  readonly run: Run;
  readonly words: Int32Array;
}

export function wordRun(run: Run): WordRun {
  const { bytes } = run;
  return { run, words: new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4)) };
}

const NO_DELTAS = new Uint32Array(0);

/** Positions of the docs of one block, ascending; decodes only the blocks of 128 that hold wanted ones. */
export class PositionReader {
  /** Block of docs that is open; -1: none. */
  block = -1;
  readonly #run: WordRun;
  /** Made with the first look: most lists are short, and many are opened only to be counted. */
  #deltas: Uint32Array = NO_DELTAS;
  #out: Uint32Array = new Uint32Array(4);
  #start = 0;
  #end = 0;
  /** Whole blocks of positions in the chunk, and positions behind them. */
  #whole = 0;
  #rest = 0;
  /** Block in #deltas; -1: none. */
  #decoded = -1;
  /** Word of position block #walked. */
  #word = 0;
  #walked = 0;
  /** Doc up to which `#before` counts the positions. */
  #doc = 0;
  #before = 0;

  constructor(run: WordRun) {
    this.#run = run;
  }

  /**
   * Opens the chunk bytes [start, end), which belongs to block number `block` of `docs` docs.
   *
   * @throws {CorruptionError} It is too short for the positions that `freqs` tell of.
   */
  open(block: number, start: number, end: number, freqs: Uint32Array, docs: number): void {
    let total = 0;
    for (let i = 0; i < docs; i++) total += freqs[i]!;
    this.#run.run.touch(start, end - start);
    this.block = block;
    this.#start = start;
    this.#end = end;
    this.#whole = Math.floor(total / BLOCK_SIZE);
    this.#rest = total % BLOCK_SIZE;
    this.#decoded = -1;
    this.#word = Math.ceil(start / 4);
    this.#walked = 0;
    this.#doc = 0;
    this.#before = 0;
    // Each whole block takes a word at least: a corrupt frequency must not make a doc with billions of positions.
    if (this.#whole * 4 > end - start) {
      throw new CorruptionError(
        `Cannot decode positions: ${total} of them in ${end - start} bytes of ${this.#run.run.name}`,
      );
    }
  }

  /** Positions of doc `at` of the block: [0, freqs[at]) is used; valid until the next call. */
  read(freqs: Uint32Array, at: number): Uint32Array {
    if (at < this.#doc) {
      this.#doc = 0;
      this.#before = 0;
    }
    while (this.#doc < at) this.#before += freqs[this.#doc++]!;
    const count = freqs[at]!;
    if (count > this.#out.length) this.#out = new Uint32Array(Math.max(count, this.#out.length * 2));
    const out = this.#out;
    if (this.#deltas === NO_DELTAS) this.#deltas = new Uint32Array(this.#whole > 0 ? BLOCK_SIZE : this.#rest);
    else if (this.#deltas.length < BLOCK_SIZE && (this.#whole > 0 || this.#rest > this.#deltas.length)) {
      this.#deltas = new Uint32Array(BLOCK_SIZE);
      this.#decoded = -1;
    }
    const deltas = this.#deltas;
    let position = 0;
    let from = this.#before;
    for (let done = 0; done < count;) {
      const block = Math.floor(from / BLOCK_SIZE);
      if (block !== this.#decoded) this.#decode(block);
      const index = from & (BLOCK_SIZE - 1);
      const n = Math.min(count - done, BLOCK_SIZE - index);
      for (let i = 0; i < n; i++) {
        position += deltas[index + i]!;
        out[done + i] = position;
      }
      done += n;
      from += n;
    }
    return out;
  }

  #decode(block: number): void {
    const { words, run } = this.#run;
    if (block < this.#walked) {
      this.#walked = 0;
      this.#word = Math.ceil(this.#start / 4);
    }
    while (this.#walked < block) {
      this.#word += positionBlockWords(words, this.#word);
      this.#walked++;
    }
    if (block < this.#whole) {
      const end = decodePositionBlock(words, this.#word, this.#deltas);
      if (end * 4 > this.#end) {
        throw new CorruptionError(`Cannot decode positions: a block of ${run.name} passes its chunk`);
      }
    } else {
      const at = this.#whole === 0 ? this.#start : this.#word * 4;
      decodePositionTail(run.bytes, at, this.#rest, this.#deltas);
    }
    this.#decoded = block;
  }
}
