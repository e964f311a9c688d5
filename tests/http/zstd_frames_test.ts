import { assertEquals } from "@std/assert";
import { constants, zstdCompressSync } from "node:zlib";
import { ZstdFrames } from "../../src/http/zstd_frames.ts";

const text = new TextEncoder().encode("a body of some length, ".repeat(40_000));
const samples: [string, Uint8Array][] = [
  ["empty", zstdCompressSync(new Uint8Array(0))],
  ["short", zstdCompressSync(text.subarray(0, 10))],
  ["several blocks", zstdCompressSync(text)],
  ["with a checksum", zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })],
  ["zeros", zstdCompressSync(new Uint8Array(1 << 20))],
  ["incompressible", zstdCompressSync(crypto.getRandomValues(new Uint8Array(60_000)))],
];

function isComplete(bytes: Uint8Array, chunkBytes = bytes.length || 1): boolean {
  const frames = new ZstdFrames();
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    for (let taken = 0; taken < chunk.length;) taken = frames.feed(chunk, taken);
  }
  return frames.complete;
}

Deno.test("whole frames are complete, however they are cut into chunks", () => {
  for (const [name, bytes] of samples) {
    for (const chunkBytes of [1, 3, 1000, bytes.length]) {
      assertEquals(isComplete(bytes, chunkBytes), true, `${name} by ${chunkBytes}`);
    }
  }
});

Deno.test("no beginning of a frame is complete", () => {
  for (const [name, bytes] of samples) {
    const step = Math.max(1, Math.floor(bytes.length / 97));
    for (let end = 0; end < bytes.length; end += step) {
      assertEquals(isComplete(bytes.subarray(0, end)), false, `${name} cut at ${end}`);
    }
  }
});

Deno.test("frames follow each other, skippable ones too; other bytes do not", () => {
  const [, one] = samples[1]!;
  const skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
  assertEquals(isComplete(new Uint8Array([...one, ...skippable, ...one]), 5), true);
  assertEquals(isComplete(new Uint8Array([...one, ...skippable.slice(0, 9)])), false);
  assertEquals(isComplete(new Uint8Array([...one, 0])), false);
  assertEquals(new ZstdFrames().feed(new Uint8Array([...one, ...one]), 0), one.length);
  assertEquals(isComplete(new Uint8Array([...one, 1, 2, 3, 4, 5])), false);
});
