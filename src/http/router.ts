/**
 * Paths and methods into handlers.
 *
 * @module
 */
import { assert, illegalArgument } from "../base/errors.ts";
import type { Handler, RouteMeta } from "./context.ts";

export interface Route {
  readonly method: string;
  readonly pattern: string;
  readonly meta: RouteMeta;
  readonly handler: Handler;
  /** Every query parameter that it takes, those of all routes included. */
  readonly knownParameters: ReadonlySet<string>;
  /** Names of the pattern's parameters, in order. */
  readonly names: readonly string[];
}

export type Match =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is known, but not with this method. */
  | { readonly kind: "method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

interface Node {
  readonly literals: Map<string, Node>;
  parameter: Node | undefined;
  /** Takes all remaining segments. */
  rest: Node | undefined;
  readonly routes: Map<string, Route>;
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Patterns are `/literal/{one segment}/{rest*}`; a literal is preferred to a parameter, but only where the method
 * fits. Empty segments, a trailing slash included, do not count. GET routes answer HEAD too, unless told otherwise.
 */
export class Router {
  readonly #root = makeNode();
  /** Routes without parameters by method and path: the fast way. */
  readonly #exact = new Map<string, Map<string, Match>>();
  readonly #routes: Route[] = [];
  readonly #commonParameters: readonly string[];
  readonly #headFollowsGet: boolean;

  /**
   * @param options.commonParameters Query parameters that every route takes.
   * @param options.headFollowsGet Whether GET routes answer HEAD too; default true.
   */
  constructor(
    options: { readonly commonParameters?: readonly string[]; readonly headFollowsGet?: boolean } = {},
  ) {
    this.#commonParameters = options.commonParameters ?? [];
    this.#headFollowsGet = options.headFollowsGet ?? true;
  }

  /** In the order of `add`; generated documentation is made from it. */
  get routes(): readonly Route[] {
    return this.#routes;
  }

  add(method: string, pattern: string, handler: Handler, meta: RouteMeta): void {
    const names: string[] = [];
    let node = this.#root;
    for (const segment of segmentsOf(pattern)) node = step(node, segment, names);
    const knownParameters = new Set([...this.#commonParameters, ...meta.parameters ?? []]);
    const route: Route = { method, pattern, meta, handler, knownParameters, names };
    assert(!node.routes.has(method), `one route for ${method} ${pattern}`);
    node.routes.set(method, route);
    this.#routes.push(route);
    if (names.length === 0) this.#addExact(route);
  }

  /** @throws {RequestError} 400: bad percent-encoding. */
  match(method: string, path: string): Match {
    const exact = this.#exact.get(path)?.get(method);
    if (exact !== undefined) return exact;
    const segments = segmentsOf(path).map(decodeSegment);
    const found: { route: Route | undefined; values: string[]; allowed: Set<string> } = {
      route: undefined,
      values: [],
      allowed: new Set(),
    };
    search(this.#root, segments, 0, { method, headFollowsGet: this.#headFollowsGet }, [], found);
    if (found.route !== undefined) {
      return { kind: "route", route: found.route, params: toParams(found.route.names, found.values) };
    }
    if (found.allowed.size > 0) return { kind: "method", allowed: [...found.allowed].sort() };
    return { kind: "none" };
  }

  #addExact(route: Route): void {
    const path = `/${segmentsOf(route.pattern).join("/")}`;
    const methods = this.#exact.get(path) ?? new Map<string, Match>();
    const match: Match = { kind: "route", route, params: NO_PARAMS };
    methods.set(route.method, match);
    if (route.method === "GET" && this.#headFollowsGet && !methods.has("HEAD")) methods.set("HEAD", match);
    this.#exact.set(path, methods);
  }
}

function makeNode(): Node {
  return { literals: new Map(), parameter: undefined, rest: undefined, routes: new Map() };
}

function step(node: Node, segment: string, names: string[]): Node {
  const parameter = /^\{(\w+)(\*?)\}$/.exec(segment);
  if (parameter) {
    names.push(parameter[1]!);
    if (parameter[2] === "*") return node.rest ??= makeNode();
    return node.parameter ??= makeNode();
  }
  const next = node.literals.get(segment) ?? makeNode();
  node.literals.set(segment, next);
  return next;
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

function decodeSegment(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) throw illegalArgument(`bad percent-encoding in path segment [${segment}]`);
    throw error;
  }
}

interface Asked {
  readonly method: string;
  readonly headFollowsGet: boolean;
}

function search(
  node: Node,
  segments: readonly string[],
  at: number,
  asked: Asked,
  values: readonly string[],
  found: { route: Route | undefined; values: string[]; allowed: Set<string> },
): void {
  if (at === segments.length) return arrive(node, asked, values, found);
  const segment = segments[at]!;
  const literal = node.literals.get(segment);
  if (literal) search(literal, segments, at + 1, asked, values, found);
  if (found.route === undefined && node.parameter) {
    search(node.parameter, segments, at + 1, asked, [...values, segment], found);
  }
  if (found.route === undefined && node.rest) {
    arrive(node.rest, asked, [...values, segments.slice(at).join("/")], found);
  }
}

function arrive(
  node: Node,
  { method, headFollowsGet }: Asked,
  values: readonly string[],
  found: { route: Route | undefined; values: string[]; allowed: Set<string> },
): void {
  const route = node.routes.get(method) ??
    (method === "HEAD" && headFollowsGet ? node.routes.get("GET") : undefined);
  if (route !== undefined) {
    found.route = route;
    found.values = [...values];
    return;
  }
  for (const allowed of node.routes.keys()) {
    found.allowed.add(allowed);
    if (allowed === "GET" && headFollowsGet) found.allowed.add("HEAD");
  }
}

function toParams(names: readonly string[], values: readonly string[]): Readonly<Record<string, string>> {
  const params: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) params[names[i]!] = values[i]!;
  return params;
}
