/**
 * Query parameters of a request: strictly encoded, and known to the route.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { nearestName } from "../config/nearest.ts";

/** @param query Without the question mark. @throws {RequestError} 400: bad percent-encoding. */
export function parseQuery(query: string): URLSearchParams {
  if (/%(?![0-9a-fA-F]{2})/.test(query)) throw illegalArgument("bad percent-encoding in the query string");
  return new URLSearchParams(query);
}

/** @throws {RequestError} 400, worded as Elasticsearch does, when a parameter is not known. */
export function checkParameters(query: URLSearchParams, known: ReadonlySet<string>, path: string): void {
  const unknown = new Set<string>();
  for (const name of query.keys()) if (!known.has(name)) unknown.add(name);
  if (unknown.size === 0) return;
  const described = [...unknown].sort().map((name) => {
    const near = nearestName(name, known);
    return `[${name}]${near === undefined ? "" : ` -> did you mean [${near}]?`}`;
  });
  throw illegalArgument(
    `request [${path}] contains unrecognized parameter${unknown.size > 1 ? "s" : ""}: ${
      described.join(", ")
    }`,
  );
}
