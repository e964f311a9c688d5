/**
 * What the layouts of segments that merge strategies leave cost a search, beside one single segment.
 *
 *     deno run -A bench/merge_layouts.ts [--docs 120000] [--rounds 60]
 *
 * The hour of `scripts/merge_hour.ts` is simulated; the segments that each strategy has at some instants are made for
 * real, scaled down: the same number, the same shares of the documents, in the order of time. Writes the ratios of the
 * best latencies to `docs/merges_latency.json`, which `scripts/merge_plot.ts` draws. Scaled down, what a segment costs whatever its
 * size counts more than at full size.
 *
 * @module
 */
import { parseSearch } from "../src/query/request/parse.ts";
import { executeSearch } from "../src/query/search.ts";
import { DEFAULT_SEARCH_LIMITS, type SearchTarget } from "../src/query/target.ts";
import type { PlannedSegment } from "../src/shard/merge_plan.ts";
import { simulateMerges } from "../src/shard/merge_simulation.ts";
import { HOUR, RULES, STRATEGIES } from "../scripts/merge_hour.ts";
import { type Corpus, loadCorpus, QUESTIONS } from "./corpus.ts";
import { LogSegments, openBytes } from "./log_segments.ts";

/** Shares of the hour at which searches run: just before and after segments go, as chance has it. */
const INSTANTS = [0.2, 0.4, 0.6, 0.8, 0.997];
const OUTPUT = new URL("../docs/merges_latency.json", import.meta.url);

const rounds = option("rounds", 60);
const corpus = await loadCorpus(option("docs", 120_000));
if (!corpus) {
  console.log("skipped: the shared log generator is not there (../shared/data/gen_logs.mjs)");
  Deno.exit(0);
}
const lastTenth = timeAt(corpus, 0.9);
const BODIES: Readonly<Record<string, unknown>> = {
  ...QUESTIONS,
  "last tenth by level": {
    size: 0,
    query: { range: { "@timestamp": { gte: lastTenth } } },
    aggs: { levels: { terms: { field: "level" } } },
  },
};
const requests = Object.entries(BODIES).map(([name, body]) => ({ name, request: parseSearch(body) }));

const single = targetOf(corpus, [1]);
const result: Record<string, { instant: number; segments: number; ratios: Record<string, number> }[]> = {};
for (const { strategy } of STRATEGIES) {
  result[strategy] = layoutsOf(strategy).map(({ instant, shares }) => {
    const target = targetOf(corpus, shares);
    const ratios = compare(target);
    console.log(
      `${strategy.padEnd(15)} at ${instant}: ${String(shares.length).padStart(2)} segments; ` +
        Object.entries(ratios).map(([name, ratio]) => `${name} ${ratio.toFixed(2)}`).join(", "),
    );
    return { instant, segments: shares.length, ratios };
  });
}
Deno.writeTextFileSync(OUTPUT, JSON.stringify(result, null, 2) + "\n");

/** Best of calls that take turns: other work on the machine only ever slows one down. */
function compare(target: SearchTarget): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const { name, request } of requests) {
    const times: [number[], number[]] = [[], []];
    for (let round = -20; round < rounds; round++) {
      [single, target].forEach((of, which) => {
        const started = performance.now();
        executeSearch(request, contextOf(of));
        if (round >= 0) times[which]!.push(performance.now() - started);
      });
    }
    ratios[name] = Number((Math.min(...times[1]) / Math.min(...times[0])).toFixed(2));
  }
  return ratios;
}

function contextOf(target: SearchTarget) {
  return {
    targets: [target],
    nowMs: Date.now(),
    deadlineMs: Infinity,
    monotonicMs: () => performance.now(),
    limits: DEFAULT_SEARCH_LIMITS,
  };
}

function layoutsOf(strategy: (typeof STRATEGIES)[number]["strategy"]) {
  const at = INSTANTS.map((instant) => Math.floor(instant * HOUR.flushes));
  const layouts: { instant: number; shares: number[] }[] = [];
  let flush = 0;
  simulateMerges({
    ...HOUR,
    rules: { ...RULES, strategy },
    checkRest: (segments) => {
      const index = at.indexOf(flush++);
      if (index >= 0) layouts.push({ instant: INSTANTS[index]!, shares: sharesOf(segments) });
    },
  });
  return layouts;
}

/** Each segment's share of the documents, oldest first. */
function sharesOf(segments: readonly PlannedSegment[]): number[] {
  const docs = segments.reduce((sum, { liveDocs }) => sum + liveDocs, 0);
  return [...segments].sort((a, b) => a.minTimeMs! - b.minTimeMs!).map(({ liveDocs }) => liveDocs / docs);
}

function targetOf(corpus: Corpus, shares: readonly number[]): SearchTarget {
  const logs = new LogSegments(corpus);
  let share = 0;
  let made = 0;
  const segments = shares.map((of, ordinal) => {
    share += of;
    const docs = Math.max(1, Math.round(share * corpus.docs) - made);
    made += docs;
    const reader = openBytes(logs.next(docs));
    return { reader, live: null, liveCount: reader.docCount, ordinal };
  });
  return { index: "logs", mapping: logs.mapping, analyzers: logs.analyzers, segments };
}

/** Time of the document at this share of the corpus. */
function timeAt({ lines }: Corpus, share: number): string {
  const start = lines.indexOf(10, Math.floor(lines.length * share)) + 1;
  return JSON.parse(new TextDecoder().decode(lines.subarray(start, lines.indexOf(10, start))))["@timestamp"];
}

function option(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
}
