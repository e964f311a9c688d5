import { assertEquals } from "@std/assert";
import { compareBytes } from "../../src/base/bytes.ts";
import { InternTable } from "../../src/base/intern.ts";
import { sortTermsNow } from "../../src/memtable/sort_terms.ts";
import { randomOf } from "../ingest/random.ts";

function assertSorted(strings: Iterable<Uint8Array>): void {
  const table = new InternTable();
  for (const string of strings) table.intern(string, 0, string.length);
  const model = Array.from({ length: table.count }, (_, id) => table.bytes(id).slice()).sort(compareBytes);
  const sorted = Array.from(sortTermsNow(table), (id) => table.bytes(id).slice());
  assertEquals(sorted.length, model.length);
  for (let i = 0; i < model.length; i++) {
    if (compareBytes(sorted[i]!, model[i]!) !== 0) assertEquals(sorted[i], model[i], `place ${i}`);
  }
}

Deno.test("terms come in the order of their bytes, whatever they share", () => {
  const random = randomOf(7);
  for (let round = 0; round < 40; round++) {
    const letters = 1 + random.below(4);
    const lengthMax = 1 + random.below(14);
    const prefix = Array.from({ length: random.below(9) }, () => random.below(256));
    const strings = Array.from({ length: 1 + random.below(2_000) }, () =>
      Uint8Array.from([
        ...random.below(3) === 0 ? [] : prefix,
        ...Array.from({ length: random.below(lengthMax + 1) }, () => random.below(letters) * 85),
      ]));
    assertSorted(strings);
  }
});

Deno.test("zero bytes at the end of a term are not taken for its end", () => {
  const strings: Uint8Array[] = [];
  for (let n = 0; n <= 12; n++) {
    strings.push(new Uint8Array(n));
    for (let k = 0; k < 8; k++) strings.push(Uint8Array.from([...new Uint8Array(n), k]));
  }
  assertSorted(strings.reverse());
});

Deno.test("many random hexadecimal terms are sorted", () => {
  const random = randomOf(11);
  const encoder = new TextEncoder();
  assertSorted(Array.from({ length: 20_000 }, () =>
    encoder.encode(
      random.below(2 ** 31).toString(16).padStart(8, "0") + random.below(2 ** 31).toString(16),
    )));
});
