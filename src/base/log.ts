/**
 * What any part may tell the operator.
 *
 * @module
 */

/**
 * Structured log lines. `message` is constant text; what varies goes into `fields`. Never pass on keys, credentials,
 * `Authorization` headers or document content. An `Error` in a field is logged with its stack.
 */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** For tests and for callers that have nobody to tell. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
