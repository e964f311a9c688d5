/**
 * Port 9200 beside Elasticsearch: hundreds of requests, happy and not, as transcripts in `requests/`. Its answers are
 * in `expected.json`; with `XERJ_ES_PEER=http://127.0.0.1:9300` a running one is asked instead.
 */
import { assertEquals } from "@std/assert";
import { startServer } from "../support/server.ts";
import { disagreement } from "./compare.ts";
import { DIFFERENCES } from "./differences.ts";
import { type Normal, normalise } from "./normalise.ts";
import { prepare } from "./record.ts";
import { type Asked, clear, readTranscripts, send } from "./transcript.ts";

const peer = Deno.env.get("XERJ_ES_PEER");
const recorded: Record<string, Normal> = peer === undefined
  ? JSON.parse(Deno.readTextFileSync(new URL("./expected.json", import.meta.url)))
  : {};
const transcripts = readTranscripts();

Deno.test("port 9200 answers as Elasticsearch 8.13 does", async (test) => {
  const server = await startServer();
  try {
    if (peer !== undefined) await prepare(peer);
    for (const [name, asked] of transcripts) {
      await test.step(`${name}: ${asked.length} requests`, async () => {
        const problems: string[] = [];
        for (const one of asked) {
          const [ours, theirs] = await Promise.all([send(server.es, one), expected(one)]);
          const problem = problemOf(one, normalise(one, ours), theirs);
          if (problem !== undefined) problems.push(problem);
        }
        await clear(server.es);
        if (peer !== undefined) await clear(peer);
        assertEquals(problems.join("\n\n"), "");
      });
    }
  } finally {
    assertEquals(await server.stop(), 0);
  }
});

async function expected(asked: Asked): Promise<Normal> {
  if (peer !== undefined) return normalise(asked, await send(peer, asked));
  const known = recorded[asked.id];
  if (known === undefined) throw new Error(`${asked.id} is not in expected.json; record it`);
  return known;
}

/** Also when an answer that may differ does not any more: the list of differences stays true. */
function problemOf(asked: Asked, ours: Normal, theirs: Normal): string | undefined {
  const title = `${asked.id}: ${asked.method} ${asked.path} ${asked.body?.slice(0, 300) ?? ""}`;
  const allowed = asked.difference === undefined ? undefined : DIFFERENCES[asked.difference];
  if (asked.difference !== undefined) {
    if (allowed === undefined) return `${title}\nno difference [${asked.difference}] in differences.ts`;
    if (disagreement(ours, theirs, undefined) === undefined) {
      return `${title}\ndiffers no more: take "! ${asked.difference}" away`;
    }
  }
  const lines = disagreement(ours, theirs, allowed?.what);
  return lines === undefined ? undefined : `${title}\n${lines}`;
}

Deno.test("every difference is met by a request", () => {
  const met = new Set([...transcripts.values()].flat().map(({ difference }) => difference));
  assertEquals(Object.keys(DIFFERENCES).filter((name) => !met.has(name)), []);
});
