/**
 * Unpredictable bytes from the system.
 *
 * @module
 */
import type { Random } from "./fs.ts";

/** What one call of the system gives at most. */
const MAX_DRAW_BYTES = 65536;

export function systemRandom(): Random {
  return {
    fill(bytes) {
      for (let at = 0; at < bytes.length; at += MAX_DRAW_BYTES) {
        const draw = new Uint8Array(Math.min(MAX_DRAW_BYTES, bytes.length - at));
        bytes.set(crypto.getRandomValues(draw), at);
      }
    },
  };
}
