/**
 * A probe: a search whose answer is the same before a backup and after a restore, or something is missing or wrong.
 *
 * The answer is kept as a count and a digest. What may differ between two equal indices is in no probe: scores (deleted
 * documents count in them until they are merged away) and sums of fractions (their order is the segments').
 *
 * @module
 */
import { createHash } from "node:crypto";
import { CorruptionError, RequestError } from "../../base/errors.ts";
import { renderJson } from "../../base/json.ts";
import { BodyReader } from "../../format/sealed_json.ts";
import { executeSearch, parseSearch } from "../../query/search.ts";
import type { SearchContext } from "../../query/target.ts";

export interface Probe {
  /** For people: "values of level". */
  readonly what: string;
  /** A search body. */
  readonly search: Readonly<Record<string, unknown>>;
}

export interface ProbeAnswer {
  /** Documents that match. */
  readonly docs: number;
  /** SHA-256 over count, aggregations, and ids with sources of the hits in order of id; lower-case hex. */
  readonly sha256: string;
}

/** A probe with the answer that a restore must give. */
export interface AnsweredProbe extends Probe, ProbeAnswer {}

/** Hits that a probe may ask for: more would be cut off, and order is not part of the answer. */
export const MAX_PROBE_HITS = 64;

/**
 * @throws {RequestError} The search does not fit the mapping or a limit, or took too long. @throws {CorruptionError} What
 * it read is damaged. @throws {IoError}
 */
export function answerProbe({ search }: Pick<Probe, "search">, context: SearchContext): ProbeAnswer {
  const { total, hits, aggs, timedOut } = executeSearch(parseSearch(search), context);
  if (timedOut || total?.relation !== "eq") {
    throw new RequestError("the probe was broken off", {
      status: 503,
      type: "search_phase_execution_exception",
    });
  }
  const hash = createHash("sha256");
  hash.update(`${total.value}\n`);
  hash.update(renderJson(aggs ?? null));
  const found = hits.map(({ id = "", source }) => ({ id, source: (source ?? new Uint8Array(0)).slice() }));
  for (const { id, source } of found.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))) {
    hash.update(`\n${JSON.stringify(id)} ${source.length} `);
    hash.update(source);
  }
  return { docs: total.value, sha256: hash.digest("hex") };
}

/** @throws {CorruptionError} */
export function decodeProbe(json: unknown): AnsweredProbe {
  const body = new BodyReader("probe", json);
  const sha256 = body.text("sha256");
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new CorruptionError("Cannot decode probe: sha256 is no digest");
  return { what: body.text("what"), search: body.object("search"), docs: body.integer("docs"), sha256 };
}
