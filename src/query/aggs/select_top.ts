/**
 * The first k of many by a comparison.
 *
 * @module
 */

/** The k smallest items by `compare`, in order; all of them when there are no more. Does not change `items`. */
export function selectTop(
  items: Uint32Array,
  k: number,
  compare: (a: number, b: number) => number,
): Uint32Array {
  if (items.length <= k) return items.slice().sort(compare);
  // A heap whose root is the largest of the k smallest so far.
  const heap = items.slice(0, k);
  for (let i = (k >>> 1) - 1; i >= 0; i--) sink(heap, i, compare);
  for (let i = k; i < items.length; i++) {
    if (k > 0 && compare(items[i]!, heap[0]!) < 0) {
      heap[0] = items[i]!;
      sink(heap, 0, compare);
    }
  }
  return heap.sort(compare);
}

function sink(heap: Uint32Array, at: number, compare: (a: number, b: number) => number): void {
  const item = heap[at]!;
  while (true) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && compare(heap[child + 1]!, heap[child]!) > 0) child++;
    if (compare(heap[child]!, item) <= 0) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = item;
}
