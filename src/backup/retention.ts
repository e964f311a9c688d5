/**
 * Which backups a retention keeps. A pure function of the head's list.
 *
 * @module
 */
import type { ListedBackup } from "./head.ts";

/** How many to keep of each kind; 0 or undefined: none for that reason. One backup may be kept for several. */
export interface RetentionPolicy {
  /** The newest. */
  readonly last?: number;
  /** The newest of each hour, for so many hours that have one; likewise the others. Periods are UTC's. */
  readonly hourly?: number;
  readonly daily?: number;
  /** Weeks begin on Monday. */
  readonly weekly?: number;
  readonly monthly?: number;
}

export type KeepReason = keyof RetentionPolicy | "pinned" | "newest" | "no policy";

export interface RetentionDecision {
  readonly backup: ListedBackup;
  /** Why it is kept; []: it goes. */
  readonly reasons: readonly KeepReason[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-05, the first Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

const PERIODS: Readonly<Record<"hourly" | "daily" | "weekly" | "monthly", (ms: number) => number>> = {
  hourly: (ms) => Math.floor(ms / HOUR_MS),
  daily: (ms) => Math.floor(ms / DAY_MS),
  weekly: (ms) => Math.floor((ms - FIRST_MONDAY_MS) / (7 * DAY_MS)),
  monthly: (ms) => new Date(ms).getUTCFullYear() * 12 + new Date(ms).getUTCMonth(),
};

/**
 * Decides over backups of one series.
 *
 * "Newest" goes by the order of publishing, so that a server whose clock was wrong does not lose its latest backup; only
 * the periods go by `createdMs`. The newest one and pinned ones are always kept, and everything is when the policy
 * asks for nothing.
 *
 * @param backups In the order of publishing. @returns In the same order.
 */
export function applyRetention(
  backups: readonly ListedBackup[],
  policy: RetentionPolicy,
): RetentionDecision[] {
  const reasons = new Map<ListedBackup, KeepReason[]>(backups.map((backup) => [backup, []]));
  const newestFirst = [...backups].reverse();
  if (newestFirst[0]) reasons.get(newestFirst[0])!.push("newest");
  for (const backup of newestFirst) if (backup.pinned) reasons.get(backup)!.push("pinned");
  const counts = [policy.last, policy.hourly, policy.daily, policy.weekly, policy.monthly];
  if (!counts.some((count) => (count ?? 0) > 0)) {
    for (const own of reasons.values()) own.push("no policy");
  }
  for (const backup of newestFirst.slice(0, policy.last ?? 0)) reasons.get(backup)!.push("last");
  for (const name of ["hourly", "daily", "weekly", "monthly"] as const) {
    const seen = new Set<number>();
    for (const backup of newestFirst) {
      const period = PERIODS[name](backup.createdMs);
      if (seen.size >= (policy[name] ?? 0)) break;
      if (seen.has(period)) continue;
      seen.add(period);
      reasons.get(backup)!.push(name);
    }
  }
  return backups.map((backup) => ({ backup, reasons: reasons.get(backup)! }));
}

/**
 * The backups that go: `policy` applied to each series by itself.
 *
 * @param series Only this one; undefined: all.
 */
export function expiredBackups(
  backups: readonly ListedBackup[],
  policy: RetentionPolicy,
  series?: string,
): ListedBackup[] {
  const groups = Map.groupBy(backups, (backup) => backup.series);
  return [...groups].flatMap(([name, group]) =>
    series === undefined || name === series
      ? applyRetention(group, policy).filter(({ reasons }) => reasons.length === 0).map(({ backup }) =>
        backup
      )
      : []
  );
}
