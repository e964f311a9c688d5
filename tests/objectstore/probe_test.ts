import { assert, assertEquals } from "@std/assert";
import { probeStore } from "../../src/objectstore/probe.ts";
import { failureOf, namesOf, noS3, withBucket, withDirectory } from "./stores.ts";

Deno.test("a directory passes the probe, which leaves nothing", () =>
  withDirectory(async (store) => {
    const told: string[] = [];
    const report = await probeStore(store, { onCheck: ({ name }) => told.push(name) });
    assertEquals(report.checks.filter(({ ok }) => !ok), []);
    assertEquals([report.ok, report.place], [true, store.place]);
    assertEquals(report.abilities, { putIfAbsent: true, putIfMatch: true });
    assertEquals(told, report.checks.map(({ name }) => name));
    assertEquals(await namesOf(store), []);
  }));

Deno.test({
  name: "the probe of a bucket finds what holds, what is ignored and what is broken",
  ignore: noS3,
  fn: () =>
    withBucket(async ({ store, proxy }) => {
      const good = await probeStore(store, { largeBytes: 6_000_000 });
      assertEquals([good.ok, good.checks.filter(({ ok }) => !ok)], [true, []]);

      proxy.add({ fault: { kind: "ignored condition" }, method: "PUT" });
      const weak = await probeStore(store, { largeBytes: 100_000 });
      assertEquals([weak.ok, weak.abilities], [true, { putIfAbsent: false, putIfMatch: false }]);
      const failed = weak.checks.filter(({ ok }) => !ok);
      assertEquals(failed.map(({ name }) => name), [
        "put if absent",
        "put if absent, raced",
        "put if match",
        "put if match, raced",
      ]);
      assert(failed.every(({ hint }) => hint.includes("single_writer")));
      proxy.clear();

      proxy.add({ fault: { kind: "ignored range" }, method: "GET" });
      const broken = await probeStore(store, { largeBytes: 100_000 });
      assertEquals([broken.ok, broken.checks.find(({ ok }) => !ok)?.name], [false, "range"]);
      proxy.clear();

      proxy.add({ fault: { kind: "status", status: 403, code: "AccessDenied" }, method: "DELETE" });
      proxy.add({ fault: { kind: "status", status: 403, code: "AccessDenied" }, target: /\?delete/ });
      const kept = await probeStore(store, { largeBytes: 100_000 });
      assertEquals([kept.ok, kept.checks.filter(({ ok }) => !ok).map(({ name }) => name)], [true, [
        "delete",
      ]]);
      proxy.clear();
      await store.delete(await namesOf(store, "probe/"));
      assertEquals(await namesOf(store), []);
    }),
});

Deno.test({
  name: "a probe that cannot even write says why",
  ignore: noS3,
  fn: () =>
    withBucket(async ({ open }) => {
      const error = await failureOf(probeStore(open({ bucket: "no-such-bucket" })));
      assertEquals(error.kind, "missing");
      assert(error.hint.includes("create it"), error.hint);
    }),
});
