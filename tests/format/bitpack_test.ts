import { assertEquals } from "@std/assert";
import { ByteWriter } from "../../src/base/bytes.ts";
import { bitWidth, extractBits, packBits, packedWords, unpackBits } from "../../src/format/bitpack.ts";
import {
  blockWords,
  decodeIntBlock,
  encodeIntBlock,
  intBlockBytes,
  Predictor,
} from "../../src/format/int_blocks.ts";
import { decodeWideBlock, encodeWideBlock } from "../../src/format/wide_blocks.ts";
import { randomOf } from "../segment/terms_random.ts";

const LENGTHS = [1, 2, 31, 32, 33, 127, 128];

Deno.test("every width packs and unpacks any number of values, and touches no word behind them", () => {
  const random = randomOf(1);
  for (let width = 0; width <= 32; width++) {
    for (const n of LENGTHS) {
      const values = Uint32Array.from({ length: n }, (_, i) => {
        const most = 2 ** width - 1;
        return i % 5 === 0 ? most : i % 7 === 0 ? 0 : random.below(2 ** width);
      });
      const words = new Int32Array(3 + packedWords(width, n)).fill(-1);
      assertEquals(packBits(values, n, width, words, 2), 2 + packedWords(width, n));
      assertEquals([words[1], words[2 + packedWords(width, n)]], [-1, -1]);
      const out = new Uint32Array(128);
      unpackBits(words, 2, width, n, out);
      assertEquals(out.subarray(0, n), values);
      for (let i = 0; i < n; i++) assertEquals(extractBits(words, 2, width, i), values[i]);
    }
  }
});

Deno.test("the width of an integer is that of its highest bit", () => {
  for (let width = 1; width <= 53; width++) {
    assertEquals([bitWidth(2 ** (width - 1)), bitWidth(2 ** width - 1)], [width, width]);
  }
  assertEquals(bitWidth(0), 0);
});

Deno.test("each predictor gives back integers of every width", () => {
  const random = randomOf(2);
  for (const predictor of Object.values(Predictor)) {
    const widest = predictor === Predictor.For ? 53 : 50;
    for (let width = 0; width <= widest; width++) {
      for (const n of LENGTHS) {
        const values = Float64Array.from(
          { length: n },
          (_, i) => i % 9 === 0 ? 2 ** width - 1 : random.below(2 ** width),
        );
        const min = values.reduce((a, b) => Math.min(a, b));
        const out = new ByteWriter();
        const bits = encodeIntBlock(predictor, values, { from: 0, n, min }, out);
        assertEquals(out.length, intBlockBytes(predictor, bits, n));
        const decoded = new Float64Array(n + 1).fill(-7);
        const place = { at: 0, width: bits, n, min };
        decodeIntBlock(blockWords(out.toBytes()), place, predictor, decoded, 1);
        assertEquals(decoded.subarray(1), values, `predictor ${predictor}, width ${width}, ${n} values`);
        assertEquals(decoded[0], -7);
      }
    }
  }
});

Deno.test("wide blocks give back 64-bit integers of every width", () => {
  const random = randomOf(3);
  for (let width = 0; width <= 64; width++) {
    for (const n of LENGTHS) {
      const min = -(2n ** 63n) + BigInt(random.below(2)) * (2n ** 64n - 2n ** BigInt(width));
      const values = BigInt64Array.from(
        { length: n },
        (_, i) =>
          min +
          (i % 9 === 0
            ? 2n ** BigInt(width) - 1n
            : BigInt.asUintN(width, BigInt(random.below(2 ** 30)) ** 3n)),
      );
      const out = new ByteWriter();
      encodeWideBlock(values, n, { min, width }, out);
      const decoded = new BigInt64Array(n + 1);
      decodeWideBlock(blockWords(out.toBytes()).words, { at: 0, width, n, min }, decoded, 1);
      assertEquals(decoded.subarray(1), values, `width ${width}, ${n} values`);
    }
  }
});
