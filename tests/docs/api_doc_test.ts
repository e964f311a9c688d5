import { assertEquals } from "@std/assert";
import { routerOfPort9200 } from "../../scripts/compatibility.ts";
import type { Router } from "../../src/http/router.ts";
import { nativeSearchHandlers } from "../../src/native/search_handlers.ts";
import { type NativeOptions, nativeRouter } from "../../src/native/routes.ts";

const text = Deno.readTextFileSync(new URL("../../docs/API.md", import.meta.url));

/** Routes of one of the document's chapters: "GET /v1/health", from the first column of its tables. */
function documented(chapter: string): string[] {
  const body = text.split(/^## /m).find((part) => part.startsWith(`${chapter}\n`)) ?? "";
  const routes: string[] = [];
  for (const [, methods, path] of body.matchAll(/^\| `([A-Z]+(?:, [A-Z]+)*) (\/\S*)` \|/gm)) {
    for (const method of methods!.split(", ")) routes.push(`${method} ${path}`);
  }
  return routes.sort();
}

function served({ routes }: Router): string[] {
  // What is known to be missing answers 501 and stands in docs/compatibility.md.
  return routes.filter(({ meta }) => meta.name !== "not_supported").map(({ method, pattern }) =>
    `${method} ${pattern}`
  ).sort();
}

Deno.test("docs/API.md lists the native routes that there are, and no others", () => {
  // The route table alone: no handler is ever called.
  assertEquals(documented("Native"), served(nativeRouter({} as NativeOptions)));
});

Deno.test("docs/API.md lists the routes of port 9200 that there are, and no others", () => {
  assertEquals(documented("Port 9200"), served(routerOfPort9200()));
});

Deno.test("the examples of docs/API.md are JSON", () => {
  const blocks = [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  assertEquals(blocks.length > 5, true);
  for (const block of blocks) JSON.parse(block);
});

Deno.test("docs say that there is no plan of a search exactly as long as there is none", () => {
  const isThere = "native.explain" in nativeSearchHandlers;
  assertEquals(/_explain` \| not there yet/.test(text), !isThere, "docs/API.md");
  const readme = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));
  assertEquals(/`_explain`.*\| not there \|/.test(readme), !isThere, "README.md");
});
