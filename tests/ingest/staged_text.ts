/** Staged values as text, so that two stagings can be compared whatever their layout. */
import { type StagedDocument, StagedKind } from "../../src/schema/staged.ts";

/** By field ordinal, in the order of staging: `number:1`, `term:616263` (hexadecimal bytes), ...; then `_ignored`. */
export function stagedText(staged: StagedDocument): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (let i = 0; i < staged.count; i++) (out[staged.fields[i]!] ??= []).push(valueText(staged, i));
  if (staged.ignored.length > 0) out["_ignored"] = [...staged.ignored].sort();
  return out;
}

function valueText(staged: StagedDocument, i: number): string {
  const kind = staged.kinds[i]!;
  if (kind === StagedKind.Number) {
    const value = staged.numbers[i]!;
    return `number:${Object.is(value, -0) ? "-0" : value}`;
  }
  if (kind === StagedKind.Wide) return `wide:${staged.wides[i]}`;
  const inSource = kind === StagedKind.SourceTerm || kind === StagedKind.SourceText;
  const bytes = (inSource ? staged.source : staged.scratch).subarray(staged.starts[i], staged.ends[i]);
  const name = kind === StagedKind.SourceTerm || kind === StagedKind.ScratchTerm ? "term" : "text";
  return `${name}:${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
