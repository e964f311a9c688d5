import { assertEquals } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { NdjsonCutter } from "../../src/ingest/ndjson.ts";
import { randomOf } from "./random.ts";

/** Lines as `number:text`, cut from pieces of the given sizes (the last one repeats). */
function lines(bytes: Uint8Array, sizes: readonly number[], lineBytesMax = 1000): string[] {
  const cutter = new NdjsonCutter({ lineBytesMax });
  const out: string[] = [];
  const take = () => {
    while (cutter.next()) {
      const text = utf8Text(cutter.bytes.subarray(cutter.start, cutter.end));
      out.push(`${cutter.line}:${cutter.tooLong ? "<too long>" : text}`);
    }
  };
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)]!;
    cutter.push(bytes.subarray(at, at + size));
    take();
    at += size;
  }
  cutter.finish();
  take();
  return out;
}

Deno.test("lines are the same however the stream is cut", () => {
  const text = '{"a":1}\n\r\n{"b":"é😀"}\r\n   \n{"c":3}\n\n{"last":true}';
  const expected = ['1:{"a":1}', '3:{"b":"é😀"}', '5:{"c":3}', '7:{"last":true}'];
  const bytes = utf8(text);
  for (let size = 1; size <= bytes.length; size++) {
    assertEquals(lines(bytes, [size]), expected);
    assertEquals(lines(bytes, [size, 3]), expected);
    assertEquals(lines(utf8(text + "\n"), [size]), expected);
    assertEquals(lines(utf8(text + "\r\n"), [size]), expected);
  }
});

Deno.test("an over-long line is reported by number, and the rest goes on", () => {
  const text = `short\n${"x".repeat(50)}\nmiddle\r\n${"y".repeat(11)}\n${"z".repeat(10)}\r\n${
    "w".repeat(99)
  }`;
  const expected = [
    "1:short",
    "2:<too long>",
    "3:middle",
    "4:<too long>",
    `5:${"z".repeat(10)}`,
    "6:<too long>",
  ];
  for (let size = 1; size <= text.length; size++) assertEquals(lines(utf8(text), [size], 10), expected);
});

Deno.test("nothing but line ends is no line", () => {
  for (const text of ["", "\n", "\r\n\n \t\r\n", " "]) assertEquals(lines(utf8(text), [1]), []);
});

Deno.test("random streams in random pieces", () => {
  const random = randomOf(3);
  for (let round = 0; round < 200; round++) {
    const items = Array.from({ length: random.below(20) }, () => "v".repeat(random.below(30)));
    const ends = items.map(() => random.pick(["\n", "\r\n"]));
    const text = items.map((item, i) => item + (i === items.length - 1 && random.below(2) ? "" : ends[i]))
      .join("");
    const expected = items.flatMap((item, i) =>
      item === "" ? [] : [`${i + 1}:${item.length > 20 ? "<too long>" : item}`]
    );
    const sizes = Array.from({ length: 200 }, () => 1 + random.below(40));
    assertEquals(lines(utf8(text), sizes, 20), expected);
  }
});
