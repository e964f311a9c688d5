/**
 * Runs of neighbouring tokens as tokens of their own.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { SettingsReader } from "./settings_reader.ts";
import type { Token } from "./token.ts";

export function shingleFilter(settings: SettingsReader, maxDiff: number): (tokens: Token[]) => Token[] {
  const min = settings.whole("min_shingle_size", 2);
  const max = settings.whole("max_shingle_size", 2);
  if (min < 2) throw illegalArgument("min_shingle_size must be at least 2");
  if (max < min) throw illegalArgument("min_shingle_size must be less than or equal to max_shingle_size");
  const unigrams = settings.flag("output_unigrams", true);
  const difference = max - min + (unigrams ? 1 : 0);
  if (difference > maxDiff) {
    throw illegalArgument(
      "In Shingle TokenFilter the difference between max_shingle_size and min_shingle_size (and +1 if outputting " +
        `unigrams) must be less than or equal to: [${maxDiff}] but was [${difference}]. This limit can be set by ` +
        "changing the [index.max_shingle_diff] index level setting.",
    );
  }
  const alone = settings.flag("output_unigrams_if_no_shingles", false);
  const separator = settings.text("token_separator", " ");
  const filler = settings.text("filler_token", "_");
  return (tokens) => {
    const filled = withFillers(tokens, filler);
    const out: Token[] = [];
    for (let from = 0; from < filled.length; from++) {
      const first = filled[from]!;
      const real = first.type !== FILLER;
      if (unigrams && real) out.push(first);
      for (let size = min; size <= max && from + size <= filled.length; size++) {
        const parts = filled.slice(from, from + size);
        if (parts.every((part) => part.type === FILLER)) continue;
        out.push({
          term: parts.map((part) => part.term).join(separator),
          position: first.position,
          start: first.start,
          end: parts[parts.length - 1]!.end,
          type: "shingle",
          positionLength: size,
        });
      }
    }
    return out.length === 0 && alone ? tokens : out;
  };
}

const FILLER = "<filler>";

/** Stands something in where a filter before left positions empty. Tokens that share a position follow one another. */
function withFillers(tokens: readonly Token[], filler: string): Token[] {
  const out: Token[] = [];
  let expected = tokens[0]?.position ?? 0;
  for (const token of tokens) {
    for (; expected < token.position; expected++) {
      out.push({ term: filler, position: expected, start: token.start, end: token.start, type: FILLER });
    }
    out.push(token);
    expected = token.position + 1;
  }
  return out;
}
