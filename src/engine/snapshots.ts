/**
 * Published snapshots and who still uses them. Main's own; every other thread hears of changes from here.
 *
 * Invariant: a segment's memory is given back only after its last snapshot was dropped here, every searcher has
 * confirmed that it let go of it, and then its writer was told.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ShardSnapshot } from "../shard/snapshot.ts";
import { snapshotKey } from "./messages.ts";

/** What must be told when snapshots come and go. */
export interface SnapshotListeners {
  /** A new snapshot, for every searcher. */
  readonly added: (snapshot: ShardSnapshot) => void;
  /** Snapshots without pins that newer ones replaced, and segments that no snapshot holds any more. */
  readonly dropped: (
    gone: { readonly snapshots: readonly string[]; readonly segments: readonly string[] },
  ) => void;
}

interface Held {
  readonly key: string;
  readonly snapshot: ShardSnapshot;
  pins: number;
  current: boolean;
}

/** A pin. Release it exactly once. */
export interface Pin {
  readonly key: string;
  readonly snapshot: ShardSnapshot;
  release(): void;
}

export class Snapshots {
  readonly #listeners: SnapshotListeners;
  /** Newest snapshot by `<incarnation>/<shard>`. */
  readonly #current = new Map<string, Held>();
  /** Number of held snapshots that list a segment. */
  readonly #segmentUses = new Map<string, number>();

  constructor(listeners: SnapshotListeners) {
    this.#listeners = listeners;
  }

  publish(snapshot: ShardSnapshot): void {
    const shard = `${snapshot.incarnation}/${snapshot.shard}`;
    const held: Held = { key: snapshotKey(snapshot), snapshot, pins: 0, current: true };
    for (const { ref } of snapshot.segments) {
      this.#segmentUses.set(ref.key, (this.#segmentUses.get(ref.key) ?? 0) + 1);
    }
    this.#listeners.added(snapshot);
    const before = this.#current.get(shard);
    this.#current.set(shard, held);
    if (before) this.#retire(before);
  }

  /** The newest snapshot of a shard, if one was published. */
  current(incarnation: string, shard: number): ShardSnapshot | undefined {
    return this.#current.get(`${incarnation}/${shard}`)?.snapshot;
  }

  pin(incarnation: string, shard: number): Pin | undefined {
    const held = this.#current.get(`${incarnation}/${shard}`);
    if (!held) return undefined;
    held.pins++;
    let released = false;
    return {
      key: held.key,
      snapshot: held.snapshot,
      release: () => {
        assert(!released, "a pin is released once");
        released = true;
        held.pins--;
        if (!held.current && held.pins === 0) this.#drop(held);
      },
    };
  }

  /** The index is gone: its snapshots go as soon as nobody searches them. */
  forget(incarnation: string, shards: number): void {
    for (let shard = 0; shard < shards; shard++) {
      const held = this.#current.get(`${incarnation}/${shard}`);
      if (!held) continue;
      this.#current.delete(`${incarnation}/${shard}`);
      this.#retire(held);
    }
  }

  #retire(held: Held): void {
    held.current = false;
    if (held.pins === 0) this.#drop(held);
  }

  #drop(held: Held): void {
    const segments: string[] = [];
    for (const { ref } of held.snapshot.segments) {
      const uses = this.#segmentUses.get(ref.key)! - 1;
      if (uses > 0) {
        this.#segmentUses.set(ref.key, uses);
      } else {
        this.#segmentUses.delete(ref.key);
        segments.push(ref.key);
      }
    }
    this.#listeners.dropped({ snapshots: [held.key], segments });
  }
}
