/**
 * From a destination to an open repository.
 *
 * @module
 */
import { type Logger, silentLogger } from "../base/log.ts";
import { parseRepositoryKey } from "../backup/cipher.ts";
import { RepositoryError } from "../backup/error.ts";
import { Repository, type RepositoryOptions } from "../backup/repository.ts";
import { type Bandwidth, limitedStore } from "../objectstore/limited_store.ts";
import { openStore } from "../objectstore/open.ts";
import { probeStore } from "../objectstore/probe.ts";
import { type ObjectStore, type StoreAbilities, StoreError } from "../objectstore/store.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import type { Destination } from "./destination.ts";

export interface OpenOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Logger;
  /** Shared by all that is sent and fetched; undefined: no limit. */
  readonly bandwidth?: Bandwidth;
  /** How long a store that cannot be reached is tried, ms; undefined: as long as backups do. */
  readonly giveUpAfterMs?: number;
}

/** Opens the store without touching it. @throws {StoreError} "unsupported" */
export function openDestination(destination: Destination, options: OpenOptions): ObjectStore {
  const { endpoint, region, credentials, pathStyle, caCertificate, storageClass, objectLock } = destination;
  const { fs, clock, random, log = silentLogger, bandwidth, giveUpAfterMs } = options;
  const store = openStore(destination.url, {
    directory: { fs, clock, random },
    s3: {
      clock,
      onRetry: (words) => log.warn("a request to the repository is tried again", { reason: words }),
      ...(giveUpAfterMs === undefined ? {} : { giveUpAfterMs }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(credentials === undefined ? {} : { credentials }),
      ...(pathStyle === undefined ? {} : { pathStyle }),
      ...(caCertificate === undefined ? {} : { caCertificate }),
      ...(objectLock === undefined ? {} : { lock: objectLock }),
      ...(storageClass === undefined
        ? {}
        // What is read at every backup stays where it is cheap to read.
        : { storageClass: (name: string) => name.startsWith("objects/") ? storageClass : undefined }),
    },
  });
  return bandwidth ? limitedStore(store, bandwidth) : store;
}

/**
 * Opens the repository; with `create`, makes it where there is none, after a probe of what the store does.
 *
 * @throws {RepositoryError | StoreError}
 */
export async function openRepository(
  store: ObjectStore,
  destination: Destination,
  { clock, random, log, create, signal }: OpenOptions & {
    readonly create: boolean;
    readonly signal?: AbortSignal;
  },
): Promise<Repository> {
  const { singleWriter, encryptionKey } = destination;
  const common: RepositoryOptions = {
    random,
    clock,
    singleWriter,
    ...(singleWriter ? { abilities: NO_CONDITIONS } : {}),
    ...(log ? { log } : {}),
    ...(encryptionKey === undefined ? {} : { key: parseRepositoryKey(encryptionKey) }),
  };
  if (create && destination.objectLock) await checkLock(store, signal);
  try {
    return await Repository.open(store, common);
  } catch (error) {
    if (!create || !(error instanceof RepositoryError) || error.kind !== "missing") throw error;
  }
  const { ok, abilities, checks, left } = await probeStore(store, { random, ...(signal ? { signal } : {}) });
  const failed = checks.filter((check) => !check.ok && check.required);
  if (!ok) {
    throw new StoreError(
      `Cannot keep backups at ${store.place}: ${
        failed.map(({ name, words }) => `${name}: ${words}`).join(" ")
      }`,
      { kind: "unsupported", hint: failed.map(({ hint }) => hint).find((hint) => hint !== "") ?? "" },
    );
  }
  return await Repository.openOrCreate(store, {
    ...common,
    abilities: singleWriter ? NO_CONDITIONS : abilities,
    warnings: left === "" ? [] : [
      `the credentials may not delete at ${store.place}, which backups do not need: ${left} of the probe stays there; ` +
      "prune under another identity",
    ],
  });
}

/** @throws {StoreError} "unsupported": what is written there would not be locked. */
async function checkLock(store: ObjectStore, signal: AbortSignal | undefined): Promise<void> {
  const state = await store.objectLock?.(signal ? { signal } : {}) ?? "off";
  if (state !== "off") return;
  throw new StoreError(
    `Cannot lock objects at ${store.place}: the store, or the bucket, has no object lock`,
    {
      kind: "unsupported",
      hint:
        "make a bucket with object lock, which cannot be switched on everywhere later, or set object_lock_days = 0",
    },
  );
}

const NO_CONDITIONS: StoreAbilities = { putIfAbsent: false, putIfMatch: false };
