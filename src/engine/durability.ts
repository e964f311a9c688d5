/**
 * When is a write safe enough to be acknowledged? One of these per writer thread keeps the three policies.
 *
 * - `sync`: an acknowledgement waits for an fdatasync that began after its append; requests that append while one
 *   runs share the next.
 * - `batched`: a timer syncs every `wal_batch_ms` whatever was appended since.
 * - `replicated`: as `sync`; then the acknowledgement waits until the record has left the machine, too.
 * - `async`: a timer starts writeback each second; only rolls, flushes and starts sync.
 *
 * @module
 */
import type { ShardStore } from "../shard/store.ts";
import type { WalSync } from "./messages.ts";
import type { Replication } from "./replication.ts";

const WRITEBACK_EVERY_MS = 1000;
/** How long a synced log stays quiet before a mark says in it that it is synced. */
const IDLE_MARK_MS = 1000;

interface Group {
  /** Runs now. */
  readonly running: Promise<void>;
  /** Starts when `running` is through; shared by all that come meanwhile. */
  next: Promise<void> | undefined;
}

export class Durability {
  readonly #stores = new Set<ShardStore>();
  readonly #groups = new Map<ShardStore, Group>();
  readonly #settings: () => { readonly walSync: WalSync; readonly walBatchMs: number };
  #timer: number | undefined;
  #markTimer: number | undefined;

  readonly #replication: Replication | undefined;

  /** @param replication What `replicated` waits for; undefined: there is nobody to replicate to. */
  constructor(
    settings: () => { readonly walSync: WalSync; readonly walBatchMs: number },
    replication?: Replication,
  ) {
    this.#settings = settings;
    this.#replication = replication;
    this.restart();
  }

  add(store: ShardStore): void {
    this.#stores.add(store);
  }

  remove(store: ShardStore): void {
    this.#stores.delete(store);
    this.#groups.delete(store);
  }

  /** Resolves when what was appended to `store` so far may be acknowledged. @throws what the sync threw. */
  acknowledged(store: ShardStore): Promise<void> {
    const { walSync } = this.#settings();
    if (walSync === "replicated") return this.#replicated(store);
    return walSync === "sync" ? this.#groupSync(store) : Promise.resolve();
  }

  async #replicated(store: ShardStore): Promise<void> {
    const { lsn } = store.position;
    await this.#groupSync(store);
    await this.#replication?.arrived(store.manifest.incarnation, lsn);
  }

  /** Takes the timer of the policy now in force. */
  restart(): void {
    this.stop();
    const { walSync, walBatchMs } = this.#settings();
    if (walSync === "batched") this.#timer = setInterval(() => this.#syncAll(), walBatchMs);
    if (walSync !== "async") this.#markTimer = setInterval(() => this.#markIdle(), IDLE_MARK_MS);
    if (walSync === "async") this.#timer = setInterval(() => this.#writeBackAll(), WRITEBACK_EVERY_MS);
  }

  stop(): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#markTimer !== undefined) clearInterval(this.#markTimer);
    this.#markTimer = undefined;
  }

  #groupSync(store: ShardStore): Promise<void> {
    const group = this.#groups.get(store);
    if (!group) return this.#begin(store);
    // The running sync may have started before this append: wait for one more, together with whoever else waits.
    group.next ??= group.running.then(() => this.#begin(store), () => this.#begin(store));
    return group.next;
  }

  #begin(store: ShardStore): Promise<void> {
    const running = store.syncAsync().finally(() => {
      const group = this.#groups.get(store);
      if (group?.running === running && !group.next) this.#groups.delete(store);
    });
    this.#groups.set(store, { running, next: undefined });
    return running;
  }

  #syncAll(): void {
    for (const store of this.#stores) {
      if (store.syncedLsn >= store.position.lsn || store.poisoned || this.#groups.has(store)) continue;
      this.#begin(store).catch((error) => expectPoisoned(store, error));
    }
  }

  /** An opening after a quiet spell then has nothing to repeat. */
  #markIdle(): void {
    for (const store of this.#stores) {
      if (store.poisoned || store.blocked || !store.started || this.#groups.has(store)) continue;
      if (store.syncedLsn < store.position.lsn) continue;
      try {
        store.markIfIdle();
      } catch (error) {
        if (!store.blocked) expectPoisoned(store, error);
      }
    }
  }

  #writeBackAll(): void {
    for (const store of this.#stores) if (store.syncedLsn < store.position.lsn) store.startWriteback();
  }
}

/** A sync that nobody waits for has failed: whoever listens to the store's poison knows. */
function expectPoisoned(store: ShardStore, error: unknown): void {
  if (!store.poisoned) throw error;
}
