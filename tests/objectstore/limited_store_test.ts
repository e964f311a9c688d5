import { assert, assertEquals } from "@std/assert";
import { Bandwidth, limitedStore } from "../../src/objectstore/limited_store.ts";
import { collect, failureOf, noise, sha256, sourceOf, withDirectory } from "./stores.ts";

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

Deno.test("a limit holds for uploads and downloads, and throttled seconds are counted", () =>
  withDirectory(async (inner) => {
    const bandwidth = new Bandwidth(4_000_000);
    const store = limitedStore(inner, bandwidth);
    const bytes = noise(2_000_000);
    const upMs = await timed(() => store.putFile("a", sourceOf(bytes)));
    assert(upMs > 400 && upMs < 1_500, `${upMs} ms`);
    let got = new Uint8Array(0);
    const downMs = await timed(async () => got = new Uint8Array(await collect(store.stream("a"))));
    assert(downMs > 400 && downMs < 1_500, `${downMs} ms`);
    assertEquals(sha256(got), sha256(bytes));
    const spent = bandwidth.throttledSeconds;
    assert(spent > 0.8 && spent < 2.5, `${spent} s`);
    bandwidth.bytesPerSecond = 0;
    await timed(() => store.get("a"));
    assertEquals(bandwidth.throttledSeconds, spent);
  }));

Deno.test("a limit that is changed is felt at once by those that wait", () =>
  withDirectory(async (inner) => {
    const bandwidth = new Bandwidth(1_000);
    const store = limitedStore(inner, bandwidth);
    setTimeout(() => bandwidth.bytesPerSecond = 0, 200);
    const ms = await timed(() => store.put("a", noise(1_000_000)));
    assert(ms >= 190 && ms < 1_500, `${ms} ms`);
  }));

Deno.test("a call that waits can be cancelled", () =>
  withDirectory(async (inner) => {
    const store = limitedStore(inner, new Bandwidth(1_000));
    const error = await failureOf(store.put("a", noise(1_000_000), { signal: AbortSignal.timeout(50) }));
    assertEquals(error.kind, "cancelled");
    assertEquals(await inner.head("a"), undefined);
  }));
