/**
 * The generated logs that every peer gets: documents, mapping, the three questions.
 *
 * @module
 */

const SHARED = new URL("../../shared/data/", import.meta.url);

export interface Corpus {
  /** NDJSON, one document a line. */
  readonly lines: Uint8Array;
  readonly docs: number;
  /** `{"mappings": {...}}` for a create request. */
  readonly mapping: { readonly mappings: unknown };
}

/** The corpus, or undefined where the shared generator is absent. */
export async function loadCorpus(docs: number): Promise<Corpus | undefined> {
  const generator = new URL("gen_logs.mjs", SHARED);
  try {
    Deno.statSync(generator);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", generator.pathname, "--n", String(docs), "--seed", "42"],
    stdout: "piped",
  }).output();
  if (!success) throw new Error("the log generator failed");
  const mapping = JSON.parse(Deno.readTextFileSync(new URL("gen_logs.mapping.json", SHARED)));
  return { lines: stdout, docs, mapping };
}

/** So many bytes of random text in each document, and a mapping that leaves it and most other fields alone. */
export function withBodies({ lines, docs }: Corpus, bodyBytes: number): Corpus {
  const out = new Uint8Array(lines.length + docs * (bodyBytes + 16));
  const encoder = new TextEncoder();
  const random = new Uint8Array(Math.ceil(bodyBytes / 4) * 3);
  let length = 0;
  for (let start = 0; start < lines.length;) {
    const end = lines.indexOf(10, start);
    for (let at = 0; at < random.length; at += 65536) crypto.getRandomValues(random.subarray(at, at + 65536));
    out.set(lines.subarray(start, end - 1), length);
    length += end - 1 - start;
    const body = `,"body":"${random.toBase64().slice(0, bodyBytes)}"}\n`;
    length += encoder.encodeInto(body, out.subarray(length)).written;
    start = end + 1;
  }
  const properties = { "@timestamp": { type: "date" }, level: { type: "keyword" } };
  return { lines: out.subarray(0, length), docs, mapping: { mappings: { dynamic: false, properties } } };
}

/** Cuts the corpus into bulk bodies of `size` documents. */
export function bulkBodies({ lines, docs }: Corpus, options: {
  readonly size: number;
  /** `index` or `create`. */
  readonly action: "index" | "create";
  /** Whether each document brings its id (its line number). */
  readonly ids: boolean;
}): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  const encoder = new TextEncoder();
  const plain = encoder.encode(`{"${options.action}":{}}\n`);
  let start = 0;
  for (let doc = 0; doc < docs;) {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (const until = Math.min(docs, doc + options.size); doc < until; doc++) {
      const end = lines.indexOf(10, start) + 1;
      const head = options.ids ? encoder.encode(`{"${options.action}":{"_id":"${doc}"}}\n`) : plain;
      pieces.push(head, lines.subarray(start, end));
      bytes += head.length + end - start;
      start = end;
    }
    const body = new Uint8Array(bytes);
    let at = 0;
    for (const piece of pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    bodies.push(body);
  }
  return bodies;
}

/** The three searches of the table, as Elasticsearch bodies. */
export const QUESTIONS = {
  "match top 10": { query: { match: { message: "connection timeout" } }, size: 10 },
  "phrase": { query: { match_phrase: { message: "circuit breaker open" } }, size: 10 },
  "filter, newest 10": {
    query: { bool: { filter: [{ term: { service: "checkout" } }, { range: { status: { gte: 500 } } }] } },
    sort: [{ "@timestamp": "desc" }],
    size: 10,
  },
} as const;

export type Question = keyof typeof QUESTIONS;
