/**
 * Additive changes of a mapping: what may be added to what is there, and what may not be changed.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import { parametersOf } from "./field_parameters.ts";
import { javaText } from "./mapping_error.ts";
import type { LeafNode, Node, ObjectNode } from "./mapping_tree.ts";

/** The object with what `update` adds; the same node when it adds nothing. */
export function mergeObject(known: ObjectNode, update: ObjectNode, isRoot = false): ObjectNode {
  if (!isRoot && update.enabled !== known.enabled) {
    throw new RequestError(
      `the [enabled] parameter can't be updated for the object mapping [${known.path}]`,
      {
        status: 400,
        type: "mapper_exception",
      },
    );
  }
  let changed = false;
  let children: Map<string, Node> | undefined;
  for (const [name, node] of update.children) {
    const there = known.children.get(name);
    const merged = there ? mergeNode(there, node) : node;
    if (merged === there) continue;
    children ??= new Map(known.children);
    children.set(name, merged);
    changed = true;
  }
  const dynamic = update.dynamic ?? known.dynamic;
  const enabled = isRoot ? update.enabled : known.enabled;
  if (!changed && dynamic === known.dynamic && enabled === known.enabled) return known;
  return { ...known, dynamic, enabled, children: children ?? known.children };
}

function mergeNode(known: Node, update: Node): Node {
  if (known.kind === "object" && update.kind === "object") return mergeObject(known, update);
  if (known.kind === "object" || update.kind === "object") {
    throw illegalArgument(`can't merge a non object mapping [${known.path}] with an object mapping`);
  }
  if (known.kind === "alias" || update.kind === "alias") {
    if (known.kind !== "alias" || update.kind !== "alias") {
      throw illegalArgument(
        known.kind === "alias"
          ? `Cannot merge a field alias mapping [${known.path}] with a mapping that is not for a field alias.`
          : `mapper [${known.path}] cannot be changed from type [${known.type}] to [alias]`,
      );
    }
    return known.target === update.target ? known : update;
  }
  return mergeLeaf(known, update);
}

function mergeLeaf(known: LeafNode, update: LeafNode): LeafNode {
  if (known.type !== update.type) {
    throw illegalArgument(
      `mapper [${known.path}] cannot be changed from type [${known.type}] to [${update.type}]`,
    );
  }
  const conflicts: string[] = [];
  let changed = false;
  for (const spec of parametersOf(known.type)!) {
    const before = known.parameters.get(spec.name) ?? spec.otherwise;
    const after = update.parameters.get(spec.name) ?? spec.otherwise;
    if (sameValue(before, after)) continue;
    const allowed = spec.updates === true || (spec.updates === "off" && after === false);
    if (allowed) changed = true;
    else {
      conflicts.push(
        `Cannot update parameter [${spec.name}] from [${javaText(before)}] to [${javaText(after)}]`,
      );
    }
  }
  if (conflicts.length > 0) {
    throw illegalArgument(
      `Mapper for [${known.path}] conflicts with existing mapper:\n\t${conflicts.join("\n\t")}`,
    );
  }
  if (!sameValue(known.copyTo, update.copyTo)) changed = true;
  let fields: Map<string, LeafNode> | undefined;
  for (const [name, node] of update.fields) {
    const there = known.fields.get(name);
    const merged = there ? mergeLeaf(there, node) : node;
    if (merged === there) continue;
    fields ??= new Map(known.fields);
    fields.set(name, merged);
    changed = true;
  }
  if (!changed) return known;
  return { ...update, fields: fields ?? known.fields };
}

/** Equality of parsed parameters: plain JSON, or a boxed double. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  return JSON.stringify(a) === JSON.stringify(b);
}
