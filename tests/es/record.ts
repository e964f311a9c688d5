/**
 * Records what a real Elasticsearch answers to the transcripts, for `compare_test.ts`:
 *
 *     deno run -A tests/es/record.ts http://127.0.0.1:9300
 *
 * @module
 */
import { type Normal, normalise } from "./normalise.ts";
import { clear, readTranscripts, send } from "./transcript.ts";

/** Without this, an index would have a replica that one node cannot hold. */
export async function prepare(origin: string): Promise<void> {
  const template = { index_patterns: ["*"], template: { settings: { number_of_replicas: 0 } } };
  await send(origin, {
    method: "PUT",
    path: "/_index_template/one_node",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(template),
  });
  await clear(origin);
}

/** Answers by the request's id. */
export async function ask(origin: string): Promise<Record<string, Normal>> {
  const answers: Record<string, Normal> = {};
  for (const asked of readTranscripts().values()) {
    for (const one of asked) answers[one.id] = normalise(one, await send(origin, one));
    await clear(origin);
  }
  return answers;
}

if (import.meta.main) {
  const [origin] = Deno.args;
  if (origin === undefined) {
    console.error("usage: record.ts ORIGIN");
    Deno.exit(2);
  }
  await prepare(origin);
  const answers = await ask(origin);
  Deno.writeTextFileSync(
    new URL("./expected.json", import.meta.url),
    JSON.stringify(answers, null, 2) + "\n",
  );
  console.log(`recorded ${Object.keys(answers).length} answers`);
}
