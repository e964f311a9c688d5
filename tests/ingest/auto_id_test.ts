import { assert, assertEquals } from "@std/assert";
import { utf8Text } from "../../src/base/bytes.ts";
import { AutoIds } from "../../src/ingest/auto_id.ts";

const RANDOM = Uint8Array.of(1, 2, 3, 4, 5, 6);

function take(ids: AutoIds): string {
  ids.next();
  return utf8Text(ids.bytes);
}

Deno.test("ids are 20 URL-safe characters, ascend, and share all but their ends", () => {
  let now = 1_700_000_000_000;
  const ids = new AutoIds({ nowMs: () => now, random: RANDOM });
  let last = "";
  for (let i = 0; i < 20_000; i++) {
    if (i % 1000 === 0) {
      now += 400;
      ids.refresh();
    }
    const id = take(ids);
    assert(/^[A-Za-z0-9_-]{20}$/.test(id));
    assert(id > last);
    if (i % 1000 > 0) assertEquals(id.slice(0, 16), last.slice(0, 16));
    last = id;
  }
});

Deno.test("ids ascend over a used-up counter and a clock that goes back", () => {
  let now = 1_700_000_000_000;
  const ids = new AutoIds({ nowMs: () => now, random: RANDOM });
  let last = take(ids);
  for (let i = 1; i < (1 << 24) - 1; i++) ids.next();
  now -= 60_000;
  ids.refresh();
  for (let i = 0; i < 4; i++) {
    const id = take(ids);
    assert(id > last);
    last = id;
  }
});

Deno.test("generators of one moment differ by their random bits", () => {
  const options = { nowMs: () => 1_700_000_000_000 };
  const a = new AutoIds({ ...options, random: RANDOM });
  const b = new AutoIds({ ...options, random: Uint8Array.of(1, 2, 3, 4, 5, 7) });
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) seen.add(take(a)).add(take(b));
  assertEquals(seen.size, 2000);
});
