/**
 * Random documents with every kind of field, for tests that put segments through something.
 *
 * @module
 */
import { utf8 } from "../../src/base/bytes.ts";
import type { PlainField, PlainSegment } from "./segment_fixture.ts";
import type { Random } from "./terms_random.ts";

const WORDS = Array.from({ length: 60 }, (_, i) => `w${(i * 7919) % 1000}`);

/** Values of one random document in every kind of field. */
export function documentOf(random: Random, i: number) {
  const some = <T>(limit: number, make: () => T): T[] => Array.from({ length: random.below(limit) }, make);
  const word = () => WORDS[Math.floor(WORDS.length * random.next() ** 3)]!;
  return {
    dense: [1_700_000_000_000 + i * 977],
    sparse: random.below(3) === 0 ? [random.below(1000) / 8] : [],
    multi: some(4, () => random.below(50)).sort((a, b) => a - b),
    nanos: [1_700_000_000_000_000_000n + BigInt(random.below(1_000_000))],
    host: [word()],
    tags: [...new Set(some(4, word))],
    unique: [`u${i}-${random.below(1000)}`],
    indexed_only: [...new Set(some(3, word))],
    column_only: some(2, word),
    message: random.below(10) === 0 ? undefined : some(12, word),
    id: `doc-${i}-${random.below(100)}`,
    source: utf8(JSON.stringify({ i, text: some(40, word).join(" ") })),
  };
}

export function plainOf(documents: readonly ReturnType<typeof documentOf>[]): PlainSegment {
  const of = (name: string, field: Record<string, unknown>): [string, PlainField] => [
    name,
    { ...field, values: documents.map((d) => d[name as "host"]) } as unknown as PlainField,
  ];
  return {
    fields: Object.fromEntries([
      of("dense", { kind: "numbers", type: "date" }),
      of("sparse", { kind: "numbers" }),
      of("multi", { kind: "numbers" }),
      of("nanos", { kind: "wides" }),
      of("host", { kind: "terms" }),
      of("tags", { kind: "terms" }),
      of("unique", { kind: "terms" }),
      of("indexed_only", { kind: "terms", column: false }),
      of("column_only", { kind: "terms", postings: false }),
      of("message", { kind: "text" }),
    ]),
    ids: documents.map(({ id }) => id),
    sources: documents.map(({ source }) => source),
  };
}
