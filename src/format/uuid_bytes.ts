/**
 * UUIDs as 16 bytes in binary headers.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

const PATTERN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const NO_UUID = "00000000-0000-0000-0000-000000000000";

export function isUuid(text: string): boolean {
  return PATTERN.test(text);
}

/** @param text Lower-case, with hyphens, as `base/uuid.ts` makes them. */
export function uuidToBytes(text: string): Uint8Array {
  assert(PATTERN.test(text), `"${text}" is a UUID`);
  const hex = text.replaceAll("-", "");
  return Uint8Array.from({ length: 16 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
