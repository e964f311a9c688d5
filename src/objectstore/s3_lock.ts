/**
 * Object lock: versions that nobody can delete before their time. What a repository consists of is locked as it is
 * written, and for longer when a later backup uses it again. Never what a probe tries, nor what continuous shipping
 * sends, which goes after hours.
 *
 * A lock is set for a quarter more than was asked for, so that an object that is used by every backup is not locked anew
 * by every backup.
 *
 * @module
 */
import { S3Error } from "./s3_errors.ts";
import type { S3Requests } from "./s3_requests.ts";
import type { LockState, StoreLock } from "./store.ts";

const DAY_MS = 24 * 3600 * 1000;
const LOCKED = /^(?:objects|backups)\/|^head\.json$/;

/** Headers of a write. */
export function lockOf(requests: S3Requests, name: string) {
  const { lock } = requests.options;
  if (!lock || !LOCKED.test(name)) return {};
  return { ObjectLockMode: modeOf(requests), ObjectLockRetainUntilDate: untilOf(requests) };
}

/** undefined: nothing is locked. */
export function storeLock(requests: S3Requests): StoreLock | undefined {
  const { lock } = requests.options;
  if (!lock) return undefined;
  return {
    leastMs: lock.days * DAY_MS,
    extend: async (name, { signal } = {}) => {
      const what = `extend the lock of ${requests.placeOf(name)}`;
      await requests.call({ what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.PutObjectRetentionCommand({
          ...requests.key(name),
          Retention: { Mode: modeOf(requests), RetainUntilDate: untilOf(requests) },
        });
        await client.send(command, { abortSignal: attempt.signal });
      });
    },
  };
}

/** Asks the bucket. @throws {StoreError} */
export async function lockState(
  requests: S3Requests,
  signal: AbortSignal | undefined,
): Promise<LockState> {
  const what = `ask whether ${requests.place} has object lock`;
  try {
    const answer = await requests.call(
      { what, signal },
      ({ s3, client }, attempt) =>
        client.send(new s3.GetObjectLockConfigurationCommand({ Bucket: requests.bucket }), {
          abortSignal: attempt.signal,
        }),
    );
    return answer.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled" ? "on" : "off";
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.kind === "denied") return "unknown";
    const isOff = error.kind === "unsupported" || error.code === "ObjectLockConfigurationNotFoundError";
    if (!isOff) throw error;
    return "off";
  }
}

function modeOf({ options: { lock } }: S3Requests): "COMPLIANCE" | "GOVERNANCE" {
  return lock!.mode === "compliance" ? "COMPLIANCE" : "GOVERNANCE";
}

function untilOf({ options: { lock }, retry }: S3Requests): Date {
  const days = lock!.days + Math.max(1, Math.ceil(lock!.days / 4));
  return new Date(retry.clock.nowMs() + days * DAY_MS);
}
