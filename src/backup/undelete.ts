/**
 * A repository back out of a bucket's older versions, after somebody deleted or overwrote what is current: first a head,
 * then the manifests that it lists, then their objects. What is brought back is held against its hash, or at least its
 * size; nothing is deleted. Nobody else may write there meanwhile.
 *
 * Times of versions are not looked at: stores differ in what they mean. A head says which revision it is.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import {
  type ObjectStore,
  type ObjectVersion,
  type ObjectVersions,
  StoreError,
} from "../objectstore/store.ts";
import { RepositoryError } from "./error.ts";
import { decodeHead, type Head } from "./head.ts";
import { HEAD_NAME, MANIFEST_PREFIX, OBJECT_PREFIX } from "./names.ts";
import { Budget, forEachParallel } from "./parallel.ts";
import type { Repository } from "./repository.ts";
import { type DamagedObject, type VerifyReport, verifyRepository, whatIsWrong } from "./verify_repository.ts";

const PARALLEL = 4;

/** A version of the head that can be read. */
export interface HeadVersion {
  readonly versionId: string;
  readonly revision: number;
  readonly head: Head;
  readonly isCurrent: boolean;
}

/**
 * Every head that the bucket still has, the highest revision first.
 *
 * @throws {StoreError} "unsupported": the store keeps no versions.
 */
export async function headVersions(store: ObjectStore, signal?: AbortSignal): Promise<HeadVersion[]> {
  const versions = versionsOf(store);
  const call = signal ? { signal } : {};
  const found: HeadVersion[] = [];
  const listed = await versionsBelow(versions, HEAD_NAME, call);
  await forEachParallel(listed, { limit: PARALLEL, ...call }, async (version) => {
    if (version.name !== HEAD_NAME) return;
    try {
      const head = decodeHead(await versions.get(HEAD_NAME, version.versionId, call));
      const { versionId, isCurrent } = version;
      found.push({ versionId, revision: head.revision, head, isCurrent });
    } catch (error) {
      // What an attacker put there, maybe.
      if (!(error instanceof CorruptionError)) throw error;
    }
  });
  return found.sort((a, b) => b.revision - a.revision);
}

/** The one that is most likely wanted: the highest revision that lists a backup; with `revision` that one. */
export function chooseHead(
  heads: readonly HeadVersion[],
  { place, revision }: { readonly place: string; readonly revision?: number },
): HeadVersion {
  const chosen = revision === undefined
    ? heads.find(({ head }) => head.backups.length > 0)
    : heads.find((one) => one.revision === revision);
  if (chosen) return chosen;
  throw new RepositoryError(
    revision === undefined
      ? `No version of ${place}/${HEAD_NAME} lists a backup`
      : `No version of ${place}/${HEAD_NAME} has revision ${revision}`,
    { kind: "missing", hint: "check bucket and prefix, and whether the bucket keeps versions" },
  );
}

/** Makes a version of the head the current one; no request where it is. */
export async function restoreHead(
  store: ObjectStore,
  chosen: HeadVersion,
  signal?: AbortSignal,
): Promise<void> {
  if (!chosen.isCurrent) {
    await versionsOf(store).restore(HEAD_NAME, chosen.versionId, signal ? { signal } : {});
  }
}

export interface UndeleteOutcome {
  /** Manifests and objects that are there again. */
  readonly restored: readonly string[];
  /** Of which no version is what it should be; their backups stay damaged. */
  readonly lost: readonly DamagedObject[];
  /** What was found before anything was brought back. */
  readonly report: VerifyReport;
}

/** Manifests and objects that the head lists. @param mode How they are looked at. @throws {StoreError} */
export async function undelete(
  repository: Repository,
  { mode, signal }: { readonly mode: "quick" | "full"; readonly signal?: AbortSignal },
): Promise<UndeleteOutcome> {
  const { store, log } = repository;
  const versions = versionsOf(store);
  const call = signal ? { signal } : {};
  const restored: string[] = [];
  const lost: DamagedObject[] = [];
  const { head } = await repository.readHead(signal);
  // Without its manifest nobody knows what a backup needs.
  const manifests = (await verifyRepository(repository, { mode: "quick", ...call })).damaged.filter((
    { piece },
  ) => !piece);
  const kept = manifests.length > 0
    ? byName(await versionsBelow(versions, MANIFEST_PREFIX, call))
    : undefined;
  for (const one of manifests) {
    const listed = head.backups.find(({ manifest }) => manifest === one.object)!;
    let isBack = false;
    for (const { versionId, sizeBytes } of kept!.get(one.object) ?? []) {
      if (sizeBytes !== listed.manifestBytes) continue;
      if (sha256Hex(await versions.get(one.object, versionId, call)) !== listed.sha256) continue;
      await versions.restore(one.object, versionId, call);
      isBack = true;
      break;
    }
    if (isBack) restored.push(one.object);
    else lost.push(one);
  }
  const report = await verifyRepository(repository, { mode, ...call });
  const objects = report.damaged.filter(({ piece }) => piece);
  const older = objects.length > 0 ? byName(await versionsBelow(versions, OBJECT_PREFIX, call)) : undefined;
  const requests = new Budget(PARALLEL);
  await forEachParallel(objects, { limit: PARALLEL, ...call }, async (one, signal) => {
    const piece = one.piece!;
    for (const { versionId, sizeBytes } of older!.get(one.object) ?? []) {
      if (sizeBytes !== piece.bytes) continue;
      await versions.restore(one.object, versionId, { signal });
      if (await whatIsWrong(repository, piece, { requests, signal, onFetched: () => {} }) !== undefined) {
        continue;
      }
      restored.push(one.object);
      return;
    }
    lost.push(one);
  });
  for (const { object, backups } of lost) {
    log.error("no version of an object is what a backup needs", { object, backups });
  }
  return { restored: restored.sort(), lost, report };
}

function versionsOf(store: ObjectStore): ObjectVersions {
  if (store.versions) return store.versions;
  throw new StoreError(`${store.place} keeps no older versions`, { kind: "unsupported" });
}

/** Without marks of deletion. */
async function versionsBelow(
  versions: ObjectVersions,
  prefix: string,
  call: { readonly signal?: AbortSignal },
): Promise<ObjectVersion[]> {
  const found: ObjectVersion[] = [];
  for await (const version of versions.list(prefix, call)) if (version.sizeBytes >= 0) found.push(version);
  return found;
}

function byName(versions: readonly ObjectVersion[]): Map<string, ObjectVersion[]> {
  const found = new Map<string, ObjectVersion[]>();
  for (const version of versions) {
    const list = found.get(version.name);
    if (list) list.push(version);
    else found.set(version.name, [version]);
  }
  return found;
}
