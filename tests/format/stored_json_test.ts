/** Names, sealed JSON, histories, manifests and catalogues. */
import { assertEquals, assertThrows } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { decodeCatalog, encodeCatalog, encodeCatalogStub } from "../../src/format/catalog.ts";
import { generationName, parseNumberedName, parseShardFolder } from "../../src/format/file_names.ts";
import {
  extendHistory,
  foldHistory,
  type History,
  historyFromJson,
  historyHash,
  historyLength,
  historyToJson,
  isBeginning,
  NO_HISTORY,
  runsBehind,
} from "../../src/format/history.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../../src/format/manifest.ts";
import { decodeSealed, encodeSealed } from "../../src/format/sealed_json.ts";

Deno.test("names are parsed as they are made, and nothing else is", () => {
  for (const number of [1, 999_999, 1_000_000, 123_456_789]) {
    assertEquals(parseNumberedName(generationName(number)), { kind: "generation", number, staged: false });
  }
  assertEquals(parseNumberedName("manifest-000007.json.staged"), {
    kind: "manifest",
    number: 7,
    staged: true,
  });
  assertEquals(parseNumberedName("seg-000001"), { kind: "segment", number: 1, staged: false });
  for (
    const name of [
      "wal-1",
      "wal-0000001",
      "wal-000001.json",
      "manifest-000001",
      "xwal-000001",
      "seg-000001~",
      ".wal-000001.x1Yz",
    ]
  ) {
    assertEquals(parseNumberedName(name), undefined, name);
  }
  assertEquals([parseShardFolder("shard-0"), parseShardFolder("shard-12"), parseShardFolder("shard-01")], [
    0,
    12,
    undefined,
  ]);
});

Deno.test("sealed JSON is ordinary JSON, and any changed, missing or added byte is found", () => {
  const body = { text: "schön", list: [1, null], number: 2 ** 53 - 1 };
  const bytes = encodeSealed("thing", body);
  assertEquals(decodeSealed("thing", bytes), body);
  assertEquals(JSON.parse(utf8Text(bytes)).thing, body);
  for (let i = 0; i < bytes.length; i++) {
    const damaged = bytes.slice();
    damaged[i]! ^= 1;
    assertThrows(() => decodeSealed("thing", damaged), CorruptionError);
    assertThrows(() => decodeSealed("thing", bytes.subarray(0, i)), CorruptionError);
  }
  assertThrows(() => decodeSealed("thing", utf8(utf8Text(bytes) + " ")), CorruptionError);
  assertThrows(() => decodeSealed("other", bytes), CorruptionError);
});

function historyOf(count: number): History {
  let history = NO_HISTORY;
  for (let i = 1; i <= count; i++) {
    history = extendHistory(history, { id: `run-${i}`, lsn: i * 10, generation: i, manifest: i });
  }
  return history;
}

Deno.test("a list is a beginning of another one or it is not, folded or not", () => {
  const whole = historyOf(100);
  for (const length of [0, 1, 99, 100]) assertEquals(isBeginning(historyOf(length), whole), "yes");
  assertEquals(isBeginning(historyOf(101), whole), "no");
  const other = {
    ...historyOf(50),
    runs: historyOf(50).runs.with(10, { ...historyOf(50).runs[10]!, id: "another" }),
  };
  assertEquals(isBeginning(other, whole), "no");
  const folded = foldHistory(whole, 100);
  assertEquals([folded.folded, folded.runs.length, historyLength(folded)], [36, 64, 100]);
  assertEquals(historyHash(folded, 100), historyHash(whole, 100));
  assertEquals(isBeginning(historyOf(50), folded), "yes");
  assertEquals(isBeginning(historyOf(36), folded), "yes");
  assertEquals(isBeginning(historyOf(35), folded), "folded");
  assertEquals(isBeginning(folded, whole), "yes");
  assertEquals(isBeginning(other, folded), "no");
  assertEquals(runsBehind(folded, 98).map(({ id }) => id), ["run-99", "run-100"]);
  assertEquals(runsBehind(folded, 3).length, 64);
  assertEquals(foldHistory(whole, 20).folded, 20, "no further than the shortest list in use");
  assertEquals(foldHistory(historyOf(60), 60).folded, 0);
  assertEquals(historyFromJson(historyToJson(folded)), folded);
  assertThrows(() => historyFromJson({ folded: 0, hash: "", runs: [] }), CorruptionError);
});

const MANIFEST: Manifest = {
  number: 7,
  previous: 6,
  indexUuid: "11111111-1111-4111-8111-111111111111",
  incarnation: "22222222-2222-4222-8222-222222222222",
  shard: 0,
  shards: 1,
  createdMs: 1_700_000_000_000,
  deleted: false,
  segments: [{
    number: 3,
    uuid: "33333333-3333-4333-8333-333333333333",
    docCount: 10,
    liveDocs: 9,
    files: {
      "segment.seg": { sizeBytes: 100, sha256: "aa" },
      "segment.sidx": { sizeBytes: 200, sha256: "bb" },
      "segment.ids": { sizeBytes: 300, sha256: "cc" },
    },
    maxSeqNo: 12,
    minTimeMs: -5,
  }],
  checkpoint: { generation: 4, lsn: 99, seqNo: -1 },
  mappingVersion: 2,
  mapping: { properties: { a: { type: "long" } } },
  settings: { number_of_shards: 1 },
  history: historyOf(3),
};

Deno.test("a manifest comes back as it was written; a field of the wrong type is corruption", () => {
  assertEquals(decodeManifest(encodeManifest(MANIFEST)), MANIFEST);
  const wrong: unknown[] = [
    { ...MANIFEST, number: 0 },
    { ...MANIFEST, deleted: "no" },
    { ...MANIFEST, segments: [{ ...MANIFEST.segments[0], docCount: 1.5 }] },
    { ...MANIFEST, segments: [{ ...MANIFEST.segments[0], files: {} }] },
    { ...MANIFEST, checkpoint: null },
  ];
  for (const manifest of wrong) {
    assertThrows(() => decodeManifest(encodeManifest(manifest as Manifest)), CorruptionError);
  }
});

Deno.test("a catalogue comes back as it was written, and a stub is no catalogue", () => {
  const body = {
    number: 12,
    previous: 11,
    createdMs: 5,
    lsn: 77,
    indices: [{ name: "logs", uuid: "u", incarnation: "i", shards: 2, createdMs: 4, closed: false }],
    sections: { aliases: { all: { logs: {} } }, templates: {} },
    deleted: { number: 3, sha256: "dd" },
    history: historyOf(2),
  };
  assertEquals(decodeCatalog(encodeCatalog(body)), body);
  assertEquals(decodeCatalog(encodeCatalog({ ...body, deleted: undefined })), {
    ...body,
    deleted: undefined,
  });
  const stub = encodeCatalogStub(12);
  assertEquals(decodeCatalog(stub), "stub");
  stub[stub.length - 4]! ^= 1;
  assertThrows(() => decodeCatalog(stub), CorruptionError);
});
