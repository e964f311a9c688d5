/**
 * Cuts a byte stream into pieces of whole lines, numbered, for the writers.
 *
 * @module
 */

export interface WholeLines {
  /** Over shared memory; the last line of a stream may lack its newline. */
  readonly lines: Uint8Array;
  /** Number of the first line, from 1. */
  readonly firstLine: number;
}

const NEWLINE = 0x0a;

export class WholeLineCutter {
  readonly #maxLineBytes: number;
  /** Beginning of a line whose end has not come. */
  #rest: Uint8Array = new Uint8Array(0);
  /** The line that comes in has exceeded the limit: the rest of it is dropped. */
  #dropping = false;
  #nextLine = 1;
  /** Numbers of lines that exceeded the limit. */
  readonly tooLong: number[] = [];

  constructor({ maxLineBytes }: { readonly maxLineBytes: number }) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Takes the next bytes of the stream; returns the lines that are whole now, if any. */
  push(bytes: Uint8Array): WholeLines | undefined {
    let from = 0;
    if (this.#dropping) {
      const end = bytes.indexOf(NEWLINE);
      if (end < 0) return undefined;
      this.#dropping = false;
      this.#nextLine++;
      from = end + 1;
    }
    const last = bytes.lastIndexOf(NEWLINE);
    if (last < from) {
      this.#keep(bytes.subarray(from));
      return undefined;
    }
    const piece = this.#join(bytes.subarray(from, last + 1));
    this.#keep(bytes.subarray(last + 1));
    return piece;
  }

  /** The last line, when it lacks a newline. */
  end(): WholeLines | undefined {
    if (this.#rest.length === 0) return undefined;
    return this.#join(new Uint8Array(0));
  }

  #join(bytes: Uint8Array): WholeLines {
    const lines = new Uint8Array(new SharedArrayBuffer(this.#rest.length + bytes.length));
    lines.set(this.#rest);
    lines.set(bytes, this.#rest.length);
    this.#rest = new Uint8Array(0);
    const firstLine = this.#nextLine;
    for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) this.#nextLine++;
    return { lines, firstLine };
  }

  #keep(bytes: Uint8Array): void {
    if (this.#rest.length + bytes.length > this.#maxLineBytes) {
      this.tooLong.push(this.#nextLine);
      this.#rest = new Uint8Array(0);
      this.#dropping = true;
      return;
    }
    if (bytes.length === 0) return;
    const kept = new Uint8Array(this.#rest.length + bytes.length);
    kept.set(this.#rest);
    kept.set(bytes, this.#rest.length);
    this.#rest = kept;
  }
}
