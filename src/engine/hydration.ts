/**
 * A data directory that is not all there yet: a lazy restore goes on while the server runs.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { HydratingFile } from "../os/shared_blocks.ts";

/** What a lazy restore has left to bring. */
export interface EngineHydration {
  /** Segment files that were not all there at the start. */
  readonly files: readonly HydratingFile[];
  /** 0: all is there. */
  readonly pendingBytes: number;
  readonly totalBytes: number;
}

/**
 * Nothing can be copied of a directory that is not all there.
 *
 * @throws {RequestError} 409
 */
export function refuseUnlessWhole(hydration: EngineHydration | undefined): void {
  const { pendingBytes = 0, totalBytes = 0 } = hydration ?? {};
  if (pendingBytes === 0) return;
  throw new RequestError(
    `the data directory is still being restored: ${pendingBytes} of ${totalBytes} bytes are still to come`,
    { status: 409, type: "still_restoring_exception" },
  );
}
