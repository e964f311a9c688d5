/**
 * Where bytes stop being JSON. The engine's own parser is faster, but does not always say where it gave up.
 *
 * @module
 */
import { JsonFault, JsonScanner, JsonToken } from "../schema/json_scanner.ts";
import { invalidUtf8 } from "../schema/json_text.ts";

/** Deeper bodies have been refused before. */
const MAX_DEPTH = 1000;

/** `[line:column] reason`, columns in bytes from 1; undefined when the bytes are JSON after all. */
export function jsonFault(bytes: Uint8Array): string | undefined {
  const bad = invalidUtf8(bytes, 0, bytes.length);
  const scanner = new JsonScanner(bytes, 0, bytes.length, MAX_DEPTH);
  const at = (offset: number): string => {
    const { line, column } = scanner.position(offset);
    return `[${line}:${column}]`;
  };
  if (bad >= 0) return `${at(bad + 1)} Invalid UTF-8 start byte 0x${bytes[bad]!.toString(16)}`;
  try {
    while (scanner.next() !== JsonToken.End);
    return undefined;
  } catch (error) {
    if (error instanceof JsonFault) return `${at(error.at)} ${error.message}`;
    throw error;
  }
}
