/**
 * Which indices does a drill restore, where not all of them fit under its limit? Those whose last proof is oldest, so that
 * over several drills each has its turn.
 *
 * @module
 */
import type { DrillReceipt } from "./drill_receipts.ts";

export interface IndexToProve {
  readonly name: string;
  readonly bytes: number;
}

export interface DrillChoice {
  /** In name order. */
  readonly chosen: readonly string[];
  readonly leftOut: readonly string[];
  readonly bytes: number;
}

/**
 * @param receipts Of the same repository, oldest first.
 * @param limitBytes For all files of the chosen ones; 0: no limit.
 */
export function chooseIndices(
  indices: readonly IndexToProve[],
  { receipts, limitBytes }: { readonly receipts: readonly DrillReceipt[]; readonly limitBytes: number },
): DrillChoice {
  const provenMs = new Map<string, number>();
  for (const { outcome, endedMs, indices } of receipts) {
    if (outcome === "passed") { for (const { index } of indices) provenMs.set(index, endedMs); }
  }
  const at = ({ name }: IndexToProve) => provenMs.get(name) ?? 0;
  const inTurn = indices.toSorted((a, b) => at(a) - at(b) || (a.name < b.name ? -1 : 1));
  const chosen: string[] = [];
  const leftOut: string[] = [];
  let bytes = 0;
  for (const index of inTurn) {
    if (limitBytes > 0 && bytes + index.bytes > limitBytes) {
      leftOut.push(index.name);
      continue;
    }
    chosen.push(index.name);
    bytes += index.bytes;
  }
  return { chosen: chosen.sort(), leftOut: leftOut.sort(), bytes };
}
