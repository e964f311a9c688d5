/**
 * Where port 9200 answers otherwise than Elasticsearch on purpose, each with its reason. Transcripts name them.
 *
 * @module
 */

/**
 * What may differ: `order` of keys; `headers` but the content type; `causes` of an error; `words` of an error and its
 * causes, its type being the same; the `body`; or `all`, the status included.
 */
export type Allowed = "order" | "headers" | "causes" | "words" | "body" | "all";

export interface Difference {
  readonly what: Allowed;
  readonly reason: string;
}

export const DIFFERENCES: Readonly<Record<string, Difference>> = {};
