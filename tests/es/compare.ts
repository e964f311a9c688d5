/**
 * Two answers to one request, side by side.
 *
 * @module
 */
import type { Difference } from "./differences.ts";
import type { Normal } from "./normalise.ts";

/** The first lines in which they differ, for a person to read; undefined when they agree. */
export function disagreement(ours: Normal, theirs: Normal, allowed: Difference["what"] | "none"): string | undefined {
  if (allowed === "all") return undefined;
  const head = ({ status, headers }: Normal) => [`status ${status}`, ...Object.entries(headers).sort().map((h) => h.join(": "))];
  const mine = [...head(ours), ...bodyLines(ours, allowed)];
  const other = [...head(theirs), ...bodyLines(theirs, allowed)];
  const lines = difference(mine, other);
  return lines.length === 0 ? undefined : lines.join("\n");
}

function bodyLines({ body }: Normal, allowed: Difference["what"] | "none"): string[] {
  if (allowed === "body") return [];
  const lines = body.split("\n");
  if (allowed === "reason") return lines.map((line) => line.replace(/^( *"reason": ).*?(,?)$/, "$1*$2"));
  return allowed === "order" ? lines.map((line) => line.replace(/,$/, "")).sort() : lines;
}

/** Lines of a longest common subsequence left out: `-` theirs, `+` ours. */
function difference(ours: readonly string[], theirs: readonly string[]): string[] {
  const table = Array.from({ length: ours.length + 1 }, () => new Uint32Array(theirs.length + 1));
  for (let i = ours.length - 1; i >= 0; i--) {
    for (let j = theirs.length - 1; j >= 0; j--) {
      table[i]![j] = ours[i] === theirs[j]
        ? table[i + 1]![j + 1]! + 1
        : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
    }
  }
  const lines: string[] = [];
  let i = 0, j = 0;
  while (i < ours.length || j < theirs.length) {
    if (i < ours.length && j < theirs.length && ours[i] === theirs[j]) i++, j++;
    else if (j < theirs.length && (i === ours.length || table[i]![j + 1]! >= table[i + 1]![j]!)) lines.push(`- ${theirs[j++]}`);
    else lines.push(`+ ${ours[i++]}`);
  }
  return lines;
}
