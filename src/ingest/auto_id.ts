/**
 * Ids for documents that came without one: 20 characters of the URL-safe base64 alphabet, like Elasticsearch's.
 *
 * 15 bytes: u48 ms since the epoch, 48 random bits of this generator, u24 counter; big-endian, so that ids of one
 * generator ascend and neighbours share all but their last characters, which front coding then leaves out. The digits
 * are in ASCII order, so that ids ascend as strings too.
 *
 * Uniqueness: a (time, counter) pair comes once from a generator, and two generators (threads, runs of the server)
 * differ in their random bits. The time is taken anew at most once a second and whenever the counter is used up, and
 * never goes back: it is a beginning, not the moment of the id.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

export const AUTO_ID_BYTES = 20;

const DIGITS = Uint8Array.from(
  "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
  (digit) => digit.charCodeAt(0),
);
const COUNTER_LIMIT = 1 << 24;
const TIME_STEP_MS = 1000;

export interface AutoIdOptions {
  /** Wall clock, ms since the epoch. */
  readonly nowMs: () => number;
  /** Six random bytes of this generator's own. */
  readonly random: Uint8Array;
}

export class AutoIds {
  /** Bytes of the id made last, ASCII; overwritten by `next`. */
  readonly bytes: Uint8Array = new Uint8Array(AUTO_ID_BYTES);
  readonly #nowMs: () => number;
  #timeMs = -1;
  #counter = COUNTER_LIMIT - 1;

  constructor(options: AutoIdOptions) {
    assert(options.random.length === 6, "a generator has 48 random bits");
    this.#nowMs = options.nowMs;
    const { random } = options;
    const high = random[0]! * 65536 + random[1]! * 256 + random[2]!;
    const low = random[3]! * 65536 + random[4]! * 256 + random[5]!;
    writeDigits(this.bytes, 8, high);
    writeDigits(this.bytes, 12, low);
  }

  /**
   * Lets ids carry a newer time. Call it once a batch: within one, ids then differ in their last characters only.
   */
  refresh(): void {
    const now = this.#nowMs();
    if (now - this.#timeMs >= TIME_STEP_MS) this.#setTime(now);
  }

  /** Makes the next id, in `bytes`. */
  next(): void {
    if (++this.#counter >= COUNTER_LIMIT) {
      this.#setTime(Math.max(this.#nowMs(), this.#timeMs + 1));
      this.#counter = 0;
    }
    writeDigits(this.bytes, 16, this.#counter);
  }

  #setTime(timeMs: number): void {
    this.#timeMs = timeMs;
    writeDigits(this.bytes, 0, Math.floor(timeMs / COUNTER_LIMIT));
    writeDigits(this.bytes, 4, timeMs % COUNTER_LIMIT);
  }
}

/** Four digits of 6 bits. */
function writeDigits(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = DIGITS[(value >>> 18) & 63]!;
  bytes[at + 1] = DIGITS[(value >>> 12) & 63]!;
  bytes[at + 2] = DIGITS[(value >>> 6) & 63]!;
  bytes[at + 3] = DIGITS[value & 63]!;
}
