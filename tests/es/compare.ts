/**
 * Two answers to one request, side by side.
 *
 * @module
 */
import type { Allowed } from "./differences.ts";
import type { Normal } from "./normalise.ts";

/** The lines in which they differ, `-` theirs and `+` ours, for a person to read; undefined when they agree. */
export function disagreement(ours: Normal, theirs: Normal, allowed: Allowed | undefined): string | undefined {
  if (allowed === "all") return undefined;
  const lines = difference(linesOf(ours, allowed), linesOf(theirs, allowed));
  return lines.length === 0 ? undefined : lines.join("\n");
}

function linesOf({ status, headers, body }: Normal, allowed: Allowed | undefined): string[] {
  const head = [`status ${status}`];
  for (const [name, value] of Object.entries(headers).sort()) {
    if (allowed !== "headers" || name === "content-type") head.push(`${name}: ${value}`);
  }
  return [...head, ...bodyLines(body, allowed)];
}

function bodyLines(body: string, allowed: Allowed | undefined): string[] {
  if (allowed === "body") return [];
  const lines = body.split("\n");
  if (allowed === "order") return lines.map((line) => line.replace(/,$/, "")).sort();
  if (allowed === "words") {
    return withoutCauses(lines).map((line) => line.replace(/^( *"reason": ).*?(,?)$/, "$1*"));
  }
  return allowed === "causes" ? withoutCauses(lines) : lines;
}

/** Without `caused_by`, and without the entries of `root_cause`, which are made from it. */
function withoutCauses(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const opens = /^( *)"(caused_by|root_cause)": [{[]$/.exec(lines[i]!);
    if (!opens) kept.push(lines[i]!.replace(/,$/, ""));
    else while (!/^[}\]],?$/.test(lines[i]!.slice(opens[1]!.length))) i++;
  }
  return kept;
}

/** What is not in a longest common subsequence. */
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
  for (let i = 0, j = 0; i < ours.length || j < theirs.length;) {
    if (i < ours.length && j < theirs.length && ours[i] === theirs[j]) {
      i++;
      j++;
    } else if (j < theirs.length && (i === ours.length || table[i]![j + 1]! >= table[i + 1]![j]!)) {
      lines.push(`- ${theirs[j++]}`);
    } else lines.push(`+ ${ours[i++]}`);
  }
  return lines;
}
