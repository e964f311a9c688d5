import { assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { minimumShouldMatch } from "../../src/query/plan/minimum_should_match.ts";

Deno.test("minimum_should_match counts as Elasticsearch documents it", () => {
  const table: [string, number, number][] = [
    ["3", 5, 3],
    ["3", 2, 3],
    ["-2", 5, 3],
    ["-7", 5, 0],
    ["75%", 4, 3],
    ["75%", 5, 3],
    ["-25%", 4, 3],
    ["-25%", 5, 4],
    ["100%", 3, 3],
    ["0", 3, 0],
    ["3<90%", 3, 3],
    ["3<90%", 10, 9],
    ["2<-25% 9<-3", 2, 2],
    ["2<-25% 9<-3", 8, 6],
    ["2<-25% 9<-3", 12, 9],
    [" 2 < 50% ", 4, 2],
  ];
  for (const [spec, optional, expected] of table) {
    assertEquals(minimumShouldMatch(spec, optional), expected, `${spec} of ${optional}`);
  }
  assertThrows(() => minimumShouldMatch("x", 2), RequestError, 'For input string: "x"');
});
