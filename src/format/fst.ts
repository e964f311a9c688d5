/**
 * A finite state transducer from sorted byte strings to their ranks, searched in the bytes it is stored as.
 * Spec: `docs/FORMAT.md`, "FST".
 *
 * An acyclic automaton that shares prefixes and suffixes; an arc's output is the number of keys that its node
 * begins and that come before the arc's. So the outputs along a path add up to a key's rank, equal sets of
 * suffixes are one node wherever they occur, and the greatest key not above a target needs no second descent: it
 * is the count of keys passed on the left.
 *
 * Nodes lie behind the nodes that they lead to. A node:
 *
 *      0  u8     kind       bit 0: a key ends here; bits 1-3: bytes an output; bits 4-6: bytes a target; bit 7: zero
 *      1  u8     arcs - 1
 *      2  u8[]   labels     ascending
 *         uN[]   outputs    little-endian
 *         uN[]   targets    distance back from this node's start to the target's; 0: the end node
 *
 * The end node (a key ends, no arcs) has no bytes.
 *
 * Source: Daciuk, Mihov, Watson and Watson, "Incremental Construction of Minimal Acyclic Finite-State Automata"
 * (2000); ranks as outputs as in Lucchesi and Kowaltowski, "Applications of Finite Automata Representing Large
 * Vocabularies" (1993).
 *
 * @module
 */
import { ByteWriter, compareBytes } from "../base/bytes.ts";
import { assert, CorruptionError } from "../base/errors.ts";

/** A built transducer. */
export interface Fst {
  readonly bytes: Uint8Array;
  /** Start of the root node in `bytes`; -1: no node, since there is no key but perhaps the empty one. */
  readonly root: number;
  readonly keyCount: number;
}

/** Address of the end node. */
const END = -1;

/** Bytes that hold `value`; 0 for 0. */
function byteWidth(value: number): number {
  return value === 0 ? 0 : value < 0x100 ? 1 : value < 0x1_0000 ? 2 : value < 0x100_0000 ? 3 : 4;
}

/** A node on the path of the last key, not yet stored. */
class OpenNode {
  final = false;
  arcs = 0;
  /** Keys of the arcs stored so far, and of the node's own. */
  keys = 0;
  // Small at first: a key of n bytes keeps n + 1 nodes open, and most have one arc.
  labels = new Uint8Array(4);
  outputs = new Float64Array(4);
  targets = new Float64Array(4);

  clear(): void {
    this.final = false;
    this.arcs = 0;
    this.keys = 0;
  }

  addArc(label: number, output: number, target: number): void {
    const arc = this.arcs++;
    if (arc === this.labels.length) {
      const { labels, outputs, targets } = this;
      (this.labels = new Uint8Array(arc * 4)).set(labels);
      (this.outputs = new Float64Array(arc * 4)).set(outputs);
      (this.targets = new Float64Array(arc * 4)).set(targets);
    }
    this.labels[arc] = label;
    this.outputs[arc] = output;
    this.targets[arc] = target;
  }
}

/** Builds a transducer from keys in ascending order; memory is the result and a table of its nodes. */
export class FstBuilder {
  readonly #out = new ByteWriter(4096);
  readonly #path: OpenNode[] = [new OpenNode()];
  #last: Uint8Array = new Uint8Array(64);
  #lastLength = 0;
  #keyCount = 0;
  /** Open-addressing table of stored nodes: start + 1, or 0. */
  #table = new Float64Array(1024);
  #stored = 0;

  /** Adds a key, greater than the one before; its value is the number of keys before it. */
  add(key: Uint8Array): void {
    const last = this.#last.subarray(0, this.#lastLength);
    assert(this.#keyCount === 0 || compareBytes(last, key) < 0, "FST keys ascend");
    let shared = 0;
    while (shared < last.length && shared < key.length && last[shared] === key[shared]) shared++;
    this.#freeze(shared);
    while (this.#path.length <= key.length) this.#path.push(new OpenNode());
    for (let depth = shared + 1; depth <= key.length; depth++) this.#path[depth]!.clear();
    const end = this.#path[key.length]!;
    end.final = true;
    end.keys = 1;
    if (key.length > this.#last.length) this.#last = new Uint8Array(key.length * 2);
    this.#last.set(key);
    this.#lastLength = key.length;
    this.#keyCount++;
  }

  finish(): Fst {
    this.#freeze(0);
    const rootNode = this.#path[0]!;
    const root = rootNode.arcs === 0 ? END : this.#store(rootNode);
    return { bytes: this.#out.toBytes(), root, keyCount: this.#keyCount };
  }

  /** Stores the nodes of the last key's path below `depth`. */
  #freeze(depth: number): void {
    for (let at = this.#lastLength; at > depth; at--) {
      const node = this.#path[at]!;
      const parent = this.#path[at - 1]!;
      parent.addArc(this.#last[at - 1]!, parent.keys, node.arcs === 0 ? END : this.#store(node));
      parent.keys += node.keys;
    }
    this.#lastLength = Math.min(this.#lastLength, depth);
  }

  /** Address of an equal stored node, or of this one newly stored. */
  #store(node: OpenNode): number {
    if (this.#stored * 2 >= this.#table.length) this.#grow();
    const mask = this.#table.length - 1;
    let slot = hashNode(node) & mask;
    for (;;) {
      const entry = this.#table[slot]!;
      if (entry === 0) break;
      if (equalNode(this.#out.bytes(), entry - 1, node)) return entry - 1;
      slot = (slot + 1) & mask;
    }
    const start = this.#encode(node);
    this.#table[slot] = start + 1;
    this.#stored++;
    return start;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Float64Array(old.length * 2);
    const mask = this.#table.length - 1;
    const bytes = this.#out.bytes();
    const node = new OpenNode();
    for (const entry of old) {
      if (entry === 0) continue;
      decodeNode(bytes, entry - 1, node);
      let slot = hashNode(node) & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = entry;
    }
  }

  #encode(node: OpenNode): number {
    const out = this.#out;
    const start = out.length;
    let targetWidth = 0;
    for (let i = 0; i < node.arcs; i++) {
      const target = node.targets[i]!;
      targetWidth = Math.max(targetWidth, target === END ? 0 : byteWidth(start - target));
    }
    const outputWidth = byteWidth(node.outputs[node.arcs - 1]!);
    out.u8((node.final ? 1 : 0) | (outputWidth << 1) | (targetWidth << 4));
    out.u8(node.arcs - 1);
    out.append(node.labels.subarray(0, node.arcs));
    for (let i = 0; i < node.arcs; i++) putWide(out, node.outputs[i]!, outputWidth);
    for (let i = 0; i < node.arcs; i++) {
      const target = node.targets[i]!;
      putWide(out, target === END ? 0 : start - target, targetWidth);
    }
    return start;
  }
}

function putWide(out: ByteWriter, value: number, width: number): void {
  for (let i = 0; i < width; i++) {
    out.u8(value & 0xff);
    value = Math.floor(value / 256);
  }
}

function getWide(bytes: Uint8Array, at: number, width: number): number {
  switch (width) {
    case 0:
      return 0;
    case 1:
      return bytes[at]!;
    case 2:
      return bytes[at]! | (bytes[at + 1]! << 8);
    case 3:
      return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    default:
      return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }
}

function hashNode(node: OpenNode): number {
  let hash = node.final ? 0x9e37 : 0x79b9;
  for (let i = 0; i < node.arcs; i++) {
    hash = Math.imul(hash ^ node.labels[i]!, 0x0100_0193);
    hash = Math.imul(hash ^ (node.outputs[i]! | 0), 0x85eb_ca6b);
    hash = Math.imul(hash ^ (node.targets[i]! | 0), 0xc2b2_ae35);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

function decodeNode(bytes: Uint8Array, at: number, node: OpenNode): void {
  const kind = bytes[at]!;
  const outputWidth = (kind >>> 1) & 7;
  const targetWidth = (kind >>> 4) & 7;
  const arcs = bytes[at + 1]! + 1;
  const outputs = at + 2 + arcs;
  const targets = outputs + arcs * outputWidth;
  node.clear();
  node.final = (kind & 1) !== 0;
  for (let i = 0; i < arcs; i++) {
    const output = getWide(bytes, outputs + i * outputWidth, outputWidth);
    const distance = getWide(bytes, targets + i * targetWidth, targetWidth);
    node.addArc(bytes[at + 2 + i]!, output, distance === 0 ? END : at - distance);
  }
}

function equalNode(bytes: Uint8Array, at: number, node: OpenNode): boolean {
  const kind = bytes[at]!;
  if (((kind & 1) !== 0) !== node.final || bytes[at + 1]! + 1 !== node.arcs) return false;
  const outputWidth = (kind >>> 1) & 7;
  const targetWidth = (kind >>> 4) & 7;
  const outputs = at + 2 + node.arcs;
  const targets = outputs + node.arcs * outputWidth;
  for (let i = 0; i < node.arcs; i++) {
    if (bytes[at + 2 + i] !== node.labels[i]) return false;
    if (getWide(bytes, outputs + i * outputWidth, outputWidth) !== node.outputs[i]) return false;
    const distance = getWide(bytes, targets + i * targetWidth, targetWidth);
    if ((distance === 0 ? END : at - distance) !== node.targets[i]) return false;
  }
  return true;
}

/**
 * Rank of the greatest key that is not above `target`; -1 when all are. Reads the bytes in place: no allocation,
 * at most target.length + 1 nodes.
 *
 * @param root, keyCount As the builder returned them.
 * @throws {CorruptionError} A node passes the end or contradicts itself.
 */
export function fstFloor(bytes: Uint8Array, root: number, keyCount: number, target: Uint8Array): number {
  // Keys of the current node are ranks [low, high); none of them is decided yet.
  let low = 0;
  let high = keyCount;
  let node = root;
  if (node === END) return keyCount - 1;
  for (let depth = 0;; depth++) {
    if (node < 0 || node + 3 > bytes.length) throw corruptNode(node);
    const kind = bytes[node]!;
    const arcs = bytes[node + 1]! + 1;
    const outputWidth = (kind >>> 1) & 7;
    const targetWidth = (kind >>> 4) & 7;
    const labels = node + 2;
    const outputs = labels + arcs;
    const targets = outputs + arcs * outputWidth;
    if (outputWidth > 4 || targetWidth > 4 || kind > 0x7f || targets + arcs * targetWidth > bytes.length) {
      throw corruptNode(node);
    }
    if (depth === target.length) return low + (kind & 1) - 1;
    const label = target[depth]!;
    // First arc whose label is not below the target's.
    let from = 0;
    let to = arcs;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (bytes[labels + middle]! < label) from = middle + 1;
      else to = middle;
    }
    if (from === arcs) return high - 1;
    const first = low + getWide(bytes, outputs + from * outputWidth, outputWidth);
    const end = from + 1 < arcs
      ? low + getWide(bytes, outputs + (from + 1) * outputWidth, outputWidth)
      : high;
    if (first >= end || end > high) throw corruptNode(node);
    if (bytes[labels + from] !== label) return first - 1;
    const distance = getWide(bytes, targets + from * targetWidth, targetWidth);
    if (distance === 0) {
      if (end - first !== 1) throw corruptNode(node);
      return first;
    }
    low = first;
    high = end;
    node -= distance;
  }
}

function corruptNode(node: number): CorruptionError {
  return new CorruptionError(`Cannot decode FST: node at ${node} passes the end or contradicts itself`);
}
