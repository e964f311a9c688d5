/**
 * Slow copies of a shard that goes on working, onto empty and old destinations, some of which were opened and written
 * to: a copy holds everything that was appended before it began, or refuses to open.
 */
import { assert, assertEquals } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import { createShard, openShard } from "../../src/shard/store.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { LyingDisk } from "./lying_disk.ts";
import {
  append,
  chanceFrom,
  IDENTITY,
  publishCheckpoint,
  publishSegment,
  replayed,
  TestNode,
} from "./store_fixture.ts";

const SOURCE = "data/logs";

/** Copies folder by folder, each listed when its turn comes; vanished files are skipped, old ones stay. */
function* copyTree(disk: LyingDisk, to: string, chance: () => number): Generator<void> {
  disk.makeDirectory(to);
  const folders = [
    SOURCE,
    ...disk.list(SOURCE).filter(({ isDirectory }) => isDirectory).map(({ name }) => `${SOURCE}/${name}`),
  ];
  // A tool lists the top before what is below; the rest comes in any order.
  const [top, ...rest] = folders;
  rest.sort(() => chance() - 0.5);
  const seen = new Set<string>(folders);
  const queue = [top!, ...rest];
  for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
    yield;
    if (!disk.exists(folder)) continue;
    const target = to + folder.slice(SOURCE.length);
    disk.makeDirectory(target);
    const entries = [...disk.list(folder)].sort(() => chance() - 0.5);
    for (const { name, isFile } of entries) {
      const path = `${folder}/${name}`;
      if (!isFile) {
        if (!seen.has(path)) queue.push(path);
        seen.add(path);
        continue;
      }
      if (chance() < 0.5) yield;
      if (!disk.exists(path)) continue;
      const bytes = disk.readFile(path);
      if (disk.exists(`${target}/${name}`)) disk.unlink(`${target}/${name}`);
      const file = disk.create(`${target}/${name}`);
      file.write(bytes);
      file.close();
    }
  }
}

interface Copy {
  readonly to: string;
  readonly steps: Generator<void>;
  readonly startedMs: number;
  /** Operations that it must hold. */
  readonly before: number;
  /** Its destination was opened and written to. */
  readonly clone: boolean;
}

interface Tally {
  opened: number;
  refused: number;
  refusedInTime: string[];
}

async function runSchedule(seed: number, tally: Tally): Promise<void> {
  const chance = chanceFrom(seed);
  const disk = new LyingDisk();
  let node = new TestNode(disk, chance);
  node.walMaxBytes = 3000;
  let store = createShard(node.environment(), SOURCE, {
    identity: IDENTITY,
    options: { mapping: {}, settings: {} },
  });
  const texts: { lsn: number; text: string }[] = [];
  /** Pasts of destinations that were opened and went on by themselves. */
  const pasts = new Map<string, { lsn: number; text: string }[]>();
  let copy: Copy | undefined;
  let step = 0;
  const finish = ({ to, startedMs, before, clone }: Copy) => {
    const inTime = node.wallMs - startedMs < node.retainMs && !clone;
    const other = new TestNode(disk, chance);
    Object.assign(other, { isCopy: true, bootId: chance() < 0.5 ? node.bootId : "elsewhere" });
    const tree = disk.tree();
    let opened;
    try {
      opened = openShard(other.environment(), to, IDENTITY);
    } catch (error) {
      assert(error instanceof OpenRefusedError || error instanceof CorruptionError, String(error));
      assertEquals(disk.tree(), tree, "a refusal changes nothing");
      tally.refused++;
      if (inTime) tally.refusedInTime.push(`seed ${seed}: ${(error as Error).message}`);
      return;
    }
    tally.opened++;
    const { checkpoint } = opened.manifest;
    const ids = replayed(opened);
    const holds = (past: readonly { lsn: number; text: string }[]) => {
      const skipped = past.filter(({ lsn }) => lsn <= checkpoint.lsn).length;
      const expected = past.slice(skipped, skipped + ids.length).map(({ text }) => text);
      return ids.length === expected.length && ids.every((id, i) => id === expected[i])
        ? skipped + ids.length
        : -1;
    };
    // A destination with a past of its own may keep it; it may not mix it with another.
    const own = pasts.get(to);
    const count = holds(texts);
    if (!own || holds(own) < own.length) {
      assert(count >= before, `${before} were there when it began, ${count} are in it`);
    }
    if (chance() < 0.6) return opened.close();
    // With a run of its own: what is copied onto it later must not be mixed with it.
    const copied = opened.startRun(false);
    const past = count >= 0 ? texts.slice(0, count) : own!;
    pasts.set(to, past);
    if (chance() < 0.7) past.push({ lsn: append(copied, `own ${step}`), text: `own ${step}` });
    if (chance() < 0.5) publishCheckpoint(copied);
    if (chance() < 0.5) copied.roll();
    copied.close({ clean: chance() < 0.5 });
  };
  for (; step < 250; step++) {
    const dice = chance();
    const elapsedMs = chance() * (seed % 3 === 0 ? 150_000 : 8_000);
    node.monotonicMs += elapsedMs;
    node.wallMs += elapsedMs;
    if (dice < 0.55) {
      const text = `t${texts.length}${"x".repeat(Math.floor(chance() * 300))}`;
      texts.push({ lsn: append(store, text), text });
    } else if (dice < 0.62) store.sync();
    else if (dice < 0.68) store.roll();
    else if (dice < 0.72) publishCheckpoint(store);
    else if (dice < 0.78) {
      await publishSegment(store, node.environment(), {
        replace: store.manifest.segments.map(({ number }) => number).slice(0, 1),
      });
    } else if (dice < 0.9) store.release(new Set());
    else if (dice < 0.92) {
      store.close({ clean: chance() < 0.5 });
      const [lsn, wallMs] = [0, node.wallMs];
      node = node.restarted({ lsn, wallMs });
      const opened = openShard(node.environment(), SOURCE, IDENTITY);
      store = opened.startRun(chance() < 0.3);
    }
    if (copy) {
      if (copy.steps.next().done) {
        finish(copy);
        copy = undefined;
      }
    } else if (chance() < 0.3) {
      const to = `copy-${Math.floor(chance() * 3)}`;
      copy = {
        to,
        steps: copyTree(disk, to, chance),
        startedMs: node.wallMs,
        before: texts.length,
        clone: pasts.has(to),
      };
    }
  }
}

Deno.test("copies of a working shard hold everything from before they began, or refuse", async () => {
  const tally: Tally = { opened: 0, refused: 0, refusedInTime: [] };
  for (let seed = 1; seed <= 40; seed++) {
    try {
      await runSchedule(seed, tally);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  if (Deno.env.get("TALLY")) console.log(tally);
  assert(tally.opened > 100, `${tally.opened} opened`);
  assertEquals(tally.refusedInTime, []);
});
