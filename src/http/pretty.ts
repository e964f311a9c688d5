/**
 * `?pretty`: indents JSON as Elasticsearch does, without touching its values.
 *
 * @module
 */
import { ByteWriter } from "../base/bytes.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a, NEWLINE = 0x0a, SPACE = 0x20;
const OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d, OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d;
/** What may stand between tokens: space, tab, newline, carriage return. */
export const isBlank = (byte: number): boolean =>
  byte === SPACE || byte === 0x09 || byte === NEWLINE || byte === 0x0d;

/** Two spaces a level, `"key" : value`, empty ones as `{ }` and `[ ]`, a newline at the end. `json` must be valid. */
export function indentJson(json: Uint8Array): Uint8Array {
  const out = new ByteWriter(json.length * 2);
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]!;
    if (byte === QUOTE) {
      const end = endOfString(json, at);
      out.append(json.subarray(at, end));
      at = end - 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      out.u8(byte);
      const next = skipBlanks(json, at + 1);
      if (json[next] === CLOSE_OBJECT || json[next] === CLOSE_ARRAY) {
        out.u8(SPACE);
        out.u8(json[next]!);
        at = next;
      } else newLine(out, ++depth);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      newLine(out, --depth);
      out.u8(byte);
    } else if (byte === COMMA) {
      out.u8(byte);
      newLine(out, depth);
    } else if (byte === COLON) {
      out.u8(SPACE);
      out.u8(COLON);
      out.u8(SPACE);
    } else if (!isBlank(byte)) out.u8(byte);
  }
  out.u8(NEWLINE);
  return out.bytes();
}

function newLine(out: ByteWriter, depth: number): void {
  out.u8(NEWLINE);
  for (let i = 0; i < depth * 2; i++) out.u8(SPACE);
}

/** The first position from `from` on that is no white space. */
export function skipBlanks(json: Uint8Array, from: number): number {
  let at = from;
  while (at < json.length && isBlank(json[at]!)) at++;
  return at;
}

/** @param start Where its opening quote is. @returns The position after its closing quote. */
export function endOfString(json: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return Math.min(at + 1, json.length);
}
