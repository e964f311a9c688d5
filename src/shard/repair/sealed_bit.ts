/**
 * Is a document sealed, of whatever kind it is?
 *
 * @module
 */
import { equalBytes, utf8 } from "../../base/bytes.ts";
import { sha256Hex } from "../../format/sealed_json.ts";

const HEAD = utf8('{"sha256":"');
const DIGEST_CHARS = 64;
const SEPARATOR = utf8('","');
const END = utf8("}\n");

/** As `decodeSealed` checks it, without looking into the body. */
export function isSealed(bytes: Uint8Array): boolean {
  const bodyAt = HEAD.length + DIGEST_CHARS + 2;
  const end = bytes.length - END.length;
  if (end <= bodyAt) return false;
  if (!equalBytes(bytes.subarray(0, HEAD.length), HEAD) || !equalBytes(bytes.subarray(end), END)) {
    return false;
  }
  if (!equalBytes(bytes.subarray(bodyAt - 2, bodyAt + 1), SEPARATOR)) return false;
  const stored = String.fromCharCode(...bytes.subarray(HEAD.length, HEAD.length + DIGEST_CHARS));
  return sha256Hex(bytes.subarray(bodyAt, end)) === stored;
}
