/**
 * Ids that tie an answer, its log lines and what the client saw together.
 *
 * @module
 */
import type { Random } from "../os/fs.ts";

/** What a client may choose: printable ASCII without spaces, quotes or markup, not long. */
const SANE = /^[\w.:@/+=#~-]{1,128}$/;

/** Starts the ids of this process. */
export function requestIds(random: Random): RequestIds {
  return new RequestIds(random);
}

/** Gives the client's id where it is sane, else the next of this process: a random start and a count. */
export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  constructor(random: Random) {
    const bytes = new Uint8Array(6);
    random.fill(bytes);
    this.#prefix = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  next(fromClient: string | null): string {
    if (fromClient !== null && SANE.test(fromClient)) return fromClient;
    return `${this.#prefix}-${(++this.#count).toString(36)}`;
  }
}
