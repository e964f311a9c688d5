/**
 * Copies of the running server's directory: made by tools that take their time, onto empty and old destinations, opened,
 * judged, written to, copied again, restored.
 *
 * @module
 */
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { copyArchive, linkedClone, rsync, tar } from "./copy_tools.ts";
import { judge, judgeIndex, judgeListing, lookInto, settle } from "./judge.ts";
import { IndexModel, type ServerModel } from "./model.ts";
import type { ServerOptions, SimServer } from "./sim_server.ts";
import { DATA_DIR, foundPositions, isRefusal, isTrouble, type Simulation } from "./simulation.ts";
import { SimDisk } from "./sim_disk.ts";
import { Killed } from "./scheduler.ts";
import { Workload } from "./workload.ts";

/** A place that copies go to. */
interface Destination {
  readonly path: string;
  /** It was opened in place and written to, or holds a past that the source has left: files may not fit together. */
  foreign: boolean;
  /** What its own server has promised since; a copy onto it may leave all of that as it was. */
  own: ServerModel | undefined;
  /** Number of the source's past that it was last copied from. */
  past: number;
  /** What it holds, when it is known to be whole. */
  whole: ServerModel | undefined;
}

interface Running {
  readonly to: Destination;
  readonly tool: string;
  readonly steps: Generator<void>;
  readonly startedMs: number;
  readonly floors: ReadonlyMap<string, readonly number[]>;
  readonly listing: number;
  readonly foreign: boolean;
  readonly own: ServerModel | undefined;
}

/** Destinations of rsync, with and without `--delete`; of tar and cp. */
const PLACES = ["kept", "mirror", "once"];

export class Copies {
  readonly disk: SimDisk;
  readonly #sim: Simulation;
  readonly #places: Destination[];
  #running: Running | undefined;
  #past = 1;
  #clones = 0;

  constructor(sim: Simulation) {
    this.#sim = sim;
    this.disk = new SimDisk(() => Math.floor(sim.scheduler.nowMs + sim.scheduler.wallOffsetMs));
    this.disk.coarseMs = sim.disk.coarseMs;
    this.#places = PLACES.map((path) => ({
      path,
      foreign: false,
      own: undefined,
      past: 0,
      whole: undefined,
    }));
  }

  /** Starts a tool. */
  begin(): void {
    const { chance, model, scheduler, report, disk } = this.#sim;
    if (this.#running) return;
    const { kept } = this.#sim.weather;
    const place = kept !== undefined && chance() < kept ? 0 : Math.floor(chance() * this.#places.length);
    const to = this.#places[place]!;
    if (chance() < 0.1) this.#empty(to);
    const plan = { from: disk, fromPath: DATA_DIR, to: this.disk, toPath: to.path, chance };
    const options = {
      deletes: to.path === "mirror",
      deletesAfter: chance() < 0.4,
      listsFirst: chance() < 0.4,
      hardLinks: chance() < 0.5,
    };
    let tool = `rsync ${JSON.stringify(options)}`;
    let steps;
    if (to.path !== "once") steps = rsync(plan, options);
    else {
      tool = chance() < 0.5 ? "tar" : "cp -a";
      this.#empty(to);
      steps = tool === "tar" ? tar(plan) : copyArchive(plan);
    }
    if (to.past !== 0 && to.past !== this.#past) to.foreign = true;
    report.copiesBegun++;
    this.#sim.trace(`copy to ${to.path} by ${tool}`);
    this.#running = {
      to,
      tool,
      steps,
      startedMs: scheduler.nowMs,
      floors: model.floors(),
      listing: model.listings.length - 1,
      // With `--delete` too: rsync takes another past's file of the same name, size and second for the source's.
      foreign: to.foreign,
      own: to.own,
    };
    to.past = this.#past;
    to.whole = undefined;
  }

  #empty(to: Destination): void {
    this.disk.removeAll(to.path);
    Object.assign(to, { foreign: false, own: undefined, past: 0, whole: undefined });
  }

  /** Lets the tool go on a little. */
  async advance(): Promise<void> {
    const { chance, server } = this.#sim;
    const running = this.#running;
    if (!running || !server.process.alive) return;
    for (let i = Math.floor(chance() * this.#sim.weather.pace); i > 0; i--) {
      if (!running.steps.next().done) continue;
      this.#running = undefined;
      return await this.#finished(running);
    }
  }

  /** The machine that copies has lost its power, or its source. */
  interrupt(): void {
    this.#running = undefined;
  }

  end(): void {
    this.#running = undefined;
  }

  /** Opens a linked clone of what was copied, or the copy itself, and judges it. */
  async #finished(running: Running): Promise<void> {
    const { chance, scheduler, settings, report } = this.#sim;
    const { to } = running;
    const inTime = scheduler.nowMs - running.startedMs <= settings.retainSupersededMs && !running.foreign;
    const before = this.disk.fingerprint(to.path);
    const asClone = chance() < 1 - this.#sim.weather.inPlace;
    const path = asClone ? `clone${this.#clones++}` : to.path;
    if (asClone) linkedClone(this.disk, to.path, path);
    this.#sim.trace(
      `copied to ${to.path} in ${Math.round(scheduler.nowMs - running.startedMs)} ms; opened as ${path}`,
    );
    const { server, error } = await this.#open(path, running);
    try {
      if (error !== undefined) {
        if (!isRefusal(error)) throw error;
        this.#unchanged(asClone ? to.path : path, before, "a refusal");
        if (this.#isYoung(error, running)) return void report.refusedYoung++;
        if (inTime) report.refusedInTime++;
        else report.refusedLate++;
        const text = `wrong: a copy by ${running.tool} is refused within the retention: ${error}`;
        if (inTime) this.#sim.fail([text]);
        return;
      }
      report.copiesOpened++;
      const model = await this.#judge(server!, running);
      if (asClone) to.whole = model.fork();
      if (chance() < 0.7) await this.#use(server!, model);
      if (!asClone && this.#sim.weather.reopens > 0) await this.#reopens(path, server!, model);
      if (asClone) this.#unchanged(to.path, before, "a server on a linked clone");
      else {
        to.foreign = true;
        to.own = model;
        to.whole = model;
      }
    } finally {
      if (server?.process.alive) server.fs.kill();
      scheduler.enter(this.#sim.server.process);
      if (asClone) this.disk.removeAll(path);
      this.disk.syncAll();
    }
  }

  /**
   * Whether the refusal is about an index that was not there when the copy began. Its catalogue was copied, and of its
   * folder what was listed after the first file came and before the manifest did: present, not openable, so it is to be
   * refused by name (section 7). Nothing is promised to such a copy but honesty.
   */
  #isYoung(error: unknown, { listing }: Running): boolean {
    const { model } = this.#sim;
    const old = model.listings[listing]!.indices;
    const young = [...model.listing.indices].filter(([name, incarnation]) => old.get(name) !== incarnation);
    const names = young.map(([name]) => name);
    if (model.pending?.kind === "create") names.push(model.pending.name);
    return error instanceof OpenRefusedError && ["not_covered", "no_manifest"].includes(error.code) &&
      names.some((name) => error.files.some((file) => `${file}/`.includes(`/${name}/`)));
  }

  async #open(
    path: string,
    { tool }: Pick<Running, "tool">,
  ): Promise<{ server?: SimServer; error?: unknown }> {
    const { chance } = this.#sim;
    for (let attempt = 0;; attempt++) {
      const { server, error } = await this.#sim.tryOpen(this.#options(path), attempt < 2 && chance() < 0.3);
      if (error === undefined) return { server };
      if (server.process.alive) server.fs.kill();
      // A catalogue whose read failed with EIO is refused by name, as one that is damaged.
      const isInjected = isTrouble(error) || error instanceof Killed || String(error).includes("killed") ||
        server.fs.faulted;
      if (!isInjected || attempt > 3) return { error };
      this.#sim.trace(`${path} of ${tool} not opened: ${error}`);
    }
  }

  #options(path: string): ServerOptions {
    const { chance, bootId } = this.#sim;
    const elsewhere = chance() < 0.5;
    return this.#sim.serverOptions(this.disk, path, {
      bootId: elsewhere ? "elsewhere" : bootId,
      machineId: elsewhere ? "m2" : "m1",
    });
  }

  #unchanged(path: string, before: ReadonlyMap<string, string>, who: string): void {
    const now = this.disk.fingerprint(path);
    const changed = [...new Set([...before.keys(), ...now.keys()])].filter((file) =>
      before.get(file) !== now.get(file)
    );
    // A start takes the lock before it reads. Without the rules of the catalogue the simulation itself rewrites it.
    const { beforeOpening } = this.#sim.serverOptions(this.disk, path, { bootId: "", machineId: "" });
    const wrong = changed.filter((file) =>
      !file.endsWith("/LOCK") && !(beforeOpening && file.includes("/_meta/"))
    );
    if (wrong.length > 0) this.#sim.fail([`wrong: ${who} has changed ${wrong.join(", ")}`]);
  }

  /**
   * The copy is of the source's past, as far as that went when it began. Where a server has lived on the destination, an
   * index may also still be its own, all of it.
   */
  async #judge(server: SimServer, running: Running): Promise<ServerModel> {
    const { scheduler, report } = this.#sim;
    const found = await scheduler.finish(server.process, lookInto(server));
    const { adopted } = server.catalog;
    const source = this.#sim.work.uncertain();
    const { floors, listing, own } = running;
    const promised = { model: source, floors, listing, adopted };
    const promises = [promised];
    if (own) promises.push({ model: own, floors: own.floors(), listing: own.listings.length - 1, adopted });
    const listings = promises.map((one) => judgeListing(found, one));
    const problems = listings.some((one) => one.length === 0) ? [] : listings.flat();
    const copy = (listings[0]!.length === 0 ? source : own ?? source).fork();
    let isMixed = false;
    for (const index of found.indices) {
      const { name, incarnation } = index.state;
      // What an earlier past left on the destination is taken for a folder that was put back.
      if (running.foreign && adopted.includes(name) && !source.indices.has(incarnation)) {
        copy.indices.set(incarnation, IndexModel.of(index));
        continue;
      }
      const judged = promises.map((one) => judgeIndex(index, one));
      const which = judged.findIndex((one) => one.length === 0);
      if (which < 0) problems.push(...judged.flat());
      else if (listings[which]!.length > 0) isMixed = true;
      const known = promises[Math.max(which, 0)]!.model.indices.get(incarnation);
      // One whose create was not answered when the copy was judged: it is there, and empty.
      copy.indices.set(incarnation, known?.fork() ?? IndexModel.of(index));
    }
    if (isMixed) report.mixed++;
    this.#sim.fail(problems.map((text) => `${text} {copy to ${running.to.path} by ${running.tool}}`));
    copy.listings = [found.listing];
    settle(copy, found);
    return copy;
  }

  /** Lives on a copy for a while. */
  async #use(server: SimServer, model: ServerModel): Promise<void> {
    const { chance, scheduler, report } = this.#sim;
    report.clones++;
    const { weather } = this.#sim;
    const trace = (line: string) => this.#sim.trace(`  clone: ${line}`);
    const work = new Workload(server, model, { scheduler, chance, report, trace, weather, small: true });
    for (let i = Math.floor(chance() * 25); i > 0; i--) {
      work.start();
      for (let j = Math.floor(chance() * 10); j > 0; j--) await scheduler.step(server.process);
      if (chance() < 0.2) await scheduler.elapse([server.process], chance() * 1500);
    }
    for (let i = 0; work.calls > 0 && i < 300; i++) await scheduler.elapse([server.process], 200);
    this.#sim.fail(work.problems);
    const found = await scheduler.finish(server.process, lookInto(server));
    const promised = { model, floors: model.floors(), listing: model.listings.length - 1 };
    this.#sim.fail(judge(found, promised).map((text) => `${text} {clone, living}`));
    settle(model, found);
    if (chance() < 0.5) await scheduler.finish(server.process, server.close());
  }

  /** A server that lives on a copy goes down and up again, and has what it had. */
  async #reopens(path: string, server: SimServer, model: ServerModel): Promise<void> {
    const { chance, scheduler, weather } = this.#sim;
    let living = server;
    while (chance() < weather.reopens) {
      if (living.process.alive) living.fs.kill();
      const { server: next, error } = await this.#open(path, { tool: "nobody" });
      if (!next) {
        return this.#sim.fail([`wrong: a start on a copy that was opened before is refused: ${error}`]);
      }
      living = next;
      const found = await scheduler.finish(living.process, lookInto(living));
      const promised = { model, floors: model.floors(), listing: model.listings.length - 1 };
      this.#sim.fail(judge(found, promised).map((text) => `${text} {copy at ${path}, opened again}`));
      settle(model, found);
      await this.#use(living, model);
    }
    if (living !== server && living.process.alive) living.fs.kill();
  }

  /** The server's directory is lost; what a destination holds takes its place. */
  async restore(): Promise<void> {
    const { chance, disk, report, server, scheduler } = this.#sim;
    const good = this.#places.filter(({ whole }) => whole);
    const from = good[Math.floor(chance() * good.length)];
    if (!from || this.#running) return;
    report.restores++;
    if (chance() < 0.3) await scheduler.finish(server.process, server.close()).catch(() => {});
    this.#sim.kill();
    const plan = { from: this.disk, fromPath: from.path, to: disk, toPath: DATA_DIR, chance };
    const how = chance() < 0.5 ? "empty" : "rsync --delete";
    this.#sim.trace(`restore from ${from.path}, ${how}`);
    if (how === "empty") disk.removeAll(DATA_DIR);
    // Without checksums rsync keeps a file of the right size and mtime whose pages a power cut has taken.
    const checks = { deletesAfter: false, listsFirst: false, checksums: true };
    const options = { deletes: true, hardLinks: chance() < 0.5, ...checks };
    for (const _ of rsync(plan, options)) { /* nobody else writes */ }
    disk.syncAll();
    this.#past++;
    const model = from.whole!.fork();
    await this.#sim.reopen(model);
    // The source's past is now this one: it may go on from there, and others may not fit.
    for (const place of this.#places) if (place !== from || place.own) place.foreign ||= place.past !== 0;
    from.past = this.#past;
  }
}

export { foundPositions };
