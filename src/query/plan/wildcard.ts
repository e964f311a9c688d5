/**
 * Wildcards: `*` any text, `?` any character, `\` takes the next character as it is.
 *
 * @module
 */
import { Automaton, type Fragment } from "./automaton.ts";

export function wildcardAutomaton(
  pattern: string,
  options: {
    readonly caseInsensitive: boolean;
    /** `*`, `?` and `\` mean themselves. */
    readonly literal?: boolean;
    /** Anything may follow. */
    readonly openEnd?: boolean;
  },
): Automaton {
  const automaton = new Automaton();
  let whole: Fragment = automaton.empty();
  const characters = Array.from(pattern);
  for (let i = 0; i < characters.length; i++) {
    let character = characters[i]!;
    let part: Fragment | undefined;
    if (options.literal !== true) {
      if (character === "*") part = automaton.anyText();
      else if (character === "?") part = automaton.any();
      else if (character === "\\" && i + 1 < characters.length) character = characters[++i]!;
    }
    whole = automaton.concat(whole, part ?? automaton.literal(character, options.caseInsensitive));
  }
  if (options.openEnd === true) whole = automaton.concat(whole, automaton.anyText());
  return automaton.finish(whole);
}
