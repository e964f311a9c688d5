/**
 * What the two merge strategies cost over an hour of simulated ingest, as `docs/merges.svg`, and as a table on the standard
 * output.
 *
 *     deno run -A scripts/merge_plot.ts [--check]
 *
 * `--check`: fails when the file is not what would be written.
 *
 * @module
 */
import { simulateMerges, type Simulation } from "../src/shard/merge_simulation.ts";
import { HOUR, RULES, STRATEGIES } from "./merge_hour.ts";

const OUTPUT = new URL("../docs/merges.svg", import.meta.url);
/** What `bench/merge_layouts.ts` measured. */
const LATENCIES = new URL("../docs/merges_latency.json", import.meta.url);

type Latencies = Record<
  (typeof STRATEGIES)[number]["strategy"],
  readonly {
    readonly instant: number;
    readonly segments: number;
    readonly ratios: Readonly<Record<string, number>>;
  }[]
>;

interface Line {
  readonly colour: string;
  readonly name: string;
  readonly values: readonly number[];
  /** Where in the hour each value belongs, 0 to 1; undefined: evenly over it, drawn as a line. */
  readonly instants?: readonly number[];
}

function summary(name: string, { points, merges, writeAmplification }: Simulation): string {
  const mean = (of: (point: Simulation["points"][number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const most = Math.max(...points.map(({ segments }) => segments));
  return `${name.padEnd(15)} write amplification ${writeAmplification.toFixed(2)}, ` +
    `segments ${mean(({ segments }) => segments).toFixed(0)} on average, ${most} at most, ` +
    `space amplification ${mean((p) => p.bytes / p.liveBytes).toFixed(3)}, ${merges} merges`;
}

const WIDTH = 720;
const HEIGHT = 200;
const MARGIN = { left: 50, top: 30, bottom: 24, right: 12 };

function plot(charts: readonly { readonly title: string; readonly lines: readonly Line[] }[]): string {
  const height = charts.length * HEIGHT + 30;
  const body = charts.map(({ title, lines }, i) => chart(title, lines, i * HEIGHT)).join("");
  const legend = charts[0]!.lines.map(({ name, colour }, i) =>
    `<text x="${MARGIN.left + i * 160}" y="${height - 10}" fill="${colour}">${name}</text>`
  ).join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" ` +
    `font-size="12"><rect width="100%" height="100%" fill="#fff"/>\n${body}${legend}\n</svg>\n`;
}

function chart(title: string, lines: readonly Line[], top: number): string {
  const most = Math.max(...lines.flatMap(({ values }) => values));
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const bottom = top + MARGIN.top + inner.height;
  const y = (value: number) => (bottom - inner.height * value / most).toFixed(1);
  const paths = lines.map(({ colour, values, instants }) => {
    if (instants) {
      return values.map((value, i) =>
        `<circle r="4" fill="${colour}" cx="${(MARGIN.left + inner.width * instants[i]!).toFixed(1)}" cy="${
          y(value)
        }"/>\n`
      ).join("");
    }
    const step = Math.max(1, Math.floor(values.length / inner.width));
    const points: string[] = [];
    for (let i = 0; i < values.length; i += step) {
      points.push(`${(MARGIN.left + inner.width * i / (values.length - 1)).toFixed(1)},${y(values[i]!)}`);
    }
    return `<polyline fill="none" stroke="${colour}" points="${points.join(" ")}"/>\n`;
  });
  const ticks = [0, 0.5, 1].map((share) => {
    const value = most * share;
    return `<text x="${MARGIN.left - 6}" y="${y(value)}" text-anchor="end">${
      Number(value.toPrecision(3))
    }</text>` +
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(value)}" y2="${
        y(value)
      }" stroke="#ddd"/>\n`;
  });
  return `<text x="${MARGIN.left}" y="${top + 18}" font-weight="bold">${title}</text>\n` +
    `${ticks.join("")}${paths.join("")}` +
    `<text x="${WIDTH - MARGIN.right}" y="${bottom + 16}" text-anchor="end">one hour</text>\n`;
}

/** Geometric mean of the queries' ratios at each instant. */
function latencyLines(): Line[] {
  const latencies = JSON.parse(Deno.readTextFileSync(LATENCIES)) as Latencies;
  return STRATEGIES.map(({ strategy, colour }) => ({
    name: strategy,
    colour,
    values: latencies[strategy].map(({ ratios }) => {
      const logs = Object.values(ratios).map(Math.log);
      return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
    }),
    instants: latencies[strategy].map(({ instant }) => instant),
  }));
}

if (import.meta.main) {
  const runs = STRATEGIES.map(({ strategy, colour }) => ({
    name: strategy,
    colour,
    run: simulateMerges({ ...HOUR, rules: { ...RULES, strategy } }),
  }));
  for (const { name, run } of runs) console.log(summary(name, run));
  const latencies = latencyLines();
  for (const { name, values } of latencies) {
    console.log(
      `${name.padEnd(15)} latency beside one segment ${values.map((v) => v.toFixed(2)).join(", ")}`,
    );
  }
  const of = (value: (point: Simulation["points"][number]) => number): Line[] =>
    runs.map(({ name, colour, run }) => ({ name, colour, values: run.points.map(value) }));
  const svg = plot([
    { title: "bytes written for each byte flushed", lines: of((p) => p.writtenBytes / p.flushedBytes) },
    { title: "segments", lines: of((p) => p.segments) },
    { title: "bytes on disk for each live byte", lines: of((p) => p.bytes / p.liveBytes) },
    { title: "latency of a search (geometric mean of four), in one single segment: 1", lines: latencies },
  ]);
  if (Deno.args.includes("--check")) {
    if (Deno.readTextFileSync(OUTPUT) !== svg) {
      console.error("docs/merges.svg is out of date: run scripts/merge_plot.ts");
      Deno.exit(1);
    }
  } else Deno.writeTextFileSync(OUTPUT, svg);
}
