/**
 * Putting a stream's head, and what it refers to.
 *
 * @module
 */
import { StoreError } from "../../objectstore/store.ts";
import type { Repository } from "../repository.ts";
import { encodeStreamHead, type InlineState, jsonBytes, type StateRef, type StreamHead } from "./head.ts";
import type { Delta, Inventory } from "./inventory.ts";
import { newStreamObject, streamHeadName } from "./names.ts";
import { encodeObject } from "./objects.ts";
import { stateJson } from "./state.ts";

/** State within the head, as it is encoded. */
const INLINE_BYTES = 32 * 1024;
const MAX_INLINE = 64;
/** Objects of state besides the base. */
const MAX_DELTAS = 16;
/** Changes that together have as many bytes as the base are joined with it, when they have at least so many. */
const MIN_BASE_BYTES = 256 * 1024;

export interface HeadWriterOptions {
  readonly repository: Repository;
  readonly stream: string;
  /** The store keeps the conditions of puts. */
  readonly conditional: boolean;
  readonly signal: AbortSignal;
}

/** The state that a change comes to. */
export interface StateBefore {
  readonly head: StreamHead | undefined;
  readonly inventory: Inventory;
  /** Changes that the head holds itself; undefined: they were read, and are not taken apart. */
  readonly inline: readonly Delta[] | undefined;
}

/** What a head says of its state, and what that is. */
export interface EncodedState {
  readonly delta: Delta;
  readonly base: StateRef | null;
  readonly deltas: readonly StateRef[];
  readonly encoded: readonly InlineState[];
  readonly inline: readonly Delta[];
}

export class HeadWriter {
  readonly #options: HeadWriterOptions;
  /** Stored bytes and objects, heads and states; set back by whoever counts. */
  bytesPut = 0;
  objectsPut = 0;

  constructor(options: HeadWriterOptions) {
    this.#options = options;
  }

  /**
   * Where the change goes: into the head while that stays small, else into an object, and all of it into a new base when
   * the changes have become as large as that.
   */
  async encodeState(
    { head, inventory, inline }: StateBefore,
    { change, revision }: { readonly change: Delta; readonly revision: number },
  ): Promise<EncodedState> {
    const { repository } = this.#options;
    const encoded = await encodeObject(repository, jsonBytes(stateJson([change])));
    const inlineBytes = (head?.inline ?? []).reduce(
      (sum, { bytes }) => sum + bytes.length,
      encoded.bytes.length,
    );
    if (inline && inlineBytes <= INLINE_BYTES && inline.length < MAX_INLINE) {
      return {
        delta: change,
        base: head?.base ?? null,
        deltas: head?.deltas ?? [],
        encoded: [...head?.inline ?? [], encoded],
        inline: [...inline, change],
      };
    }
    const deltas = head?.deltas ?? [];
    const deltaBytes = deltas.reduce((sum, { plainBytes }) => sum + plainBytes, inlineBytes);
    const limit = Math.max(head?.base?.plainBytes ?? 0, MIN_BASE_BYTES);
    if (inline && deltas.length < MAX_DELTAS && deltaBytes < limit) {
      const ref = await this.putState([...inline, change], revision);
      return { delta: change, base: head?.base ?? null, deltas: [...deltas, ref], encoded: [], inline: [] };
    }
    const nowMs = Math.floor(this.#options.repository.clock.nowMs());
    const old = [...(head?.base ? [head.base] : []), ...deltas].map(({ name }) => [name, nowMs] as const);
    const delta: Delta = { ...change, condemned: [...change.condemned, ...old] };
    const next = inventory.clone();
    next.apply(delta);
    return {
      delta,
      base: await this.putState([next.asDelta()], revision),
      deltas: [],
      encoded: [],
      inline: [],
    };
  }

  /** Stores changes as an object. @throws {StoreError} */
  async putState(deltas: readonly Delta[], revision: number): Promise<StateRef> {
    const { repository, stream } = this.#options;
    const name = newStreamObject(stream, { kind: "states", revision }, repository.random);
    const { object, bytes } = await encodeObject(repository, jsonBytes(stateJson(deltas)));
    await repository.store.put(name, bytes, { signal: this.#options.signal });
    this.bytesPut += bytes.length;
    this.objectsPut++;
    return { name, ...object };
  }

  /** @returns Its etag. @throws {StoreError} "precondition": it is not the one that was read. */
  async putHead(head: StreamHead, etag: string | undefined): Promise<string> {
    const { repository, stream, conditional, signal } = this.#options;
    const { store } = repository;
    const name = streamHeadName(stream);
    const bytes = encodeStreamHead(head);
    this.bytesPut += bytes.length;
    this.objectsPut++;

    if (!conditional) {
      if ((await store.head(name, { signal }))?.etag !== etag) throw this.#overtaken();
      return await store.put(name, bytes, { signal });
    }
    const condition = etag === undefined ? { ifAbsent: true } as const : { ifMatch: etag };
    try {
      return await store.put(name, bytes, { condition, signal });
    } catch (error) {
      if (error instanceof StoreError && error.kind === "precondition") throw this.#overtaken(error);
      throw error;
    }
  }

  /** The next round reads the head and says whose it is. */
  #overtaken(cause?: unknown): StoreError {
    const { repository, stream } = this.#options;
    return new StoreError(
      `The head of stream ${stream} at ${repository.place} is not the one that was read`,
      {
        kind: "precondition",
        hint: "it is read again",
        cause,
      },
    );
  }
}
