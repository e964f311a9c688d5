/**
 * CRC-32 (IEEE 802.3, reflected, as in zlib and PNG): the checksum of everything that is stored.
 *
 * @module
 */
import { crc32 as zlibCrc32 } from "node:zlib";

/** Checksum of `bytes`; give the checksum of what came before as `seed` to go on with it. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed) >>> 0;
}

/** A checksum as error messages print it. */
export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}
