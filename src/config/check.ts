/**
 * Names and values as written, against the table of keys.
 *
 * @module
 */
import { Cron } from "croner";
import { type Config, type KeyPlace, KEYS, resolveConfig } from "./config.ts";
import { ConfigError, type ConfigProblem } from "./error.ts";
import { describeRange, type Key, tomlName, tomlSection, type Value } from "./keys.ts";
import { nearestName } from "./nearest.ts";
import {
  REPOSITORY_KEYS,
  REPOSITORY_NAME,
  type RepositoryConfig,
  resolveRepository,
} from "./repositories.ts";
import { SECTIONS } from "./sections.ts";
import type { Setting } from "./toml.ts";

/** As written in TOML. */
const SECTION_NAMES: readonly string[] = Object.keys(SECTIONS).map(tomlSection);
const REPOSITORIES = "backup.repositories";
const PLACES: ReadonlyMap<string, KeyPlace> = new Map(KEYS.map((place) => [place.name, place]));

/** @throws {ConfigError} With every problem found, not only the first. */
export function checkSettings(settings: readonly Setting[], source: string): Config {
  const values = new Map<string, Value>();
  const problems: ConfigProblem[] = [];
  const repositories = checkRepositories(settings, problems);
  for (const { name, value, line } of settings) {
    if (name === REPOSITORIES || name.startsWith(`${REPOSITORIES}.`)) continue;
    const place = PLACES.get(name);
    const reason = place ? valueProblem(place, value) : unknownKey(name, value);
    if (reason !== undefined) problems.push({ line, reason });
    else if (place) values.set(name, value as Value);
  }
  const config = resolveConfig(values, repositories);
  if (problems.length === 0) {
    const lineOf = (name: string): number => settings.find((setting) => setting.name === name)?.line ?? 0;
    problems.push(...contradictions(config, lineOf));
  }
  if (problems.length > 0) throw new ConfigError(source, problems);
  return config;
}

/** All settings below `[backup.repositories.<name>]`, by name. */
function checkRepositories(
  settings: readonly Setting[],
  problems: ConfigProblem[],
): Record<string, RepositoryConfig> {
  const found = new Map<string, { readonly values: Map<string, Value>; line: number }>();
  const properties = new Map(Object.keys(REPOSITORY_KEYS).map((property) => [tomlName(property), property]));
  for (const { name, value, line } of settings) {
    if (name !== REPOSITORIES && !name.startsWith(`${REPOSITORIES}.`)) continue;
    const [repository = "", key] = name.slice(REPOSITORIES.length + 1).split(/\.(.*)/s);
    if (repository === "" || (key === undefined && !isTable(value))) {
      problems.push({
        line,
        reason: `[${REPOSITORIES}] has sections only, one for each: [${REPOSITORIES}.main]`,
      });
      continue;
    }
    if (!REPOSITORY_NAME.test(repository)) {
      problems.push({
        line,
        reason:
          `[${REPOSITORIES}.${repository}]: the name must be 1 to 64 of a-z, 0-9, '_', '-', and begin with a ` +
          "letter or digit",
      });
      continue;
    }
    const entry = found.get(repository) ?? { values: new Map<string, Value>(), line };
    found.set(repository, entry);
    if (key === undefined) continue;
    const property = properties.get(key);
    const section = `${REPOSITORIES}.${repository}`;
    if (property === undefined) {
      const near = nearestName(key, properties.keys());
      const hint = near === undefined
        ? `it has ${[...properties.keys()].join(", ")}`
        : `did you mean ${near}?`;
      problems.push({ line, reason: `[${section}] has no key ${key}; ${hint}` });
      continue;
    }
    const place = { section, property, name, key: REPOSITORY_KEYS[property as keyof typeof REPOSITORY_KEYS] };
    const reason = valueProblem(place, value);
    if (reason === undefined) entry.values.set(property, value as Value);
    else problems.push({ line, reason });
  }
  const repositories: Record<string, RepositoryConfig> = {};
  for (const [name, { values, line }] of found) {
    const repository = repositories[name] = resolveRepository(values);
    for (const key of ["schedule", "verifySchedule", "drillSchedule"] as const) {
      const cron = repository[key] === "" ? undefined : cronProblem(repository[key]);
      if (cron === undefined) continue;
      problems.push({ line, reason: `[${REPOSITORIES}.${name}] ${tomlName(key)} cannot be used: ${cron}` });
    }
    if (!/^(s3|file):\/\/./.test(repository.destination)) {
      problems.push({
        line,
        reason: `[${REPOSITORIES}.${name}] destination must be "s3://bucket/prefix" or "file:///path"`,
      });
    }
  }
  return repositories;
}

/** Why a text is no schedule; undefined: it is one. */
function cronProblem(schedule: string): string | undefined {
  try {
    new Cron(schedule, { paused: true }).stop();
    return undefined;
  } catch (error) {
    return `${(error as Error).message}; it must be like "0 3 * * *" (minute, hour, day, month, weekday)`;
  }
}

function valueProblem(
  { section: sectionProperty, property, key }: KeyPlace,
  value: unknown,
): string | undefined {
  const section = tomlSection(sectionProperty);
  if (fits(key, value)) return undefined;
  const isSecret = key.type === "text" && key.isSecret;
  const shown = isSecret && typeof value !== "object" ? "what it is" : JSON.stringify(value);
  return `[${section}] ${tomlName(property)} cannot be ${shown}; it must be ${describeRange(key)}`;
}

function fits(key: Key, value: unknown): boolean {
  switch (key.type) {
    case "integer":
      return Number.isInteger(value) && (value as number) >= key.min && (value as number) <= key.max;
    case "boolean":
      return typeof value === "boolean";
    case "text":
      // deno-lint-ignore no-control-regex
      return typeof value === "string" && !/[\x00-\x1f\x7f]/.test(value);
    case "choice":
      return typeof value === "string" && key.choices.includes(value);
  }
}

function unknownKey(name: string, value: unknown): string | undefined {
  // A section may have a dot in its name.
  const known = SECTION_NAMES.filter((section) => name === section || name.startsWith(`${section}.`))
    .sort((a, b) => b.length - a.length)[0];
  const [section = "", key] = known === undefined
    ? name.split(/\.(.*)/s)
    : [known, name === known ? undefined : name.slice(known.length + 1)];
  if (known === undefined) return unknownSection(section, key, value);
  const names = KEYS.filter((place) => tomlSection(place.section) === section)
    .map((place) => tomlName(place.property));
  if (key === undefined) return isTable(value) ? undefined : `[${section}] must be a section, not a value`;
  const near = nearestName(key, names);
  if (near !== undefined) {
    const range = describeRange(PLACES.get(`${section}.${near}`)!.key);
    return `[${section}] has no key ${key}; did you mean ${near} (${range})?`;
  }
  const elsewhere = KEYS.find((place) => tomlName(place.property) === key);
  if (elsewhere) {
    return `[${section}] has no key ${key}; it belongs under [${tomlSection(elsewhere.section)}]`;
  }
  return `[${section}] has no key ${key}; it has ${names.join(", ")}`;
}

/** A section without keys; with keys it comes as them. */
function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function unknownSection(section: string, key: string | undefined, value: unknown): string {
  const isSection = key !== undefined || (typeof value === "object" && value !== null);
  const near = nearestName(section, SECTION_NAMES);
  if (isSection) {
    return `there is no section [${section}]; ` +
      (near === undefined ? `there are ${SECTION_NAMES.join(", ")}` : `did you mean [${near}]?`);
  }
  const nearKey = nearestName(section, KEYS.map((place) => tomlName(place.property)));
  const place = KEYS.find((candidate) => tomlName(candidate.property) === nearKey);
  return `${section} stands outside of any section` +
    (place ? `; did you mean ${nearKey} under [${tomlSection(place.section)}]?` : "");
}

/** Keys that are right one by one and wrong together. */
function contradictions(config: Config, lineOf: (name: string) => number): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { server, auth, tls, limits } = config;
  if (server.restPort !== 0 && server.restPort === server.esCompatPort) {
    problems.push({
      line: lineOf("server.es_compat_port"),
      reason: `[server] rest_port and es_compat_port are both ${server.restPort}; they must differ`,
    });
  }
  if (server.dataDir === "") {
    problems.push({ line: lineOf("server.data_dir"), reason: "[server] data_dir must not be empty" });
  }
  if (tls.enabled && (tls.certPath === "" || tls.keyPath === "")) {
    const missing = tls.certPath === "" ? "cert_path" : "key_path";
    problems.push({ line: lineOf("tls.enabled"), reason: `[tls] enabled needs ${missing} to be set` });
  }
  for (const name of ["adminApiKey", "metricsToken"] as const) {
    if (!/^[\x21-\x7e]*$/.test(auth[name])) {
      problems.push({
        line: lineOf(`auth.${tomlName(name)}`),
        reason: `[auth] ${
          tomlName(name)
        } must be printable ASCII without spaces, since it travels in a header`,
      });
    }
  }
  const { enabled, repository } = config.backupContinuous;
  if (enabled && !Object.hasOwn(config.repositories, repository)) {
    problems.push({
      line: lineOf("backup.continuous.repository") || lineOf("backup.continuous.enabled"),
      reason: repository === ""
        ? "[backup.continuous] enabled needs repository to be set"
        : `[backup.continuous] repository names ${repository}, but there is no [${REPOSITORIES}.${repository}]`,
    });
  }
  if (config.storage.walSync === "replicated" && !enabled) {
    problems.push({
      line: lineOf("storage.wal_sync"),
      reason: '[storage] wal_sync = "replicated" needs [backup.continuous] enabled = true',
    });
  }
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(config.backupContinuous.stream)) {
    problems.push({
      line: lineOf("backup.continuous.stream"),
      reason:
        "[backup.continuous] stream must be 1 to 64 of a-z, 0-9, '_', '-', and begin with a letter or digit",
    });
  }
  if (limits.maxInflightBodyMb * 1048576 < limits.maxBodyBytes) {
    problems.push({
      line: lineOf("limits.max_inflight_body_mb"),
      reason:
        `[limits] max_inflight_body_mb (${limits.maxInflightBodyMb} MB) must hold at least one body of ` +
        `max_body_bytes (${limits.maxBodyBytes} bytes)`,
    });
  }
  return problems;
}
