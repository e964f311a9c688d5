/**
 * A line on a terminal that says how far something has come.
 *
 * @module
 */

/** How often the line is drawn anew. */
const REDRAW_MS = 100;
const WIDTH = 30;

export class ProgressBar {
  readonly #write: (text: string) => void;
  readonly #nowMs: () => number;
  #drawnMs = -Infinity;
  #length = 0;

  constructor(write: (text: string) => void, nowMs: () => number) {
    this.#write = write;
    this.#nowMs = nowMs;
  }

  update(done: number, total: number, what: string): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const full = Math.round(share * WIDTH);
    const line = `[${"#".repeat(full)}${".".repeat(WIDTH - full)}] ${
      String(Math.floor(share * 100)).padStart(3)
    }% ${what.slice(0, 40)}`;
    this.#write(`\r${line.padEnd(this.#length)}`);
    this.#length = line.length;
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#length > 0) this.#write(`\r${" ".repeat(this.#length)}\r`);
    this.#length = 0;
  }
}
