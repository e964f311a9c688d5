/**
 * Ingest and searches over HTTP, the same for xerj and for Elasticsearch.
 *
 * @module
 */
import { type Corpus, QUESTIONS } from "./corpus.ts";
import { type Quantiles, quantiles, timeCalls } from "./measure.ts";

const JSON_HEADERS = { "content-type": "application/json" };

export interface IngestResult {
  readonly seconds: number;
  readonly bulk: Quantiles;
}

/** Makes the index anew and sends all bodies with `clients` connections. */
export async function ingest(origin: string, index: string, options: {
  readonly corpus: Corpus;
  readonly bodies: readonly Uint8Array[];
  readonly clients: number;
}): Promise<IngestResult> {
  const { corpus, bodies, clients } = options;
  await request("DELETE", `${origin}/${index}?ignore_unavailable=true`);
  await request("PUT", `${origin}/${index}`, JSON.stringify(corpus.mapping));
  const times: number[] = [];
  let next = 0;
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, async () => {
    while (next < bodies.length) {
      const body = bodies[next++]!;
      const sent = performance.now();
      const answer = await request("POST", `${origin}/${index}/_bulk`, body);
      times.push(performance.now() - sent);
      if (!answer.startsWith('{"errors":false')) throw new Error(answer.slice(0, 400));
    }
  }));
  return { seconds: (performance.now() - started) / 1000, bulk: quantiles(times) };
}

export async function count(origin: string, index: string): Promise<number> {
  await request("POST", `${origin}/${index}/_refresh`);
  return JSON.parse(await request("GET", `${origin}/${index}/_count`)).count;
}

/** p50 and p99 of the three questions, one connection. */
export async function search(origin: string, index: string, count = 200): Promise<Record<string, Quantiles>> {
  const results: Record<string, Quantiles> = {};
  for (const [name, body] of Object.entries(QUESTIONS)) {
    const text = JSON.stringify(body);
    results[name] = await timeCalls(() => request("POST", `${origin}/${index}/_search`, text), count);
  }
  return results;
}

export async function request(method: string, url: string, body?: string | Uint8Array): Promise<string> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: body as BodyInit, headers: JSON_HEADERS }),
  });
  const text = await response.text();
  if (!response.ok && !(method === "DELETE" && response.status === 404)) {
    throw new Error(`${method} ${url} answered ${response.status}: ${text.slice(0, 400)}`);
  }
  return text;
}
