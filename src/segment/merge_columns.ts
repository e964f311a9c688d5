/**
 * Columns of several segments as one: live documents' pairs, in the merged order.
 *
 * @module
 */
import type { NumericCursor, OrdinalCursor } from "./input.ts";
import { liveDocs, type MergePart } from "./merge_parts.ts";

/** Docs gathered at a time. */
const BATCH_DOCS = 1024;

/** What is read of one part: values of live docs, gathered into arrays of the cursor's own. */
interface PartPairs<V> {
  gather(
    docs: Uint32Array,
    n: number,
  ): { readonly count: number; readonly owners: Uint32Array; readonly values: V };
}

type AnyValues = Float64Array | BigInt64Array | Uint32Array;

/** Walks parts one after another; a part without the field has no pairs. */
class MergedPairs<V extends AnyValues> {
  readonly #parts: readonly MergePart[];
  readonly #open: (part: MergePart, index: number) => PartPairs<V> | undefined;
  readonly #docs = new Uint32Array(BATCH_DOCS);
  #part = -1;
  #pairs: PartPairs<V> | undefined;
  #nextDoc = 0;
  /** First doc of the batch, those that died included. */
  #firstDoc = 0;
  /** Gathered and not yet handed out. */
  #batch: { readonly count: number; readonly owners: Uint32Array; readonly values: V } | undefined;
  #at = 0;

  constructor(
    parts: readonly MergePart[],
    open: (part: MergePart, index: number) => PartPairs<V> | undefined,
  ) {
    this.#parts = parts;
    this.#open = open;
  }

  fill(docs: Uint32Array, values: V): number {
    let filled = 0;
    while (filled < docs.length) {
      if (!this.#batch || this.#at === this.#batch.count) {
        if (!this.#gather()) break;
        continue;
      }
      const { count, owners, values: from } = this.#batch;
      const n = Math.min(docs.length - filled, count - this.#at);
      const { base, docs: map } = this.#parts[this.#part]!.docMap;
      if (map) mapOwners(owners, this.#at, n, this.#docs, map, docs, filled);
      else placeOwners(owners, this.#at, n, base + this.#firstDoc, docs, filled);
      // Both are of one kind: the copy is the machine's.
      (values as Uint32Array).set(from.subarray(this.#at, this.#at + n) as Uint32Array, filled);
      this.#at += n;
      filled += n;
    }
    return filled;
  }

  /** Gathers the next batch; false at the end of the last part. */
  #gather(): boolean {
    const part = this.#parts[this.#part];
    if (!part || !this.#pairs || this.#nextDoc >= part.reader.docCount) {
      if (this.#part + 1 >= this.#parts.length) return false;
      this.#part++;
      this.#nextDoc = 0;
      this.#pairs = this.#open(this.#parts[this.#part]!, this.#part);
      this.#batch = undefined;
      return true;
    }
    const to = Math.min(this.#nextDoc + BATCH_DOCS, part.reader.docCount);
    const n = liveDocs(part, this.#nextDoc, to, this.#docs);
    this.#firstDoc = this.#nextDoc;
    this.#nextDoc = to;
    this.#batch = this.#pairs.gather(this.#docs, n);
    this.#at = 0;
    return true;
  }
}

/** New docs of owners[at, at + n), where all documents live: the batch's first one's is `base`. */
function placeOwners(
  owners: Uint32Array,
  at: number,
  n: number,
  base: number,
  docs: Uint32Array,
  to: number,
): void {
  for (let i = 0; i < n; i++) docs[to + i] = base + owners[at + i]!;
}

/** The same where some died: `from` are the docs that the owners index. */
function mapOwners(
  owners: Uint32Array,
  at: number,
  n: number,
  from: Uint32Array,
  docMap: Uint32Array,
  docs: Uint32Array,
  to: number,
): void {
  for (let i = 0; i < n; i++) docs[to + i] = docMap[from[owners[at + i]!]!]!;
}

/** Numbers of a field; wide as soon as one part's are. */
export function mergedNumbers(parts: readonly MergePart[], field: string, wide: boolean): NumericCursor {
  if (wide) {
    const pairs = new MergedPairs<BigInt64Array>(parts, ({ reader }) => {
      const column = reader.numeric(field);
      const cursor = column?.cursor();
      if (!column || !cursor) return undefined;
      return {
        gather: (docs, n) => {
          const count = cursor.gather(docs, n);
          const values = column.wide ? cursor.wides : widen(cursor.values, count);
          return { count, owners: cursor.owners, values };
        },
      };
    });
    return { fill: (docs, values) => pairs.fill(docs, values as BigInt64Array) };
  }
  const pairs = new MergedPairs<Float64Array>(parts, ({ reader }) => {
    const cursor = reader.numeric(field)?.cursor();
    if (!cursor) return undefined;
    return {
      gather: (docs, n) => {
        const count = cursor.gather(docs, n);
        return { count, owners: cursor.owners, values: cursor.values };
      },
    };
  });
  return { fill: (docs, values) => pairs.fill(docs, values as Float64Array) };
}

/** A column that another part made wide holds integers. */
function widen(values: Float64Array, count: number): BigInt64Array {
  const wides = new BigInt64Array(count);
  for (let i = 0; i < count; i++) wides[i] = BigInt(values[i]!);
  return wides;
}

/** Ordinals of a field. @param maps Old ordinal -> new one, for each part. */
export function mergedOrdinals(
  parts: readonly MergePart[],
  field: string,
  maps: readonly Uint32Array[],
): OrdinalCursor {
  return new MergedPairs<Uint32Array>(parts, ({ reader }, index) => {
    const cursor = reader.ordinals(field)?.cursor();
    if (!cursor) return undefined;
    const map = maps[index]!;
    return {
      gather: (docs, n) => {
        const count = cursor.gather(docs, n);
        // The cursor's array is filled anew by each gather, so it may be changed.
        const values = cursor.ordinals;
        for (let i = 0; i < count; i++) values[i] = map[values[i]!]!;
        return { count, owners: cursor.owners, values };
      },
    };
  });
}
