/**
 * How deep is this JSON? Counted from its bytes, so that no parser has to recurse into what nobody means.
 *
 * @module
 */
import { RequestError } from "./errors.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * @param what Begins the error's text: "the search body".
 * @throws {RequestError} 400 `type`, with the position, when objects and arrays nest deeper than `maxDepth`.
 */
export function checkJsonDepth(
  bytes: Uint8Array,
  { maxDepth, what, type }: { readonly maxDepth: number; readonly what: string; readonly type: string },
): void {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth <= maxDepth) continue;
      throw new RequestError(
        `${what} is nested deeper than ${maxDepth} levels at byte ${i}`,
        { status: 400, type },
      );
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
}
