/**
 * The resolved configuration: every key has its value, every value is in its range, and none changes any more.
 *
 * @module
 */
import { type Key, tomlName, tomlSection, type Value, type ValueOf } from "./keys.ts";
import type { RepositoryConfig } from "./repositories.ts";
import { SECTIONS } from "./sections.ts";

type Sections = typeof SECTIONS;

/**
 * `config.storage.walBatchMs` is `wal_batch_ms` under `[storage]`. Units stand in the names; `sections.ts` says what
 * each key does. Plain data, so that it can be posted to other threads.
 */
export type Config = SectionsOfConfig & {
  /** By name: `[backup.repositories.<name>]`. */
  readonly repositories: Readonly<Record<string, RepositoryConfig>>;
};

type SectionsOfConfig = {
  readonly [S in keyof Sections]: {
    readonly [K in keyof Sections[S]]: Sections[S][K] extends Key ? ValueOf<Sections[S][K]> : never;
  };
};

/** Where a key stands in the table. */
export interface KeyPlace {
  readonly section: string;
  readonly property: string;
  /** As in TOML: "storage.wal_batch_ms". */
  readonly name: string;
  readonly key: Key;
}

/** All keys, in the order in which they are documented. */
export const KEYS: readonly KeyPlace[] = Object.entries(SECTIONS).flatMap(([section, keys]) =>
  Object.entries(keys).map(([property, key]) => ({
    section,
    property,
    name: `${tomlSection(section)}.${tomlName(property)}`,
    key,
  }))
);

/**
 * Fills what `values` lacks with defaults.
 *
 * @param values By name ("storage.wal_batch_ms"), checked already.
 */
export function resolveConfig(
  values: ReadonlyMap<string, Value>,
  repositories: Readonly<Record<string, RepositoryConfig>> = {},
): Config {
  const config: Record<string, Record<string, Value>> = {};
  for (const { section, property, name, key } of KEYS) {
    (config[section] ??= {})[property] = values.get(name) ?? key.default;
  }
  for (const section of Object.values(config)) Object.freeze(section);
  return Object.freeze({ ...config, repositories: Object.freeze(repositories) }) as unknown as Config;
}

/** Every key at its default. */
export function defaultConfig(): Config {
  return resolveConfig(new Map());
}

/** The value at a place of the table. */
export function valueAt(config: Config, place: KeyPlace): Value {
  const section: Readonly<Record<string, Value>> = config[place.section as keyof SectionsOfConfig];
  return section[place.property]!;
}
