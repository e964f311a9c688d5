/**
 * How much memory may the aggregations of one search hold?
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";

/** Counts bytes held; every growing array of a collector reports to one. */
export class Budget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @throws {RequestError} 429 `circuit_breaking_exception`: the search would hold more than its limit. */
  take(bytes: number): void {
    const wanted = this.#usedBytes + bytes;
    if (wanted > this.limitBytes) {
      throw new RequestError(
        `[request] Data too large, data for [<aggregations>] would be [${wanted}/${sizeText(wanted)}], ` +
          `which is larger than the limit of [${this.limitBytes}/${sizeText(this.limitBytes)}]`,
        {
          status: 429,
          type: "circuit_breaking_exception",
          details: { bytes_wanted: wanted, bytes_limit: this.limitBytes, durability: "TRANSIENT" },
        },
      );
    }
    this.#usedBytes = wanted;
  }

  /** Gives back what `take` took. */
  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  /** `array` if it has room for `need` entries, else a copy with room for at least that many; new ones are `fill`. */
  float64(array: Float64Array, need: number, fill = 0): Float64Array {
    if (need <= array.length) return array;
    const size = grownSize(array.length, need);
    this.take((size - array.length) * 8);
    const grown = new Float64Array(size);
    grown.set(array);
    if (fill !== 0) grown.fill(fill, array.length);
    return grown;
  }

  /** As `float64`. */
  uint32(array: Uint32Array, need: number): Uint32Array {
    if (need <= array.length) return array;
    const size = grownSize(array.length, need);
    this.take((size - array.length) * 4);
    const grown = new Uint32Array(size);
    grown.set(array);
    return grown;
  }

  /** As `float64`. */
  int32(array: Int32Array, need: number, fill = 0): Int32Array {
    if (need <= array.length) return array;
    const size = grownSize(array.length, need);
    this.take((size - array.length) * 4);
    const grown = new Int32Array(size);
    grown.set(array);
    if (fill !== 0) grown.fill(fill, array.length);
    return grown;
  }
}

function grownSize(length: number, need: number): number {
  return Math.max(need, length * 2, 16);
}

/** Bytes as Elasticsearch writes them: `1.5kb`, `256mb`. */
export function sizeText(bytes: number): string {
  const units = ["b", "kb", "mb", "gb", "tb"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${Number.isInteger(size) ? size : size.toFixed(1).replace(/\.0$/, "")}${units[unit]}`;
}
