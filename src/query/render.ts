/**
 * Hits as both dialects show them: `{_index, _id, _score, _source, fields, sort}`. Envelopes are the dialects'.
 *
 * @module
 */
import { Float, type Json, RawJson } from "../base/json.ts";
import type { Hit } from "./fetch/hits.ts";
import type { SearchResult } from "./search.ts";

/** A hit of an Elasticsearch answer. */
export function renderHit(hit: Hit): Json {
  return {
    _index: hit.target.index,
    _id: hit.id,
    _version: hit.version,
    _seq_no: hit.seqNo,
    _primary_term: hit.seqNo === undefined ? undefined : 1,
    _score: scoreJson(hit.score),
    _ignored: hit.ignored,
    _source: hit.source === undefined ? undefined : new RawJson(hit.source),
    fields: hit.fields,
    sort: hit.sort,
  };
}

/** A hit of a native answer: as above, without the index. */
export function renderNativeHit(hit: Hit): Json {
  return {
    _id: hit.id,
    _version: hit.version,
    _seq_no: hit.seqNo,
    _score: scoreJson(hit.score),
    _source: hit.source === undefined ? undefined : new RawJson(hit.source),
    fields: hit.fields,
    sort: hit.sort,
  };
}

/** The value of `hits` in an Elasticsearch answer. */
export function renderHits(result: SearchResult): Json {
  return {
    total: result.total === undefined
      ? undefined
      : { value: result.total.value, relation: result.total.relation },
    max_score: scoreJson(result.maxScore),
    hits: result.hits.map(renderHit),
  };
}

export function scoreJson(score: number | undefined): Json {
  return score === undefined ? null : new Float(score);
}
