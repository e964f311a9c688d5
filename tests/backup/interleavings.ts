/**
 * Seeded simulation of one repository under many hands: backups of several servers that share files, prunes, deletes;
 * every call to the store is a step, and the steps of all come in random order. Processes are killed at any step, with
 * their last calls done, lost, or done much later; replies get lost; requests arrive twice; a backup is started again
 * while its first process still lives.
 *
 * Checked after every step that changes head or objects: no listed backup names what is not there. At the end: each listed
 * backup restores byte for byte, and after one last prune nothing is left that no backup names.
 *
 *     deno run -A tests/backup/interleavings.ts [count] [first seed]
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { backUp, type BackupPlan } from "../../src/backup/back_up.ts";
import { RepositoryError } from "../../src/backup/error.ts";
import { decodeHead, type ListedBackup } from "../../src/backup/head.ts";
import { decodeBackupManifest, objectsOf } from "../../src/backup/manifest.ts";
import { deleteBackup, prune } from "../../src/backup/prune.ts";
import { Repository } from "../../src/backup/repository.ts";
import {
  type ObjectInfo,
  type ObjectSource,
  type ObjectStore,
  type PutFileOptions,
  type PutOptions,
  StoreError,
} from "../../src/objectstore/store.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryStore } from "./memory_store.ts";
import { assertFiles, type Files, noise, planOf, restored, SeededRandom, stillClock } from "./support.ts";

/** What one simulation did. */
export interface SimulationOutcome {
  readonly steps: number;
  readonly published: number;
  readonly listed: number;
  readonly killed: number;
  readonly pruned: number;
  readonly resumed: number;
  /** Puts and deletes that took effect when their process was gone, or a second time. */
  readonly late: number;
  /** Rounds of backups that another change of the head made void. */
  readonly retries: number;
}

export interface SimulationRules {
  /** The store does as told even where the condition does not hold. */
  readonly ignoresConditions?: boolean;
}

const SERVERS = 3;
const CONTENTS = 12;
const ACTIONS = 14;
const CONTENT_POOL: readonly Uint8Array[] = Array.from({ length: CONTENTS }, (_, i) => noise(40 + i, i + 1));

interface Call {
  readonly process: Process;
  /** Has the effect and gives the reply. */
  readonly perform: () => unknown;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly writes: boolean;
}

interface Process {
  readonly server: number;
  readonly plan: BackupPlan | undefined;
  isAlive: boolean;
  /** Of how many choices it gets one: small numbers are slow. */
  readonly weight: number;
}

class World {
  readonly random: SeededRandom;
  readonly store = new MemoryStore();
  readonly disks = Array.from({ length: SERVERS }, () => new MemoryDisk());
  readonly expected = new Map<string, Files>();
  /** Plans whose process was killed or failed, by server. */
  readonly brokenOff: (BackupPlan | undefined)[] = [];
  readonly pending: Call[] = [];
  readonly lateEffects: (() => unknown)[] = [];
  readonly processes = new Set<Process>();
  steps = 0;
  published = 0;
  killed = 0;
  pruned = 0;
  resumed = 0;
  late = 0;
  retries = 0;
  #nextId = 1;
  /** The head as it was decoded last. */
  #checked: { readonly etag: string; readonly backups: readonly ListedBackup[] } = { etag: "", backups: [] };
  readonly #objects = new Map<string, Set<string>>();

  constructor(seed: number, readonly rules: SimulationRules) {
    this.random = new SeededRandom(seed);
    for (const disk of this.disks) disk.makeDirectory("/journal");
  }

  get options() {
    return { random: this.random, clock: stillClock };
  }

  start(process: Process, work: (repository: Repository) => Promise<unknown>): void {
    this.processes.add(process);
    const run = async () => {
      await work(await Repository.open(new SteppedStore(this, process), this.options));
    };
    run().catch((error) => {
      // A killed process's failures are nobody's; others must be the ones that operations announce.
      const isExpected = error instanceof StoreError || error instanceof RepositoryError;
      if (process.isAlive && !isExpected) throw error;
      if (process.plan && error instanceof StoreError) this.brokenOff[process.server] = process.plan;
    }).finally(() => {
      process.isAlive = false;
      this.processes.delete(process);
    });
  }

  startBackup(): void {
    const server = this.random.below(SERVERS);
    const running = [...this.processes].find((process) => process.plan && process.server === server);
    // A second process of the same backup while the first one lives is rare, but must harm nobody.
    if (running && this.random.next() < 0.9) return;
    let plan = running?.plan ?? this.brokenOff[server];
    if (plan && this.random.next() < 0.8) this.resumed++;
    else plan = this.#newPlan(server);
    this.brokenOff[server] = undefined;
    const process = this.#process(server, plan);
    this.start(process, async (repository) => {
      const { retries } = await backUp(repository, plan, {
        fs: this.disks[server]!,
        journalPath: "/journal/backup",
        compress: false,
        inlineBytes: -1,
        pieceBytes: 32,
        parallel: 2,
      });
      this.published++;
      this.retries += retries;
    });
  }

  #newPlan(server: number): BackupPlan {
    const id = `bk-${this.#nextId++}`;
    const files: Record<string, Uint8Array> = {};
    const count = 1 + this.random.below(4);
    for (let i = 0; i < count; i++) {
      const path = `a/${this.random.next() < 0.7 ? "seg" : "wal"}-${i}/file`;
      files[path] = CONTENT_POOL[this.random.below(CONTENTS)]!;
    }
    this.expected.set(id, files);
    return planOf(this.disks[server]!, id, files, { series: `server-${this.random.below(2)}` });
  }

  startPrune(): void {
    const graceEpochs = this.random.below(3);
    const retention = { last: 1 + this.random.below(2) };
    this.pruned++;
    this.start(this.#process(-1, undefined), (repository) => prune(repository, { retention, graceEpochs }));
  }

  startDelete(): void {
    const { backups } = decodeHead(this.store.objects.get("head.json")!.bytes);
    const victim = backups[this.random.below(Math.max(1, backups.length))];
    if (!victim) return;
    this.start(this.#process(-1, undefined), (repository) => deleteBackup(repository, victim.id));
  }

  #process(server: number, plan: BackupPlan | undefined): Process {
    return { server, plan, isAlive: true, weight: this.random.next() < 0.3 ? 0.05 : 1 };
  }

  /** Ends a process; of its calls under way some had their effect, some never will, some will have it later. */
  kill(): void {
    const alive = [...this.processes];
    const victim = alive[this.random.below(Math.max(1, alive.length))];
    if (!victim) return;
    this.killed++;
    victim.isAlive = false;
    this.processes.delete(victim);
    if (victim.plan) this.brokenOff[victim.server] = victim.plan;
    for (let i = this.pending.length - 1; i >= 0; i--) {
      const call = this.pending[i]!;
      if (call.process !== victim) continue;
      this.pending.splice(i, 1);
      if (call.writes && this.random.next() < 0.7) this.lateEffects.push(call.perform);
    }
  }

  /** One call of one process has its effect. */
  step(): void {
    let index = this.random.below(this.pending.length);
    for (let i = 0; i < 8 && this.random.next() >= this.pending[index]!.process.weight; i++) {
      index = this.random.below(this.pending.length);
    }
    const [call] = this.pending.splice(index, 1);
    const { perform, resolve, reject, writes } = call!;
    this.steps++;
    if (writes && this.random.next() < 0.05) this.lateEffects.push(perform);
    try {
      const reply = perform();
      if (writes) this.check();
      if (this.random.next() < 0.01) reject(new StoreError("The reply was lost", { kind: "unavailable" }));
      else resolve(reply);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      reject(error);
    }
  }

  stepLate(): void {
    const [effect] = this.lateEffects.splice(this.random.below(this.lateEffects.length), 1);
    this.late++;
    try {
      effect!();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
    this.check();
  }

  /** Nothing that is listed may lack anything, at any time. */
  check(): void {
    const stored = this.store.objects.get("head.json")!;
    if (stored.etag !== this.#checked.etag) {
      this.#checked = { etag: stored.etag, backups: decodeHead(stored.bytes).backups };
    }
    for (const { id, manifest: name } of this.#checked.backups) {
      const stored = this.store.objects.get(name);
      if (!stored) throw new Error(`listed backup ${id} has no manifest`);
      const objects = this.#objects.get(name) ?? objectsOf(decodeBackupManifest(stored.bytes));
      this.#objects.set(name, objects);
      for (const object of objects) {
        if (!this.store.objects.has(object)) throw new Error(`listed backup ${id} lacks ${object}`);
      }
    }
  }
}

/** The world's store as one process sees it: each call waits for its step. */
class SteppedStore implements ObjectStore {
  readonly place = "memory://simulated";
  readonly #world: World;
  readonly #process: Process;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
  }

  head(name: string): Promise<ObjectInfo | undefined> {
    return this.#call(false, () => {
      const object = this.#world.store.objects.get(name);
      return object && { name, sizeBytes: object.bytes.length, etag: object.etag, modifiedMs: 0 };
    });
  }

  get(name: string): Promise<{ bytes: Uint8Array; etag: string } | undefined> {
    return this.#call(false, () => this.#world.store.objects.get(name));
  }

  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const object = await this.get(name);
    if (!object) throw new StoreError(`There is no object ${name}`, { kind: "missing" });
    yield object.bytes;
  }

  put(name: string, bytes: Uint8Array, { condition }: PutOptions = {}): Promise<string> {
    const chosen = this.#world.rules.ignoresConditions ? undefined : condition;
    return this.#call(true, () => this.#world.store.putNow(name, bytes, chosen));
  }

  async putFile(name: string, source: ObjectSource, { onSent }: PutFileOptions = {}): Promise<void> {
    const bytes = await source.read(0, source.sizeBytes);
    await this.#call(true, () => this.#world.store.putNow(name, bytes, undefined));
    onSent?.(source.sizeBytes);
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    const { objects } = this.#world.store;
    const found = await this.#call(
      false,
      () =>
        [...objects].filter(([name]) => name.startsWith(prefix)).map(([name, { bytes, etag }]) => ({
          name,
          sizeBytes: bytes.length,
          etag,
          modifiedMs: 0,
        })),
    );
    yield* found;
  }

  /** Names go one by one, as they do when many requests carry them. */
  async delete(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#call(true, () => void this.#world.store.objects.delete(name));
  }

  abortUploads(): Promise<number> {
    return Promise.resolve(0);
  }

  close(): void {}

  #call<T>(writes: boolean, perform: () => T): Promise<T> {
    if (!this.#process.isAlive) return new Promise(() => {});
    return new Promise<T>((resolve, reject) => {
      const reply = resolve as (reply: unknown) => void;
      this.#world.pending.push({ process: this.#process, perform, resolve: reply, reject, writes });
    });
  }
}

/** Lets all processes go on until each waits for the store or is done. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Runs one simulation. @throws {Error} Something that must never happen did; the message does not name the seed. */
export async function simulate(seed: number, rules: SimulationRules = {}): Promise<SimulationOutcome> {
  const world = new World(seed, rules);
  const { random } = world;
  await Repository.create(world.store, world.options);
  for (let actions = 0; actions < ACTIONS || world.pending.length > 0;) {
    await settle();
    const choice = random.next();
    if (actions < ACTIONS && (world.pending.length === 0 || choice < 0.08)) {
      actions++;
      const kind = random.next();
      if (kind < 0.6) world.startBackup();
      else if (kind < 0.9) world.startPrune();
      else world.startDelete();
    } else if (choice < 0.09) {
      world.kill();
    } else if (choice < 0.14 && world.lateEffects.length > 0) {
      world.stepLate();
    } else if (world.pending.length > 0) {
      world.step();
    }
  }
  await settle();
  while (world.lateEffects.length > 0) world.stepLate();
  const listed = await checkAtRest(world);
  const { steps, published, killed, pruned, resumed, late, retries } = world;
  return { steps, published, listed, killed, pruned, resumed, late, retries };
}

async function checkAtRest(world: World): Promise<number> {
  const repository = await Repository.open(world.store, world.options);
  const { backups } = (await repository.readHead()).head;
  if (new Set(backups.map(({ id }) => id)).size !== backups.length) {
    throw new Error("a backup is listed twice");
  }
  await prune(repository, { graceEpochs: 0 });
  const { head } = await repository.readHead();
  if (head.condemned.length > 0) throw new Error("objects stay condemned");
  const needed = new Set(["head.json"]);
  for (const listed of backups) {
    assertFiles(await restored(repository, { backup: listed.id }), world.expected.get(listed.id)!);
    needed.add(listed.manifest);
    for (const object of objectsOf(await repository.readManifest(listed))) needed.add(object);
  }
  const garbage = world.store.names().filter((name) => !needed.has(name));
  if (garbage.length > 0) throw new Error(`garbage stays: ${garbage.join(", ")}`);
  return backups.length;
}

/** Runs many. @returns Sums over all. @throws {Error} With the seed of the first that failed. */
export async function simulateMany(count: number, firstSeed: number): Promise<SimulationOutcome> {
  const sum: Record<string, number> = {};
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    try {
      for (const [key, value] of Object.entries(await simulate(seed))) sum[key] = (sum[key] ?? 0) + value;
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
  return sum as unknown as SimulationOutcome;
}

if (import.meta.main) {
  const [count, firstSeed] = [Number(Deno.args[0] ?? "10000"), Number(Deno.args[1] ?? "1")];
  const startedMs = performance.now();
  const total: Record<string, number> = {};
  for (let done = 0; done < count;) {
    const batch = Math.min(1000, count - done);
    const sum = await simulateMany(batch, firstSeed + done);
    for (const [key, value] of Object.entries(sum)) total[key] = (total[key] ?? 0) + value;
    done += batch;
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(
      `${done} interleavings in ${seconds} s: 0 dangling references, no garbage`,
      JSON.stringify(total),
    );
  }
  // A message channel that lets threads pause keeps the process alive otherwise.
  Deno.exit(0);
}
