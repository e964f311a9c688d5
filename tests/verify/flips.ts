/**
 * One bit of one file turns over: who finds it, is any answer wrong, and what does a repair bring back?
 *
 * As a script: `deno run -A tests/verify/flips.ts [FLIPS] [SEED] [bit|bytes] [bare]`.
 *
 * @module
 */
import type { Repair } from "../../src/cli/repair_directory.ts";
import { type DirectoryReport, verdictOf } from "../../src/cli/verify_directory.ts";
import { renderText } from "../../src/cli/verify_render.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { World } from "../engine/world.ts";
import { randomOf } from "../ingest/random.ts";
import { copyFiles, treeOf } from "../shard/real_tree.ts";
import { assert, contents, flipBit, INDEX, live, look, type Model, repair, smash } from "./directory.ts";

const QUERIES: readonly unknown[] = [
  { size: 5000, sort: ["bytes"], track_total_hits: true },
  { query: { match: { message: "disk of host" } }, size: 20 },
  { query: { match_phrase: { message: "said user-100" } }, size: 1000, sort: ["bytes"] },
  { query: { term: { user: "user-17" } } },
  { query: { range: { bytes: { gte: 1000, lt: 2000 } } }, size: 0, track_total_hits: true },
  { query: { range: { seconds: { lt: 3 } } }, size: 100, sort: [{ seconds: "desc" }] },
  { query: { ids: { values: ["id-5", "id-1955", "id-2255", "id-2399"] } }, sort: ["bytes"] },
  { query: { bool: { must_not: { exists: { field: "ok" } } } }, size: 100, sort: ["bytes"] },
  { size: 0, aggs: { hosts: { terms: { field: "host" }, aggs: { total: { sum: { field: "bytes" } } } } } },
];
const GETS = [0, 7, 8, 9, 77, 1945, 2230, 2399];

/** Per kind of file. */
export interface Tally {
  flips: number;
  /** The opening refused, or warned of the file. */
  open: number;
  /** Any of the queries and gets ended in an error that names the file. */
  query: number;
  verify: number;
  deep: number;
  /** Answers that differ from the truth, without an error. */
  wrong: number;
  /** A repair brought back everything. */
  whole: number;
  /** A repair reported losses, and they were those that there are. */
  reported: number;
  /** Nothing to repair: what was damaged is not needed. */
  idle: number;
  /** Only a backup helps: the one manifest or catalogue is damaged in more than a bit. It is refused as before. */
  hopeless: number;
}

export interface Flips {
  readonly tallies: ReadonlyMap<string, Tally>;
  /** What must not be. */
  readonly wrongs: readonly string[];
  /** Flips that no look found, with why that is no fault. */
  readonly missed: readonly string[];
}

/**
 * A past with several segments, deletes across them and a log behind them that is synced and says so.
 *
 * @param bare Without any retained manifest but the newest, nor the log that those would need.
 */
async function build(dataDir: string, bare: boolean): Promise<Model> {
  let model: Model = new Map();
  await live(`${dataDir}.live`, async (past) => {
    await past.put(0, 2000);
    await past.flush();
    await past.put(1900, 2200, 1);
    await past.remove(7);
    await past.flush();
    await past.put(2200, 2300);
    await past.remove(8, 2230);
    await past.flush();
    await past.put(2300, 2400);
    await past.put(100, 110, 2);
    await past.remove(9);
    const log = () =>
      [...Deno.readDirSync(`${dataDir}.live/${INDEX}/wal`)].map(({ name }) => name).sort().at(-1)!;
    const size = () => Deno.statSync(`${dataDir}.live/${INDEX}/wal/${log()}`).size;
    for (const before = size(); size() === before;) await new Promise((resolve) => setTimeout(resolve, 20));
    const manifests = () => [...Deno.readDirSync(`${dataDir}.live/${INDEX}/manifests`)].length;
    while (bare && manifests() > 1) await new Promise((resolve) => setTimeout(resolve, 50));
    copyFiles(`${dataDir}.live`, dataDir);
    model = new Map(past.model);
  }, bare ? { retainMs: 0 } : {});
  Deno.writeTextFileSync(`${dataDir}/admin.key`, `${"5b".repeat(32)}\n`);
  return model;
}

interface Answers {
  readonly texts: readonly (string | Error)[];
  readonly opened: "refused" | "warned" | "silent";
}

async function ask(dataDir: string, file: string): Promise<Answers> {
  const world = new World(dataDir, {});
  try {
    await world.open();
  } catch (error) {
    if (!(error instanceof CorruptionError || error instanceof OpenRefusedError)) throw error;
    return { texts: [], opened: "refused" };
  }
  const texts: (string | Error)[] = [];
  const warned = world.lines.some(({ level, fields, message }) =>
    level === "warn" && `${message} ${JSON.stringify(fields)}`.includes(file)
  );
  try {
    const calls: (() => Promise<unknown>)[] = [
      ...QUERIES.map((query) => async () => {
        const { took_ms: _took, request_id: _id, ...answer } = await world.search(
          INDEX,
          query,
        ) as unknown as Record<
          string,
          unknown
        >;
        return answer;
      }),
      ...GETS.map((i) => () => world.get(INDEX, `id-${i}`)),
    ];
    for (const call of calls) {
      try {
        texts.push(JSON.stringify(await call()) ?? "nothing");
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        texts.push(error);
      }
    }
  } finally {
    await world.close();
  }
  return { texts, opened: warned ? "warned" : "silent" };
}

function kindOf(file: string): string {
  const name = file.slice(file.lastIndexOf("/") + 1);
  return name.replace(/-\d+/, "");
}

/** Losses that a repair may have made, by its own account. */
function losses(repairs: readonly Repair[]): { readonly ids: Set<string>; readonly unnamed: number } {
  const ids = new Set<string>();
  let unnamed = 0;
  for (const each of repairs) {
    if (each.kind === "wal") {
      for (const id of each.lost.ids) ids.add(id);
      unnamed += Math.max(0, each.lost.highestSeqNo - each.lost.lastSeqNo - each.lost.operations);
      if (each.lost.unreadableBytes > 0) unnamed += Infinity;
    }
    if (each.kind !== "segments" || !each.rebuilt) continue;
    for (const { id } of each.rebuilt.lost) {
      if (id === "") unnamed++;
      else ids.add(id);
    }
    unnamed += each.rebuilt.forgotten;
  }
  return { ids, unnamed };
}

/** Why a flip may go without damage being found. */
function isHarmless(file: string, report: DirectoryReport): string | undefined {
  if (file === "admin.key") return "the key has no checksum: a changed one is another key";
  const torn = report.findings.find(({ what, severity }) =>
    severity !== "damage" && what.includes("torn tail")
  );
  return torn && `taken for a torn tail: ${torn.what}`;
}

export async function runFlips(
  { flips, seed, damage = "bit", bare = false, onFlip = () => {} }: {
    readonly flips: number;
    readonly seed: number;
    /** A bit, or some bytes, which no checksum can turn back. */
    readonly damage?: "bit" | "bytes";
    /** See `build`. */
    readonly bare?: boolean;
    readonly onFlip?: (done: number) => void;
  },
): Promise<Flips> {
  const root = Deno.makeTempDirSync({ prefix: "xerj-verify-flips-" });
  const [base, work] = [`${root}/base`, `${root}/work`];
  const tallies = new Map<string, Tally>();
  const wrongs: string[] = [];
  const missed: string[] = [];
  try {
    const model = await build(base, bare);
    copyFiles(base, work);
    const truth = (await ask(work, "")).texts.map(String);
    const files = filesOf(base);
    const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
    const random = randomOf(seed);
    const byByte = (at: number): { name: string; size: number } => {
      let left = at;
      for (const found of files) {
        if (left < found.size) return found;
        left -= found.size;
      }
      throw new Error("the byte is in a file");
    };

    const judgeRepair = async (
      { place, tally, model }: { readonly place: string; readonly tally: Tally; readonly model: Model },
    ): Promise<void> => {
      const before = treeOf(work);
      const giveUp = (reason: string) => {
        tally.hopeless++;
        const isSealed = /manifest-|catalog-/.test(place);
        const isSame = JSON.stringify(treeOf(work)) === JSON.stringify(before);
        if (damage === "bit" || !isSealed || !isSame) wrongs.push(`${place}: ${reason}`);
      };
      let repairs: readonly Repair[];
      try {
        repairs = await repair(work, "both");
      } catch (error) {
        if (!(error instanceof CorruptionError || error instanceof OpenRefusedError)) throw error;
        giveUp(`cannot be repaired: ${error.message}`);
        return;
      }
      const found = await contents(work).catch((error) => error as Error);
      if (found instanceof Error) {
        giveUp(`does not open after a repair: ${found.message}`);
        return;
      }
      const { ids, unnamed } = losses(repairs);
      const differing = [...new Set([...model.keys(), ...found.keys()])]
        .filter((id) => model.get(id) !== found.get(id));
      const silent = differing.filter((id) => !ids.has(id));
      if (silent.length > unnamed) wrongs.push(`${place}: lost without a word: ${silent.slice(0, 5)}`);
      if (repairs.length === 0) tally.idle++;
      else if (differing.length === 0) tally.whole++;
      else tally.reported++;
    };

    for (let flip = 0; flip < flips; flip++) {
      onFlip(flip);
      // By turns: every file is as likely as the others, and every byte.
      const { name: file, size } = flip % 2 === 0
        ? files[flip / 2 % files.length]!
        : byByte(random.below(totalBytes));
      const [offset, bit] = [random.below(size), random.below(8)];
      const fresh = () => {
        Deno.removeSync(work, { recursive: true });
        copyFiles(base, work);
        if (damage === "bit") flipBit(`${work}/${file}`, offset, bit);
        else smash(`${work}/${file}`, offset);
      };
      const place = `${file}, byte ${offset} of ${size}, bit ${bit}`;
      fresh();
      const kind = kindOf(file);
      const tally = tallies.get(kind) ??
        {
          flips: 0,
          open: 0,
          query: 0,
          verify: 0,
          deep: 0,
          wrong: 0,
          whole: 0,
          reported: 0,
          idle: 0,
          hopeless: 0,
        };
      tallies.set(kind, tally);
      tally.flips++;
      const plain = await look(work);
      const deep = await look(work, { deep: true });
      if (verdictOf(plain) === 1) tally.verify++;
      if (verdictOf(deep) === 1) tally.deep++;
      if (verdictOf(deep) !== 1) {
        const harmless = isHarmless(file, deep);
        if (harmless) missed.push(`${place}: ${harmless}`);
        else wrongs.push(`${place}: no look found it\n${renderText(deep)}`);
      }
      const asked = await ask(work, file);
      if (asked.opened !== "silent") tally.open++;
      if (asked.texts.some((text) => text instanceof Error)) tally.query++;
      asked.texts.forEach((text, i) => {
        if (text instanceof Error || text === truth[i]) return;
        tally.wrong++;
        wrongs.push(`${place}: answer ${i} is wrong: ${text.slice(0, 200)}`);
      });
      fresh();
      await judgeRepair({ place, tally, model });
    }
    return { tallies, wrongs, missed };
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function filesOf(root: string): { readonly name: string; readonly size: number }[] {
  const files: { name: string; size: number }[] = [];
  const visit = (folder: string) => {
    for (
      const { name, isDirectory } of [...Deno.readDirSync(folder)].sort((a, b) => (a.name < b.name ? -1 : 1))
    ) {
      const path = `${folder}/${name}`;
      if (isDirectory) visit(path);
      else if (Deno.statSync(path).size > 0) {
        files.push({ name: path.slice(root.length + 1), size: Deno.statSync(path).size });
      }
    }
  };
  visit(root);
  assert(files.length > 10);
  return files;
}

export function tableOf({ tallies }: Flips): string {
  const head = [
    "file",
    "flips",
    "open",
    "query",
    "verify",
    "deep",
    "wrong",
    "whole",
    "reported",
    "idle",
    "hopeless",
  ];
  const total: Tally = {
    flips: 0,
    open: 0,
    query: 0,
    verify: 0,
    deep: 0,
    wrong: 0,
    whole: 0,
    reported: 0,
    idle: 0,
    hopeless: 0,
  };
  const rows: string[][] = [];
  for (const [kind, tally] of tallies) {
    for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += tally[key];
    rows.push([kind, ...head.slice(1).map((key) => String(tally[key as keyof Tally]))]);
  }
  rows.push(["all", ...head.slice(1).map((key) => String(total[key as keyof Tally]))]);
  return [head, ...rows].map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(20) : cell.padStart(9)).join("")
  )
    .join("\n");
}

if (import.meta.main) {
  const flips = Number(Deno.args[0] ?? 300);
  const seed = Number(Deno.args[1] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}, ${flips} flips, ${Deno.args.slice(2).join(" ")}`);
  const result = await runFlips({
    flips,
    seed,
    damage: Deno.args[2] === "bytes" ? "bytes" : "bit",
    bare: Deno.args[3] === "bare",
    onFlip: (done) => done % 25 === 0 && console.log(`${done} ...`),
  });
  console.log(tableOf(result));
  for (const each of result.missed) console.log(`not damage: ${each}`);
  for (const each of result.wrongs) console.log(`WRONG: ${each}`);
  Deno.exit(result.wrongs.length === 0 ? 0 : 1);
}
