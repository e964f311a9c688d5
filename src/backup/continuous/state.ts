/**
 * Reading a stream's head and the state that it refers to.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import { BodyReader } from "../../format/sealed_json.ts";
import type { Repository } from "../repository.ts";
import { StreamError } from "./error.ts";
import { decodeStreamHead, jsonFromBytes, type StateRef, type StreamHead } from "./head.ts";
import { type Delta, deltaFromJson, deltaToJson, Inventory } from "./inventory.ts";
import { streamHeadName } from "./names.ts";
import { decodeObject, lost, readObject } from "./objects.ts";

export interface ReadStream {
  readonly head: StreamHead;
  readonly etag: string;
}

/** undefined: there is no such stream. @throws {StreamError} "damaged", "version" @throws {StoreError} */
export async function readStreamHead(
  repository: Repository,
  stream: string,
  signal?: AbortSignal,
): Promise<ReadStream | undefined> {
  const name = streamHeadName(stream);
  const found = await repository.store.get(name, signal ? { signal } : {});
  if (!found) return undefined;
  let head: StreamHead;
  try {
    head = decodeStreamHead(found.bytes);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const isNewer = error.message.includes("is newer than");
    throw new StreamError(`Cannot read ${name} at ${repository.place}: ${error.message}`, {
      kind: isNewer ? "version" : "damaged",
      hint: isNewer
        ? "use the version that wrote it, or a later one"
        : "put an older version of it back if the bucket keeps versions",
    });
  }
  if (head.repositoryId === repository.id && head.stream === stream) return { head, etag: found.etag };
  throw new StreamError(
    `Cannot use stream ${stream} at ${repository.place}: its head is of ${head.stream} in repository ${head.repositoryId}`,
    { kind: "damaged", hint: "it was copied there from another place" },
  );
}

/** The state of the head's own timeline. @throws {StreamError} "damaged" @throws {StoreError} */
export async function loadInventory(
  repository: Repository,
  head: StreamHead,
  signal?: AbortSignal,
): Promise<Inventory> {
  const inventory = new Inventory();
  for (const ref of [...(head.base ? [head.base] : []), ...head.deltas]) {
    await applyState(repository, { inventory, ref, ...(signal ? { signal } : {}) });
  }
  for (const { object, bytes } of head.inline) {
    const plain = await checked(
      repository,
      streamHeadName(head.stream),
      () => decodeObject(repository, object, bytes),
    );
    await checked(repository, streamHeadName(head.stream), () => applyAll(inventory, plain));
  }
  return inventory;
}

/** The state that an earlier owner left. @throws {StreamError} "damaged" @throws {StoreError} */
export async function loadArchive(
  repository: Repository,
  ref: StateRef,
  signal?: AbortSignal,
): Promise<Inventory> {
  const inventory = new Inventory();
  await applyState(repository, { inventory, ref, ...(signal ? { signal } : {}) });
  return inventory;
}

async function applyState(
  repository: Repository,
  { inventory, ref, signal }: {
    readonly inventory: Inventory;
    readonly ref: StateRef;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const plain = await readObject(repository, ref.name, { object: ref, ...(signal ? { signal } : {}) });
  await checked(repository, ref.name, () => applyAll(inventory, plain));
}

function applyAll(inventory: Inventory, plain: Uint8Array): void {
  const body = new BodyReader("stream state", jsonFromBytes(plain));
  for (const delta of body.list("changes")) inventory.apply(deltaFromJson(delta));
}

/** As `applyAll` reads it. */
export function stateJson(deltas: readonly Delta[]): unknown {
  return { changes: deltas.map(deltaToJson) };
}

async function checked<T>(repository: Repository, name: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CorruptionError) throw lost(repository, name, error.message);
    throw error;
  }
}
