/**
 * Ranking quality over judged collections: BM25 and the standard analyzer must give what Elasticsearch 8.13 gives
 * for `match` over title and text in one field. Needs the exact analyzer: ties and rounding show here.
 */
import { assertAlmostEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { utf8 } from "../../src/base/bytes.ts";
import { executeSearch, parseSearch } from "../../src/query/search.ts";
import { contextOf, TargetBuilder } from "./world.ts";

const IR = "../shared/data/ir";

/** nDCG@10 of Elasticsearch 8.13.4. */
const EXPECTED: Readonly<Record<string, number>> = {
  cranfield: 0.3341,
  cisi: 0.3371,
  npl: 0.3577,
  scifact: 0.6606,
};

interface Item {
  readonly id: string;
  readonly title?: string;
  readonly text: string;
  /** Part of the collection that a query belongs to; published figures are of `test`. */
  readonly split?: string;
}

function unpack(path: string): string {
  return new TextDecoder().decode(gunzipSync(Deno.readFileSync(path)));
}

function rows(path: string): Item[] {
  return unpack(path).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Gains by query and document; what is not relevant is left out. */
function judgements(path: string): Map<string, Map<string, number>> {
  const gains = new Map<string, Map<string, number>>();
  for (const line of unpack(path).split("\n").slice(1)) {
    const [query, doc, gain] = line.split("\t");
    if (gain === undefined || Number(gain) <= 0) continue;
    let docs = gains.get(query!);
    if (docs === undefined) gains.set(query!, docs = new Map());
    docs.set(doc!, Number(gain));
  }
  return gains;
}

function discounted(gains: readonly number[]): number {
  return gains.slice(0, 10).reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
}

function present(): boolean {
  try {
    Deno.statSync(IR);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const isPresent = present();
if (!isPresent) console.log("relevance: skipped, the judged collections are not there");

for (const [name, expected] of Object.entries(EXPECTED)) {
  Deno.test({
    name: `nDCG@10 of ${name} is Elasticsearch's`,
    ignore: !isPresent,
    fn: () => {
      const builder = new TargetBuilder({ body: { type: "text" } });
      for (const doc of rows(`${IR}/${name}.docs.ndjson.gz`)) {
        const source = utf8(JSON.stringify({ body: `${doc.title} ${doc.text}` }));
        builder.add(source, 0, source.length, doc.id);
      }
      builder.cut();
      const context = contextOf([builder.target()]);
      const gains = judgements(`${IR}/${name}.qrels.tsv.gz`);
      let sum = 0;
      let judged = 0;
      for (const query of rows(`${IR}/${name}.queries.ndjson.gz`)) {
        const relevant = gains.get(query.id);
        if (relevant === undefined || (query.split ?? "test") !== "test") continue;
        judged++;
        const request = parseSearch({ query: { match: { body: query.text } }, size: 10, _source: false });
        const found = executeSearch(request, context).hits.map((hit) => relevant.get(hit.id!) ?? 0);
        const ideal = Array.from(relevant.values()).sort((a, b) => b - a);
        sum += discounted(found) / discounted(ideal);
      }
      console.log(
        `${name}: nDCG@10 ${(sum / judged).toFixed(4)} over ${judged} queries, Elasticsearch ${expected}`,
      );
      assertAlmostEquals(sum / judged, expected, 0.0005);
    },
  });
}
