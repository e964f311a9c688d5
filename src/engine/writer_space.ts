/**
 * Is there room on the disk? A reserve stays free: below it merges wait, retained files go before their time, and then
 * new documents are refused, while deletes, flushes and searches go on. Looks again each second.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { WriterNode } from "./writer_node.ts";

/** Once documents are refused, so much more than the reserve has to be free before they are taken again. */
const RESUME_MARGIN = 1.05;
/** Retained files are given up in so many steps, the oldest first. */
const RELEASE_STEPS = 4;

export class WriterSpace {
  readonly #node: WriterNode;
  /** New documents are refused. */
  low = false;

  constructor(node: WriterNode) {
    this.#node = node;
  }

  /** Bytes that may be used without touching the reserve; Infinity where there is no shard yet. */
  available(): number {
    const { settings, options, shards } = this.#node;
    for (const { state } of shards.values()) {
      return options.fs.freeBytes(state.store.directory) - settings.diskReserveBytes;
    }
    return Infinity;
  }

  /** Looks whether documents have to be refused, or may be taken again. */
  check(): void {
    const { settings, options } = this.#node;
    if (settings.diskReserveBytes === 0) {
      this.low = false;
      return;
    }
    const needed = this.low ? settings.diskReserveBytes * (RESUME_MARGIN - 1) : 0;
    const low = !this.makeRoom(needed, "the disk is nearly full");
    if (low === this.low) return;
    this.low = low;
    if (low) options.log.warn("the disk is nearly full: new documents are refused", this.#figures());
    else options.log.info("space is back: new documents are taken again", this.#figures());
  }

  /** @throws {RequestError} 429 `disk_full` while documents are refused. */
  checkDocuments(): void {
    if (this.low) throw this.refusal();
  }

  refusal(): RequestError {
    const reserveMb = Math.round(this.#node.settings.diskReserveBytes / 1024 / 1024);
    return new RequestError(
      `less than [storage] disk_reserve_mb = ${reserveMb} is free on the data directory's disk; ` +
        "documents are taken again by themselves when there is more",
      { status: 429, type: "disk_full", headers: { "retry-after": "5" } },
    );
  }

  /**
   * Whether `bytes` may be written without touching the reserve. Where they may not, retained files that nothing pins go
   * before their time.
   */
  makeRoom(bytes: number, why: string): boolean {
    if (this.available() >= bytes) return true;
    const { settings, options, shards } = this.#node;
    for (let step = RELEASE_STEPS - 1; step >= 0; step--) {
      let released = 0;
      for (const { state } of shards.values()) {
        if (state.store.poisoned) continue;
        const before = state.store.retainedBytes();
        state.store.release(new Set(), { retainMs: settings.retainSupersededMs * step / RELEASE_STEPS });
        released += before - state.store.retainedBytes();
      }
      if (released > 0) {
        options.log.warn("retained files went before their time; copies that are running may be refused", {
          bytes: released,
          because: why,
        });
      }
      if (this.available() >= bytes) return true;
    }
    return false;
  }

  #figures(): Record<string, unknown> {
    const { diskReserveBytes } = this.#node.settings;
    return { free_bytes: this.available() + diskReserveBytes, reserve_bytes: diskReserveBytes };
  }
}
