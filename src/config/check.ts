/**
 * Names and values as written, against the table of keys.
 *
 * @module
 */
import { type Config, type KeyPlace, KEYS, resolveConfig } from "./config.ts";
import { ConfigError, type ConfigProblem } from "./error.ts";
import { describeRange, type Key, tomlName, type Value } from "./keys.ts";
import { nearestName } from "./nearest.ts";
import { SECTIONS } from "./sections.ts";
import type { Setting } from "./toml.ts";

const PLACES: ReadonlyMap<string, KeyPlace> = new Map(KEYS.map((place) => [place.name, place]));

/** @throws {ConfigError} With every problem found, not only the first. */
export function checkSettings(settings: readonly Setting[], source: string): Config {
  const values = new Map<string, Value>();
  const problems: ConfigProblem[] = [];
  for (const { name, value, line } of settings) {
    const place = PLACES.get(name);
    const reason = place ? valueProblem(place, value) : unknownKey(name, value);
    if (reason !== undefined) problems.push({ line, reason });
    else if (place) values.set(name, value as Value);
  }
  const config = resolveConfig(values);
  if (problems.length === 0) {
    const lineOf = (name: string): number => settings.find((setting) => setting.name === name)?.line ?? 0;
    problems.push(...contradictions(config, lineOf));
  }
  if (problems.length > 0) throw new ConfigError(source, problems);
  return config;
}

function valueProblem({ section, property, key }: KeyPlace, value: unknown): string | undefined {
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
  const [section = "", key] = name.split(/\.(.*)/s);
  if (!Object.hasOwn(SECTIONS, section)) return unknownSection(section, key, value);
  const names = KEYS.filter((place) => place.section === section).map((place) => tomlName(place.property));
  if (key === undefined) return isTable(value) ? undefined : `[${section}] must be a section, not a value`;
  const near = nearestName(key, names);
  if (near !== undefined) {
    const range = describeRange(PLACES.get(`${section}.${near}`)!.key);
    return `[${section}] has no key ${key}; did you mean ${near} (${range})?`;
  }
  const elsewhere = KEYS.find((place) => tomlName(place.property) === key);
  if (elsewhere) return `[${section}] has no key ${key}; it belongs under [${elsewhere.section}]`;
  return `[${section}] has no key ${key}; it has ${names.join(", ")}`;
}

/** A section without keys; with keys it comes as them. */
function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function unknownSection(section: string, key: string | undefined, value: unknown): string {
  const isSection = key !== undefined || (typeof value === "object" && value !== null);
  const near = nearestName(section, Object.keys(SECTIONS));
  if (isSection) {
    return `there is no section [${section}]; ` +
      (near === undefined ? `there are ${Object.keys(SECTIONS).join(", ")}` : `did you mean [${near}]?`);
  }
  const nearKey = nearestName(section, KEYS.map((place) => tomlName(place.property)));
  const place = KEYS.find((candidate) => tomlName(candidate.property) === nearKey);
  return `${section} stands outside of any section` +
    (place ? `; did you mean ${nearKey} under [${place.section}]?` : "");
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
