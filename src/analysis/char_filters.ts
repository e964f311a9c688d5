/**
 * Text into text before it is cut into tokens, with the way back to the original's offsets.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { SettingsReader } from "./settings_reader.ts";

/** Text after filtering; `offsets[i]` is where its unit i came from, with one more for its end. Absent: unchanged. */
export interface FilteredText {
  readonly text: string;
  readonly offsets?: Uint32Array;
}

export type CharFilter = (text: string) => FilteredText;

/** Makes a filter of the given kind; undefined: no such kind. */
export function makeCharFilter(kind: string, settings: SettingsReader): CharFilter | undefined {
  switch (kind) {
    case "html_strip":
      return stripHtml(new Set(settings.list("escaped_tags") ?? []));
    case "mapping":
      return mappingFilter(settings);
    case "pattern_replace":
      return patternFilter(settings);
  }
  return undefined;
}

/** Puts filters one behind another. */
export function chainCharFilters(filters: readonly CharFilter[], text: string): FilteredText {
  let current: FilteredText = { text };
  for (const filter of filters) {
    const next = filter(current.text);
    if (!next.offsets) continue;
    const { offsets } = current;
    current = offsets ? { text: next.text, offsets: next.offsets.map((offset) => offsets[offset]!) } : next;
  }
  return current;
}

/** Collects replaced text and where each unit of it came from. */
class Rewriter {
  #text = "";
  readonly #offsets: number[] = [];

  /** Copies [from, to) of the source. */
  copy(source: string, from: number, to: number): void {
    this.#text += source.slice(from, to);
    for (let i = from; i < to; i++) this.#offsets.push(i);
  }

  /** Puts `text` in place of [from, to): its units point to the start, as many as there are, then to the end. */
  replace(text: string, from: number, to: number): void {
    this.#text += text;
    for (let i = 0; i < text.length; i++) this.#offsets.push(Math.min(from + i, to));
  }

  finish(end: number): FilteredText {
    this.#offsets.push(end);
    return { text: this.#text, offsets: Uint32Array.from(this.#offsets) };
  }
}

function rewrite(
  source: string,
  pattern: RegExp,
  replacement: (match: RegExpMatchArray) => string,
): FilteredText {
  const out = new Rewriter();
  let from = 0;
  for (const match of source.matchAll(pattern)) {
    out.copy(source, from, match.index);
    const end = match.index + match[0].length;
    out.replace(replacement(match), match.index, end);
    from = end;
  }
  if (from === 0) return { text: source };
  out.copy(source, from, source.length);
  return out.finish(source.length);
}

function patternFilter(settings: SettingsReader): CharFilter {
  if (settings.raw("pattern") === undefined) {
    throw illegalArgument(
      "pattern is missing for [" + settings.name + "] char filter of type 'pattern_replace'",
    );
  }
  const pattern = settings.pattern("pattern", "", "g");
  const once = new RegExp(pattern.source, pattern.flags.replace("g", "") + "y");
  const replacement = settings.text("replacement", "");
  return (text) =>
    rewrite(text, pattern, (match) => {
      // Group references are resolved by the engine, on the same match.
      once.lastIndex = match.index ?? 0;
      const before = text.slice(0, match.index);
      const replaced = text.replace(once, replacement);
      return replaced.slice(before.length, replaced.length - (text.length - before.length - match[0].length));
    });
}

function mappingFilter(settings: SettingsReader): CharFilter {
  const given = settings.raw("mappings");
  if (given === undefined) {
    throw illegalArgument("mapping requires either `mappings` or `mappings_path` to be configured");
  }
  const rules = Array.isArray(given) ? given.map(String) : String(given).split("\n");
  const table = new Map<string, string>();
  for (const rule of rules) {
    const match = /^(.*)\s*=>\s*(.*)$/s.exec(rule);
    if (!match) throw illegalArgument(`Invalid Mapping Rule : [${rule}]`);
    const from = unescape(match[1]!.trim());
    if (from === "") throw illegalArgument(`Invalid Mapping Rule : [${rule}]`);
    table.set(from, unescape(match[2]!.trim()));
  }
  if (table.size === 0) return (text) => ({ text });
  // Longest first: the greediest match wins.
  const keys = [...table.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(keys.map((key) => key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
  return (text) => rewrite(text, pattern, (match) => table.get(match[0])!);
}

function unescape(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.)/gs, (_all, code: string) => {
    if (code[0] === "u" && code.length === 5) return String.fromCharCode(parseInt(code.slice(1), 16));
    return { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" }[code] ?? code;
  });
}

/** Elements that begin a new line. */
const BLOCKS = new Set(
  ("address article aside blockquote body br canvas center dd dir div dl dt fieldset figcaption figure footer form " +
    "frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html isindex legend li link main menu meta nav noframes " +
    "noscript ol option output p pre section select table tbody td textarea tfoot th thead title tr ul video")
    .split(" "),
);

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  copy: "©",
  reg: "®",
  trade: "™",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  laquo: "«",
  raquo: "»",
  bull: "•",
  middot: "·",
  euro: "€",
  pound: "£",
  yen: "¥",
  cent: "¢",
  sect: "§",
  para: "¶",
  deg: "°",
  plusmn: "±",
  times: "×",
  divide: "÷",
  frac12: "½",
  frac14: "¼",
  szlig: "ß",
  agrave: "à",
  aacute: "á",
  acirc: "â",
  atilde: "ã",
  auml: "ä",
  aring: "å",
  aelig: "æ",
  ccedil: "ç",
  egrave: "è",
  eacute: "é",
  ecirc: "ê",
  euml: "ë",
  igrave: "ì",
  iacute: "í",
  icirc: "î",
  iuml: "ï",
  ntilde: "ñ",
  ograve: "ò",
  oacute: "ó",
  ocirc: "ô",
  otilde: "õ",
  ouml: "ö",
  oslash: "ø",
  ugrave: "ù",
  uacute: "ú",
  ucirc: "û",
  uuml: "ü",
  yacute: "ý",
  Agrave: "À",
  Aacute: "Á",
  Auml: "Ä",
  Ouml: "Ö",
  Uuml: "Ü",
  Eacute: "É",
};

const HTML =
  /<!--[^]*?-->|<(script|style)\b[^>]*>[^]*?<\/\1\s*>|<!\[CDATA\[[^]*?\]\]>|<[!?][^>]*>|<\/?([A-Za-z][A-Za-z0-9:-]*)(?:"[^"]*"|'[^']*'|[^'">])*>|&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));?/g;

function stripHtml(kept: ReadonlySet<string>): CharFilter {
  return (text) =>
    rewrite(text, HTML, (match) => {
      const [all, , tag, decimal, hex, entity] = match;
      if (decimal !== undefined) return codePoint(parseInt(decimal, 10)) ?? all;
      if (hex !== undefined) return codePoint(parseInt(hex, 16)) ?? all;
      if (entity !== undefined) return ENTITIES[entity] ?? all;
      if (all.startsWith("<![CDATA[")) return all.slice(9, -3);
      if (tag === undefined) return match[1] === undefined ? "" : "\n";
      const name = tag.toLowerCase();
      if (kept.has(name)) return all;
      return BLOCKS.has(name) ? "\n" : "";
    });
}

function codePoint(code: number): string | undefined {
  return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
    ? String.fromCodePoint(code)
    : undefined;
}
