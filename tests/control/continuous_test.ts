/**
 * Continuous shipping beside a running engine: how far behind it is, what it says when the store fails, and that no
 * acknowledged write is lost with `wal_sync = "replicated"`.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { planStreamRestore } from "../../src/backup/continuous/plan.ts";
import { restoreStream } from "../../src/backup/continuous/restore.ts";
import { StreamShipper } from "../../src/backup/continuous/shipper.ts";
import { Repository } from "../../src/backup/repository.ts";
import { finishRestore } from "../../src/backup/restore.ts";
import { RequestError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/log.ts";
import { ContinuousShipper, type ContinuousState, type StreamRounds } from "../../src/control/continuous.ts";
import { ContinuousNode, RemoteRounds } from "../../src/control/continuous_node.ts";
import { Rpc } from "../../src/engine/rpc.ts";
import { StoreError } from "../../src/objectstore/store.ts";
import { systemClock } from "../../src/os/clock.ts";
import { sleep } from "../../src/os/pause.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { MemoryStore } from "../backup/memory_store.ts";
import { inWorld, World } from "../engine/world.ts";

const STREAM = "main";
const clock = systemClock();
const fs = realFileSystem();

function open(store: MemoryStore): Promise<Repository> {
  return Repository.openOrCreate(store, { random: systemRandom(), clock });
}

function shipping(world: World, rounds: StreamRounds, intervalMs = 50): ContinuousShipper {
  const { engine } = world;
  return new ContinuousShipper({
    engine,
    rounds,
    clock,
    log: silentLogger,
    stream: STREAM,
    place: "memory://tests",
    intervalMs: () => intervalMs,
  });
}

async function localRounds(store: MemoryStore): Promise<StreamRounds> {
  return new StreamShipper({ repository: await open(store), stream: STREAM, fs, retainMs: 3_600_000 });
}

/** Waits for a state, with a limit. */
async function until(shipper: ContinuousShipper, state: ContinuousState): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (shipper.status().state === state) return;
    await sleep(10);
  }
  throw new Error(`it is ${JSON.stringify(shipper.status())}`);
}

/** Documents that a restore of the stream brings. */
async function restoredIds(store: MemoryStore): Promise<Set<string>> {
  const parent = Deno.makeTempDirSync({ prefix: "xerj-continuous-" });
  try {
    const plan = await planStreamRestore(await open(store), { stream: STREAM });
    await restoreStream(plan, { to: `${parent}/staging`, fs });
    finishRestore(fs, { staging: `${parent}/staging`, target: `${parent}/data` });
    const world = new World(`${parent}/data`, {});
    await world.open();
    try {
      await world.refresh("logs");
      const { hits } = await world.search("logs", { query: { match_all: {} }, size: 10_000 });
      return new Set(hits.map(({ _id }) => _id));
    } finally {
      await world.close();
    }
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

Deno.test("replicated: what is acknowledged is in the store, at any moment that the box is lost", async () => {
  await inWorld({ settings: { walSync: "replicated" }, writers: 2 }, async (world) => {
    const store = new MemoryStore();
    const shipper = shipping(world, await localRounds(store), 1000);
    shipper.start();
    await world.create("logs", { settings: { number_of_shards: 2 } });
    const acknowledged = new Set<string>();
    let next = 0;
    let stopped = false;
    const client = async () => {
      while (!stopped) {
        const id = String(next++);
        await world.write("logs", id, { n: next });
        acknowledged.add(id);
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let i = 0; i < 6; i++) {
      await sleep(150);
      const [acknowledgedNow, storeNow] = [[...acknowledged], new MemoryStore(new Map(store.objects))];
      const restored = await restoredIds(storeNow);
      assertEquals(acknowledgedNow.filter((id) => !restored.has(id)), [], "acknowledged but lost");
    }
    stopped = true;
    await Promise.all(clients);
    const { roundsTotal } = shipper.status();
    assert(acknowledged.size > 3 * roundsTotal, `${acknowledged.size} writes shared ${roundsTotal} rounds`);
    await shipper.stop();
  });
});

Deno.test("batched: a box that is lost loses no more than the interval and a round", async () => {
  await inWorld({ settings: { walBatchMs: 50 } }, async (world) => {
    const store = new MemoryStore();
    const intervalMs = 300;
    const shipper = shipping(world, await localRounds(store), intervalMs);
    shipper.start();
    await world.create("logs");
    const acknowledged = new Map<string, number>();
    let stopped = false;
    const client = async () => {
      for (let next = 0; !stopped; next++) {
        await world.write("logs", String(next), { n: next });
        acknowledged.set(String(next), performance.now());
        await sleep(2);
      }
    };
    const running = client();
    const boxes: {
      readonly lostMs: number;
      readonly acknowledged: Map<string, number>;
      readonly store: MemoryStore;
    }[] = [];
    for (let i = 0; i < 12; i++) {
      await sleep(intervalMs + Math.random() * intervalMs);
      const copy = new MemoryStore(new Map(store.objects));
      boxes.push({ lostMs: performance.now(), acknowledged: new Map(acknowledged), store: copy });
    }
    stopped = true;
    await running;
    await shipper.stop();
    const losses: number[] = [];
    for (const { lostMs, acknowledged, store } of boxes) {
      const restored = await restoredIds(store);
      const lost = [...acknowledged].filter(([id]) => !restored.has(id)).map(([, ms]) => lostMs - ms);
      losses.push(Math.round(Math.max(0, ...lost)));
    }
    losses.sort((a, b) => a - b);
    console.log(
      `ms of writes lost with an interval of ${intervalMs}: median ${losses[6]}, worst ${losses.at(-1)}`,
    );
    // A round under load takes its time too.
    assert(losses[6]! < 2 * intervalMs && losses.at(-1)! < 10 * intervalMs, losses.join(" "));
  });
});

Deno.test("replicated: a write says in time that the store does not have it, and why", async () => {
  await inWorld({ settings: { walSync: "replicated", maxRequestMs: 300 } }, async (world) => {
    const store = new MemoryStore();
    const shipper = shipping(world, await localRounds(store));
    await world.create("logs");
    shipper.start();
    await world.write("logs", "1", {});
    store.before = () => {
      throw new StoreError("Cannot reach memory://tests: the cable is out", { kind: "unavailable" });
    };
    const error = await assertRejects(() => world.write("logs", "2", {}), RequestError) as RequestError;
    assertEquals([error.status, error.type], [503, "not_replicated_exception"]);
    assert(error.message.includes("the cable is out"), error.message);
    await until(shipper, "failing");
    assert(shipper.status().lagMs > 0);
    store.before = () => {};
    await world.write("logs", "3", {});
    await until(shipper, "shipping");
    assertEquals(shipper.status().error, undefined);
    assertEquals([...await restoredIds(store)].sort(), ["1", "2", "3"]);
    await shipper.stop();
  });
});

Deno.test("an idle server puts nothing, and a stopping one ships the rest", async () => {
  await inWorld({}, async (world) => {
    const store = new MemoryStore();
    const shipper = shipping(world, await localRounds(store), 20);
    await world.create("logs");
    shipper.start();
    await until(shipper, "shipping");
    await sleep(100);
    const puts = store.count("put");
    const { roundsTotal } = shipper.status();
    await sleep(300);
    assert(shipper.status().roundsTotal > roundsTotal + 2);
    assertEquals(store.count("put"), puts);
    // Once, at the start.
    assertEquals(store.count("list"), 1);
    assertEquals(shipper.status().lagMs, 0);
    await world.write("logs", "last", {});
    await shipper.stop();
    assertEquals(shipper.status().state, "stopped");
    assertEquals([...await restoredIds(store)], ["last"]);
  });
});

Deno.test("each round of a hundred indices puts as many objects as one of one", async () => {
  await inWorld({}, async (world) => {
    const store = new MemoryStore();
    const rounds = await localRounds(store);
    const shipper = shipping(world, rounds, 1_000_000);
    for (let i = 0; i < 100; i++) await world.create(`logs-${i}`);
    await world.create("logs");
    shipper.start();
    await until(shipper, "shipping");
    for (let i = 0; i < 100; i++) await world.write(`logs-${i}`, "1", { i });
    const puts = store.count("put");
    await shipper.stop();
    assert(store.count("put") - puts <= 3, `${store.count("put") - puts} puts`);
  });
});

Deno.test("rounds in another thread: files of large segments are held until they have arrived", async () => {
  await inWorld({}, async (world) => {
    const store = new MemoryStore();
    const channel = new MessageChannel();
    const node = new ContinuousNode<string>({
      fs,
      log: silentLogger,
      open: () => open(store),
      onReleased: (holds) => shipperEnd.notify("released", holds),
    });
    const shipperEnd: Rpc = new Rpc(channel.port2, node.calls());
    const rounds: RemoteRounds<string> = new RemoteRounds<string>(
      () => mainEnd,
      () => ({ destination: "memory", stream: STREAM, retainMs: 3_600_000 }),
    );
    const mainEnd: Rpc = new Rpc(channel.port1, {
      released: (holds: readonly number[]) => rounds.released(holds),
    });
    const shipper = shipping(world, rounds, 30);
    await world.create("logs");
    const lines = Array.from(
      { length: 2000 },
      (_, i) => [{ index: { _id: String(i) } }, { n: i, text: `line ${i}` }],
    );
    await world.bulk("logs", lines.flat());
    await world.flush("logs");
    let isSlow = true;
    store.before = async (operation, name) => {
      while (isSlow && operation === "put" && name.includes("/segments/")) await sleep(10);
    };
    shipper.start();
    await until(shipper, "seeding");
    await world.write("logs", "more", {});
    isSlow = false;
    await until(shipper, "shipping");
    await shipper.stop();
    assertEquals((await restoredIds(store)).size, 2001);
    channel.port1.close();
    channel.port2.close();
  });
});

Deno.test("a server that may not ship there says so, and ships once it has adopted", async () => {
  const store = new MemoryStore();
  await inWorld({}, async (first) => {
    const shipper = shipping(first, await localRounds(store));
    await first.create("logs");
    await first.write("logs", "a", {});
    shipper.start();
    await until(shipper, "shipping");
    await shipper.stop();
  });
  await inWorld({}, async (second) => {
    const shipper = shipping(second, await localRounds(store));
    await second.create("logs");
    await second.write("logs", "b", {});
    shipper.start();
    await until(shipper, "refused");
    const { error } = shipper.status();
    assert(error!.reason.includes("it belongs to server instance"), error!.reason);
    assert(error!.hint.includes("/v1/admin/continuous/_adopt"), error!.hint);
    assertEquals([...await restoredIds(store)], ["a"]);
    await shipper.adopt();
    await until(shipper, "shipping");
    await shipper.stop();
    assertEquals([...await restoredIds(store)], ["b"]);
  });
});
