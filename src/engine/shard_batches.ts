/**
 * The batches of one request, one a shard: begun when the first operation for the shard comes, committed together.
 *
 * The caller holds the writer's `bulkTurn`, so that two requests never wait for each other's shards.
 *
 * @module
 */
import { WriteBatch } from "../shard/write.ts";
import type { OpenShard, WriterNode } from "./writer_node.ts";
import { checkOpen, checkWritable } from "./writer_write.ts";

interface Held {
  readonly open: OpenShard;
  readonly batch: WriteBatch;
  readonly release: () => void;
}

export class ShardBatches {
  readonly #node: WriterNode;
  readonly #held = new Map<OpenShard, Held>();
  #last: Held | undefined;

  constructor(node: WriterNode) {
    this.#node = node;
  }

  /** The batch of a shard, if one was begun. */
  of(open: OpenShard): WriteBatch | undefined {
    if (this.#last?.open === open) return this.#last.batch;
    this.#last = this.#held.get(open);
    return this.#last?.batch;
  }

  /** Takes the shard's turn and begins its batch. @throws {RequestError} The shard takes no writes, or is gone. */
  async begin(open: OpenShard): Promise<WriteBatch> {
    checkWritable(this.#node, open.state);
    const release = await holdTurn(open);
    try {
      checkOpen(this.#node, open);
    } catch (error) {
      release();
      throw error;
    }
    const held: Held = { open, batch: new WriteBatch(open.state), release };
    this.#held.set(open, held);
    this.#last = held;
    return held.batch;
  }

  /** Appends every batch to its shard's log. @throws What failed; batches that were appended stay. */
  commit(): void {
    const { clock } = this.#node.options;
    for (const { batch } of this.#held.values()) {
      const started = clock.monotonicMs();
      batch.commit();
      this.#node.timings.walWriteSeconds.push((clock.monotonicMs() - started) / 1000);
    }
  }

  /** Undoes what was not appended. */
  rollback(): void {
    for (const { batch } of this.#held.values()) batch.rollback();
  }

  /** Gives the turns back and starts what has become due. */
  release(): void {
    for (const { release } of this.#held.values()) release();
    for (const open of this.#held.keys()) this.#node.flushIfLarge(open);
  }

  /** Resolves when everything that was committed may be acknowledged. */
  async acknowledged(): Promise<void> {
    await Promise.all(
      [...this.#held.keys()].map(({ state }) => this.#node.durability.acknowledged(state.store)),
    );
  }

  incarnations(): string[] {
    return [...new Set([...this.#held.keys()].map(({ spec }) => spec.incarnation))];
  }
}

/** Takes the shard's turn; the returned function gives it back. */
function holdTurn({ state }: OpenShard): Promise<() => void> {
  return new Promise((resolve) => {
    state.turn.take(() => new Promise<void>((release) => resolve(release)));
  });
}
