/**
 * What clients do to a server: writes of all kinds, refreshes, flushes, merges, snapshots, indices that come and go. Each
 * call is put under way and answered when the scheduler gets to it; the model hears what was acknowledged.
 *
 * @module
 */
import { RequestError } from "../../src/base/errors.ts";
import type { IndexState } from "../../src/engine/index_state.ts";
import { shardOf } from "./judge.ts";
import { DYNAMIC_FIELDS, IDS, type Operation, type ServerModel } from "./model.ts";
import type { Report } from "./report.ts";
import { Killed, type Scheduler } from "./scheduler.ts";
import type { SimServer } from "./sim_server.ts";
import type { Weather } from "./weather.ts";

const NAMES = ["a", "b", "c"];
const MAPPING = { properties: { v: { type: "keyword" }, k: { type: "keyword" }, n: { type: "long" } } };
/** Calls under way at once. */
const MAX_INFLIGHT = 5;

let nextValue = 0;

/** So that a schedule does not depend on those before it. */
export function resetValues(): void {
  nextValue = 0;
}

/** Answers that say for sure that nothing was done. */
function wasRefused(error: unknown): boolean {
  return error instanceof RequestError && [400, 404, 409, 413, 429].includes(error.status);
}

function doubt(model: ServerModel, operation: Operation, incarnation: string): void {
  const shards = model.indices.get(incarnation)?.shards ?? [];
  // The server draws ids, and with them shards.
  const possible = operation.id === undefined ? shards : shards.slice(operation.shard, operation.shard + 1);
  for (const shard of possible) shard.doubt(operation);
}

export class Workload {
  /** Operations without an answer. */
  readonly inflight = new Map<Operation, { readonly incarnation: string }>();
  readonly problems: string[] = [];
  /** Positions that a flush, a snapshot or an opening has made durable, by incarnation and shard. */
  readonly durable = new Map<string, number[]>();
  #calls = 0;
  #bulks = 0;
  #snapshots = 0;

  constructor(
    readonly server: SimServer,
    readonly model: ServerModel,
    private readonly options: {
      readonly scheduler: Scheduler;
      readonly chance: () => number;
      readonly report: Report;
      readonly trace: (line: string) => void;
      readonly weather: Weather;
      /** Only writes, for clones. */
      readonly small?: boolean;
    },
  ) {}

  get calls(): number {
    return this.#calls;
  }

  /** Puts something under way. */
  start(): void {
    const { chance, small } = this.options;
    if (this.#calls >= MAX_INFLIGHT) return;
    const dice = chance();
    const states = this.server.engine.indices.all();
    const state = states[Math.floor(chance() * states.length)];
    if (!state) return void this.#create();
    const { catalogue, flushes, forced } = this.options.weather;
    if (flushes > 0 && chance() < flushes) return this.#flush(state);
    if (catalogue > 0 && !small && chance() < catalogue) return this.#changeCatalogue(state);
    if (dice < 0.52) this.#write(state);
    else if (dice < 0.66) this.#bulk(state);
    else if (dice < 0.72) this.#call(this.server.engine.refresh([state]));
    else if (dice < 0.81) this.#flush(state);
    else if (small) return;
    else if (dice < 0.87) {
      if (forced === 1 || chance() < forced) this.#merge(state);
    } else if (dice < 0.9) this.#snapshot();
    else if (dice < 0.93) this.#create();
    else if (dice < 0.945) this.#delete(state);
    else if (dice < 0.965) this.#alias(state);
    else if (dice < 0.98) this.#call(this.server.search(state.name, { query: { match_all: {} } }));
    else this.#mapping(state);
  }

  #call(promise: Promise<unknown>): void {
    this.#calls++;
    const done = () => void this.#calls--;
    promise.then(done, (error) => {
      done();
      this.options.trace(`failed: ${error}`);
      this.#failed(error);
    });
  }

  /** Errors that a client may see; anything else is a problem. */
  #failed(error: unknown): void {
    if (error instanceof Killed || !this.server.process.alive) return;
    const text = String(error);
    const isKnown = error instanceof RequestError || text.includes("IoError") ||
      /Cannot .*: (EIO|ENOSPC)/.test(text);
    if (!isKnown) this.problems.push(`wrong: a call failed: ${(error as Error).stack ?? text}`);
  }

  #document(): { readonly value: string; readonly document: Record<string, unknown> } {
    const { chance } = this.options;
    const value = `v${++nextValue}`;
    const document: Record<string, unknown> = { v: value, k: `k${Math.floor(chance() * 4)}`, n: nextValue };
    if (chance() < 0.25) document[DYNAMIC_FIELDS[Math.floor(chance() * DYNAMIC_FIELDS.length)]!] = nextValue;
    if (chance() < 0.5) document["pad"] = "x".repeat(Math.floor(chance() * 700));
    return { value, document };
  }

  #begin(state: IndexState, id: string | undefined, value: string | undefined): Operation {
    const shard = id === undefined ? 0 : shardOf(state, id);
    const operation = {
      id,
      shard,
      value,
      startedMs: this.options.scheduler.nowMs,
      ackedMs: Infinity,
      seqNo: -1,
    };
    this.inflight.set(operation, state);
    this.options.report.operations++;
    return operation;
  }

  #acknowledge(operation: Operation, { incarnation }: IndexState, seqNo: number): void {
    this.inflight.delete(operation);
    const shard = this.model.indices.get(incarnation)?.shards[operation.shard];
    shard?.add(operation, seqNo, this.options.scheduler.nowMs);
    this.options.trace(
      `ack ${operation.id} = ${operation.value} at ${incarnation.slice(0, 4)}/${operation.shard} ${seqNo}`,
    );
  }

  /** Unsure, unless the answer says that nothing happened. */
  #unanswered(
    operation: Operation,
    { incarnation }: { readonly incarnation: string },
    error?: unknown,
  ): void {
    this.inflight.delete(operation);
    if (!wasRefused(error)) doubt(this.model, operation, incarnation);
  }

  #write(state: IndexState): void {
    const { chance } = this.options;
    const dice = chance();
    const id = dice < 0.06 ? undefined : IDS[Math.floor(chance() * IDS.length)]!;
    const isDelete = dice >= 0.75;
    const action = dice < 0.45 ? "index" : dice < 0.55 ? "create" : dice < 0.75 ? "update" : "delete";
    const { value, document } = this.#document();
    const operation = this.#begin(state, id, isDelete ? undefined : value);
    const body = isDelete
      ? undefined
      : action === "update"
      ? { doc: document, doc_as_upsert: true }
      : document;
    const reply = this.server.write(state.name, { action, id, document: body });
    this.#call(reply.then((reply) => {
      this.#acknowledge({ ...operation, id: reply.id, shard: reply.shard }, state, reply.seqNo);
      this.inflight.delete(operation);
    }, (error) => {
      this.#unanswered(operation, state, error);
      throw error;
    }));
  }

  #bulk(state: IndexState): void {
    const { chance } = this.options;
    // A bulk that comes after a delete makes the index anew.
    if (this.model.dying.has(state.incarnation)) return;
    const lines: unknown[] = [];
    const operations: Operation[] = [];
    for (let i = 1 + Math.floor(chance() * 7); i > 0; i--) {
      const id = IDS[Math.floor(chance() * IDS.length)]!;
      const where = { _index: state.name, _id: id };
      const { value, document } = this.#document();
      if (chance() < 0.25) {
        lines.push({ delete: where });
        operations.push(this.#begin(state, id, undefined));
      } else {
        lines.push({ index: where }, document);
        operations.push(this.#begin(state, id, value));
      }
    }
    this.#bulks++;
    const done = () => void this.#bulks--;
    this.#call(
      this.server.bulk(lines).finally(done).then((items) => {
        operations.forEach((operation, i) => {
          const { status, _seq_no } = items[i]!;
          if (_seq_no !== undefined && (status < 300 || status === 404)) {
            this.#acknowledge(operation, state, _seq_no);
          } else {
            const error = new RequestError("", { status, type: "" });
            this.#unanswered(operation, state, error);
          }
        });
      }, (error) => {
        // One record a shard: what an error for the whole request says of one part is not true of the others.
        const isOne = new Set(operations.map(({ shard }) => shard)).size === 1;
        for (const operation of operations) this.#unanswered(operation, state, isOne ? error : undefined);
        throw error;
      }),
    );
  }

  #merge(state: IndexState): void {
    const { chance, report } = this.options;
    report.merges++;
    this.#call(this.server.engine.forceMerge([state], {
      maxSegments: chance() < 0.6 ? 1 : undefined,
      expungeOnly: chance() < 0.2,
    }));
  }

  #flush(state: IndexState): void {
    const before = this.model.floors();
    this.options.report.flushes++;
    this.#call(
      this.server.engine.flush([state]).then((reports) => {
        this.options.trace(`flushed ${state.name} ${state.incarnation.slice(0, 4)}`);
        if (reports.every(({ failure }) => failure === undefined)) this.#isDurable(state.incarnation, before);
      }),
    );
  }

  #isDurable(incarnation: string, floors: ReadonlyMap<string, readonly number[]>): void {
    const known = this.durable.get(incarnation) ?? [];
    const reached = floors.get(incarnation) ?? [];
    this.durable.set(incarnation, reached.map((floor, shard) => Math.max(floor, known[shard] ?? -1)));
  }

  #snapshot(): void {
    this.options.report.snapshots++;
    const name = `s${this.#snapshots++}`;
    const { snapshots } = this.server;
    const make = async () => {
      for (const old of snapshots.list().slice(0, -1)) await snapshots.delete(old.name);
      if (!snapshots.list().some((old) => old.name === name)) await snapshots.create(name);
    };
    this.#call(make());
  }

  #create(): void {
    const { chance } = this.options;
    const { model } = this;
    if (model.pending) return;
    const free = NAMES.filter((name) => !model.listing.indices.has(name));
    const name = free[Math.floor(chance() * free.length)];
    if (name === undefined) return;
    const shards = chance() < 0.3 ? 2 : 1;
    model.pending = { kind: "create", name, shards };
    this.options.trace(`create ${name}`);
    const settings = { number_of_shards: shards };
    this.#call(
      this.server.engine.indices.create(name, { mappings: MAPPING, settings }).then((state) => {
        model.created(name, state);
        model.pending = undefined;
      }, (error) => {
        this.#notChanged(error);
        throw error;
      }),
    );
  }

  #delete(state: IndexState): void {
    const { model } = this;
    if (model.pending || !model.listing.indices.has(state.name) || this.#bulks > 0) return;
    model.pending = { kind: "delete", name: state.name };
    this.options.trace(`delete ${state.name}`);
    model.dying.add(state.incarnation);
    this.#call(
      this.server.deleteIndex(state).then(() => {
        model.deleted(state.name);
        model.pending = undefined;
      }, (error) => {
        this.#notChanged(error);
        throw error;
      }),
    );
  }

  /** A change of the catalogue that failed half-way stays open until the next start says what became of it. */
  #notChanged(error: unknown): void {
    if (wasRefused(error) && this.model.pending?.kind !== "delete") this.model.pending = undefined;
  }

  #changeCatalogue(state: IndexState): void {
    const dice = this.options.chance();
    if (dice < 0.4) this.#create();
    else if (dice < 0.8) this.#delete(state);
    else this.#alias(state);
  }

  #alias(state: IndexState): void {
    const { model } = this;
    if (model.pending || model.listing.alias === state.name || !model.listing.indices.has(state.name)) return;
    model.pending = { kind: "alias", name: state.name };
    try {
      this.server.catalog.update((draft) => draft.sections["aliases"] = { current: { [state.name]: {} } });
      model.aliased(state.name);
      model.pending = undefined;
    } catch (error) {
      this.#notChanged(error);
      this.#failed(error);
    }
  }

  #mapping(state: IndexState): void {
    const field = DYNAMIC_FIELDS[Math.floor(this.options.chance() * DYNAMIC_FIELDS.length)]!;
    const update = { properties: { [field]: { type: "long" } } };
    this.#call(this.server.engine.indices.putMapping(state, update));
  }

  /** The model as someone sees it who does not know what will become of the calls under way. */
  uncertain(): ServerModel {
    const copy = this.model.fork();
    for (const [operation, { incarnation }] of this.inflight) doubt(copy, operation, incarnation);
    return copy;
  }

  /** The process is gone: whoever has no answer gets none. */
  abandon(): void {
    for (const [operation, state] of [...this.inflight]) this.#unanswered(operation, state);
  }
}
