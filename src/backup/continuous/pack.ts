/**
 * Many small things in few objects: the pieces of all logs and the small files of one round share packs, so that a round
 * costs the same whether it ships one log or a thousand.
 *
 * @module
 */
import { concatBytes } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import { Budget } from "../parallel.ts";
import type { Repository } from "../repository.ts";
import type { Slice, StoredObject } from "./inventory.ts";
import { newStreamObject, type StreamObjectKind } from "./names.ts";
import { encodeObject } from "./objects.ts";

/** A pack is sent when it holds so much; a larger piece has one of its own. */
export const PACK_BYTES = 8 * 1024 * 1024;
const PARALLEL_PACKS = 3;

export interface PackPlace {
  readonly stream: string;
  readonly kind: StreamObjectKind;
  /** Of the head that will name the packs. */
  readonly revision: number;
}

export class PackWriter {
  readonly #repository: Repository;
  readonly #place: PackPlace;
  readonly #signal: AbortSignal | undefined;
  readonly #slots = new Budget(PARALLEL_PACKS);
  readonly #sent: Promise<void>[] = [];
  readonly #objects: [string, StoredObject][] = [];
  #name = "";
  #pieces: Uint8Array[] = [];
  #size = 0;
  #failure: unknown;
  /** Names that were drawn, stored or not. */
  readonly names: string[] = [];
  /** As they are stored. */
  bytesPut = 0;

  constructor(repository: Repository, place: PackPlace, signal: AbortSignal | undefined) {
    this.#repository = repository;
    this.#place = place;
    this.#signal = signal;
  }

  /** Takes bytes over, which may not change any more. Waits when several packs are under way. @throws {StoreError} */
  async add(bytes: Uint8Array): Promise<Slice> {
    assert(bytes.length > 0, "there is something to pack");
    if (this.#size > 0 && this.#size + bytes.length > PACK_BYTES) await this.#send();
    if (this.#size === 0) {
      this.#name = newStreamObject(this.#place.stream, this.#place, this.#repository.random);
      this.names.push(this.#name);
    }
    const slice = { object: this.#name, at: this.#size, length: bytes.length };
    this.#pieces.push(bytes);
    this.#size += bytes.length;
    return slice;
  }

  /** All packs, once they are stored. @throws {StoreError} */
  async finish(): Promise<readonly (readonly [string, StoredObject])[]> {
    if (this.#size > 0) await this.#send();
    await Promise.all(this.#sent);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#objects;
  }

  async #send(): Promise<void> {
    const release = await this.#slots.take(1);
    if (this.#failure !== undefined) {
      release();
      throw this.#failure;
    }
    const name = this.#name;
    const plain = this.#pieces.length === 1 ? this.#pieces[0]! : concatBytes(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    const put = async () => {
      try {
        const { object, bytes } = await encodeObject(this.#repository, plain);
        await this.#repository.store.put(name, bytes, this.#signal ? { signal: this.#signal } : {});
        this.#objects.push([name, object]);
        this.bytesPut += bytes.length;
      } catch (error) {
        this.#failure ??= error;
      } finally {
        release();
      }
    };
    this.#sent.push(put());
  }
}
