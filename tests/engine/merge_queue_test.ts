/**
 * `max_concurrent` and `io_rate_mb_per_sec` do what they say, and a change of them counts at once.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MergeQueue } from "../../src/engine/merge_queue.ts";
import { Rpc } from "../../src/engine/rpc.ts";
import { type BuiltMerge, MergeControl, type MergeJob } from "../../src/shard/merge_job.ts";
import { inWorld, SETTINGS } from "./world.ts";

function job(id: string): MergeJob {
  return {
    id,
    index: "i",
    shard: 0,
    uuid: "",
    stagedPath: "",
    inputs: [],
    control: new MergeControl().words,
  };
}

/** Mergers that build until they are told to be done. */
class Mergers {
  readonly building = new Map<string, (outcome: BuiltMerge | Error) => void>();
  readonly deaths: ((error: Error) => void)[] = [];
  readonly #ports: MessagePort[] = [];
  connected = 0;

  connect(onDeath: (error: Error) => void): Rpc {
    this.connected++;
    this.deaths.push(onDeath);
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1, port2);
    new Rpc(port2, {
      merge: ({ id }: MergeJob) =>
        new Promise((resolve, reject) =>
          this.building.set(id, (outcome) => {
            this.building.delete(id);
            if (outcome instanceof Error) reject(outcome);
            else resolve(outcome);
          })
        ),
      mergeDigest: ({ job }: { job: string }) => `digest of ${job}`,
    });
    return new Rpc(port1, {});
  }

  close(): void {
    for (const port of this.#ports) port.close();
  }
}

const BUILT = { docCount: 1 } as BuiltMerge;
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

Deno.test("no more merges run at once than allowed, and a new limit counts at once", async () => {
  const mergers = new Mergers();
  let limit = 1;
  const queue = new MergeQueue({
    connect: (_n, onDeath) => mergers.connect(onDeath),
    maxConcurrent: () => limit,
    onDeath: () => {},
  });
  const results = ["a", "b", "c", "d"].map((id) => queue.build(job(id)));
  const failed = assertRejects(() => results[2]!);
  await settled();
  assertEquals([[...mergers.building.keys()], queue.queued], [["a"], 3]);
  limit = 3;
  queue.next();
  await settled();
  assertEquals([[...mergers.building.keys()], queue.queued], [["a", "b", "c"], 1]);
  limit = 1;
  mergers.building.get("b")!(BUILT);
  await settled();
  assertEquals(
    [[...mergers.building.keys()], queue.queued],
    [["a", "c"], 1],
    "none is started above the limit",
  );
  assertEquals(await queue.digest({ job: "b", tail: new Uint8Array(1) }), "digest of b");
  mergers.building.get("a")!(BUILT);
  mergers.building.get("c")!(new Error("no"));
  await settled();
  assertEquals([...mergers.building.keys()], ["d"], "a failure makes room, too");
  mergers.building.get("d")!(BUILT);
  await Promise.all([results[0], results[1], results[3], failed]);
  assertEquals(mergers.connected, 3, "threads are used again");
  mergers.close();
});

Deno.test("a merge that is given up while it waits never starts", async () => {
  const mergers = new Mergers();
  const queue = new MergeQueue({
    connect: (_n, onDeath) => mergers.connect(onDeath),
    maxConcurrent: () => 1,
    onDeath: () => {},
  });
  const first = queue.build(job("a"));
  const second = job("b");
  const given = assertRejects(() => queue.build(second));
  new MergeControl(second.control).cancel();
  await settled();
  mergers.building.get("a")!(BUILT);
  await first;
  await given;
  assertEquals(mergers.building.size, 0);
  mergers.close();
});

Deno.test("merges read and write no more than io_rate_mb_per_sec, until it is taken away", async () => {
  const rate = 256 * 1024;
  const merge = { ...SETTINGS.merge, ioBytesPerSec: rate };
  await inWorld({ settings: { merge } }, async (world) => {
    await world.create("logs");
    for (let i = 0; i < 6; i++) {
      const lines = Array.from({ length: 400 }, (_, n) => [
        { index: { _id: `${i}-${n}` } },
        { n, text: crypto.randomUUID().repeat(8), more: crypto.randomUUID() },
      ]);
      await world.bulk("logs", lines.flat());
      await world.flush("logs");
    }
    const started = performance.now();
    const merged = world.engine.forceMerge([world.index("logs")], { maxSegments: 1, expungeOnly: false });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { running } = (await world.engine.stats())[0]!.merges;
    // The bucket lets half a second's worth through at once; measured rates are those of bench/merge.ts.
    const seconds = (performance.now() - started) / 1000;
    assert(running[0]!.bytesDone <= rate * (seconds + 0.5), `${running[0]!.bytesDone} bytes in ${seconds} s`);
    await world.engine.configure({ ...SETTINGS, merge: { ...merge, ioBytesPerSec: 0 } }, world.limits);
    await merged;
    const { merges } = (await world.engine.stats())[0]!;
    const bytes = merges.bytesReadTotal + merges.bytesWrittenTotal;
    assert(bytes / rate > 3.5, `it would have taken ${bytes / rate} s`);
    assert(performance.now() - started < 1000 * bytes / rate, "it ended before that");
    assert(merges.throttledMsTotal > 500, `${merges.throttledMsTotal} ms`);
  });
});
