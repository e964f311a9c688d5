/**
 * Which pieces of a generation become one? A piece a second would make a state of a million entries in two weeks.
 *
 * @module
 */
import type { WalPiece } from "./inventory.ts";

/** So many small pieces that follow each other... */
const JOIN_PIECES = 64;
/** ...or fewer that have so many bytes together. */
const JOIN_BYTES = 4 * 1024 * 1024;
/** Larger ones stay as they are. */
const SMALL_BYTES = 1024 * 1024;

/**
 * The oldest pieces of one level, next to each other, that are worth joining. Each byte is sent again at most once a level,
 * of which there are few: level n holds at least 64 times as many rounds as level n - 1, or 4 MiB.
 */
export function joinable(pieces: readonly WalPiece[]): readonly WalPiece[] | undefined {
  let first = 0;
  let bytes = 0;
  for (const [i, piece] of pieces.entries()) {
    if (piece.bytes >= SMALL_BYTES || piece.level !== pieces[first]!.level) {
      first = piece.bytes >= SMALL_BYTES ? i + 1 : i;
      bytes = 0;
      if (first > i) continue;
    }
    bytes += piece.bytes;
    const count = i + 1 - first;
    if (count >= JOIN_PIECES || (count > 1 && bytes >= JOIN_BYTES)) return pieces.slice(first, i + 1);
  }
  return undefined;
}
