import { assertEquals, assertThrows } from "@std/assert";
import { assert, CorruptionError } from "../../src/base/errors.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";
import { PAGE_BYTES } from "../../src/segment/file_view.ts";
import { openSegment } from "../../src/segment/open.ts";
import { documentOf, plainOf } from "./segment_documents.ts";
import { dump, filesOf, imageOf, inputOf, UUID } from "./segment_fixture.ts";
import { randomOf } from "./terms_random.ts";

const OTHER_UUID = "76543210-89ab-4cde-8f01-23456789abcd";
const NAMES = ["seg", "sidx", "ids"] as const;
type Files = ReturnType<typeof filesOf>;

function filesWith(docCount: number): Files {
  const random = randomOf(docCount);
  const plain = plainOf(Array.from({ length: docCount }, (_, i) => documentOf(random, i)));
  return filesOf(buildSegmentNow(inputOf(plain), { uuid: UUID }), {
    tombstones: [{ segment: 7, uuid: OTHER_UUID, docs: Uint32Array.of(0, 3, 1000) }],
    bornDead: new Uint32Array(Math.ceil(docCount / 32)).fill(1),
  });
}

/** Reads everything; returns the complaint. */
function complaintOf(files: Files): CorruptionError | undefined {
  try {
    dump(openSegment(imageOf(files)));
    return undefined;
  } catch (error) {
    assert(error instanceof CorruptionError, `${error}`);
    return error;
  }
}

Deno.test("a flipped bit in any byte of a segment is found, and the file and place are named", () => {
  const files = filesWith(9);
  assertEquals(complaintOf(files), undefined);
  const random = randomOf(1);
  for (const name of NAMES) {
    const bytes = files[name].slice();
    for (let at = 0; at < bytes.length; at++) {
      const bit = 1 << random.below(8);
      bytes[at]! ^= bit;
      const complaint = complaintOf({ ...files, [name]: bytes });
      assert(complaint, `${name}: byte ${at} of ${bytes.length} was not missed`);
      assertEquals(complaint.file, `segment.${name}`);
      assert(complaint.offset >= 0, "the place is named");
      bytes[at]! ^= bit;
    }
  }
});

Deno.test("a flipped bit in a page is found when the page is touched, not before", () => {
  const files = filesWith(3000);
  const random = randomOf(2);
  for (const name of NAMES) {
    for (let round = 0; round < 12; round++) {
      const bytes = files[name].slice();
      const at = random.below(bytes.length);
      bytes[at]! ^= 1 << random.below(8);
      const complaint = complaintOf({ ...files, [name]: bytes });
      assert(complaint, `${name}: byte ${at} of ${bytes.length} was not missed`);
      assertEquals(complaint.file, `segment.${name}`);
    }
  }
  const bytes = files.seg.slice();
  bytes[3 * PAGE_BYTES + 5]! ^= 1;
  const reader = openSegment(imageOf({ ...files, seg: bytes }));
  assertEquals(reader.id(0).slice(0, 6), "doc-0-");
  const { offset } = assertThrows(() => dump(reader), CorruptionError) as CorruptionError;
  assertEquals(offset, 3 * PAGE_BYTES);
});

Deno.test("a file cut short or grown does not open", () => {
  const files = filesWith(9);
  for (const name of NAMES) {
    for (const cut of [1, 4, 63, 64, 65, 500, files[name].length]) {
      assert(complaintOf({ ...files, [name]: files[name].slice(0, -cut) }), `${name} without ${cut} bytes`);
    }
    const grown = new Uint8Array(files[name].length + 8);
    grown.set(files[name]);
    assert(complaintOf({ ...files, [name]: grown }), `${name} with bytes behind it`);
  }
});

Deno.test("files of different segments do not open together", () => {
  const files = filesWith(9);
  const random = randomOf(9);
  const plain = plainOf(Array.from({ length: 9 }, (_, i) => documentOf(random, i)));
  const others = filesOf(buildSegmentNow(inputOf(plain), { uuid: OTHER_UUID }));
  for (const name of NAMES) {
    const complaint = complaintOf({ ...files, [name]: others[name] });
    assert(complaint && complaint.message.includes("uuid"), `${name}: ${complaint}`);
  }
  assert(complaintOf({ ...files, seg: files.sidx })?.message.includes("holds segment.sidx"), "kinds differ");
});

Deno.test("verify finds damage that came after the pages were read", () => {
  const files = filesWith(500);
  const reader = openSegment(imageOf(files));
  reader.verify();
  files.seg[files.seg.length >>> 1]! ^= 16;
  assertThrows(() => reader.verify(), CorruptionError);
});
