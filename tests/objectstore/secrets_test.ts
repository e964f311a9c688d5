/** No credential in any message, whoever said it first. */
import { assert, assertEquals } from "@std/assert";
import { openS3Store } from "../../src/objectstore/s3_store.ts";
import { Secrets } from "../../src/objectstore/secrets.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { failureOf, noS3, text, withBucket } from "./stores.ts";

Deno.test("known secrets and signatures are struck from texts", () => {
  const secrets = new Secrets();
  secrets.add("AKEY1234", "very/secret+key", undefined, "");
  const said =
    "key AKEY1234, very/secret+key very%2Fsecret%2Bkey\r\nAuthorization: AWS4 Credential=a/b, Signature=00ff " +
    "http://user:pw@host/?X-Amz-Signature=abcdef&x=1";
  const clean = secrets.strike(said);
  for (const secret of ["AKEY1234", "very", "00ff", "user:pw", "abcdef", "\n"]) {
    assert(!clean.includes(secret), `${secret} in ${clean}`);
  }
  assert(clean.includes("x=1"), clean);
  assertEquals(secrets.strike("a".repeat(1000)).length, 303);
});

Deno.test({
  name: "errors and what they hold, retries and stores show no secret",
  ignore: noS3,
  fn: () =>
    withBucket(async ({ store, proxy, server, retries, open }) => {
      const texts: string[] = [];
      const wrongKey = open({ credentials: { accessKey: "wrongaccess", secretKey: "wrongsecret" } });
      const wrongSecret = open({ credentials: { accessKey: server.accessKey, secretKey: "wrongsecret" } });
      const token = open({
        credentials: { accessKey: server.accessKey, secretKey: server.secretKey, sessionToken: "wrongtoken" },
      });
      const errors = [
        await failureOf(wrongKey.put("a", text("a"))),
        await failureOf(wrongKey.head("a")),
        await failureOf(wrongSecret.get("a")),
        await failureOf(wrongSecret.delete(["a", "b"])),
      ];
      await token.get("a").catch((error) => errors.push(error));
      // A store that repeats what it was sent.
      const echo = `${server.accessKey} ${server.secretKey}`;
      proxy.add({ fault: { kind: "status", status: 400, code: `Odd ${echo}` } });
      errors.push(await failureOf(store.put("a", text("a"))));
      proxy.clear();
      proxy.add({ fault: { kind: "status", status: 503, code: echo }, times: 2 });
      await store.put("a", text("a"));
      for (const error of errors) {
        texts.push(Deno.inspect(error, { depth: 20, showHidden: true }), String(error.stack));
      }
      texts.push(
        ...retries,
        Deno.inspect(store, { depth: 20 }),
        JSON.stringify(store),
        errors.map(String).join(),
      );
      for (const secret of [server.accessKey, server.secretKey, "wrongaccess", "wrongsecret", "wrongtoken"]) {
        const leaks = texts.filter((each) => each.includes(secret));
        assertEquals(leaks, []);
      }
    }, { giveUpAfterMs: 3_000 }),
});

Deno.test("what the credential chain finds is struck as well, and nothing found is told with a hint", async () => {
  const names = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_PROFILE",
    "HOME",
  ];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  const proxy = new FaultProxy({ target: "http://127.0.0.1:1" });
  const open = () => openS3Store({ bucket: "bucket", endpoint: proxy.endpoint, giveUpAfterMs: 500 });
  try {
    for (const name of names) Deno.env.delete(name);
    Deno.env.set("AWS_EC2_METADATA_DISABLED", "true");
    Deno.env.set("HOME", "/nonexistent");
    const without = open();
    const none = await failureOf(without.get("a"));
    without.close();
    assertEquals(none.kind, "denied", none.message);
    assert(none.hint.includes("AWS_ACCESS_KEY_ID"), none.hint);
    Deno.env.set("AWS_ACCESS_KEY_ID", "chainaccess");
    Deno.env.set("AWS_SECRET_ACCESS_KEY", "chainsecret");
    proxy.add({ fault: { kind: "status", status: 403, code: "Odd chainaccess chainsecret" } });
    const found = open();
    const error = await failureOf(found.get("a"));
    found.close();
    assertEquals(error.kind, "denied");
    assert(
      !/chainaccess|chainsecret/.test(Deno.inspect(error, { depth: 20, showHidden: true })),
      error.message,
    );
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await proxy.stop();
  }
});
