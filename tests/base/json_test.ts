import { assertEquals } from "@std/assert";
import { Double, doubleText, Float, floatText, RawJson, renderJsonText } from "../../src/base/json.ts";

Deno.test("doubles print as Java's", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0.0"],
    [-0, "-0.0"],
    [1, "1.0"],
    [0.001, "0.001"],
    [0.0001, "1.0E-4"],
    [9999999, "9999999.0"],
    [1e7, "1.0E7"],
    [12345678.5, "1.23456785E7"],
    [1e21, "1.0E21"],
    [-1.5e-7, "-1.5E-7"],
    [0.1 + 0.2, "0.30000000000000004"],
    [5e-324, "5.0E-324"],
  ];
  for (const [value, text] of cases) assertEquals(doubleText(value), text);
});

Deno.test("floats print with the few digits that read back as the same float", () => {
  const cases: readonly (readonly [number, string])[] = [
    [Math.fround(0.1), "0.1"],
    [1.3862943649291992, "1.3862944"],
    [3.4028234663852886e38, "3.4028235E38"],
    [16777216, "1.6777216E7"],
  ];
  for (const [value, text] of cases) assertEquals(floatText(value), text);
});

Deno.test("a float half-way between two decimals takes the even digit, as Java does", () => {
  assertEquals(floatText(4.80078125), "4.8007812");
  assertEquals(floatText(4.80078125 + 2 ** -6), floatText(Math.fround(4.81640625)));
  assertEquals(floatText(4.81640625), "4.8164062");
});

Deno.test("answers keep order, leave out what is undefined, and pass bytes through", () => {
  const raw = new RawJson(new TextEncoder().encode('{"z": 1.10}'));
  const text = renderJsonText({
    b: 1,
    a: undefined,
    c: [new Double(2), new Float(0.5), 9007199254740993n],
    d: raw,
  });
  assertEquals(text, '{"b":1,"c":[2.0,0.5,9007199254740993],"d":{"z": 1.10}}');
});

Deno.test("what is not a number is a string, as in Elasticsearch's answers", () => {
  assertEquals(renderJsonText([NaN, Infinity, new Double(-Infinity)]), '["NaN","Infinity","-Infinity"]');
});
