/**
 * The analyzers and normalizers that an index knows: built-in ones and those of its settings.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { chainCharFilters, type CharFilter, makeCharFilter } from "./char_filters.ts";
import { lowerCase } from "./letter_case.ts";
import { porter2 } from "./porter2.ts";
import { SettingsReader } from "./settings_reader.ts";
import { cachedStemmer } from "./stem_cache.ts";
import { ENGLISH_STOP_WORDS, parseStopWords } from "./stop_words.ts";
import type { Analyzer, AsciiRule, Token } from "./token.ts";
import {
  dropWords,
  type FilterContext,
  makeFilter,
  NORMALIZING_FILTERS,
  type TokenFilter,
  withoutPossessive,
} from "./token_filters.ts";
import {
  keywordTokens,
  letterTokens,
  makeTokenizer,
  splitTokens,
  TOKEN_LENGTH_DEFAULT,
  type Tokenizer,
  whitespaceTokens,
} from "./tokenizers.ts";
import { standardTokens } from "./word_break.ts";

/** The parts of a custom analyzer, in the order in which text passes through them. */
interface Chain {
  readonly charFilters: readonly CharFilter[];
  readonly tokenizer: Tokenizer;
  readonly filters: readonly TokenFilter[];
}

class ChainAnalyzer implements Analyzer {
  constructor(
    readonly name: string,
    readonly asciiRule: AsciiRule,
    readonly maxTokenLength: number,
    readonly positionIncrementGap: number,
    private readonly chain: Chain,
  ) {}

  analyze(text: string): Token[] {
    return runChain(this.chain, text);
  }
}

function runChain(chain: Chain, text: string): Token[] {
  if (chain.charFilters.length === 0) return runFilters(chain.filters, chain.tokenizer(text));
  const filtered = chainCharFilters(chain.charFilters, text);
  const tokens = runFilters(chain.filters, chain.tokenizer(filtered.text));
  const { offsets } = filtered;
  if (!offsets) return tokens;
  // A token that a filter put in twice must not be moved twice.
  const moved = new Set<Token>();
  for (const token of tokens) {
    if (moved.has(token)) continue;
    moved.add(token);
    token.start = offsets[token.start]!;
    token.end = token.end > 0 ? Math.max(token.start, offsets[token.end]!) : token.start;
  }
  return tokens;
}

function runFilters(filters: readonly TokenFilter[], tokens: Token[]): Token[] {
  for (const filter of filters) tokens = filter(tokens);
  return tokens;
}

/** The standard analyzer with nothing but lower-casing, which most fields have. */
class StandardAnalyzer implements Analyzer {
  readonly asciiRule: AsciiRule;
  readonly positionIncrementGap = 100;

  constructor(readonly name: string, readonly maxTokenLength: number) {
    this.asciiRule = maxTokenLength === TOKEN_LENGTH_DEFAULT ? "standard" : "none";
  }

  analyze(text: string): Token[] {
    const tokens = standardTokens(text, this.maxTokenLength);
    for (const token of tokens) token.term = lowerCase(token.term);
    return tokens;
  }
}

const lower: TokenFilter = (tokens) => {
  for (const token of tokens) token.term = lowerCase(token.term);
  return tokens;
};

type Settings = Readonly<Record<string, unknown>>;

const BUILT_IN = ["standard", "simple", "whitespace", "stop", "keyword", "pattern", "english", "fingerprint"];

/** Makes an analyzer of a built-in kind; undefined: no such kind. */
function makeBuiltIn(kind: string, name: string, settings: SettingsReader): Analyzer | undefined {
  const chain = (rule: AsciiRule, tokenizer: Tokenizer, filters: readonly TokenFilter[]): Analyzer =>
    new ChainAnalyzer(name, rule, TOKEN_LENGTH_DEFAULT, 100, { charFilters: [], tokenizer, filters });
  switch (kind) {
    case "standard": {
      const longest = settings.whole("max_token_length", TOKEN_LENGTH_DEFAULT);
      if (longest <= 0) throw illegalArgument("maxTokenLength must be greater than zero");
      const words = parseStopWords(settings.raw("stopwords"), []);
      if (words.length === 0) return new StandardAnalyzer(name, longest);
      return chain("none", (text) => standardTokens(text, longest), [lower, dropWords(words)]);
    }
    case "simple":
      return chain("simple", letterTokens, [lower]);
    case "whitespace":
      return chain("whitespace", whitespaceTokens, []);
    case "keyword":
      return chain("keyword", keywordTokens, []);
    case "stop": {
      const words = parseStopWords(settings.raw("stopwords"), ENGLISH_STOP_WORDS);
      return chain("none", letterTokens, [lower, dropWords(words)]);
    }
    case "pattern": {
      const pattern = settings.pattern("pattern", "\\W+", "g");
      const filters = settings.flag("lowercase", true) ? [lower] : [];
      const words = parseStopWords(settings.raw("stopwords"), []);
      return chain("none", (text) => splitTokens(text, pattern), [...filters, dropWords(words)]);
    }
    case "english":
      return englishAnalyzer(name, settings);
    case "fingerprint": {
      const context: FilterContext = { before: keywordTokens, maxNgramDiff: 1, maxShingleDiff: 3 };
      const fold = makeFilter("asciifolding", new SettingsReader({}, name), context)!;
      const join = makeFilter("fingerprint", settings, context)!;
      const words = parseStopWords(settings.raw("stopwords"), []);
      return chain("none", (text) => standardTokens(text, TOKEN_LENGTH_DEFAULT), [
        lower,
        fold,
        dropWords(words),
        join,
      ]);
    }
  }
  return undefined;
}

/** Standard words without possessive `'s`, lower-cased, without stop words, stemmed by Porter2. */
function englishAnalyzer(name: string, settings: SettingsReader): Analyzer {
  const words = new Set(parseStopWords(settings.raw("stopwords"), ENGLISH_STOP_WORDS));
  const unstemmed = new Set(settings.list("stem_exclusion") ?? []);
  const stem = cachedStemmer(porter2);
  const filter: TokenFilter = (tokens) => {
    const kept: Token[] = [];
    for (const token of tokens) {
      const term = lowerCase(withoutPossessive(token.term));
      if (words.has(term)) continue;
      token.term = unstemmed.has(term) ? term : stem(term);
      kept.push(token);
    }
    return kept;
  };
  const tokenizer: Tokenizer = (text) => standardTokens(text, TOKEN_LENGTH_DEFAULT);
  return new ChainAnalyzer(name, "none", TOKEN_LENGTH_DEFAULT, 100, {
    charFilters: [],
    tokenizer,
    filters: [filter],
  });
}

/** What the settings of an index define, before it is built. */
interface Definitions {
  readonly analyzers: Settings;
  readonly normalizers: Settings;
  readonly tokenizers: Settings;
  readonly filters: Settings;
  readonly charFilters: Settings;
  readonly maxNgramDiff: number;
  readonly maxShingleDiff: number;
}

export class AnalyzerSet {
  readonly #analyzers: ReadonlyMap<string, Analyzer>;
  readonly #normalizers: ReadonlyMap<string, (text: string) => string>;
  readonly #definitions: Definitions;
  readonly #default: string;

  private constructor(
    analyzers: ReadonlyMap<string, Analyzer>,
    normalizers: ReadonlyMap<string, (text: string) => string>,
    definitions: Definitions,
    defaultAnalyzer: string,
  ) {
    this.#analyzers = analyzers;
    this.#normalizers = normalizers;
    this.#definitions = definitions;
    this.#default = defaultAnalyzer;
  }

  /**
   * Builds everything that `analysis` defines, so that mistakes show when an index is made.
   *
   * @param settings Index settings: `{analysis: {...}}`, or the same below `index`, nested or dotted.
   * @param defaultAnalyzer Name of the analyzer that fields have without one, unless the settings define `default`.
   * @throws {RequestError} 400 `illegal_argument_exception`, worded as Elasticsearch words it.
   */
  static fromSettings(settings: unknown, defaultAnalyzer: string): AnalyzerSet {
    const definitions = readDefinitions(settings);
    checkParts(definitions);
    const analyzers = new Map<string, Analyzer>();
    for (const name of BUILT_IN) analyzers.set(name, makeBuiltIn(name, name, new SettingsReader({}, name))!);
    for (const [name, given] of Object.entries(definitions.analyzers)) {
      analyzers.set(name, makeAnalyzer(name, given, definitions));
    }
    const normalizers = new Map<string, (text: string) => string>([["lowercase", lowerCase]]);
    for (const [name, given] of Object.entries(definitions.normalizers)) {
      normalizers.set(name, makeNormalizer(name, given, definitions));
    }
    const standIn = analyzers.has("default") ? "default" : defaultAnalyzer;
    if (!analyzers.has(standIn)) throw illegalArgument(`failed to find analyzer [${standIn}]`);
    return new AnalyzerSet(analyzers, normalizers, definitions, standIn);
  }

  /** @throws {RequestError} 400: no such analyzer. */
  get(name: string): Analyzer {
    const analyzer = this.#analyzers.get(name === "default" ? this.#default : name);
    if (!analyzer) throw illegalArgument(`failed to find analyzer [${name}]`);
    return analyzer;
  }

  has(name: string): boolean {
    return name === "default" || this.#analyzers.has(name);
  }

  /** The name to look up for a field's analyzer: `default` becomes what it stands for. */
  resolve(name: string): string {
    return name === "default" ? this.#default : name;
  }

  /** Turns a whole keyword value into its normal form. */
  normalizer(name: string): (text: string) => string {
    const normalizer = this.#normalizers.get(name);
    if (!normalizer) throw illegalArgument(`failed to find normalizer [${name}]`);
    return normalizer;
  }

  hasNormalizer(name: string): boolean {
    return this.#normalizers.has(name);
  }

  /**
   * An analyzer put together for one `_analyze` request.
   *
   * @throws {RequestError} 400: a part that does not exist.
   */
  custom(
    parts: { readonly tokenizer: unknown; readonly filter?: unknown; readonly charFilter?: unknown },
  ): Analyzer {
    const { tokenizer, filter, charFilter } = parts;
    const given = { tokenizer, filter: filter ?? [], char_filter: charFilter ?? [] };
    return makeCustom("_anonymous_", given, this.#definitions);
  }
}

function isRecord(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readDefinitions(settings: unknown): Definitions {
  const root = nest(settings);
  const index = isRecord(root["index"]) ? root["index"] : {};
  const analysis = isRecord(root["analysis"])
    ? root["analysis"]
    : isRecord(index["analysis"])
    ? index["analysis"]
    : {};
  const part = (name: string): Settings => {
    const value = analysis[name];
    if (value === undefined || value === null) return {};
    if (!isRecord(value)) throw illegalArgument(`[analysis.${name}] must be an object`);
    return value;
  };
  const reader = new SettingsReader({ ...index, ...root }, "index");
  return {
    analyzers: part("analyzer"),
    normalizers: part("normalizer"),
    tokenizers: part("tokenizer"),
    filters: part("filter"),
    charFilters: part("char_filter"),
    maxNgramDiff: reader.whole("max_ngram_diff", 1),
    maxShingleDiff: reader.whole("max_shingle_diff", 3),
  };
}

/** `{"index.analysis.analyzer.a.type": "x"}` as nested objects; lists by number become arrays elsewhere. */
function nest(settings: unknown): Settings {
  if (!isRecord(settings)) return {};
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(settings)) {
    const parts = key.split(".");
    let at = out;
    for (const part of parts.slice(0, -1)) {
      const next = at[part];
      at = at[part] = isRecord(next) ? { ...next } : {};
    }
    const last = parts[parts.length - 1]!;
    const nested = isRecord(value) ? nest(value) : value;
    const there = at[last];
    at[last] = isRecord(there) && isRecord(nested) ? { ...there, ...nested } : nested;
  }
  return out;
}

/** Parts must be sound even when no analyzer uses them. */
function checkParts(definitions: Definitions): void {
  const context: FilterContext = { ...definitions, before: keywordTokens };
  for (const [name, given] of Object.entries(definitions.tokenizers)) {
    const { kind, reader } = kindOf(given, name);
    if (kind !== "" && !makeTokenizer(kind, reader, definitions.maxNgramDiff)) {
      throw unknownKind("tokenizer", kind, name);
    }
  }
  for (const [name, given] of Object.entries(definitions.filters)) {
    const { kind, reader } = kindOf(given, name);
    // Synonyms need their chain, and are checked with it.
    if (kind === "synonym" || kind === "synonym_graph" || kind === "") continue;
    if (!makeFilter(kind, reader, context)) throw unknownKind("filter", kind, name);
  }
  for (const [name, given] of Object.entries(definitions.charFilters)) {
    const { kind, reader } = kindOf(given, name);
    if (kind !== "" && !makeCharFilter(kind, reader)) throw unknownKind("char_filter", kind, name);
  }
}

function kindOf(given: unknown, name: string): { kind: string; reader: SettingsReader } {
  const reader = new SettingsReader(given, name);
  return { kind: reader.text("type", ""), reader };
}

function unknownKind(part: string, kind: string, name: string): Error {
  return illegalArgument(`Unknown ${part} type [${kind}] for [${name}]`);
}

function makeAnalyzer(name: string, given: unknown, definitions: Definitions): Analyzer {
  const { kind, reader } = kindOf(given, name);
  if (kind === "custom" || (kind === "" && reader.raw("tokenizer") !== undefined)) {
    return makeCustom(name, given, definitions);
  }
  const analyzer = makeBuiltIn(kind === "" ? "standard" : kind, name, reader);
  if (!analyzer) throw unknownKind("analyzer", kind, name);
  return analyzer;
}

function makeCustom(name: string, given: unknown, definitions: Definitions): Analyzer {
  const reader = new SettingsReader(given, name);
  const wanted = reader.raw("tokenizer");
  if (wanted === undefined || wanted === null) {
    throw illegalArgument(`Custom Analyzer [${name}] must be configured with a tokenizer`);
  }
  const tokenizer = findPart(
    wanted,
    definitions.tokenizers,
    (kind, settings) => makeTokenizer(kind, settings, definitions.maxNgramDiff),
  );
  if (!tokenizer) throw missingPart(name, "tokenizer", wanted);
  const charFilters: CharFilter[] = [];
  for (const part of partsOf(reader, "char_filter")) {
    const filter = findPart(part, definitions.charFilters, makeCharFilter);
    if (!filter) throw missingPart(name, "char_filter", part);
    charFilters.push(filter);
  }
  const filters: TokenFilter[] = [];
  const names: unknown[] = [];
  for (const part of partsOf(reader, "filter")) {
    const before: Chain = { charFilters, tokenizer, filters: [...filters] };
    const context: FilterContext = { ...definitions, before: (text) => runChain(before, text) };
    const filter = findPart(
      part,
      definitions.filters,
      (kind, settings) => makeFilter(kind, settings, context),
    );
    if (!filter) throw missingPart(name, "filter", part);
    filters.push(filter);
    names.push(part);
  }
  const plain = charFilters.length === 0 && names.length === 1 && names[0] === "lowercase";
  const rule: AsciiRule = plain && wanted === "standard" && !("standard" in definitions.tokenizers)
    ? "standard"
    : plain && wanted === "letter" ||
        (names.length === 0 && charFilters.length === 0 && wanted === "lowercase")
    ? "simple"
    : "none";
  const gap = reader.whole("position_increment_gap", 100);
  return new ChainAnalyzer(name, rule, TOKEN_LENGTH_DEFAULT, gap, { charFilters, tokenizer, filters });
}

function partsOf(reader: SettingsReader, key: string): readonly unknown[] {
  const value = reader.raw(key);
  return Array.isArray(value) ? value : reader.list(key) ?? [];
}

function missingPart(name: string, part: string, wanted: unknown): Error {
  if (isRecord(wanted)) return unknownKind(part, String(wanted["type"]), name);
  return illegalArgument(`Custom Analyzer [${name}] failed to find ${part} under name [${String(wanted)}]`);
}

/** A part by its name in the settings, by its built-in name, or spelled out. */
function findPart<T>(
  wanted: unknown,
  defined: Settings,
  make: (kind: string, settings: SettingsReader) => T | undefined,
): T | undefined {
  if (isRecord(wanted)) {
    const { kind, reader } = kindOf(wanted, "_anonymous_");
    return make(kind, reader);
  }
  const name = String(wanted);
  if (Object.hasOwn(defined, name)) {
    const { kind, reader } = kindOf(defined[name], name);
    return make(kind === "" ? name : kind, reader);
  }
  return make(name, new SettingsReader({}, name));
}

function makeNormalizer(name: string, given: unknown, definitions: Definitions): (text: string) => string {
  const { kind, reader } = kindOf(given, name);
  if (kind === "lowercase") return lowerCase;
  if (kind !== "custom" && kind !== "") throw unknownKind("normalizer", kind, name);
  if (reader.raw("tokenizer") !== undefined) {
    throw illegalArgument(`Custom normalizer [${name}] cannot configure a tokenizer`);
  }
  const charFilters: CharFilter[] = [];
  for (const part of partsOf(reader, "char_filter")) {
    const filter = findPart(part, definitions.charFilters, makeCharFilter);
    if (!filter) throw missingPart(name, "char_filter", part);
    charFilters.push(filter);
  }
  const context: FilterContext = { ...definitions, before: keywordTokens };
  const filters: TokenFilter[] = [];
  for (const part of partsOf(reader, "filter")) {
    let used = "";
    const filter = findPart(part, definitions.filters, (filterKind, settings) => {
      used = filterKind;
      return makeFilter(filterKind, settings, context);
    });
    if (!filter) throw missingPart(name, "filter", part);
    if (!NORMALIZING_FILTERS.has(used)) {
      throw illegalArgument(`Custom normalizer [${name}] may not use filter [${String(part)}]`);
    }
    filters.push(filter);
  }
  return (text) => {
    const filtered = chainCharFilters(charFilters, text).text;
    const token: Token = { term: filtered, position: 0, start: 0, end: filtered.length };
    return runFilters(filters, [token]).map((one) => one.term).join("");
  };
}
