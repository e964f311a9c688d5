/**
 * An object of a document in the light of the mapping, and what the document adds to it.
 *
 * @module
 */
import type { NewMapping } from "./dynamic_fields.ts";
import type { Dynamic, LeafNode, ObjectNode } from "./mapping.ts";
import type { Field } from "./types.ts";

/** A field that the document adds, and what it takes to stage values for it meanwhile. */
export interface NewLeaf {
  readonly kind: "leaf";
  readonly json: NewMapping;
  readonly node: LeafNode;
  readonly field: Field;
  readonly multi: readonly Field[];
}

/** An object that the document adds, or adds something to. */
export interface NewObject {
  readonly kind: "object";
  /** Own parameters, when the object itself is new. */
  readonly json: NewMapping;
  readonly enabled: boolean;
  readonly children: Map<string, NewNode>;
}

export type NewNode = NewLeaf | NewObject;

/** An object of the document in the light of the mapping. */
export interface Scope {
  readonly path: string;
  readonly name: string;
  readonly parent: Scope | undefined;
  /** Undefined: not mapped yet. */
  readonly node: ObjectNode | undefined;
  added: NewObject | undefined;
  readonly dynamic: Dynamic;
}

/** Full path of a member. */
export function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** The object `name` within `parent`. */
export function childScope(
  parent: Scope,
  name: string,
  node: ObjectNode | undefined,
  added: NewObject | undefined,
): Scope {
  const own = node?.dynamic ?? dynamicOf(added);
  return { path: join(parent.path, name), name, parent, node, added, dynamic: own ?? parent.dynamic };
}

/** What a template says of the objects that it makes. */
function dynamicOf(added: NewObject | undefined): Dynamic | undefined {
  const value = added?.json["dynamic"];
  return value === undefined ? undefined : String(value) as Dynamic;
}

/** The additions to a scope's object, made reachable from the root. */
export function reach(scope: Scope): NewObject {
  if (scope.added) return scope.added;
  scope.added = { kind: "object", json: {}, enabled: true, children: new Map() };
  if (scope.parent) {
    const above = reach(scope.parent);
    const known = above.children.get(scope.name);
    // A scope is made anew for each element of an array: later ones join what earlier ones added.
    if (known?.kind === "object") scope.added = known;
    else above.children.set(scope.name, scope.added);
  }
  return scope.added;
}

/** The additions as a mapping update. */
export function updateJson(added: NewObject): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const [name, child] of added.children) {
    properties[name] = child.kind === "leaf" ? child.json : { ...child.json, ...updateJson(child) };
  }
  return added.children.size === 0 ? {} : { properties };
}
