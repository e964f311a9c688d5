/**
 * What a reload changes.
 *
 * @module
 */
import { type Config, type KeyPlace, KEYS, valueAt } from "./config.ts";
import type { Value } from "./keys.ts";

export interface ConfigChange {
  /** "storage.wal_batch_ms" */
  readonly key: string;
  /** Fit for logs: a secret is "***", or "" when it is not set. */
  readonly old: Value;
  readonly new: Value;
  /** False: the new value counts only after a restart. */
  readonly reloadable: boolean;
}

/** In the order of the documentation. */
export function diffConfig(before: Config, after: Config): readonly ConfigChange[] {
  const changes = KEYS.filter((place) => valueAt(before, place) !== valueAt(after, place)).map((place) => ({
    key: place.name,
    old: shown(place, valueAt(before, place)),
    new: shown(place, valueAt(after, place)),
    reloadable: place.key.reload === "live",
  }));
  return [...changes, ...repositoryChanges(before, after)];
}

/** Which came, went or changed; their keys are not shown, since most are places of secrets. */
function repositoryChanges(
  { repositories: before }: Config,
  { repositories: after }: Config,
): ConfigChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).map((name) => ({
    key: `backup.repositories.${name}`,
    old: before[name]?.destination ?? "",
    new: after[name]?.destination ?? "",
    reloadable: true,
  }));
}

/**
 * `after` with those keys that need a restart kept as in `before`: what a running server goes on with.
 */
export function reloadedConfig(before: Config, after: Config): Config {
  const merged: Record<string, Record<string, Value>> = {};
  for (const place of KEYS) {
    const from = place.key.reload === "live" ? after : before;
    (merged[place.section] ??= {})[place.property] = valueAt(from, place);
  }
  for (const section of Object.values(merged)) Object.freeze(section);
  return Object.freeze({ ...merged, repositories: after.repositories }) as unknown as Config;
}

function shown({ key }: KeyPlace, value: Value): Value {
  return key.type === "text" && key.isSecret && value !== "" ? "***" : value;
}
