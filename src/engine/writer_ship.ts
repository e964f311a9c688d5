/**
 * A writer's part of continuous shipping: makes its logs durable, then shows what is.
 *
 * @module
 */
import { IoError, RequestError } from "../base/errors.ts";
import { shardFolder } from "../format/file_names.ts";
import type { ShipCall, ShippedLog, ShipReply } from "./messages.ts";
import type { OpenShard, WriterNode } from "./writer_node.ts";

export class WriterShip {
  readonly #node: WriterNode;
  /** What keeps files for main, by number. */
  readonly #pins = new Map<number, () => void>();
  #nextPin = 1;

  constructor(node: WriterNode) {
    this.#node = node;
  }

  /**
   * Syncs every log, then captures all shards in one go. A shard whose disk failed is left out, and named.
   *
   * Every record that this writer appended before the call is in the answer, but for those shards'.
   */
  async view({ known }: ShipCall): Promise<ShipReply> {
    const { lsn } = this.#node.options;
    // Read before the syncs begin: what this thread has appended so far is on disk when they are through.
    const coveredLsn = Number(Atomics.load(lsn, 0));
    await Promise.all([...this.#node.shards.values()].map((open) => syncQuietly(open)));
    const logs: ShippedLog[] = [];
    const hidden: { incarnation: string; folder: string; reason: string }[] = [];
    for (const open of this.#node.shards.values()) {
      const { spec: { incarnation }, state } = open;
      const folder = folderOf(open);
      try {
        const { manifest, release, ...view } = state.store.shipView();
        const pin = this.#nextPin++;
        this.#pins.set(pin, release);
        const isKnown = known[`${incarnation}/${state.names.shard}`] === manifest.number;
        logs.push({
          ...view,
          folder,
          incarnation,
          shard: state.names.shard,
          pin,
          manifest: isKnown ? undefined : manifest,
        });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        hidden.push({ incarnation, folder, reason: error.message });
      }
    }
    return { coveredLsn, logs, hidden };
  }

  /** Main needs the files no more. */
  release(pins: readonly number[]): void {
    for (const pin of pins) {
      const release = this.#pins.get(pin);
      this.#pins.delete(pin);
      release?.();
    }
  }
}

function folderOf({ spec, state }: OpenShard): string {
  return spec.shards === 1 ? spec.index : `${spec.index}/${shardFolder(state.names.shard)}`;
}

/** A failed sync poisons the store, which then says so itself. */
async function syncQuietly({ state: { store } }: OpenShard): Promise<void> {
  if (store.poisoned || store.syncedLsn >= store.position.lsn) return;
  try {
    await store.syncAsync();
  } catch (error) {
    if (!(error instanceof RequestError) && !(error instanceof IoError)) throw error;
  }
}
