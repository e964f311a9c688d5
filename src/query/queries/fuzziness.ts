/**
 * `fuzziness`: `0`, `1`, `2`, `AUTO` or `AUTO:low,high`.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";
import type { Fuzziness } from "./query.ts";

export function parseFuzziness(value: unknown): Fuzziness {
  const text = String(value).toUpperCase();
  if (text === "AUTO") return { kind: "auto", low: 3, high: 6 };
  const auto = /^AUTO:(\d+),(\d+)$/.exec(text);
  if (auto) {
    const low = Number(auto[1]);
    const high = Number(auto[2]);
    if (low > high) {
      throw illegalArgument(
        `fuzziness wrongly configured, must be: lowDistance > 0 and <= highDistance, but was [${text}]`,
      );
    }
    return { kind: "auto", low, high };
  }
  const edits = Number(text);
  if (Number.isNaN(edits)) throw illegalArgument(`fuzziness cannot be [${String(value)}].`);
  if (edits !== 0 && edits !== 1 && edits !== 2) {
    throw illegalArgument(`Valid edit distances are [0, 1, 2] but was [${String(value)}]`);
  }
  return { kind: "edits", edits };
}

/** Edits allowed for a term of so many characters. */
export function editsFor(fuzziness: Fuzziness, length: number): number {
  if (fuzziness.kind === "edits") return fuzziness.edits;
  return length < fuzziness.low ? 0 : length < fuzziness.high ? 1 : 2;
}
