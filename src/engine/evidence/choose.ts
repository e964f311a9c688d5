/**
 * Which searches tell whether an index came back whole? A few of every kind of structure: sources by id, postings of text,
 * ranges of numbers and dates, the commonest values of keywords.
 *
 * Cheap ones come first: whoever has little time asks only those.
 *
 * @module
 */
import { utf8Text } from "../../base/bytes.ts";
import type { Field } from "../../schema/types.ts";
import type { SearchTarget } from "../../query/target.ts";
import { MAX_PROBE_HITS, type Probe } from "./probe.ts";

/** Documents of an index whose sources are compared. */
const SAMPLED_DOCS = 32;
/** Fields of each kind that are looked at, spread over the mapping. */
const MAX_FIELDS = 8;
/** Terms of a text field that are searched for. */
const TERMS = 3;
/** Longer terms are not searched for: a probe stands in the manifest. */
const MAX_TERM_CHARS = 64;
/** Ids longer than this all together are left out: they stand in the manifest, too. */
const MAX_IDS_CHARS = 16 * 1024;
const TOP_VALUES = 10;

interface SampledDoc {
  readonly id: string;
  /** Parsed. */
  readonly source: unknown;
}

/** Reads a few sources and ids. @throws {CorruptionError | IoError} */
export function* chooseProbes(targets: readonly SearchTarget[]): Generator<Probe, void> {
  const target = targets[0];
  if (!target) return;
  const docs = sampleDocs(targets);
  if (docs.length > 0) {
    yield {
      what: `${docs.length} documents by id`,
      search: {
        size: MAX_PROBE_HITS,
        track_total_hits: true,
        query: { ids: { values: docs.map(({ id }) => id) } },
      },
    };
  }
  const fields = target.mapping.fields.filter(({ name }) =>
    !name.startsWith("_") && !name.endsWith("._keyed")
  );
  for (const field of spread(fields.filter(({ kind, indexed }) => kind === "text" && indexed))) {
    for (const term of termsOf(field, docs, target)) {
      yield {
        what: `matches of ${field.name}`,
        search: { size: 0, track_total_hits: true, query: { match: { [field.name]: term } } },
      };
    }
  }
  for (const field of spread(fields.filter((each) => isNumber(each) && each.docValues))) {
    const { name } = field;
    yield {
      what: `range of ${name}`,
      search: {
        size: 0,
        track_total_hits: true,
        aggs: {
          least: { min: { field: name } },
          greatest: { max: { field: name } },
          values: { value_count: { field: name } },
        },
      },
    };
  }
  for (const field of spread(fields.filter((each) => isValue(each) && each.docValues))) {
    const { name } = field;
    yield {
      what: `values of ${name}`,
      search: {
        size: 0,
        track_total_hits: true,
        aggs: { values: { terms: { field: name, size: TOP_VALUES } } },
      },
    };
  }
}

function isNumber({ kind, type }: Field): boolean {
  return (kind === "number" || kind === "wide") && type !== "boolean";
}

function isValue({ kind, type }: Field): boolean {
  return type === "boolean" || type === "ip" || (kind === "term" && type === "keyword");
}

/** At most `MAX_FIELDS`, from the whole length of the list. */
function spread(fields: readonly Field[]): readonly Field[] {
  if (fields.length <= MAX_FIELDS) return fields;
  return Array.from({ length: MAX_FIELDS }, (_, i) => fields[Math.floor(i * fields.length / MAX_FIELDS)]!);
}

/** Living documents from all segments, evenly over their docs. */
function sampleDocs(targets: readonly SearchTarget[]): SampledDoc[] {
  const segments = targets.flatMap((target) => target.segments);
  const total = segments.reduce((sum, { liveCount }) => sum + liveCount, 0);
  const docs: SampledDoc[] = [];
  let chars = 0;
  for (const { reader, live, liveCount } of segments) {
    if (liveCount === 0) continue;
    const wanted = Math.max(1, Math.round(SAMPLED_DOCS * liveCount / total));
    const step = Math.max(1, Math.floor(reader.docCount / wanted));
    let taken = 0;
    for (let at = step >>> 1; at < reader.docCount && taken < wanted; at += step) {
      const doc = nextAlive(live, at, Math.min(reader.docCount, at + step));
      if (doc < 0) continue;
      taken++;
      const id = reader.id(doc);
      if (docs.length >= MAX_PROBE_HITS || (chars += id.length) > MAX_IDS_CHARS) return docs;
      docs.push({ id, source: parsed(reader.source(doc)) });
    }
  }
  return docs;
}

/** The first living doc of [from, end), or -1. */
function nextAlive(live: Uint32Array | null, from: number, end: number): number {
  if (live === null) return from < end ? from : -1;
  for (let doc = from; doc < end; doc++) if ((live[doc >>> 5]! & (1 << (doc & 31))) !== 0) return doc;
  return -1;
}

/** undefined: nothing that JSON has. */
function parsed(source: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(source.slice()));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A few different terms of a text field, from the sampled documents. */
function termsOf(field: Field, docs: readonly SampledDoc[], { analyzers }: SearchTarget): string[] {
  if (!analyzers.has(field.analyzer)) return [];
  const analyzer = analyzers.get(field.analyzer);
  const path = (field.parent === "" ? field.name : field.parent).split(".");
  const terms = new Set<string>();
  // From both ends: old documents and new ones.
  for (let i = 0; i < docs.length && terms.size < TERMS; i++) {
    const { source } = docs[i % 2 === 0 ? i >>> 1 : docs.length - 1 - (i >>> 1)]!;
    const text = textAt(source, path);
    if (text === undefined) continue;
    const term = analyzer.analyze(text.slice(0, 1024)).find(({ term }) =>
      term !== "" && term.length <= MAX_TERM_CHARS && !terms.has(term)
    );
    if (term) terms.add(text.slice(term.start, term.end));
  }
  return [...terms];
}

/** The first text at a path; its steps may stand together in one key. */
function textAt(value: unknown, path: readonly string[]): string | undefined {
  if (Array.isArray(value)) return textAt(value[0], path);
  if (path.length === 0) return typeof value === "string" ? value : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (let n = 1; n <= path.length; n++) {
    const key = path.slice(0, n).join(".");
    if (!Object.hasOwn(value, key)) continue;
    const found = textAt((value as Readonly<Record<string, unknown>>)[key], path.slice(n));
    if (found !== undefined) return found;
  }
  return undefined;
}
