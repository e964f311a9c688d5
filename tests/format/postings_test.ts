import { assert, assertEquals, assertThrows } from "@std/assert";
import { ByteWriter } from "../../src/base/bytes.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import {
  afterGolomb,
  afterVarint,
  BitWriter,
  packStream,
  readBits,
  readGammas,
  readGolomb,
  readVarint,
  unpackStream,
} from "../../src/format/postings_bits.ts";
import {
  decodeFullDocs,
  decodeFullFreqs,
  decodeTail,
  encodeFullBlock,
  encodeTail,
  fullBlockWords,
} from "../../src/format/postings_block.ts";
import {
  decodeImpacts,
  encodeImpacts,
  ImpactCollector,
  IMPACTS_MAX,
} from "../../src/format/postings_impacts.ts";
import { BLOCK_SIZE, chooseWidth, packLanes, unpackLanes } from "../../src/format/postings_packed.ts";
import {
  decodePositionBlock,
  decodePositionTail,
  encodePositionBlock,
  encodePositionTail,
} from "../../src/format/postings_positions.ts";
import { randomOf } from "../segment/terms_random.ts";

const NO_FREQS = new Uint32Array(BLOCK_SIZE).fill(1);

/** The words of what a writer holds. */
function wordsOf(out: ByteWriter): Int32Array {
  return new Int32Array(out.toBytes().buffer);
}

Deno.test("lanes of every width give back their values", () => {
  const random = randomOf(1);
  const words = new Int32Array(200);
  const out = new Uint32Array(BLOCK_SIZE);
  for (let width = 0; width <= 32; width++) {
    const values = Uint32Array.from({ length: BLOCK_SIZE }, () => Math.floor(random.next() * 2 ** width));
    packLanes(values, width, words, 3);
    unpackLanes(words, 3, width, out);
    assertEquals(out, values, `width ${width}`);
  }
});

Deno.test("streams of every width and length give back their values", () => {
  const random = randomOf(2);
  for (let width = 0; width <= 32; width++) {
    for (const n of [1, 2, 7, 8, 31, 127]) {
      const values = Uint32Array.from({ length: n }, () => Math.floor(random.next() * 2 ** width));
      const bytes = new Uint8Array(600);
      const end = packStream(values, n, width, bytes, 5);
      assertEquals(end, 5 + Math.ceil(n * width / 8));
      const out = new Uint32Array(n);
      assertEquals(unpackStream(bytes, 5, n, width, out), end);
      assertEquals(out, values, `width ${width}`);
      values.forEach((value, i) => assertEquals(readBits(bytes, 40 + i * width, width), value));
    }
  }
  assertThrows(() => unpackStream(new Uint8Array(4), 0, 33, 1, new Uint32Array(33)), CorruptionError);
});

Deno.test("exp-Golomb codes of every order give back their values", () => {
  const random = randomOf(3);
  for (let k = 0; k < 5; k++) {
    const values = Array.from({ length: 300 }, () => Math.floor(random.next() ** 8 * 0x7fff_fffe));
    const bits = new BitWriter();
    for (const value of values) bits.golomb(k, value);
    const bytes = new Uint8Array(bits.bytes().length + 8);
    bytes.set(bits.bytes());
    let bit = 0;
    for (const value of values) {
      assertEquals(readGolomb(bytes, bit, k), value);
      bit = afterGolomb();
    }
    if (k > 0) continue;
    const out = new Uint32Array(values.length);
    readGammas(bytes, 0, values.length, out);
    assertEquals([...out], values);
    assertEquals(afterGolomb(), bit);
  }
  assertThrows(() => readGolomb(new Uint8Array(20), 3, 0), CorruptionError);
});

Deno.test("varints give back their values and stop at the end", () => {
  for (const value of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1]) {
    const out = new ByteWriter();
    out.varint(value);
    assertEquals(readVarint(out.toBytes(), 0), value);
    assertEquals(afterVarint(), out.length);
    assertThrows(() => readVarint(out.toBytes().slice(0, -1), 0), CorruptionError);
  }
});

Deno.test("full blocks: lanes, exceptions, bitmaps, runs", () => {
  const random = randomOf(4);
  for (let round = 0; round < 300; round++) {
    const gap = [1, 1.3, 3, 40, 5000, 1e6][round % 6]!;
    const previous = round % 4 === 0 ? -1 : random.below(1000);
    const docs = new Uint32Array(BLOCK_SIZE);
    let doc = previous;
    for (let i = 0; i < BLOCK_SIZE; i++) {
      doc += 1 + Math.floor(random.next() * (gap - 1) * (random.below(50) === 0 ? 60 : 1));
      docs[i] = Math.min(doc, 0x7fff_fffe - BLOCK_SIZE + i);
      doc = docs[i]!;
    }
    const rare = round % 3 === 0 ? 2 : 40;
    const freqs = Uint32Array.from(docs, () => random.below(rare) === 0 ? 1 + random.below(3000) : 1);
    const withFreqs = round % 2 === 0;
    const out = new ByteWriter();
    out.u32(0);
    const size = encodeFullBlock(docs, freqs, previous, withFreqs, out);
    const words = wordsOf(out);
    assertEquals(fullBlockWords(words, 1), size);
    assertEquals(words.length, size + 1);
    const outDocs = new Uint32Array(BLOCK_SIZE);
    const outFreqs = new Uint32Array(BLOCK_SIZE);
    decodeFullDocs(words, 1, previous, outDocs);
    decodeFullFreqs(words, 1, outFreqs);
    assertEquals(outDocs, docs);
    assertEquals(outFreqs, withFreqs ? freqs : NO_FREQS);
    assertThrows(() => fullBlockWords(words.subarray(0, -1), 1), CorruptionError);
  }
});

Deno.test("dense docs cost about a bit each, consecutive ones nothing", () => {
  const random = randomOf(5);
  const dense = new Uint32Array(BLOCK_SIZE);
  for (let i = 0, doc = -1; i < BLOCK_SIZE; i++) dense[i] = doc += random.below(100) < 78 ? 1 : 2;
  assert(encodeFullBlock(dense, NO_FREQS, -1, false, new ByteWriter()) * 32 / BLOCK_SIZE < 1.8);
  const run = Uint32Array.from({ length: BLOCK_SIZE }, (_, i) => 500 + i);
  assertEquals(encodeFullBlock(run, NO_FREQS, 499, false, new ByteWriter()), 1);
});

Deno.test("tails of every length, with frequencies of any width", () => {
  const random = randomOf(6);
  for (let n = 1; n < BLOCK_SIZE; n++) {
    const docs = new Uint32Array(n);
    for (let i = 0, doc = 41; i < n; i++) docs[i] = doc += 1 + random.below(2 ** (n % 23));
    const freqs = Uint32Array.from(docs, () => 1 + random.below(2 ** (n % 29)));
    const out = new ByteWriter();
    out.u8(9);
    encodeTail(docs, freqs, n, 41, true, out);
    const bytes = out.toBytes();
    const outDocs = new Uint32Array(n);
    const outFreqs = new Uint32Array(n);
    assertEquals(decodeTail(bytes, 1, n, 41, outDocs, outFreqs), bytes.length);
    assertEquals(outDocs, docs);
    assertEquals(outFreqs, freqs);
    if (bytes.length > 2) {
      const cut = bytes.slice(0, bytes.length - 1);
      assertThrows(() => decodeTail(cut, 1, n, 41, outDocs, outFreqs), CorruptionError);
    }
  }
});

Deno.test("positions: blocks with exceptions, tails as varints and as streams", () => {
  const random = randomOf(7);
  const out = new Uint32Array(BLOCK_SIZE);
  for (let round = 0; round < 60; round++) {
    const deltas = Uint32Array.from(
      { length: BLOCK_SIZE },
      () =>
        random.below(round % 2 === 0 ? 30 : 2) === 0
          ? random.below(2 ** 31) >>> (round % 31)
          : random.below(12),
    );
    const block = new ByteWriter();
    encodePositionBlock(deltas, block);
    const words = wordsOf(block);
    assertEquals(decodePositionBlock(words, 0, out), words.length);
    assertEquals(out, deltas);
    assertThrows(() => decodePositionBlock(words.subarray(0, -1), 0, out), CorruptionError);
    for (const n of [0, 1, 4, 5, 127]) {
      const tail = new ByteWriter();
      encodePositionTail(deltas, n, tail);
      decodePositionTail(tail.toBytes(), 0, n, out);
      assertEquals(out.subarray(0, n), deltas.subarray(0, n));
    }
  }
});

Deno.test("a width is chosen with few exceptions, or none where they are not wanted", () => {
  const values = new Uint32Array(BLOCK_SIZE).fill(5);
  values[3] = 500;
  assertEquals(chooseWidth(values, BLOCK_SIZE, true), 3);
  assertEquals(chooseWidth(values, BLOCK_SIZE, false), 9);
  values[3] = 0x7fff_ffff;
  // The high part must fit into a byte: 31 - 8.
  assert(chooseWidth(values, BLOCK_SIZE, true) >= 23);
});

Deno.test("impacts keep the competitive pairs, and bound what they drop", () => {
  const random = randomOf(8);
  const freqs = new Uint32Array(IMPACTS_MAX);
  const norms = new Uint8Array(IMPACTS_MAX);
  const collector = new ImpactCollector();
  for (const [freq, norm] of [[3, 9], [1, 4], [2, 9], [3, 12], [5, 30], [1, 5]] as const) {
    collector.add(freq, norm);
  }
  const few = collector.take(freqs, norms);
  assertEquals([...freqs.subarray(0, few)], [1, 3, 5]);
  assertEquals([...norms.subarray(0, few)], [4, 9, 30]);
  for (let round = 0; round < 200; round++) {
    const pairs = Array.from({ length: 128 }, () => [1 + random.below(300), random.below(256)] as const);
    for (const [freq, norm] of pairs) collector.add(freq, norm);
    const count = collector.take(freqs, norms);
    const out = new ByteWriter();
    encodeImpacts(freqs, norms, count, out);
    const backFreqs = new Uint32Array(IMPACTS_MAX);
    const backNorms = new Uint8Array(IMPACTS_MAX);
    assertEquals(decodeImpacts(out.toBytes(), 0, backFreqs, backNorms), count);
    assertEquals(backFreqs.subarray(0, count), freqs.subarray(0, count));
    assertEquals(backNorms.subarray(0, count), norms.subarray(0, count));
    for (const [freq, norm] of pairs) {
      assert(backFreqs.subarray(0, count).some((most, i) => most >= freq && backNorms[i]! <= norm));
    }
    assertThrows(() => decodeImpacts(out.toBytes().slice(0, -1), 0, backFreqs, backNorms), CorruptionError);
  }
  assertEquals(collector.take(freqs, norms), 0);
});
