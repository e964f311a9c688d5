/**
 * One bit of one file is wrong: an error names the file, or every answer is right. Never a wrong answer, and an opening
 * that refuses changes nothing.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { mulberry32 } from "../crash/kill_cycles.ts";
import { copyFiles, treeOf } from "../shard/real_tree.ts";
import { World } from "./world.ts";

const FLIPS = 150;
const SEED = 20260415;
const DOCUMENTS = 2400;

const MAPPINGS = {
  properties: {
    "@timestamp": { type: "date" },
    host: { type: "keyword" },
    user: { type: "keyword" },
    message: { type: "text" },
    bytes: { type: "long" },
    seconds: { type: "double" },
    address: { type: "ip" },
    ok: { type: "boolean" },
  },
};

const QUERIES: readonly unknown[] = [
  { size: 3000, sort: ["bytes"], track_total_hits: true },
  { query: { match: { message: "disk of host" } }, size: 20 },
  { query: { match_phrase: { message: "disk of host3" } }, size: 1000, sort: ["bytes"] },
  { query: { term: { user: "user-17" } } },
  { query: { range: { bytes: { gte: 1000, lt: 2000 } } }, size: 0, track_total_hits: true },
  { query: { range: { seconds: { lt: 3 } } }, size: 100, sort: [{ seconds: "desc" }] },
  { query: { term: { address: "10.0.0.9" } }, size: 100, sort: ["bytes"] },
  { query: { ids: { values: ["id-5", "id-1955", "id-2255", "id-2399"] } }, sort: ["bytes"] },
  { query: { bool: { must_not: { exists: { field: "ok" } } } }, size: 100, sort: ["bytes"] },
  {
    size: 0,
    aggs: {
      hosts: { terms: { field: "host" }, aggs: { total: { sum: { field: "bytes" } } } },
      days: { date_histogram: { field: "@timestamp", fixed_interval: "1d" } },
      seconds: { stats: { field: "seconds" } },
      users: { cardinality: { field: "user" } },
    },
  },
];

function document(i: number): Record<string, unknown> {
  return {
    "@timestamp": new Date(Date.UTC(2026, 0, 1) + i * 7_200_000).toISOString(),
    host: `host${i % 5}`,
    user: `user-${i}`,
    message: `disk of host${i % 5} is ${i % 3 === 0 ? "full" : "fine"}, said user-${i}`,
    bytes: i * 17,
    seconds: i / 8,
    address: `10.0.0.${i % 20}`,
    ...(i % 4 === 0 ? {} : { ok: i % 2 === 0 }),
  };
}

/** Three segments with deletes across them, and a log behind them that is synced and says so. */
async function build(dataDir: string): Promise<void> {
  const world = new World(dataDir, { settings: { walBatchMs: 10, walMaxBytes: 1 << 20 } });
  await world.open();
  await world.create("logs", { mappings: MAPPINGS });
  const put = (from: number, to: number) =>
    world.bulk(
      "logs",
      Array.from({ length: to - from }, (_, i) => [{ index: { _id: `id-${from + i}` } }, document(from + i)])
        .flat(),
    );
  await put(0, 2000);
  await world.flush("logs");
  await put(1900, 2200);
  await world.delete("logs", "id-7");
  await world.flush("logs");
  await put(2200, 2300);
  await world.delete("logs", "id-8");
  await world.delete("logs", "id-2230");
  await world.flush("logs");
  await put(2300, DOCUMENTS);
  await world.delete("logs", "id-9");
  // A quiet log gets a mark: the copy below is then one whose every record must be there.
  const log = () => [...Deno.readDirSync(`${dataDir}/logs/wal`)].map(({ name }) => name).sort().at(-1)!;
  const size = () => Deno.statSync(`${dataDir}/logs/wal/${log()}`).size;
  for (const before = size(); size() === before;) await new Promise((resolve) => setTimeout(resolve, 20));
  copyFiles(dataDir, `${dataDir}.copy`);
  await world.close();
}

/** All answers; an error of the disk stands for itself. */
async function answers(world: World): Promise<(string | CorruptionError)[]> {
  const asked: (() => Promise<unknown>)[] = [
    ...QUERIES.map((query) => async () => {
      const { took_ms: _took, request_id: _id, ...answer } = await world.search(
        "logs",
        query,
      ) as unknown as Record<
        string,
        unknown
      >;
      return answer;
    }),
    ...[0, 7, 8, 9, 77, 1945, 2230, 2399].map((i) => () => world.get("logs", `id-${i}`)),
  ];
  const found: (string | CorruptionError)[] = [];
  for (const ask of asked) {
    try {
      found.push(JSON.stringify(await ask()) ?? "nothing");
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      found.push(error);
    }
  }
  return found;
}

interface Outcome {
  readonly kind: "refused" | "error" | "right";
  readonly problems: string[];
}

async function tryFlipped(
  dataDir: string,
  file: string,
  truth: readonly string[],
): Promise<Outcome> {
  const before = treeOf(dataDir);
  const world = new World(dataDir, {});
  const names = (error: Error) => error.message.includes(`${dataDir}/${file}`);
  try {
    await world.open();
  } catch (error) {
    if (!(error instanceof CorruptionError || error instanceof OpenRefusedError)) throw error;
    const problems = names(error) ? [] : [`the refusal does not name it: ${error.message}`];
    const after = treeOf(dataDir);
    if (JSON.stringify(after) !== JSON.stringify(before)) {
      problems.push("the refused opening changed the disk");
    }
    return { kind: "refused", problems };
  }
  const problems: string[] = [];
  let kind: Outcome["kind"] = "right";
  try {
    (await answers(world)).forEach((answer, i) => {
      if (typeof answer !== "string") {
        kind = "error";
        if (!names(answer) || answer.offset < 0) {
          problems.push(`answer ${i} names no place: ${answer.message}`);
        }
      } else if (answer !== truth[i]) {
        problems.push(`answer ${i} is wrong:\n  ${answer.slice(0, 300)}\n  ${truth[i]!.slice(0, 300)}`);
      }
    });
  } finally {
    await world.close();
  }
  if (file.includes("/seg-") && treeOf(dataDir)[file] !== before[file]) problems.push("the file was changed");
  return { kind, problems };
}

Deno.test("no bit of any file can be wrong without an error that names the file, or right answers", async () => {
  const root = Deno.makeTempDirSync({ prefix: "xerj-flips-" });
  const base = `${root}/base.copy`;
  const work = `${root}/work`;
  try {
    await build(`${root}/base`);
    copyFiles(base, work);
    const sound = new World(work, {});
    await sound.open();
    const truth = (await answers(sound)).map(String);
    await sound.close();
    const files = Object.entries(treeOf(base)).map(([path]) => path).filter((path) =>
      !path.endsWith("/") && Deno.statSync(`${base}/${path}`).size > 0
    );
    const random = mulberry32(SEED);
    const counts: Record<Outcome["kind"], number> = { refused: 0, error: 0, right: 0 };
    const wrong: string[] = [];
    for (let flip = 0; flip < FLIPS; flip++) {
      // Every file in turn: small ones are as important as large ones.
      const file = files[flip % files.length]!;
      Deno.removeSync(work, { recursive: true });
      copyFiles(base, work);
      const bytes = Deno.readFileSync(`${work}/${file}`);
      const offset = Math.floor(random() * bytes.length);
      const bit = Math.floor(random() * 8);
      bytes[offset]! ^= 1 << bit;
      Deno.writeFileSync(`${work}/${file}`, bytes);
      const { kind, problems } = await tryFlipped(work, file, truth);
      counts[kind]++;
      for (const problem of problems) {
        wrong.push(`${file}, byte ${offset} of ${bytes.length}, bit ${bit}: ${problem}`);
      }
    }
    console.log(`seed ${SEED}: ${FLIPS} flips over ${files.length} files:`, counts);
    assertEquals(wrong, []);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
