import { assert, assertEquals, assertThrows } from "@std/assert";
import { openStore, parseDestination } from "../../src/objectstore/open.ts";
import { openS3Store } from "../../src/objectstore/s3_store.ts";
import { StoreError } from "../../src/objectstore/store.ts";

Deno.test("destinations are taken apart", () => {
  assertEquals(parseDestination("s3://my-backups/xerj/nightly/"), {
    kind: "s3",
    bucket: "my-backups",
    prefix: "xerj/nightly",
  });
  assertEquals(parseDestination("S3://b.c.d"), { kind: "s3", bucket: "b.c.d", prefix: "" });
  assertEquals(parseDestination("file:///mnt//disk/a%20b/"), { kind: "directory", path: "/mnt/disk/a b" });
  assertEquals(openStore("s3://bucket/a").place, "s3://bucket/a");
  assertEquals(openStore("file:///mnt/x").place, "file:///mnt/x");
});

const WRONG: readonly [destination: string, hint: RegExp][] = [
  ["", /A destination is s3:\/\//],
  ["/mnt/disk", /write file:\/\/\/mnt\/disk/],
  ["https://s3.example.com/bucket", /as the endpoint/],
  ["gs://bucket", /A destination is/],
  ["s3://", /A destination is/],
  ["s3:///prefix", /A destination is/],
  ["s3://key:secret@bucket/prefix", /Credentials do not belong/],
  ["s3://bucket/prefix?region=x", /options of their own/],
  ["s3://bucket/a//b", /between single slashes/],
  ["s3://bucket/../b", /between single slashes/],
  ["s3://bucket/a b", /between single slashes/],
  ["s3://no_\u0007bell", /A destination is/],
  ["s3://b", /3 to 63 characters/],
  ["file://mnt/disk", /file:\/\/\/path/],
  ["file:///", /directory of its own/],
  ["file:///mnt/../etc", /whole path/],
  ["file:///mnt/%zz", /%25/],
];

Deno.test("a wrong destination is refused with what is right, and nothing secret", () => {
  for (const [destination, hint] of WRONG) {
    const error = assertThrows(() => openStore(destination), StoreError) as StoreError;
    assertEquals(error.kind, "unsupported");
    assert(hint.test(error.hint), `${destination}: ${error.message} ${error.hint}`);
    assert(!/secret@|key:secret/.test(error.message + error.hint), error.message);
  }
});

Deno.test("options that cannot work are refused before anything is sent", () => {
  const wrong: readonly [object, RegExp][] = [
    [{ endpoint: "s3.example.com" }, /https:\/\/s3.example.com/],
    [{ endpoint: "ftp://s3.example.com" }, /https:\/\//],
    [{ endpoint: "https://key:hidden-one@s3.example.com" }, /access_key and secret_key/],
    [{ endpoint: "https://s3.example.com/?a" }, /without a bucket/],
    [{ credentials: { accessKey: "a", secretKey: "" } }, /instance role/],
    [{ partBytes: 1000 }, /5 MiB/],
    [{ parallelParts: 0 }, /1 to 64/],
  ];
  for (const [options, hint] of wrong) {
    const error = assertThrows(() => openS3Store({ bucket: "bucket", ...options }), StoreError) as StoreError;
    assert(hint.test(error.hint), `${error.message} ${error.hint}`);
    assert(!(error.message + error.hint).includes("hidden-one"));
  }
});
