/**
 * Segments of several writer threads side by side.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Mapping } from "../../src/schema/mapping.ts";
import { AnalyzerSet } from "../../src/analysis/mod.ts";
import { Memtable } from "../../src/memtable/memtable.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";

type Images = typeof import("../../src/shard/images.ts");

Deno.test("keys of segments differ between threads, which each have the module for themselves", async () => {
  const analyzers = AnalyzerSet.fromSettings({}, "standard");
  const mapping = Mapping.empty({ maxFields: 10, analyzers });
  const built = () =>
    buildSegmentNow(new Memtable({ mapping, analyzers }).freeze(), { uuid: crypto.randomUUID() });
  const keys = new Set<string>();
  for (const thread of ["one", "two"]) {
    const path = `../../src/shard/images.ts?${thread}`;
    const { memorySegment } = await import(path) as Images;
    for (let i = 0; i < 3; i++) keys.add(memorySegment("logs/0", built(), null).ref.key);
  }
  assertEquals(keys.size, 6);
});
