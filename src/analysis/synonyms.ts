/**
 * Words that stand for one another, one word each: `a, b, c` and `a, b => c`.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { SettingsReader } from "./settings_reader.ts";
import type { Token } from "./token.ts";

/** @param before What comes before the filter in its chain: rules are put through it. */
export function synonymFilter(
  settings: SettingsReader,
  before: (text: string) => Token[],
): (tokens: Token[]) => Token[] {
  const rules = settings.list("synonyms") ?? [];
  if (settings.raw("synonyms") === undefined) {
    throw illegalArgument(
      "synonym requires either `synonyms`, `synonyms_set` or `synonyms_path` to be configured",
    );
  }
  // A text of rules separates them by line, since a rule has commas itself.
  const given = settings.raw("synonyms");
  const lines = Array.isArray(given) ? rules : String(given).split("\n");
  const expand = settings.flag("expand", true);
  const lenient = settings.flag("lenient", false);
  const replacements = new Map<string, string[]>();
  const single = (text: string): string | undefined => {
    const tokens = before(text);
    if (tokens.length === 1) return tokens[0]!.term;
    if (lenient) return undefined;
    if (tokens.length === 0) {
      throw illegalArgument(`failed to build synonyms: term: ${text} was completely eliminated by analyzer`);
    }
    throw illegalArgument(
      `failed to build synonyms: term [${text}] has more than one word, which is not supported yet`,
    );
  };
  const add = (from: string, to: readonly string[]): void => {
    const known = replacements.get(from) ?? [];
    for (const term of to) if (!known.includes(term)) known.push(term);
    replacements.set(from, known);
  };
  for (const line of lines) {
    const rule = line.trim();
    if (rule === "" || rule.startsWith("#")) continue;
    const sides = rule.split("=>");
    if (sides.length > 2) {
      throw illegalArgument(`failed to build synonyms: more than one explicit mapping in [${rule}]`);
    }
    const terms = (text: string): string[] =>
      text.split(",").map((one) => one.trim()).filter((one) => one !== "").map(single).filter((one) =>
        one !== undefined
      );
    const left = terms(sides[0]!);
    if (sides.length === 2) {
      const right = terms(sides[1]!);
      for (const from of left) add(from, right);
    } else {
      for (const from of left) {
        add(
          from,
          expand ? [from, ...left.filter((one) => one !== from)] : left.slice(0, 1),
        );
      }
    }
  }
  return (tokens) =>
    tokens.flatMap((token) => {
      const to = replacements.get(token.term);
      if (!to) return [token];
      return to.map((term): Token => term === token.term ? token : { ...token, term, type: "SYNONYM" });
    });
}
