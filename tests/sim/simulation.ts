/**
 * One schedule under one seed: a server on a lying disk, clients, faults, crashes, copies.
 *
 * @module
 */
import { CorruptionError, IoError, RequestError } from "../../src/base/errors.ts";
import type { NodeSettings } from "../../src/engine/messages.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { chanceFrom } from "../shard/store_fixture.ts";
import { Copies } from "./copies.ts";
import type { FaultKind } from "./each_call.ts";
import { type FoundServer, judge, lookInto, settle } from "./judge.ts";
import { flipBits } from "./flips.ts";
import { IDS, ServerModel } from "./model.ts";
import { type CallKind, forgetMappings } from "./process_disk.ts";
import { count, type Report, Violation } from "./report.ts";
import { changesOf, type RuleName } from "./rules.ts";
import { MAX_PIECE_MS, Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim_disk.ts";
import { BASE_SETTINGS, type ServerOptions, SimServer } from "./sim_server.ts";
import { type Weather, type WeatherName, WEATHERS, type Weights } from "./weather.ts";
import { resetValues, Workload } from "./workload.ts";

export const DATA_DIR = "data";

export interface ScheduleOptions {
  readonly seed: number;
  readonly steps: number;
  readonly report: Report;
  /** Default `plain`. */
  readonly weather?: WeatherName | undefined;
  /** The rule that is switched off. */
  readonly without?: RuleName | undefined;
  /** One fault at a chosen call of the server, and no others: for runs that enumerate the calls. */
  readonly faultAt?: { readonly call: number; readonly kind: FaultKind };
  /** Hears of every call of the server that may fail. */
  readonly onCall?: (kind: CallKind, path: string) => void;
  /** Bits flipped in copies of what is left in the end, one at a time. */
  readonly flips?: number;
  readonly trace?: (line: string) => void;
}

/** How long a disk is full that becomes so at a chosen call. */
const FULL_FOR_MS = 3000;

/** What an opening is judged by. */
type End = "kill" | "power cut" | "clean";

export class Simulation {
  readonly scheduler: Scheduler;
  readonly disk: SimDisk;
  readonly chance: () => number;
  readonly report: Report;
  readonly settings: NodeSettings;
  model = new ServerModel();
  server!: SimServer;
  work!: Workload;
  step = 0;
  /** Acknowledged before this time is on the disk, where the policy promises that. */
  #durableMs = -Infinity;
  #unsureMs = -Infinity;
  #boots = 1;
  /** Part of the syncs that are slow. */
  readonly #slow: number;
  #fullUntilMs = 0;
  #calls = 0;
  readonly copies: Copies;
  readonly options: ScheduleOptions;
  readonly weather: Weather;

  constructor(options: ScheduleOptions) {
    this.options = options;
    const weather = this.weather = WEATHERS[options.weather ?? "plain"];
    this.report = options.report;
    const chance = this.chance = chanceFrom(options.seed * 7919 + 17);
    this.scheduler = new Scheduler(chance);
    this.disk = new SimDisk(() => Math.floor(this.scheduler.nowMs + this.scheduler.wallOffsetMs));
    this.disk.coarseMs = chance() < 0.5 ? 1000 : 1;
    this.disk.ghostChance = chance() < 0.5 ? 0.2 : 0;
    this.#slow = chance() < 0.5 ? 0.3 : 0;
    const dice = chance();
    const walMaxBytes = 2000 + Math.floor(chance() * 12_000);
    this.settings = {
      ...BASE_SETTINGS,
      walSync: dice < 0.4 ? "sync" : dice < 0.8 ? "batched" : "async",
      walMaxBytes: weather.walMaxBytes ?? walMaxBytes,
      retainSupersededMs: weather.retainSupersededMs ?? BASE_SETTINGS.retainSupersededMs,
      merge: {
        ...BASE_SETTINGS.merge,
        strategy: chance() < 0.5 ? "size_tiered" : "log_structured",
        minSegments: 2 + Math.floor(chance() * 3),
        maxSegmentBytes: weather.maxSegmentBytes ?? BASE_SETTINGS.merge.maxSegmentBytes,
        maxConcurrent: 1 + Math.floor(chance() * 2),
      },
    };
    this.copies = new Copies(this);
  }

  trace(line: string): void {
    if (!this.options.trace) return;
    this.options.trace(`${String(this.step).padStart(4)} ${Math.round(this.scheduler.nowMs)} ${line}`);
  }

  /** @throws {Violation} */
  async run(): Promise<void> {
    const restore = this.scheduler.install();
    resetValues();
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      if (this.server?.process.alive && String(event.reason).includes("Killed") === false) {
        this.work?.problems.push(`wrong: nobody handles ${(event.reason as Error)?.stack ?? event.reason}`);
      }
    };
    globalThis.addEventListener("unhandledrejection", onRejection);
    try {
      this.disk.makeDirectory(DATA_DIR);
      this.disk.syncAll();
      await this.#open("clean");
      for (this.step = 1; this.step <= this.options.steps; this.step++) {
        this.report.steps++;
        await this.#oneStep();
        this.fail(this.work.problems.splice(0));
      }
      await this.#serves();
      const { flips = 0 } = this.options;
      if (flips > 0) {
        await this.crash("clean");
        await flipBits(this, flips);
      } else await this.crash(this.chance() < 0.5 ? "kill" : "power cut");
      this.report.seeds++;
    } finally {
      this.scheduler.kill(this.server.process);
      this.copies.end();
      forgetMappings();
      restore();
      globalThis.removeEventListener("unhandledrejection", onRejection);
    }
  }

  /** @throws {Violation} When there is anything. */
  fail(problems: readonly string[]): void {
    if (problems.length === 0) return;
    count(this.report, problems);
    throw new Violation(this.step, problems);
  }

  async #oneStep(): Promise<void> {
    const { chance, scheduler, server } = this;
    const steps: Record<keyof Weights, () => unknown> = {
      work: () => this.work.start(),
      tasks: async () => {
        for (let i = 1 + Math.floor(chance() * 20); i > 0 && await scheduler.step(server.process); i--);
      },
      time: () => this.elapse(chance() < 0.6 ? chance() * 300 : chance() * 4000),
      copy: () => this.copies.begin(),
      look: () => this.#look(),
      trouble: () => this.#trouble(),
      kill: () => this.crash("kill"),
      powerCut: () => this.crash("power cut"),
      clean: () => this.crash("clean"),
      restore: () => this.copies.restore(),
    };
    await steps[this.#draw()]();
    await this.copies.advance();
    if (this.server.process.alive) return;
    const { faultAt } = this.options;
    await this.crash(
      faultAt
        ? (faultAt.kind === "power cut" ? "power cut" : "kill")
        : chance() < 1 - this.weather.powerFails
        ? "kill"
        : "power cut",
    );
  }

  /** What the next step is. */
  #draw(): keyof Weights {
    const weights = Object.entries(this.weather.weights) as [keyof Weights, number][];
    let left = this.chance() * weights.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of weights) {
      if (left < weight) return name;
      left -= weight;
    }
    return "work";
  }

  async elapse(ms: number): Promise<void> {
    const { server, scheduler, settings } = this;
    if (server.fs.stalled > 0 || server.fs.full) this.#unsureMs = scheduler.nowMs;
    await scheduler.elapse([server.process], ms);
    if (server.fs.full && scheduler.nowMs >= this.#fullUntilMs) server.fs.full = false;
    if (!server.process.alive || server.fs.faulted || server.fs.stalled > 0 || server.fs.full) return;
    const atMs = scheduler.nowMs - settings.walBatchMs - MAX_PIECE_MS;
    if (atMs > this.#unsureMs + MAX_PIECE_MS) this.#durableMs = Math.max(this.#durableMs, atMs);
  }

  /** Something goes wrong soon. */
  #trouble(): void {
    const { chance, server, scheduler } = this;
    if (this.options.faultAt) return;
    const { killsInCalls, clockJumps } = this.weather;
    const dice = killsInCalls !== undefined && chance() < killsInCalls
      ? 0
      : clockJumps !== undefined && chance() < clockJumps
      ? 1
      : chance();
    const after = 1 + Math.floor(chance() * 40);
    if (dice < 0.3) server.fs.fault = { after, kind: "kill" };
    else if (dice < 0.45) server.fs.fault = { after, kind: "EIO" };
    else if (dice < 0.65) server.fs.fault = { after: 1 + Math.floor(chance() * 8), kind: "ENOSPC" };
    else if (dice < 0.75) {
      server.fs.full = true;
      this.#fullUntilMs = scheduler.nowMs + chance() * 5000;
    } else if (dice < 0.9) {
      server.fs.stallChance = server.fs.stallChance < 1 ? 1 : 0;
      server.fs.stallMs = 50 + chance() * 3000;
    } else scheduler.wallOffsetMs += (chance() - 0.5) * (chance() < 0.3 ? 172_800_000 : 60_000);
  }

  /** Everything that is under way is answered, then the server is asked for all that it holds. */
  async #look(): Promise<void> {
    const { server, scheduler, work } = this;
    server.fs.stallChance = 0;
    const answered = async () => {
      for (let i = 0; work.calls > 0 && server.process.alive; i++) {
        await this.elapse(200);
        if (i > 300) this.fail(["wrong: a call is never answered"]);
      }
    };
    await answered();
    if (!server.process.alive) return;
    const { fault } = server.fs;
    server.fs.fault = undefined;
    const found = await scheduler.finish(server.process, lookInto(server, this.model.dying));
    server.fs.fault = fault;
    const { model } = this;
    // A poisoned shard may have taken up what it answered with an error; positions of refused writes are drawn too.
    this.fail(
      judge(found, { model, floors: new Map(), listing: model.listings.length - 1 }).filter((problem) =>
        !problem.includes("behind")
      ),
    );
  }

  /** Unless a call has failed with EIO, all shards take writes again once there is room. */
  async #serves(): Promise<void> {
    const { server, work, model, scheduler } = this;
    server.fs.fault = undefined;
    server.fs.full = false;
    server.fs.stallChance = 0;
    for (let i = 0, roomFor = 0; i < 60 && (roomFor < 7 || work.calls > 0); i++, roomFor++) {
      await this.elapse(1000);
      if (server.fs.full) roomFor = 0;
    }
    if (!server.process.alive || server.fs.faulted) return;
    for (const state of server.engine.indices.all()) {
      if (model.dying.has(state.incarnation)) continue;
      for (const id of IDS.slice(0, 4)) {
        const deleted = server.write(state.name, { action: "delete", id, document: undefined });
        const { seqNo, shard } = await scheduler.finish(server.process, deleted);
        const nowMs = scheduler.nowMs;
        const operation = { id, shard, value: undefined, startedMs: nowMs, ackedMs: nowMs, seqNo };
        model.indices.get(state.incarnation)!.shards[shard]!.add(operation, seqNo, nowMs);
      }
    }
  }

  /** Ends the server in one of three ways, and opens it again. */
  async crash(end: End): Promise<void> {
    this.trace(end);
    const { server, scheduler } = this;
    if (end === "clean" && server.process.alive) {
      server.fs.fault = undefined;
      this.report.cleanStops++;
      while (this.work.calls > 0) await this.elapse(500);
      await scheduler.finish(server.process, server.close()).catch((error) =>
        this.trace(`unclean: ${error}`)
      );
    } else if (end === "kill") this.report.kills++;
    else if (end === "power cut") this.report.powerCuts++;
    this.kill();
    if (end === "power cut") this.cutPower();
    await this.#open(end);
  }

  kill(): void {
    if (this.server.process.alive) this.server.fs.kill();
    this.work.abandon();
  }

  cutPower(): void {
    this.disk.crash(this.chance);
    this.#boots++;
    this.copies.interrupt();
  }

  options_(): ServerOptions {
    return this.serverOptions(this.disk, DATA_DIR, { bootId: `boot-${this.#boots}`, machineId: "m1" });
  }

  serverOptions(
    disk: SimDisk,
    dataDir: string,
    { bootId, machineId }: { readonly bootId: string; readonly machineId: string },
  ): ServerOptions {
    const { scheduler, chance, settings } = this;
    const changes = changesOf(this.options.without, { disk, dataDir, scheduler });
    return { disk, dataDir, scheduler, chance, counts: this.report, settings, bootId, machineId, ...changes };
  }

  get bootId(): string {
    return `boot-${this.#boots}`;
  }

  async #open(end: End): Promise<void> {
    let promises = this.#promises(end);
    for (let attempt = 0;; attempt++) {
      const { server, error } = await this.tryOpen(this.options_(), attempt < 3);
      this.server = server;
      if (error === undefined) break;
      this.trace(`not opened: ${error}`);
      if (server.process.alive) server.fs.kill();
      if (this.chance() < 0.3 && attempt < 3) {
        this.report.powerCuts++;
        this.cutPower();
        promises = this.#promises("power cut");
      }
      if (attempt > 5) this.fail([`wrong: a start is refused: ${(error as Error).stack ?? error}`]);
    }
    const found = await this.scheduler.finish(this.server.process, lookInto(this.server));
    await this.takeOver(found, judge(found, { model: this.model, ...promises }));
  }

  /** Another directory is in its place: what it holds is what counts. */
  async reopen(model: ServerModel): Promise<void> {
    this.model = model;
    this.work = new Workload(this.server, model, { ...this, trace: () => {} });
    await this.#open("kill");
  }

  /** Goes on from what was found; everything that an opening brings is on the disk. */
  takeOver(found: FoundServer, problems: readonly string[]): Promise<void> {
    this.report.openings++;
    this.fail(problems);
    settle(this.model, found);
    const { scheduler, chance, report } = this;
    const trace = (line: string) => this.trace(line);
    const { weather } = this;
    this.work = new Workload(this.server, this.model, { scheduler, chance, report, trace, weather });
    for (const [incarnation, reached] of foundPositions(found)) this.work.durable.set(incarnation, reached);
    this.#durableMs = -Infinity;
    this.#unsureMs = scheduler.nowMs;
    this.server.fs.stallChance = this.#slow;
    return Promise.resolve();
  }

  #arm(server: SimServer, { call, kind }: NonNullable<ScheduleOptions["faultAt"]>): void {
    const left = call - this.#calls;
    if (left > 0 && kind !== "full") {
      server.fs.fault = { after: left, kind: kind === "power cut" ? "kill" : kind };
    }
    server.fs.onCall = (name, path) => {
      this.#calls++;
      this.options.onCall?.(name, path);
      if (kind !== "full" || this.#calls !== call) return;
      server.fs.full = true;
      this.#fullUntilMs = this.scheduler.nowMs + FULL_FOR_MS;
    };
  }

  /** Opens a server, with faults of its own now and then. */
  async tryOpen(
    options: ServerOptions,
    mayFail: boolean,
  ): Promise<{ readonly server: SimServer; readonly error: unknown }> {
    const { chance, scheduler } = this;
    const server = new SimServer(options);
    const { faultAt } = this.options;
    if (faultAt && options.disk === this.disk) this.#arm(server, faultAt);
    if (mayFail && !this.options.faultAt && chance() < 0.12) {
      const dice = chance();
      const kind = dice < 0.5 ? "kill" : dice < 0.8 ? "EIO" : "ENOSPC";
      server.fs.fault = { after: 1 + Math.floor(chance() * 60), kind };
    }
    try {
      const opening = server.open();
      await scheduler.finish(server.process, opening);
      if (!faultAt) server.fs.fault = undefined;
      await scheduler.settle(server.process);
      if (!server.process.alive) return { server, error: new Error("killed") };
      return { server, error: undefined };
    } catch (error) {
      return { server, error };
    }
  }

  /** What must be there after an end. */
  #promises(end: End): { readonly floors: Map<string, number[]>; readonly listing: number } {
    const listing = this.model.listings.length - 1;
    const floors = this.model.floors();
    if (end !== "power cut" || this.settings.walSync === "sync" || !this.work) return { floors, listing };
    for (const [incarnation, { shards }] of this.model.indices) {
      const durable = this.work.durable.get(incarnation) ?? [];
      floors.set(
        incarnation,
        shards.map((shard, i) =>
          Math.max(
            durable[i] ?? -1,
            this.settings.walSync === "batched" ? shard.ackedAt(this.#durableMs) : -1,
          )
        ),
      );
    }
    return { floors, listing };
  }
}

export function foundPositions(found: FoundServer): Map<string, number[]> {
  return new Map(
    found.indices.map(({ state, shards }) => [state.incarnation, shards.map(({ upTo }) => upTo)]),
  );
}

export function isRefusal(error: unknown): boolean {
  return error instanceof OpenRefusedError || error instanceof CorruptionError;
}

export function isTrouble(error: unknown): boolean {
  return error instanceof IoError || error instanceof RequestError;
}

/** Runs one schedule. @returns What was violated, or undefined. */
export async function runSchedule(options: ScheduleOptions): Promise<Violation | undefined> {
  const simulation = new Simulation(options);
  try {
    await simulation.run();
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    return new Violation(simulation.step, [`wrong: ${(error as Error).stack ?? error}`]);
  }
}
