/** What networks and stores do to requests, and what becomes of them. */
import { assert, assertEquals } from "@std/assert";
import type { Fault } from "../support/fault_proxy.ts";
import {
  type Bucket,
  collect,
  failureOf,
  namesOf,
  noise,
  noS3,
  sha256,
  sourceOf,
  text,
  withBucket,
} from "./stores.ts";

const QUICK = { requestTimeoutMs: 1_000, giveUpAfterMs: 8_000 };

function faultTest(name: string, run: (bucket: Bucket) => Promise<void>, options = {}): void {
  Deno.test({ name, ignore: noS3, fn: () => withBucket(run, { ...QUICK, ...options }) });
}

/** A server's error, or the line's, each of which goes by. */
const PASSING: readonly Fault[] = [
  { kind: "latency", ms: 100 },
  { kind: "reset" },
  { kind: "reset", afterBytes: 10 },
  { kind: "status", status: 500, code: "InternalError" },
  { kind: "status", status: 503, code: "SlowDown" },
  { kind: "status", status: 503, code: "ServiceUnavailable" },
  { kind: "status", status: 429, code: "TooManyRequests" },
  { kind: "status", status: 409, code: "ConditionalRequestConflict" },
  { kind: "status", status: 400, code: "RequestTimeout" },
  { kind: "error in 200", code: "InternalError" },
  { kind: "lost reply" },
  { kind: "hang" },
  { kind: "flip sent", atByte: 3 },
];

faultTest(
  "every passing fault of a conditional put is survived, and it is done once",
  async ({ proxy, store }) => {
    for (const [index, fault] of PASSING.entries()) {
      const name = `put/${index}`;
      const hits = proxy.add({ fault, method: "PUT", times: 1 });
      const etag = await store.put(name, text(`first ${index}`), { condition: { ifAbsent: true } });
      assertEquals([hits(), (await store.get(name))?.etag], [1, etag], Deno.inspect(fault));
      const again = proxy.add({ fault, method: "PUT", times: 1 });
      const next = await store.put(name, text(`second ${index}`), { condition: { ifMatch: etag } });
      const found = await store.get(name);
      assertEquals(
        [again(), found?.bytes, found?.etag],
        [1, text(`second ${index}`), next],
        Deno.inspect(fault),
      );
    }
  },
);

faultTest("a lost reply is not taken for another's write, nor another's for one's own", async (bucket) => {
  const { proxy, store, open } = bucket;
  const other = open();
  // Somebody else's object was there before: what the lost try was told, was "no".
  await other.put("theirs", text("same bytes"));
  proxy.add({ fault: { kind: "lost reply" }, method: "PUT", times: 1 });
  const late = await failureOf(store.put("theirs", text("same bytes"), { condition: { ifAbsent: true } }));
  assertEquals(late.kind, "precondition");
  const etag = await other.put("head", text("1"));
  proxy.add({ fault: { kind: "lost reply" }, method: "PUT", times: 3 });
  const own = await store.put("head", text("2"), { condition: { ifMatch: etag } });
  assertEquals((await store.get("head"))?.etag, own);
  const lost = await failureOf(other.put("head", text("2"), { condition: { ifMatch: etag } }));
  assertEquals(lost.kind, "precondition");
});

faultTest("every passing fault of a read is survived, with the right bytes", async ({ proxy, store }) => {
  const bytes = noise(600_000);
  await store.put("read", bytes);
  const faults: readonly Fault[] = [
    ...PASSING.filter(({ kind }) => kind !== "flip sent" && kind !== "hang"),
    { kind: "truncate", afterBytes: 0 },
    { kind: "truncate", afterBytes: 123_456 },
    { kind: "truncate", afterBytes: bytes.length - 1 },
  ];
  for (const fault of faults) {
    const hits = proxy.add({ fault, method: "GET", times: 1 });
    assertEquals(sha256(await collect(store.stream("read"))), sha256(bytes), Deno.inspect(fault));
    const range = { offset: 1000, length: 500_000 };
    const part = await collect(store.stream("read", { range }));
    assertEquals(sha256(part), sha256(bytes.subarray(1000, 501_000)), Deno.inspect(fault));
    // A GET has no body in which its connection could break.
    assertEquals(hits() > 0, true);
    proxy.clear();
    proxy.add({ fault, method: "GET", times: 1 });
    assertEquals(sha256((await store.get("read"))!.bytes), sha256(bytes), Deno.inspect(fault));
    proxy.clear();
  }
});

faultTest("a request that is never answered is made again", async ({ proxy, store, retries }) => {
  await store.put("read", text("x"));
  proxy.add({ fault: { kind: "hang" }, times: 1 });
  assertEquals((await store.get("read"))?.bytes, text("x"));
  proxy.add({ fault: { kind: "hang" }, times: 1 });
  assertEquals(await collect(store.stream("read")), text("x"));
  assertEquals(retries.length, 2);
  assert(retries.every((words) => words.includes("nothing moved for")), retries.join("; "));
});

faultTest("a stream that stands still is gone on with", async ({ proxy, store, retries }) => {
  const bytes = noise(16_000_000);
  await store.put("read", bytes);
  proxy.resetCounts();
  const stream = store.stream("read")[Symbol.asyncIterator]();
  const first = await stream.next();
  proxy.bytesPerSecond = 1;
  setTimeout(() => proxy.bytesPerSecond = 0, 1_500);
  const pieces = [first.value as Uint8Array];
  for (;;) {
    const { done, value } = await stream.next();
    if (done) break;
    pieces.push(value);
    // However slowly the caller takes the pieces: it is not the store that stands still.
    if (pieces.length === 2) await new Promise((resolve) => setTimeout(resolve, 600));
  }
  assertEquals(pieces.reduce((sum, { length }) => sum + length, 0), bytes.length);
  assert(retries.some((words) => words.includes("nothing came for 0.4 s")), retries.join("; "));
}, { requestTimeoutMs: 400 });

faultTest("a store that asks to wait is given the time", async ({ proxy, store }) => {
  proxy.add({ fault: { kind: "status", status: 503, code: "SlowDown", retryAfter: 1 }, times: 1 });
  const startMs = performance.now();
  await store.put("put", text("x"));
  const tookMs = performance.now() - startMs;
  assert(tookMs >= 990 && tookMs < 3_000, `${tookMs} ms`);
});

faultTest("a stream that breaks goes on where it was", async ({ proxy, store, retries }) => {
  const bytes = noise(4_000_000);
  await store.put("read", bytes);
  proxy.resetCounts();
  proxy.add({ fault: { kind: "truncate", afterBytes: 1_000_000 }, method: "GET", times: 3 });
  assertEquals(sha256(await collect(store.stream("read"))), sha256(bytes));
  const { receivedBytes, requests } = proxy.counts;
  assertEquals([requests.get("GET"), retries.length], [4, 3]);
  assert(receivedBytes <= bytes.length, `${receivedBytes} bytes came for ${bytes.length}`);
});

faultTest("an object that is replaced while it is read is not mixed with its follower", async (bucket) => {
  const { proxy, store } = bucket;
  await store.put("read", noise(2_000_000, 1));
  proxy.add({ fault: { kind: "truncate", afterBytes: 500_000 }, method: "GET", times: 1 });
  const stream = store.stream("read")[Symbol.asyncIterator]();
  await stream.next();
  await store.put("read", noise(2_000_000, 2));
  const error = await failureOf((async () => {
    while (!(await stream.next()).done);
  })());
  assertEquals([error.kind, error.message.endsWith("it was replaced while it was read")], ["damaged", true]);
});

faultTest("a flipped bit in an answer is fetched again, or refused", async ({ proxy, store }) => {
  await store.put("read", noise(100_000));
  proxy.add({ fault: { kind: "flip", atByte: 50_000 }, method: "GET", times: 2 });
  assertEquals(sha256((await store.get("read"))!.bytes), sha256(noise(100_000)));
  proxy.add({ fault: { kind: "flip", atByte: 50_000 }, method: "GET" });
  const error = await failureOf(store.get("read"));
  assertEquals(error.kind, "damaged");
  assert(error.message.includes("do not have the SHA-256"), error.message);
});

faultTest(
  "a bit that always flips on the way in is refused, and nothing is stored",
  async ({ proxy, store }) => {
    proxy.add({ fault: { kind: "flip sent", atByte: 5 }, method: "PUT" });
    assertEquals((await failureOf(store.put("put", text("some bytes")))).kind, "damaged");
    const large = store.putFile("large", sourceOf(noise(6_000_000)));
    assertEquals((await failureOf(large)).kind, "damaged");
    proxy.clear();
    assertEquals([await namesOf(store), await store.abortUploads("")], [[], 0]);
  },
);

faultTest("an upload in parts survives every passing fault of every kind of request", async (bucket) => {
  const { proxy, store } = bucket;
  const bytes = noise(5_300_000);
  const source = sourceOf(bytes);
  const faults: readonly Fault[] = [
    { kind: "reset" },
    { kind: "reset", afterBytes: 10 },
    { kind: "status", status: 500, code: "InternalError" },
    { kind: "error in 200", code: "InternalError" },
    { kind: "lost reply" },
    { kind: "truncate", afterBytes: 100 },
    { kind: "flip sent", atByte: 30 },
  ];
  for (const [index, fault] of faults.entries()) {
    const name = `large/${index}`;
    const rules = [
      { fault, method: "POST", target: /uploads/, times: 1 },
      { fault, method: "PUT", target: /partNumber=2/, times: 1 },
      { fault, method: "POST", target: /uploadId/, times: 1 },
    ];
    for (const rule of rules) proxy.add(rule);
    let sent = 0;
    const condition = { ifAbsent: true } as const;
    await store.putFile(name, source, { condition, onSent: (count) => sent += count });
    assertEquals(sent, bytes.length, Deno.inspect(fault));
    proxy.clear();
    assertEquals((await store.head(name))?.sizeBytes, bytes.length);
    assertEquals((await failureOf(store.putFile(name, source, { condition }))).kind, "precondition");
    await store.delete([name]);
  }
  await store.abortUploads("");
});

faultTest("an upload that another client ends is begun anew", async ({ proxy, store, open }) => {
  const bytes = noise(5_300_000);
  let isFirst = true;
  const counts: number[] = [];
  await open({ parallelParts: 1 }).putFile("large", {
    ...sourceOf(bytes),
    read: async (offset, length) => {
      if (offset > 0 && isFirst) {
        isFirst = false;
        assertEquals(await open().abortUploads("la"), 1);
      }
      return bytes.subarray(offset, offset + length);
    },
  }, { onSent: (count) => counts.push(count) });
  assertEquals(counts.reduce((sum, count) => sum + count, 0), bytes.length);
  assertEquals(sha256(await collect(store.stream("large"))), sha256(bytes));
  assert((proxy.counts.requests.get("POST") ?? 0) >= 3);
});

faultTest(
  "a cut of the network is survived, and what was sent is not sent again",
  async ({ proxy, store }) => {
    const bytes = noise(16_000_000);
    proxy.resetCounts();
    proxy.bytesPerSecond = 8_000_000;
    const upload = store.putFile("large", sourceOf(bytes));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await proxy.cut(1_000);
    await upload;
    const { sentBytes } = proxy.counts;
    assert(sentBytes < bytes.length + 4 * 5 * 1024 * 1024 + 100_000, `${sentBytes} bytes sent`);
    const download = collect(store.stream("large"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await proxy.cut(1_000);
    assertEquals(sha256(await download), sha256(bytes));
    assert(proxy.counts.receivedBytes < bytes.length + 2_000_000);
  },
  { giveUpAfterMs: 20_000 },
);

faultTest("a cut that lasts is given up with words", async ({ proxy, store }) => {
  await store.put("there", text("x"));
  const cut = proxy.cut(4_000);
  const error = await failureOf(store.get("there"));
  assertEquals(error.kind, "unavailable");
  assert(
    /^Cannot get s3:.*Connection refused.*\(given up after \d+ tries, [\d.]+ s\)$/.test(error.message),
    error.message,
  );
  assertEquals(error.hint, "Check the endpoint's address and the network.");
  await cut;
  assertEquals((await store.get("there"))?.bytes, text("x"));
}, { giveUpAfterMs: 1_000 });

faultTest("what cannot pass is refused at once, with words", async ({ proxy, store }) => {
  const refusals: readonly [number, string, string, RegExp][] = [
    [403, "AccessDenied", "denied", /s3:PutObject/],
    [403, "InvalidAccessKeyId", "denied", /access key/],
    [403, "SignatureDoesNotMatch", "denied", /secret key/],
    [400, "InvalidToken", "denied", /session/],
    [404, "NoSuchBucket", "missing", /create it/],
    [301, "PermanentRedirect", "denied", /region/],
    [400, "AuthorizationHeaderMalformed", "denied", /region/],
    [403, "QuotaExceeded", "full", /quota/],
    [507, "XMinioStorageFull", "full", /space/],
    [405, "MethodNotAllowed", "unsupported", /^$/],
    [400, "InvalidStorageClass", "unsupported", /^$/],
  ];
  for (const [status, code, kind, hint] of refusals) {
    const hits = proxy.add({ fault: { kind: "status", status, code } });
    const error = await failureOf(store.put("put", text("x")));
    assertEquals([error.kind, hits()], [kind, 1], `${code}: ${error.message}`);
    assert(hint.test(error.hint), `${code}: ${error.hint}`);
    // The SDK keeps the words of a redirection to itself.
    const words = status === 301 ? "the store answered 301" : `As the test wants it (${status} ${code})`;
    assert(error.message.endsWith(words), error.message);
    proxy.clear();
  }
});

faultTest("a clock that is wrong is set right, or told of", async ({ proxy, store }) => {
  proxy.add({ fault: { kind: "status", status: 403, code: "RequestTimeTooSkewed" }, times: 1 });
  await store.put("put", text("x"));
  const hits = proxy.add({ fault: { kind: "status", status: 403, code: "RequestTimeTooSkewed" } });
  const error = await failureOf(store.put("put", text("x")));
  assertEquals([error.kind, hits()], ["denied", 2]);
  assert(error.hint.includes("set the clock"), error.hint);
});

faultTest("a store without checksums, or without deletes of many, is used without them", async (bucket) => {
  const { proxy, store, retries } = bucket;
  proxy.add({ fault: { kind: "status", status: 501, code: "NotImplemented" }, method: "PUT", times: 1 });
  await store.put("a", text("x"));
  await store.put("b", text("x"));
  await store.putFile("c", sourceOf(noise(6_000_000)));
  assertEquals(retries.filter((words) => words.includes("takes no SHA-256 checksums")).length, 1);
  proxy.add({ fault: { kind: "status", status: 501, code: "NotImplemented" }, target: /\?delete/ });
  await store.delete(["a", "b", "c", "d"]);
  assertEquals(await namesOf(store), []);
});

faultTest("ranges that a proxy ignores are refused", async ({ proxy, store }) => {
  await store.put("read", noise(10_000));
  proxy.add({ fault: { kind: "ignored range" }, method: "GET" });
  const error = await failureOf(collect(store.stream("read", { range: { offset: 5, length: 10 } })));
  assertEquals([error.kind, error.hint], ["unsupported", "The store, or a proxy before it, ignores Range."]);
});

faultTest("a storm of faults loses nothing", async (bucket) => {
  const { proxy, store } = bucket;
  let state = 7;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  for (const fault of PASSING.filter(({ kind }) => kind !== "hang")) proxy.add({ fault, probability: 0.02 });
  const written = new Map<string, Uint8Array>();
  const work = async (worker: number): Promise<void> => {
    for (let round = 0; round < 12; round++) {
      const name = `storm/${worker}-${round}`;
      const bytes = noise(Math.floor(random() * 200_000) + 1, worker * 100 + round);
      await store.put(name, bytes, { condition: { ifAbsent: true } });
      written.set(name, bytes);
    }
  };
  await Promise.all([1, 2, 3, 4].map(work));
  assertEquals(await namesOf(store, "storm/"), [...written.keys()].sort());
  for (const [name, bytes] of written) {
    assertEquals(sha256(await collect(store.stream(name))), sha256(bytes), name);
  }
}, { giveUpAfterMs: 10_000 });
