import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RepositoryCipher } from "../../src/backup/cipher.ts";
import { hashFile } from "../../src/backup/content.ts";
import { decodePiece, encodePiece } from "../../src/backup/encode_piece.ts";
import { collect } from "../../src/backup/repository.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/format/sealed_json.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { failureOf, noise, prose, SeededRandom } from "./support.ts";

const MIB = 1024 * 1024;
const cipher = new RepositoryCipher(new Uint8Array(32).fill(9), "repository");

async function* inParts(bytes: Uint8Array, partBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += partBytes) {
    yield await Promise.resolve(bytes.slice(at, at + partBytes));
  }
}

async function encoded(plain: Uint8Array, more: { compress: boolean; cipher?: RepositoryCipher }) {
  const disk = new MemoryDisk();
  disk.put("/source", plain);
  const { pieces } = await hashFile(disk, { path: "a/b", source: "/source", sizeBytes: plain.length });
  const piece = await encodePiece(pieces[0]!, {
    fs: disk,
    compress: more.compress,
    cipher: more.cipher,
    content: "c",
    random: new SeededRandom(1),
  });
  const bytes = new Uint8Array(await piece.source.read(0, piece.source.sizeBytes));
  assertEquals(sha256Hex(bytes), piece.source.sha256);
  return { bytes, encoding: piece.encoding };
}

for (const sizeBytes of [1, MIB, 2 * MIB + 5]) {
  Deno.test(`${sizeBytes} bytes come back whatever their encoding and however they arrive`, async () => {
    for (const plain of [noise(sizeBytes, 3), prose(sizeBytes, 4)]) {
      for (const compress of [false, true]) {
        for (const key of [undefined, cipher]) {
          const { bytes, encoding } = await encoded(plain, { compress, ...(key ? { cipher: key } : {}) });
          for (const partBytes of [65_537, 4 * MIB]) {
            const decoded = decodePiece(inParts(bytes, partBytes), { encoding, content: "c", cipher });
            assertEquals(
              sha256Hex(await collect(decoded)),
              sha256Hex(plain),
              `${encoding}, parts of ${partBytes}`,
            );
          }
        }
      }
    }
  });
}

Deno.test("zstd is used where it saves 5%, by samples and in fact", async () => {
  assertEquals((await encoded(noise(2 * MIB, 1), { compress: true })).encoding, "plain");
  const well = await encoded(prose(2 * MIB, 1), { compress: true });
  assertEquals(well.encoding, "zstd");
  assert(well.bytes.length < MIB);
  // Samples at 0, 1/3, 2/3 and the end compress well; the rest does not.
  const deceitful = noise(6 * MIB, 1);
  for (const third of [0, 1, 2, 3]) {
    const at = Math.min(Math.floor((third * (6 * MIB - 32768)) / 3), 6 * MIB - 32768);
    deceitful.fill(0, at, at + 32768);
  }
  assertEquals((await encoded(deceitful, { compress: true })).encoding, "plain");
});

Deno.test("compressed bytes that were cut or changed do not decode", async () => {
  const { bytes } = await encoded(prose(3 * MIB, 1), { compress: true });
  const broken = [
    bytes.subarray(0, bytes.length - 1),
    bytes.subarray(0, 3),
    bytes.subarray(1),
    new Uint8Array(3 * MIB),
  ];
  for (const stored of broken) {
    const decoded = decodePiece(inParts(stored, MIB), { encoding: "zstd", content: "c", cipher: undefined });
    assertStringIncludes((await failureOf(collect(decoded), CorruptionError)).message, "Cannot decompress");
  }
});
