/**
 * Seeded schedules of servers that ship into one stream, and of what goes wrong: kills at any call to the store, power
 * cuts, clones and copies started beside their original, puts that come late, answers that are lost, adoptions.
 *
 *     deno run -A tests/backup/continuous/simulation.ts [schedules] [seed]
 *
 * Judged after every round that went through, and at the end:
 * - the stream holds one past: what its head's owner wrote, and nothing else;
 * - a restore to the newest instant holds everything up to the head's LSN, one to an earlier instant exactly what was
 *   written up to it;
 * - no server is shut out of a stream that no other server ever shipped into;
 * - once nobody ships any more and the window has passed, nothing is in the store that the head does not name.
 *
 * @module
 */
import { StreamError } from "../../../src/backup/continuous/error.ts";
import { planStreamRestore, type StreamTarget } from "../../../src/backup/continuous/plan.ts";
import { restoreStream } from "../../../src/backup/continuous/restore.ts";
import { StreamShipper } from "../../../src/backup/continuous/shipper.ts";
import { loadInventory, readStreamHead } from "../../../src/backup/continuous/state.ts";
import { Repository } from "../../../src/backup/repository.ts";
import { type ObjectStore, type PutOptions, StoreError } from "../../../src/objectstore/store.ts";
import type { Clock } from "../../../src/os/fs.ts";
import { MemoryDisk } from "../memory_disk.ts";
import { MemoryStore } from "../memory_store.ts";
import { SeededRandom } from "../support.ts";
import { SimBox } from "./sim_box.ts";
import { readRestored } from "./sim_read.ts";

const STREAM = "main";
const RETAIN_MS = 2000;
const GRACE_MS = 500;

/** What happened, and what must not have. */
export const COUNT_NAMES = [
  "schedules",
  "rounds",
  "failedRounds",
  "kills",
  "powerCuts",
  "clones",
  "copies",
  "latePuts",
  "lostAnswers",
  "refusals",
  "adoptions",
  "restores",
  "instants",
  "outOfReach",
  "mixedPasts",
  "shutOut",
  "wrongRestores",
  "garbage",
] as const;
export type Counts = Record<typeof COUNT_NAMES[number], number>;

export function noCounts(): Counts {
  return Object.fromEntries(COUNT_NAMES.map((name) => [name, 0])) as Counts;
}

/** The process of a server: its calls to the store may be its last. */
class Process {
  isDead = false;
  shipper!: StreamShipper;

  constructor(readonly box: SimBox, readonly isFirst: boolean) {}
}

class Schedule {
  readonly #random: SeededRandom;
  readonly #counts: Counts;
  readonly #clock = { ms: 1_750_000_000_000 };
  readonly #store = new MemoryStore();
  readonly #late: (() => void)[] = [];
  readonly #processes: Process[] = [];
  readonly problems: string[] = [];
  /** Pasts by the instance and run that shipped, with the server that had it. */
  readonly #owners = new Map<string, SimBox>();
  #faults = 0;
  #boxes = 0;

  constructor(seed: number, counts: Counts) {
    this.#random = new SeededRandom(seed);
    this.#counts = counts;
  }

  async run(steps: number): Promise<void> {
    this.#counts.schedules++;
    const first = new SimBox(`box${this.#boxes++}`, "instance-0", this.#random, this.#clock);
    first.start();
    await this.#launch(first, true);
    for (let step = 0; step < steps; step++) {
      this.#faults = this.#random.below(4) === 0 ? 0.1 : 0;
      const process = this.#processes[this.#random.below(this.#processes.length)]!;
      await this.#step(process);
      this.#clock.ms += this.#random.below(40);
      if (this.#random.below(5) === 0) this.#late.splice(this.#random.below(this.#late.length + 1), 1)[0]?.();
    }
    await this.#end();
  }

  async #step(process: Process): Promise<void> {
    const { box } = process;
    const dice = this.#random.below(100);
    if (dice < 30) { for (let i = this.#random.below(6); i >= 0; i--) box.append(); }
    else if (dice < 34) box.sync();
    else if (dice < 42) box.flush();
    else if (dice < 46) box.roll();
    else if (dice < 51) box.create();
    else if (dice < 53) box.remove();
    else if (dice < 86) await this.#round(process);
    else if (dice < 90) await this.#restart(process, false);
    else if (dice < 94) await this.#restart(process, true);
    else if (dice < 96 && this.#processes.length < 3) await this.#clone(box);
    else if (dice < 97) await this.#sweep(process);
    else if (dice < 98 && this.#processes.length > 1) await this.#adopt(process);
    else if (dice < 99) this.#clock.ms += RETAIN_MS;
  }

  async #launch(box: SimBox, isFirst: boolean): Promise<void> {
    const process = new Process(box, isFirst);
    await this.#openShipper(process);
    this.#processes.push(process);
  }

  async #openShipper(process: Process): Promise<void> {
    const clock: Clock = { nowMs: () => this.#clock.ms, monotonicMs: () => this.#clock.ms };
    const store = this.#storeOf(process);
    const options = { random: this.#random, clock };
    const faults = this.#faults;
    this.#faults = 0;
    const repository = await Repository.openOrCreate(store, options);
    this.#faults = faults;
    process.shipper = new StreamShipper({
      repository,
      stream: STREAM,
      fs: process.box.disk,
      retainMs: RETAIN_MS,
      graceMs: GRACE_MS,
    });
  }

  async #round(process: Process): Promise<void> {
    try {
      const report = await process.shipper.round(process.box.view());
      this.#counts.rounds++;
      this.#note(process.box);
      if (this.#random.below(3) > 0) await process.shipper.idle();
      const problems = report.problems.filter((problem) => !/refused|answer|too long|dead/.test(problem));
      if (problems.length > 0) this.problems.push(`a round had problems: ${problems.join(", ")}`);
      if (this.#random.below(4) === 0) await this.#judge(true);
    } catch (error) {
      this.#failed(process, error);
      if (process.isDead) await this.#restart(process, this.#random.below(2) === 0);
    }
  }

  #failed(process: Process, error: unknown): void {
    if (error instanceof StoreError) {
      this.#counts.failedRounds++;
      return;
    }
    if (!(error instanceof StreamError) || error.kind !== "foreign") throw error;
    this.#counts.refusals++;
    if (this.#boxes > 1) return;
    this.#counts.shutOut++;
    this.problems.push(`${process.box.past} was shut out: ${error.message}`);
  }

  /** Who may own the stream, and what it then holds. */
  #note(box: SimBox): void {
    this.#owners.set(`${box.instanceId}/${box.history.runs.at(-1)!.id}`, box);
  }

  async #restart(process: Process, isPowerCut: boolean): Promise<void> {
    process.isDead = true;
    this.#counts[isPowerCut ? "powerCuts" : "kills"]++;
    await process.shipper.stop();
    const { box } = process;
    if (isPowerCut) box.cutPower();
    box.start();
    process.isDead = false;
    await this.#openShipper(process);
    // The head may still name the run that died.
    for (const { id } of box.history.runs) {
      const key = `${box.instanceId}/${id}`;
      if (!this.#owners.has(key)) this.#owners.set(key, box);
    }
  }

  async #clone(box: SimBox): Promise<void> {
    const isCopy = this.#random.below(2) === 0;
    this.#counts[isCopy ? "copies" : "clones"]++;
    const past = `box${this.#boxes++}`;
    const copy = box.clone(past, isCopy ? `instance-${this.#boxes}` : box.instanceId);
    copy.start();
    await this.#launch(copy, false);
  }

  async #sweep(process: Process): Promise<void> {
    try {
      await process.shipper.sweep();
    } catch (error) {
      this.#failed(process, error);
      if (process.isDead) await this.#restart(process, false);
    }
  }

  async #adopt(process: Process): Promise<void> {
    try {
      await process.shipper.adopt(process.box.view());
      this.#counts.adoptions++;
      this.#note(process.box);
    } catch (error) {
      if (error instanceof StreamError && error.kind === "missing") return;
      this.#note(process.box);
      this.#failed(process, error);
      if (process.isDead) await this.#restart(process, false);
    }
  }

  /** Puts come late or not at all, answers get lost, and any call may be the last. */
  #storeOf(process: Process): ObjectStore {
    const store = this.#store;
    const random = this.#random;
    const unavailable = (what: string) => new StoreError(what, { kind: "unavailable" });
    const alive = () => {
      if (process.isDead) throw unavailable("the process is dead");
    };
    const mayFail = () => random.next() < this.#faults;
    const faulty = async <T>(call: () => Promise<T>): Promise<T> => {
      alive();
      if (mayFail()) {
        if (random.below(3) === 0) process.isDead = true;
        throw unavailable("refused");
      }
      const result = await call();
      alive();
      if (mayFail()) {
        this.#counts.lostAnswers++;
        if (random.below(3) === 0) process.isDead = true;
        throw unavailable("the answer was lost");
      }
      return result;
    };
    return new Proxy(store, {
      get: (target, name: keyof MemoryStore) => {
        if (name === "put") {
          return (object: string, bytes: Uint8Array, options?: PutOptions) => {
            alive();
            if (mayFail()) {
              this.#counts.latePuts++;
              const copy = bytes.slice();
              this.#late.push(() => void putLate(store, object, copy, options));
              if (random.below(3) === 0) process.isDead = true;
              return Promise.reject(unavailable("it took too long"));
            }
            return faulty(() => target.put(object, bytes, options));
          };
        }
        if (name === "get") return (object: string) => faulty(() => target.get(object));
        if (name === "head") return (object: string) => faulty(() => target.head(object));
        if (name === "delete") return (names: readonly string[]) => faulty(() => target.delete(names));
        const value = target[name];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** Restores the newest instant, and another, and holds both against what their owner wrote. */
  async #judge(earlier: boolean): Promise<void> {
    const clock: Clock = { nowMs: () => this.#clock.ms, monotonicMs: () => this.#clock.ms };
    const repository = await Repository.open(this.#store, { random: this.#random, clock });
    const read = await readStreamHead(repository, STREAM);
    if (!read) return;
    const { head } = read;
    const owner = this.#owners.get(`${head.owner.instanceId}/${head.owner.run}`);
    if (!owner) {
      this.problems.push(`the head's owner ${head.owner.run} never shipped`);
      return;
    }
    // Not all has been shipped yet, for the first time or since it was adopted.
    if (head.atMs === 0) return;
    const newest = await this.#restored(repository, {});
    if (newest) this.#compare(owner, newest, { lsn: head.lsn, timeMs: head.atMs });
    if (!earlier) return;
    if (head.lsn === 0) return;
    this.#counts.instants++;
    const back = this.#random.below(RETAIN_MS);
    const target = this.#random.below(2) === 0
      ? { toTimeMs: Math.max(head.fromMs, head.atMs - back) }
      : { toLsn: Math.max(1, head.lsn - this.#random.below(40)) };
    const then = await this.#restored(repository, target);
    if (then) this.#compareThen(owner, then, { toTimeMs: head.atMs, ...target });
  }

  async #restored(
    repository: Repository,
    target: Omit<StreamTarget, "stream">,
  ): Promise<Map<string, string[]> | undefined> {
    const disk = new MemoryDisk();
    try {
      const plan = await planStreamRestore(repository, { ...target, stream: STREAM });
      await restoreStream(plan, { to: "/restored", fs: disk });
      this.#counts.restores++;
      return readRestored(disk, "/restored");
    } catch (error) {
      if (error instanceof StreamError && error.kind === "out_of_reach" && Object.keys(target).length > 0) {
        this.#counts.outOfReach++;
        return undefined;
      }
      this.#wrong(`to ${JSON.stringify(target)}: ${error instanceof Error ? error.stack : String(error)}`);
      return undefined;
    }
  }

  /** Each log is a beginning of its owner's, and holds everything up to the head's LSN. */
  #compare(
    owner: SimBox,
    restored: Map<string, string[]>,
    { lsn, timeMs }: { readonly lsn: number; readonly timeMs: number },
  ): void {
    // Of that LSN there may be younger indices, without a record.
    const needed = owner.at({ lsn, timeMs });
    for (const [name, values] of restored) {
      const all = [...owner.logs.values(), ...owner.ended].filter(({ entry }) => entry.name === name);
      const isOfOne = all.some(({ records }) => values.every((value, i) => records[i]?.value === value));
      if (!isOfOne) {
        this.#counts.mixedPasts++;
        this.problems.push(`${name} holds [${values}], which ${owner.past} never did`);
      }
    }
    for (const [name, values] of needed) {
      const found = restored.get(name);
      // Deleted since: the newest catalogue says so.
      if (!found && !owner.logs.has(name)) continue;
      if (found && values.every((value, i) => found[i] === value)) continue;
      if (owner.ended.some(({ entry }) => entry.name === name)) continue;
      this.#wrong(`${name} lacks what was there at LSN ${lsn}: [${values}] became [${found}]`);
    }
  }

  #compareThen(
    owner: SimBox,
    restored: Map<string, string[]>,
    { toLsn, toTimeMs }: { readonly toLsn?: number; readonly toTimeMs: number },
  ): void {
    const expected = owner.at({ lsn: toLsn ?? Infinity, timeMs: toTimeMs });
    for (const [name, values] of expected) {
      const found = restored.get(name);
      // A catalogue that lists an index which was gone before it was shipped is never there: the one before counts.
      if (owner.ended.length > 0 && !found) continue;
      if (owner.ended.some(({ entry }) => entry.name === name)) continue;
      if (found && found.length === values.length && values.every((value, i) => found[i] === value)) continue;
      this.#wrong(`${name} at ${toLsn ?? toTimeMs} is [${found}] instead of [${values}]`);
    }
  }

  #wrong(what: string): void {
    this.#counts.wrongRestores++;
    this.problems.push(what);
  }

  /** The last one that ships goes on alone until everything that may go has gone. */
  async #end(): Promise<void> {
    this.#faults = 0;
    for (const late of this.#late) late();
    for (const process of this.#processes) {
      await process.shipper.idle();
      if (await this.#lastRounds(process)) break;
    }
    await this.#judge(false);
  }

  async #lastRounds(process: Process): Promise<boolean> {
    const { shipper, box } = process;
    try {
      for (let i = 0; i < 8; i++) {
        await shipper.round(box.view()).catch((error) => this.#failed(process, error));
        if (shipper.head === undefined) return false;
        this.#note(box);
        await shipper.idle();
        this.#clock.ms += RETAIN_MS + 20_000;
      }
      await shipper.sweep();
    } catch (error) {
      this.#failed(process, error);
      return false;
    }
    const clock: Clock = { nowMs: () => this.#clock.ms, monotonicMs: () => this.#clock.ms };
    const repository = await Repository.open(this.#store, { random: this.#random, clock });
    const { head } = (await readStreamHead(repository, STREAM))!;
    const inventory = await loadInventory(repository, head);
    const named = new Set([`continuous/${STREAM}/head.json`, ...inventory.objects.keys()]);
    for (const { name } of [...(head.base ? [head.base] : []), ...head.deltas]) named.add(name);
    const garbage = this.#store.names("continuous/").filter((name) => !named.has(name));
    if (
      garbage.length === 0 ||
      inventory.condemned.size > 0 && garbage.every((name) => inventory.condemned.has(name))
    ) {
      return true;
    }
    this.#counts.garbage += garbage.length;
    this.problems.push(`left: ${garbage.join(", ")}`);
    return true;
  }
}

function putLate(store: MemoryStore, name: string, bytes: Uint8Array, options: PutOptions | undefined): void {
  try {
    store.putNow(name, bytes, options?.condition);
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== "precondition") throw error;
  }
}

/** Runs one schedule. @returns What was wrong with it. */
export async function simulate(seed: number, counts: Counts, steps = 60): Promise<readonly string[]> {
  const schedule = new Schedule(seed, counts);
  try {
    await schedule.run(steps);
  } catch (error) {
    return [...schedule.problems, error instanceof Error ? error.stack ?? error.message : String(error)];
  }
  return schedule.problems;
}

if (import.meta.main) {
  const [schedules = 1000, seed = 1] = Deno.args.map(Number);
  const counts = noCounts();
  let bad = 0;
  const startedMs = performance.now();
  for (let i = 0; i < schedules; i++) {
    const problems = await simulate(seed + i, counts);
    if (problems.length === 0) continue;
    bad++;
    if (bad <= 5) console.log(`seed ${seed + i}:\n  ${problems.slice(0, 3).join("\n  ")}`);
  }
  console.log(JSON.stringify(counts));
  console.log(`${bad} of ${schedules} schedules are wrong; ${Math.round(performance.now() - startedMs)} ms`);
  Deno.exit(bad > 0 ? 1 : 0);
}
