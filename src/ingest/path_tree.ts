/**
 * Which field does a key of a document mean?
 *
 * The mapped paths as a tree of objects. A node is an object, an entry a key within it: either a leaf or a further
 * node. `a.b.c` can be written as nested objects or with dots (`{"a.b": {"c": 1}}`), so node `a` has entries `b` and
 * `b.c`, the root `a`, `a.b` and `a.b.c`.
 *
 * Documents of one source repeat their keys in one order. So each entry remembers the one that followed it last, and
 * a key is first compared with that one's bytes; only a surprise goes through the table.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import { InternTable } from "../base/intern.ts";

/** Where a path of the mapping ends. `value` is the caller's number for it. */
export interface Leaf {
  readonly path: string;
  readonly value: number;
}

interface Entry {
  readonly name: Uint8Array;
  /** Node it leads to, or -1. */
  node: number;
  /** The leaf's number, or -1. */
  leaf: number;
}

export class PathTree {
  /** Node of the document itself. */
  static readonly ROOT = 0;
  /** Node that an entry leads to, -1 for a leaf. */
  readonly nodes: Int32Array;
  /** Leaf number of an entry, -1 for an object. */
  readonly leaves: Int32Array;
  /** Number of the first state that stands for the beginning of a node: state of node n is `entryCount + n`. */
  readonly entryCount: number;
  /** Names one after another, each with the closing quote that ends it in a document. */
  readonly #names: Uint8Array;
  readonly #nameStarts: Uint32Array;
  /** By state (an entry, or the beginning of a node): the entry that came next, last time; -1 at first. */
  readonly #guesses: Int32Array;
  /** By node: its names, and the entry of each. */
  readonly #tables: readonly InternTable[];
  readonly #tableEntries: readonly number[][];

  constructor(leaves: readonly Leaf[]) {
    const entries: Entry[] = [];
    const tables: InternTable[] = [new InternTable()];
    const tableEntries: number[][] = [[]];
    const entryOf = (node: number, name: string): Entry => {
      const bytes = utf8(name);
      const id = tables[node]!.intern(bytes, 0, bytes.length);
      if (id === tableEntries[node]!.length) {
        tableEntries[node]!.push(entries.length);
        entries.push({ name: bytes, node: -1, leaf: -1 });
      }
      return entries[tableEntries[node]![id]!]!;
    };
    const nodeOf = new Map<string, number>([["", 0]]);
    for (const { path, value } of leaves) {
      const parts = path.split(".");
      // A key that needs escapes, or an odd path, is the exact parser's.
      if (parts.includes("") || !isPlain(path) || !path.isWellFormed()) continue;
      for (let from = 0; from < parts.length; from++) {
        const node = nodeOf.get(parts.slice(0, from).join("."))!;
        for (let to = from + 1; to <= parts.length; to++) {
          const entry = entryOf(node, parts.slice(from, to).join("."));
          if (to === parts.length) {
            entry.leaf = value;
            continue;
          }
          const objectPath = parts.slice(0, to).join(".");
          let child = nodeOf.get(objectPath);
          if (child === undefined) {
            child = tables.length;
            nodeOf.set(objectPath, child);
            tables.push(new InternTable());
            tableEntries.push([]);
          }
          entry.node = child;
        }
      }
    }
    this.entryCount = entries.length;
    this.nodes = Int32Array.from(entries, (entry) => entry.node);
    this.leaves = Int32Array.from(entries, (entry) => entry.leaf);
    this.#nameStarts = new Uint32Array(entries.length + 1);
    let length = 0;
    entries.forEach((entry, i) => {
      length += entry.name.length + 1;
      this.#nameStarts[i + 1] = length;
    });
    this.#names = new Uint8Array(length);
    entries.forEach((entry, i) => {
      this.#names.set(entry.name, this.#nameStarts[i]!);
      this.#names[this.#nameStarts[i + 1]! - 1] = 0x22;
    });
    this.#guesses = new Int32Array(entries.length + tables.length).fill(-1);
    this.#tables = tables;
    this.#tableEntries = tableEntries;
  }

  /**
   * Entry of `node` whose name begins at `at`, behind the opening quote, or -1. `state` is the entry before it, or
   * `entryCount + node`. The key ends at `nameEnd(entry, at)`.
   */
  entry(bytes: Uint8Array, at: number, node: number, state: number): number {
    const guess = this.#guesses[state]!;
    if (guess >= 0) {
      const names = this.#names;
      const end = this.#nameStarts[guess + 1]!;
      let i = this.#nameStarts[guess]!;
      for (let j = at; i < end && names[i] === bytes[j]; j++) i++;
      if (i === end) return guess;
    }
    return this.#lookUp(bytes, at, node, state);
  }

  /** Position behind the closing quote of an entry's name that begins at `at`. */
  nameEnd(entry: number, at: number): number {
    return at + this.#nameStarts[entry + 1]! - this.#nameStarts[entry]!;
  }

  #lookUp(bytes: Uint8Array, at: number, node: number, state: number): number {
    let end = at;
    // A quote within a name would be escaped, and then no mapped name matches.
    while (end < bytes.length && bytes[end] !== 0x22) end++;
    const id = this.#tables[node]!.find(bytes, at, end);
    if (id < 0) return -1;
    const entry = this.#tableEntries[node]![id]!;
    this.#guesses[state] = entry;
    return entry;
  }
}

/** Whether a JSON string may hold the text as it is. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c) return false;
  }
  return true;
}
