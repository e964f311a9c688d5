import { assertEquals } from "@std/assert";
import { compatibilityText, routerOfPort9200 } from "../../scripts/compatibility.ts";

const written = Deno.readTextFileSync(new URL("../../docs/compatibility.md", import.meta.url));

Deno.test("docs/compatibility.md says what the route table and the parsers say", () => {
  assertEquals(written === compatibilityText(), true, "run: deno run -A scripts/compatibility.ts");
});

Deno.test("docs/compatibility.md has every route", () => {
  for (const { pattern, meta } of routerOfPort9200().routes) {
    if (meta.name === "not_supported") continue;
    assertEquals(written.includes(`| \`${pattern}\` |`), true, pattern);
  }
});
