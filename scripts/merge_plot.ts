/**
 * `deno task plot`: what the two merge strategies cost over an hour of simulated ingest, as `docs/merges.svg`, and as a
 * table on the standard output.
 *
 *     deno run -A scripts/merge_plot.ts [--check]
 *
 * `--check`: fails when the file is not what would be written.
 *
 * @module
 */
import type { MergeRules } from "../src/shard/merge_plan.ts";
import { simulateMerges, type Simulation } from "../src/shard/merge_simulation.ts";

const MIB = 1024 * 1024;
const OUTPUT = new URL("../docs/merges.svg", import.meta.url);

/** A flush of up to 64 MiB each 2.5 s, for an hour; 5% of the documents replace older ones. */
const HOUR = { seed: 42, flushes: 1440, updatedShare: 0.05, lateShare: 0.01 };
const RULES: Omit<MergeRules, "strategy"> = {
  minSegments: 10,
  maxSegmentBytes: 5120 * MIB,
  flushBytes: 64 * MIB,
};

const STRATEGIES = [
  { strategy: "size_tiered", colour: "#1f6feb" },
  { strategy: "log_structured", colour: "#d1242f" },
] as const;

interface Line {
  readonly colour: string;
  readonly name: string;
  readonly values: readonly number[];
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
  const paths = lines.map(({ colour, values }) => {
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

if (import.meta.main) {
  const runs = STRATEGIES.map(({ strategy, colour }) => ({
    name: strategy,
    colour,
    run: simulateMerges({ ...HOUR, rules: { ...RULES, strategy } }),
  }));
  for (const { name, run } of runs) console.log(summary(name, run));
  const of = (value: (point: Simulation["points"][number]) => number): Line[] =>
    runs.map(({ name, colour, run }) => ({ name, colour, values: run.points.map(value) }));
  const svg = plot([
    { title: "bytes written for each byte flushed", lines: of((p) => p.writtenBytes / p.flushedBytes) },
    { title: "segments", lines: of((p) => p.segments) },
    { title: "bytes on disk for each live byte", lines: of((p) => p.bytes / p.liveBytes) },
  ]);
  if (Deno.args.includes("--check")) {
    if (Deno.readTextFileSync(OUTPUT) !== svg) {
      console.error("docs/merges.svg is out of date: run `deno task plot`");
      Deno.exit(1);
    }
  } else Deno.writeTextFileSync(OUTPUT, svg);
}
