/**
 * Which operations does a `_bulk` body hold? An action line, and for all but deletes a source line, each ended by a
 * newline.
 *
 * Everything about an operation is left as bytes of the body where it can be. What a malformed line answers is worded
 * as by Elasticsearch 8.13 (tried against it), and so is what it lets pass: blank lines between operations, anything
 * behind the metadata object on an action line, a last action line without a source line.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { BulkAction, type BulkActionOptions, BulkActionParser } from "./bulk_action.ts";

export interface BulkFramerOptions extends BulkActionOptions {
  /** Range of the body; default: all of it. */
  readonly start?: number;
  readonly end?: number;
}

/**
 * Walks the operations of one body. Members describe the operation that the last `next` found and are valid until
 * the following one.
 */
export class BulkFramer {
  readonly action: BulkAction = new BulkAction();
  /** Position among the body's operations, from 0; -1 before the first. */
  position = -1;
  /** Source, without its line end: bytes [sourceStart, sourceEnd) of the body. Empty for deletes. */
  sourceStart = 0;
  sourceEnd = 0;
  readonly #body: Uint8Array;
  readonly #end: number;
  readonly #parser: BulkActionParser;
  #at: number;
  #line = 0;

  constructor(body: Uint8Array, options: BulkFramerOptions = {}) {
    this.#body = body;
    this.#at = options.start ?? 0;
    this.#end = options.end ?? body.length;
    this.#parser = new BulkActionParser(options);
  }

  /** Line of the action, from 1. */
  get line(): number {
    return this.action.line;
  }

  /**
   * Moves to the next operation; false after the last.
   *
   * @throws {RequestError} 400: the whole request is malformed, also the operations before.
   */
  next(): boolean {
    const body = this.#body;
    for (;;) {
      const start = this.#at;
      const lineEnd = this.#lineEnd();
      if (lineEnd < 0) return false;
      const action = this.action;
      if (!this.#parser.parse(body, start, lineEnd, this.#line, action)) continue;
      if (action.kind === "delete") {
        this.sourceStart = this.sourceEnd = this.#at;
      } else {
        const sourceStart = this.#at;
        let sourceEnd = this.#lineEnd();
        if (sourceEnd < 0) return false;
        if (sourceEnd > sourceStart && body[sourceEnd - 1] === 0x0d) sourceEnd--;
        this.sourceStart = sourceStart;
        this.sourceEnd = sourceEnd;
      }
      this.position++;
      return true;
    }
  }

  /** Moves behind the next newline and returns its position; -1 at the end of the body. */
  #lineEnd(): number {
    const end = this.#end;
    if (this.#at >= end) return -1;
    const newline = this.#body.indexOf(0x0a, this.#at);
    if (newline < 0 || newline >= end) {
      throw illegalArgument("The bulk request must be terminated by a newline [\\n]");
    }
    this.#at = newline + 1;
    this.#line++;
    return newline;
  }
}

/**
 * Number of operations of a body, after reading every action line: so that a malformed one refuses the request before
 * any operation is applied.
 *
 * @throws {RequestError} 400, as `BulkFramer.next`.
 */
export function checkBulk(body: Uint8Array, options: BulkFramerOptions = {}): number {
  const framer = new BulkFramer(body, options);
  while (framer.next());
  return framer.position + 1;
}
