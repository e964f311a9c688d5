/**
 * `xerj backup prune`, `delete`, `pin` and `unpin`: what takes backups out of a repository, or keeps them in it.
 *
 * @module
 */
import { deleteBackup, prune, type PruneOutcome, setPinned } from "../backup/prune.ts";
import { findBackup, type Repository } from "../backup/repository.ts";
import { expiredBackups, type RetentionPolicy } from "../backup/retention.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import { type Flag, UsageError } from "./arguments.ts";
import type { BackupWork } from "./backup_work.ts";
import { EXIT_DONE, EXIT_REFUSED } from "./command_failure.ts";
import { megabytes } from "./verify_render.ts";

const KINDS = ["last", "hourly", "daily", "weekly", "monthly"] as const;
/** Backups that the server makes by itself are counted together. */
const SCHEDULED = "scheduled";

export const PRUNE_FLAGS: readonly Flag[] = [
  {
    name: "keep-last",
    value: "N",
    effect: "the newest N; of each series of backups by itself, as all of these",
  },
  { name: "keep-hourly", value: "N", effect: "the last one of each hour, for N hours that have one" },
  { name: "keep-daily", value: "N", effect: "likewise days" },
  { name: "keep-weekly", value: "N", effect: "likewise weeks, from Monday on" },
  { name: "keep-monthly", value: "N", effect: "likewise months" },
  { name: "dry-run", effect: "says which backups would go, and changes nothing" },
];

/**
 * Without `--keep-*` the named repository's policy, which is for its scheduled backups; without that too no backup goes,
 * only what none needs.
 */
export async function pruneBackups(work: BackupWork, repository: Repository): Promise<number> {
  const { flags, environment: { signal }, print } = work;
  const { retention, series } = policyOf(work);
  const options = {
    ...(retention ? { retention } : {}),
    ...(series === undefined ? {} : { series }),
    signal,
  };
  if (flags.has("dry-run")) {
    const { head } = await repository.readHead(signal);
    const going = retention ? expiredBackups(head.backups, retention, series).map(({ id }) => id) : [];
    const kept = head.backups.length - going.length;
    print({ dry_run: true, removed: going, kept }, [
      ...going.map((id) => `would remove ${id}`),
      `dry run: ${going.length} of ${head.backups.length} backups would go`,
    ]);
    return EXIT_DONE;
  }
  const outcome = await prune(repository, options);
  return pruned(work, outcome);
}

export async function deleteOne(work: BackupWork, repository: Repository): Promise<number> {
  const { operands: [id], environment: { signal } } = work;
  if (id === "latest") throw new UsageError("latest cannot be deleted; name the backup");
  return pruned(work, await deleteBackup(repository, id!, { signal }));
}

export async function setPin(
  { operands, environment: { signal }, print }: BackupWork,
  repository: Repository,
  pinned: boolean,
): Promise<number> {
  const { head } = await repository.readHead(signal);
  const { id } = findBackup(head, operands[0]!, repository.place);
  await setPinned(repository, id, { pinned, signal });
  print({ backup_id: id, pinned }, [
    `${id} is ${pinned ? "pinned: no retention removes it" : "not pinned any more"}`,
  ]);
  return EXIT_DONE;
}

/** What was removed but could not be deleted is harmless, and still not what was asked for. */
function pruned({ print }: BackupWork, outcome: PruneOutcome): number {
  const { removed, deleted, deletedBytes, undeleted, undeletedReason } = outcome;
  print({
    removed,
    objects_deleted: deleted,
    bytes_deleted: deletedBytes,
    objects_left: undeleted,
    ...(undeleted > 0 ? { reason: undeletedReason } : {}),
  }, [
    ...removed.map((id) => `removed ${id}`),
    `${deleted} objects deleted, ${megabytes(deletedBytes)}`,
    ...(undeleted > 0
      ? [`${undeleted} objects are left, which nobody needs: ${undeletedReason}; the next prune tries again`]
      : []),
  ]);
  return undeleted > 0 ? EXIT_REFUSED : EXIT_DONE;
}

interface Policy {
  readonly retention: RetentionPolicy | undefined;
  readonly series: string | undefined;
}

function policyOf({ flags, config }: BackupWork): Policy {
  const asked: Partial<Record<typeof KINDS[number], number>> = {};
  for (const kind of KINDS) {
    const text = flags.get(`keep-${kind}`);
    if (text === undefined) continue;
    if (!/^\d{1,6}$/.test(text)) {
      throw new UsageError(`--keep-${kind} cannot be ${text}; it must be a number`);
    }
    asked[kind] = Number(text);
  }
  if (Object.keys(asked).length > 0) {
    // A policy that asks for nothing removes nothing: whoever writes it means something else.
    if (Object.values(asked).every((count) => count === 0)) {
      throw new UsageError(
        "with all --keep-* at 0 nothing would be removed; say what is to stay, or delete backups by id",
      );
    }
    return { retention: asked, series: undefined };
  }
  const name = flags.get("to") ?? "";
  const repository = Object.hasOwn(config.repositories, name) ? config.repositories[name] : undefined;
  const retention = repository && retentionOf(repository);
  return retention ? { retention, series: SCHEDULED } : { retention: undefined, series: undefined };
}

function retentionOf(config: RepositoryConfig): RetentionPolicy | undefined {
  const { keepLast: last, keepHourly: hourly, keepDaily: daily, keepWeekly: weekly, keepMonthly: monthly } =
    config;
  const retention = { last, hourly, daily, weekly, monthly };
  return Object.values(retention).some((count) => count > 0) ? retention : undefined;
}
