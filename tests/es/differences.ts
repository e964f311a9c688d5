/**
 * Where port 9200 answers otherwise than Elasticsearch on purpose, each with its reason. Transcripts name them.
 *
 * @module
 */

export interface Difference {
  /** What may differ: the order of keys; words under `reason`; the body; status, headers and body. */
  readonly what: "order" | "reason" | "body" | "all";
  readonly reason: string;
}

export const DIFFERENCES: Readonly<Record<string, Difference>> = {};
