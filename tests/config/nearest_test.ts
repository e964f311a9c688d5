import { assertEquals } from "@std/assert";
import { editDistance, nearestName } from "../../src/config/nearest.ts";

Deno.test("edits count inserted, deleted, replaced and swapped characters", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["abc", "ab", 1],
    ["abc", "acb", 1],
    ["kitten", "sitting", 3],
    ["form", "from", 1],
  ];
  for (const [a, b, edits] of cases) {
    assertEquals(editDistance(a, b), edits, `${a} ${b}`);
    assertEquals(editDistance(b, a), edits, `${b} ${a}`);
  }
});

Deno.test("a slip finds its name, something else finds none", () => {
  const names = ["rest_port", "es_compat_port", "bind_address", "data_dir"];
  assertEquals(nearestName("rest_prot", names), "rest_port");
  assertEquals(nearestName("REST_PORT", names), "rest_port");
  assertEquals(nearestName("datadir", names), "data_dir");
  assertEquals(nearestName("es_prt", names), undefined);
  assertEquals(nearestName("zzzz", names), undefined);
  assertEquals(nearestName("x", []), undefined);
});
