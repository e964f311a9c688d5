/**
 * Clients that index, update and delete over a fixed set of ids at a given rate, and tell the model what was
 * acknowledged.
 *
 * @module
 */
import type { ServerProcess } from "../support/server.ts";
import type { Model } from "./model.ts";

export const INDEX = "copied";
const CLIENTS = 4;
/** Bulks a second of each client, as far as the server keeps up. */
const BULKS_PER_SECOND = 5;

export interface LoadOptions {
  readonly operationsPerSecond: number;
  readonly random: () => number;
}

export class Load {
  readonly #server: ServerProcess;
  readonly #model: Model;
  readonly #options: LoadOptions;
  readonly #clients: Promise<void>[];
  #stopped = false;
  /** Longest time from sending to answer, ms. */
  longestMs = 0;

  constructor(server: ServerProcess, model: Model, options: LoadOptions) {
    this.#server = server;
    this.#model = model;
    this.#options = options;
    this.#clients = Array.from({ length: CLIENTS }, (_, client) => this.#run(client));
    // Whoever stops it, or asks, hears of a failure.
    for (const client of this.#clients) client.catch(() => {});
  }

  /** Resolves when nothing is under way any more. @throws What went wrong meanwhile. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  /** Rejects as soon as a client fails. */
  get failed(): Promise<void[]> {
    return Promise.all(this.#clients);
  }

  async #run(client: number): Promise<void> {
    const size = Math.max(1, Math.round(this.#options.operationsPerSecond / CLIENTS / BULKS_PER_SECOND));
    let due = performance.now() + client * 1000 / BULKS_PER_SECOND / CLIENTS;
    while (!this.#stopped) {
      const waitMs = due - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      // Whoever fell behind does not catch up with a burst.
      due = Math.max(due, performance.now() - 1000) + 1000 / BULKS_PER_SECOND;
      await this.#bulk(client, size);
    }
  }

  async #bulk(client: number, size: number): Promise<void> {
    const { random } = this.#options;
    const planned = new Map<number, { readonly operation: number; readonly isDelete: boolean }>();
    const lines: string[] = [];
    for (let i = 0; i < size; i++) {
      const id = client + CLIENTS * Math.floor(random() * this.#model.ids / CLIENTS);
      if (id >= this.#model.ids || planned.has(id)) continue;
      const roll = random();
      const isDelete = roll < 0.2;
      const operation = this.#model.send(id, isDelete);
      planned.set(id, { operation, isDelete });
      if (isDelete) lines.push(`{"delete":{"_id":"${id}"}}`);
      else if (roll < 0.5) {
        lines.push(
          `{"update":{"_id":"${id}"}}`,
          `{"doc":{"v":${operation},"k":${id}},"doc_as_upsert":true}`,
        );
      } else {
        const text = `word${operation % 97} of ${id % 13} and number${operation % 1009}`;
        lines.push(`{"index":{"_id":"${id}"}}`, `{"v":${operation},"k":${id},"text":"${text}"}`);
      }
    }
    if (planned.size === 0) return;
    const started = performance.now();
    const response = await fetch(`${this.#server.es}/${INDEX}/_bulk`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: lines.join("\n") + "\n",
      // A server that hangs is a failure and no silence.
      signal: AbortSignal.timeout(120_000),
    });
    const answer = await response.json();
    this.longestMs = Math.max(this.longestMs, performance.now() - started);
    if (response.status !== 200 || answer.errors) {
      throw new Error(`a bulk failed: ${JSON.stringify(answer).slice(0, 500)}`);
    }
    for (const [id, { operation, isDelete }] of planned) this.#model.acknowledge(id, operation, isDelete);
  }
}
