/**
 * `xerj backup undelete`: a repository back out of a bucket's older versions.
 *
 * @module
 */
import type { Repository } from "../backup/repository.ts";
import { chooseHead, headVersions, restoreHead, undelete } from "../backup/undelete.ts";
import type { ObjectStore } from "../objectstore/store.ts";
import { type Flag, UsageError } from "./arguments.ts";
import { timeOf } from "./backup_look.ts";
import type { BackupWork } from "./backup_work.ts";
import { EXIT_DAMAGED, EXIT_DONE } from "./command_failure.ts";

export const UNDELETE_FLAGS: readonly Flag[] = [
  {
    name: "dry-run",
    effect: "lists the heads that the bucket has, says which one it would take, changes nothing",
  },
  {
    name: "revision",
    value: "N",
    effect: "takes this head; default: the highest revision that lists a backup",
  },
  { name: "full", effect: "reads every object whole, for what was overwritten by as many bytes" },
];

/** Heads that are named in text; `--json` has all. */
const NAMED = 10;

export async function undeleteBackups(
  { environment: { signal }, flags, print }: BackupWork,
  store: ObjectStore,
  open: () => Promise<Repository>,
): Promise<number> {
  const asked = flags.get("revision");
  if (asked !== undefined && !/^[1-9]\d{0,14}$/.test(asked)) {
    throw new UsageError(`--revision cannot be ${asked}; it must be a number, as --dry-run shows them`);
  }
  const heads = await headVersions(store, signal);
  const { place } = store;
  const chosen = chooseHead(heads, { place, ...(asked === undefined ? {} : { revision: Number(asked) }) });
  const listed = heads.map(({ revision, head, isCurrent }) => ({
    revision,
    current: isCurrent,
    chosen: revision === chosen.revision,
    backups: head.backups.length,
    newest: head.backups.length === 0
      ? null
      : timeOf(Math.max(...head.backups.map(({ createdMs }) => createdMs))),
  }));
  const shown = listed.slice(0, NAMED).map(({ revision, current, chosen, backups, newest }) =>
    `head of revision ${revision}: ${backups} backups${newest === null ? "" : `, the newest of ${newest}`}` +
    `${current ? ", current" : ""}${chosen ? ", taken" : ""}`
  );
  if (flags.has("dry-run")) {
    print({ dry_run: true, place, heads: listed }, [...shown, "dry run: nothing was changed"]);
    return EXIT_DONE;
  }
  await restoreHead(store, chosen, signal);
  const { restored, lost } = await undelete(await open(), {
    mode: flags.has("full") ? "full" : "quick",
    signal,
  });
  print({
    place,
    heads: listed,
    revision: chosen.revision,
    restored,
    lost: lost.map(({ object, problem, reason, backups }) => ({ object, problem, reason, backups })),
  }, [
    ...shown,
    ...lost.map(({ object, reason, backups }) => `LOST: ${object}: ${reason}; affects ${backups.join(", ")}`),
    `${restored.length} manifests and objects are back${
      lost.length === 0 ? "" : `, ${lost.length} are lost`
    }`,
  ]);
  return lost.length === 0 ? EXIT_DONE : EXIT_DAMAGED;
}
