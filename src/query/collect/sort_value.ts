/**
 * Sort values outside of a segment: what hits carry and segments are merged by.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";

/** A number, a 64-bit integer, a term's bytes, or null: missing. */
export type RawSortValue = number | bigint | Uint8Array | null;

/** Order of one key: negative when `a` comes first. */
export function compareSortValues(
  a: RawSortValue,
  b: RawSortValue,
  key: { readonly descending: boolean; readonly missingFirst: boolean },
): number {
  if (a === null || b === null) {
    if (a === b) return 0;
    return (a === null) === key.missingFirst ? -1 : 1;
  }
  let order: number;
  if (a instanceof Uint8Array && b instanceof Uint8Array) order = compareBytes(a, b);
  else order = a < b ? -1 : a > b ? 1 : 0;
  return key.descending ? -order : order;
}
