import { assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { authenticator, equalInConstantTime, type PresentedKey } from "../../src/http/auth.ts";

const KEY = "dGhpc2lzYWtleQ-_secret";
const auth = authenticator(() => ({ enabled: true, adminKey: KEY, metricsToken: "mt" }));
const role = (header: string | null, access: "key" | "metrics" | "public" = "key"): string | undefined =>
  auth.check(header, access, "/x")?.role;
const refusal = (header: string | null, access: "key" | "metrics" = "key"): RequestError =>
  assertThrows(() => auth.check(header, access, "/x"), RequestError) as RequestError;

Deno.test("a key is taken as ApiKey, as Bearer, and in Elasticsearch's base64 form", () => {
  assertEquals(role(`ApiKey ${KEY}`), "admin");
  assertEquals(role(`apikey  ${KEY} `), "admin");
  assertEquals(role(`Bearer ${KEY}`), "admin");
  assertEquals(role(`ApiKey ${btoa(`any-id:${KEY}`)}`), "admin");
  assertEquals(role(`ApiKey ${btoa(`:${KEY}`)}`), "admin");
});

Deno.test("wrong keys, schemes and halves of a key are refused, and never repeated", () => {
  const headers = [
    "ApiKey wrong-key",
    `ApiKey ${KEY}x`,
    `ApiKey ${KEY.slice(1)}`,
    `ApiKey ${btoa("id:wrong-key")}`,
    `ApiKey ${btoa(KEY)}`,
    `Bearer ${btoa(`id:${KEY}`)}`,
    `Basic ${btoa(`elastic:${KEY}`)}`,
    KEY,
    "ApiKey",
    "ApiKey ",
    "",
  ];
  for (const header of headers) {
    const { status, type, message, headers: answered } = refusal(header);
    assertEquals([status, type], [401, "security_exception"]);
    assertEquals(message.includes(KEY) || message.includes("wrong-key"), false);
    assertEquals(message.includes('"Authorization: ApiKey <key>"'), true);
    assertEquals(answered["www-authenticate"]?.includes("ApiKey"), true);
  }
  assertEquals(
    refusal(null).message.startsWith("missing authentication credentials for REST request [/x]"),
    true,
  );
  assertEquals(refusal("Basic abc").message.includes("the scheme Basic is not supported"), true);
});

Deno.test("the metrics token is good for metrics only", () => {
  assertEquals(role("Bearer mt", "metrics"), "metrics");
  assertEquals(role(`Bearer ${KEY}`, "metrics"), "admin");
  assertEquals(refusal("Bearer mt").status, 403);
  assertEquals(refusal(null, "metrics").status, 401);
});

Deno.test("an empty key of the configuration opens nothing", () => {
  const open = authenticator(() => ({ enabled: true, adminKey: "", metricsToken: "" }));
  for (const header of ["ApiKey ", "ApiKey", `ApiKey ${btoa("id:")}`, "Bearer  "]) {
    assertThrows(() => open.check(header, "key", "/x"), RequestError);
  }
});

Deno.test("public routes ask nobody, and switched off everyone is the administrator", () => {
  assertEquals(role(null, "public"), undefined);
  const off = authenticator(() => ({ enabled: false, adminKey: KEY, metricsToken: "" }));
  assertEquals(off.check(null, "key", "/x")?.role, "admin");
});

Deno.test("keys kept elsewhere are looked up with their id", () => {
  const asked: PresentedKey[] = [];
  const withLookup = authenticator(() => ({
    enabled: true,
    adminKey: KEY,
    metricsToken: "",
    lookup: (presented) => {
      asked.push(presented);
      return presented.id === "k1" && presented.key === "s1" ? { name: "k1", role: "admin" } : undefined;
    },
  }));
  assertEquals(withLookup.check(`ApiKey ${btoa("k1:s1")}`, "key", "/x")?.name, "k1");
  assertEquals(asked.at(-1), { id: "k1", key: "s1" });
  assertThrows(() => withLookup.check(`ApiKey ${btoa("k2:s1")}`, "key", "/x"), RequestError);
});

Deno.test("the comparison knows all differences", () => {
  assertEquals(equalInConstantTime("abc", "abc"), true);
  for (const other of ["", "ab", "abcd", "abd", "xbc", "abcabc"]) {
    assertEquals(equalInConstantTime(other, "abc"), false, other);
  }
  assertEquals(equalInConstantTime("", ""), false);
});
