/**
 * Evidence of an index: the same for the same documents, another for others; and what a restored directory shows.
 */
import { assert, assertEquals } from "@std/assert";
import { silentLogger } from "../../../src/base/log.ts";
import { compareIndex } from "../../../src/engine/evidence/compare.ts";
import { type Evidence, evidenceOf } from "../../../src/engine/evidence/evidence.ts";
import { EvidenceGatherer, GATHER_LIMITS, type LinkedIndex } from "../../../src/engine/evidence/gather.ts";
import { openScratch } from "../../../src/engine/evidence/scratch.ts";
import { systemClock } from "../../../src/os/clock.ts";
import { viewMapping } from "../../../src/os/mapping.ts";
import { pause } from "../../../src/os/pause.ts";
import { systemRandom } from "../../../src/os/random.ts";
import { realFileSystem } from "../../../src/os/real_fs.ts";
import { inWorld, SETTINGS, type World } from "../world.ts";

const COMMON = {
  fs: realFileSystem(),
  clock: systemClock(),
  random: systemRandom(),
  log: silentLogger,
  pause,
  settings: SETTINGS,
};

/** However busy the machine is. */
const PATIENT = { ...GATHER_LIMITS, totalMs: 60_000, openMs: 60_000, indexMs: 60_000, probeMs: 60_000 };

const LEVELS = ["debug", "info", "warn"];

function lineOf(n: number) {
  return {
    n,
    level: LEVELS[n % 3],
    at: new Date(1_700_000_000_000 + n * 1000).toISOString(),
    message: `request ${n} took ${n % 7} ms`,
    ratio: n / 7,
    ok: n % 2 === 0,
    address: `10.0.${n >> 8}.${n & 255}`,
  };
}

const PROPERTIES = {
  level: { type: "keyword" },
  at: { type: "date" },
  address: { type: "ip" },
  message: { type: "text" },
  ok: { type: "boolean" },
  ratio: { type: "double" },
};

async function fill(world: World, index: string, from: number, to: number): Promise<void> {
  const lines = Array.from(
    { length: to - from },
    (_, i) => [{ index: { _id: `${from + i}` } }, lineOf(from + i)],
  );
  const items = await world.bulk(index, lines.flat());
  assertEquals(items.filter(({ error }) => error !== undefined), []);
}

/** Links all that there is and looks at it. */
async function gatherAll(
  world: World,
  {
    gatherer = new EvidenceGatherer(COMMON, PATIENT),
    tree = `${world.dataDir}/_tree-${crypto.randomUUID()}`,
  } = {},
): Promise<{ readonly evidence: Evidence; readonly tree: string }> {
  const indices: LinkedIndex[] = [];
  await world.engine.linkAll(tree, (reports) => {
    for (const { name, incarnation } of world.engine.indices.all()) {
      const own = reports.filter((report) => report.incarnation === incarnation);
      indices.push({
        name,
        incarnation,
        lsn: Math.max(...own.map(({ lsn }) => lsn)),
        position: own.map(({ shard, lsn }) => `${shard}:${lsn}`).sort().join(),
        liveDocs: own.reduce((sum, { liveDocs = NaN }) => sum + liveDocs, 0),
      });
    }
  });
  return { evidence: await gatherer.gather(tree, { indices }), tree };
}

function digests({ indices }: Evidence): Record<string, string> {
  return Object.fromEntries(
    indices.flatMap(({ index, docs, probes }) => [
      [`${index} docs`, String(docs)],
      ...probes.map((
        { what, search, docs, sha256 },
      ) => [`${index} ${what} ${JSON.stringify(search)}`, `${docs} ${sha256}`]),
    ]),
  );
}

Deno.test("evidence: the same for what is in the log, in segments, and after a merge; every kind of field is in it", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs", { mappings: { properties: PROPERTIES } });
    await fill(world, "logs", 0, 500);
    await world.flush("logs");
    await fill(world, "logs", 500, 800);
    await world.delete("logs", "3");
    await world.write("logs", "4", { n: 4, level: "changed" });
    const inLog = (await gatherAll(world)).evidence;
    assertEquals(inLog.indices.map(({ docs, countedBy, omitted }) => [docs, countedBy, omitted]), [[
      799,
      "server",
      "",
    ]]);
    const kinds = new Set(inLog.indices[0]!.probes.map(({ what }) => what.replace(/^\d+ /, "")));
    for (
      const kind of [
        "documents by id",
        "matches of message",
        "range of n",
        "range of at",
        "range of ratio",
        "values of level",
        "values of ok",
        "values of address",
      ]
    ) assert(kinds.has(kind), `${kind} of ${[...kinds].join(", ")}`);
    await world.flush("logs");
    const flushed = await gatherAll(world);
    await world.engine.forceMerge([world.index("logs")], { maxSegments: 1, expungeOnly: false });
    const merged = await gatherAll(world);
    const scratch = await openScratch({ ...COMMON, viewMapping }, merged.tree);
    try {
      for (const { indices: [logs] } of [inLog, flushed.evidence, merged.evidence]) {
        const { expectedDocs, foundDocs, differences, probes } = await compareIndex(scratch, {
          index: "logs",
          evidence: logs,
        });
        assertEquals([expectedDocs, foundDocs, differences], [799, 799, []]);
        assert(probes >= 8, `${probes} probes`);
      }
    } finally {
      await scratch.close();
    }
  });
});

Deno.test("evidence: one document deleted, added or changed makes another one", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs", { mappings: { properties: PROPERTIES } });
    await fill(world, "logs", 0, 200);
    await world.flush("logs");
    const { evidence: before, tree } = await gatherAll(world);
    assertEquals(digests((await gatherAll(world)).evidence), digests(before), "the same twice");
    const sampled =
      (before.indices[0]!.probes[0]!.search["query"] as { ids: { values: string[] } }).ids.values;
    const id = sampled[1]!;
    const changes: Record<string, () => Promise<unknown>> = {
      // The sampled documents are others now as well; by the old probes the restored index is asked.
      deleted: () => world.delete("logs", id),
      "added again, and one more": async () => {
        await world.write("logs", id, lineOf(Number(id)));
        await world.write("logs", "new", lineOf(1));
      },
      "the one more deleted, one changed": async () => {
        await world.delete("logs", "new");
        await world.write("logs", id, { ...lineOf(Number(id)), n: -1 });
      },
    };
    const found: Record<string, readonly string[]> = {};
    for (const [what, change] of Object.entries(changes)) {
      await change();
      const after = await gatherAll(world);
      assert(JSON.stringify(digests(after.evidence)) !== JSON.stringify(digests(before)), what);
      const scratch = await openScratch({ ...COMMON, viewMapping }, after.tree);
      try {
        found[what] =
          (await compareIndex(scratch, { index: "logs", evidence: before.indices[0] })).differences;
      } finally {
        await scratch.close();
      }
    }
    assertEquals(found["deleted"]!.slice(0, 2), [
      "it has 199 documents; there were 200 (counted by the server)",
      `${sampled.length} documents by id: ${
        sampled.length - 1
      } documents match; there were ${sampled.length}`,
    ]);
    assertEquals(
      found["added again, and one more"]![0],
      "it has 201 documents; there were 200 (counted by the server)",
    );
    assertEquals(found["the one more deleted, one changed"]!.slice(0, 2), [
      `${sampled.length} documents by id: the answer is another than at the time of the backup`,
      "range of n: the answer is another than at the time of the backup",
    ]);
    const scratch = await openScratch({ ...COMMON, viewMapping }, tree);
    try {
      const { differences } = await compareIndex(scratch, { index: "logs", evidence: before.indices[0] });
      assertEquals(differences, [], "the tree of before, opened after all that");
      const { differences: gone } = await compareIndex(scratch, {
        index: "absent",
        evidence: { ...before.indices[0]!, index: "absent" },
      });
      assertEquals(gone, ["the index is not there"]);
    } finally {
      await scratch.close();
    }
  });
});

Deno.test("evidence: several shards, an index without documents, deleted ones, flattened fields and odd sources", async () => {
  await inWorld({ writers: 2 }, async (world) => {
    await world.create("many", {
      settings: { number_of_shards: 3 },
      mappings: { properties: PROPERTIES },
    });
    await world.create("empty");
    await world.create("odd", {
      mappings: { properties: { labels: { type: "flattened" }, big: { type: "long" } } },
    });
    await fill(world, "many", 0, 300);
    await world.flush("many");
    await fill(world, "many", 250, 350);
    await world.bulk("odd", [
      { index: { _id: "ü" } },
      { labels: { a: "b" }, big: 1, text: "Grüße aus Köln", list: ["x", ["y"]] },
      { index: { _id: " " } },
      { labels: { a: 1.5 }, "dotted.name": "plain words", list: [] },
    ]);
    const { evidence, tree } = await gatherAll(world);
    assertEquals(evidence.indices.map(({ index, docs, omitted }) => [index, docs, omitted]).sort(), [
      ["empty", 0, ""],
      ["many", 350, ""],
      ["odd", 2, ""],
    ]);
    assertEquals(
      evidenceOf({ evidence: JSON.parse(JSON.stringify(evidence)) }),
      evidence,
      "as JSON and back",
    );
    const scratch = await openScratch({ ...COMMON, viewMapping }, tree);
    try {
      for (const index of evidence.indices) {
        const compared = await compareIndex(scratch, { index: index.index, evidence: index });
        assertEquals([compared.differences, compared.probes], [[], index.probes.length], index.index);
      }
    } finally {
      await scratch.close();
    }
  });
});

Deno.test("evidence: limits leave a count, and words; what has not changed is not looked at again", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs", { mappings: { properties: PROPERTIES } });
    await fill(world, "logs", 0, 2000);
    const counted = async (limits: Partial<typeof GATHER_LIMITS>) => {
      const gatherer = new EvidenceGatherer(COMMON, { ...PATIENT, ...limits });
      const [logs] = (await gatherAll(world, { gatherer })).evidence.indices;
      return [logs!.docs, logs!.probes.length, logs!.omitted];
    };
    assertEquals(await counted({ logBytes: 1 << 10 }), [2000, 0, "more than 0 MiB of log would be replayed"]);
    assertEquals(await counted({ openMs: -1 }), [
      2000,
      0,
      "replaying the log would take more than -1 ms",
    ]);
    await world.flush("logs");
    assertEquals(await counted({ segmentBytes: 1 << 12 }), [
      2000,
      0,
      "more than 0 MiB of segments would be read",
    ]);
    assertEquals(await counted({ totalMs: -1 }), [2000, 0, "there was no time left to look at it"]);
    assertEquals(await counted({ indexMs: -1 }), [2000, 0, "there was no time left for more"]);

    let opened = 0;
    const fs = new Proxy(COMMON.fs, {
      get: (target, name: keyof typeof COMMON.fs) =>
        name === "openRead"
          ? (path: string) => {
            if (path.endsWith("segment.seg")) opened++;
            return target.openRead(path);
          }
          : target[name].bind(target),
    });
    const gatherer = new EvidenceGatherer({ ...COMMON, fs }, PATIENT);
    const first = (await gatherAll(world, { gatherer })).evidence;
    const looks = opened;
    assert(looks > 0);
    await world.engine.forceMerge([world.index("logs")], { maxSegments: 1, expungeOnly: false });
    assertEquals((await gatherAll(world, { gatherer })).evidence.indices, first.indices);
    assertEquals(opened, looks, "nothing was written since");
    await world.delete("logs", "1");
    assertEquals((await gatherAll(world, { gatherer })).evidence.indices[0]!.docs, 1999);
    assert(opened > looks);
  });
});
