/**
 * After a failed sync or rename nobody knows what is on disk: the kernel may have dropped the pages. So the shard is
 * poisoned until it is reopened, and nothing is retried as if it had worked.
 *
 * @module
 */
import { IoError, RequestError } from "../base/errors.ts";

/** Shared by everything that writes to one shard (or to the catalogue). */
export class Poison {
  #cause: Error | undefined;
  #listener: ((cause: Error) => void) | undefined;

  /** @param subject What is poisoned, for messages: `shard 0 of [logs]`. */
  constructor(readonly subject: string) {}

  /** What failed; undefined: healthy. */
  get cause(): Error | undefined {
    return this.#cause;
  }

  /** @throws {RequestError} 503 with the cause, once anything failed. */
  check(): void {
    if (this.#cause) throw this.refusal();
  }

  refusal(): RequestError {
    return new RequestError(`${this.subject} takes no writes until it is reopened: ${this.#cause?.message}`, {
      status: 503,
      type: "shard_poisoned_exception",
      causedBy: { type: "io_exception", reason: this.#cause?.message ?? "" },
    });
  }

  /** Runs a sync or a rename; any failure poisons. */
  guard<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      this.taint(error);
      throw error;
    }
  }

  /** Runs a create or a write; a full disk is survivable, any other failure poisons. */
  guardWrite<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!isDiskFull(error)) this.taint(error);
      throw error;
    }
  }

  taint(error: unknown): void {
    if (this.#cause) return;
    this.#cause = error instanceof Error ? error : new Error(String(error));
    this.#listener?.(this.#cause);
  }

  /** Calls `listener` once, when the first thing fails. */
  onTaint(listener: (cause: Error) => void): void {
    this.#listener = listener;
  }
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof IoError && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

/** 429 `disk_full`: nothing is lost, the same request may succeed once there is room. */
export function diskFull(path: string): RequestError {
  return new RequestError(`no space left for ${path}`, {
    status: 429,
    type: "disk_full",
    headers: { "Retry-After": "1" },
  });
}
