/**
 * Names of a repository's objects.
 *
 *     head.json                                        the only object that is ever replaced
 *     objects/<content>.<epoch>.<backup id>-<try>      one piece of a file; content: 64 hex digits
 *     backups/<backup id>.json                         a backup's manifest
 *     backups/<backup id>.<try>.json                   the same, where the plain name was not to be had
 *
 * `content` is the SHA-256 of the piece's plain bytes, in an encrypted repository its HMAC. `epoch` is the head's when
 * the object was sent, `try` 16 random hex digits: no name of an object is ever used a second time, so that a delete
 * which comes late deletes nothing else.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { Random } from "../os/fs.ts";

export const HEAD_NAME = "head.json";
export const OBJECT_PREFIX = "objects/";
export const MANIFEST_PREFIX = "backups/";

const TRY_BYTES = 8;
const MAX_ID_CHARS = 128;
const MAX_PATH_CHARS = 4096;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const OBJECT = /^objects\/([0-9a-f]{64})\.(\d{1,15})\.([A-Za-z0-9][A-Za-z0-9._-]*)-([0-9a-f]{16})$/;

/** What an object's name tells. */
export interface ObjectName {
  readonly content: string;
  readonly epoch: number;
  readonly backupId: string;
}

/** Whether a text may be a backup's id: 1 to 128 of [A-Za-z0-9._-], beginning with a letter or digit; not "latest". */
export function isBackupId(id: string): boolean {
  return id.length <= MAX_ID_CHARS && ID.test(id) && id !== "latest";
}

/** A name that nothing had before. */
export function newObjectName(name: ObjectName, random: Random): string {
  return `${OBJECT_PREFIX}${name.content}.${name.epoch}.${name.backupId}-${newTry(random)}`;
}

/** undefined: not a name of ours. */
export function parseObjectName(name: string): ObjectName | undefined {
  const match = OBJECT.exec(name);
  if (!match) return undefined;
  return { content: match[1]!, epoch: Number(match[2]), backupId: match[3]! };
}

export function plainManifestName(id: string): string {
  return `${MANIFEST_PREFIX}${id}.json`;
}

export function newManifestName(id: string, random: Random): string {
  return `${MANIFEST_PREFIX}${id}.${newTry(random)}.json`;
}

/** 16 random hex digits. */
export function newTry(random: Random): string {
  const bytes = new Uint8Array(TRY_BYTES);
  random.fill(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Whether a path stays below the directory that it is relative to: `/`-separated names, none empty, `.` or `..`, no
 * control characters, no backslash.
 */
export function isSafePath(path: string): boolean {
  // deno-lint-ignore no-control-regex
  if (path === "" || path.length > MAX_PATH_CHARS || /[\x00-\x1f\x7f\\]/.test(path)) return false;
  return path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

/** @throws {CorruptionError} */
export function checkStoredPath(path: string): string {
  if (isSafePath(path)) return path;
  throw new CorruptionError(`Cannot decode backup manifest: ${JSON.stringify(path)} leaves its directory`);
}
