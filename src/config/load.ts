/**
 * Which file counts, and what the command line changes about it.
 *
 * @module
 */
import { checkSettings } from "./check.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./error.ts";
import type { Value } from "./keys.ts";
import { parseToml, type Setting } from "./toml.ts";

/** What the command line may set; it wins over the file. */
export interface ConfigArguments {
  readonly configPath?: string;
  readonly dataDir?: string;
  readonly restPort?: number;
  readonly esPort?: number;
  /** Switches auth and TLS off; only on a loopback address. */
  readonly insecure?: boolean;
}

export interface LoadOptions {
  readonly args: ConfigArguments;
  readonly env: (name: string) => string | undefined;
  /** The file's text; undefined when there is none. Other failures throw. */
  readonly readFile: (path: string) => string | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read, or undefined when all is default. */
  readonly path: string | undefined;
}

/** Tried in this order when neither `--config` nor `XERJ_CONFIG` names a file. */
export const DEFAULT_PATHS = ["/etc/xerj/xerj.toml", "./xerj.toml"];

/** @throws {ConfigError} A named file is missing, or what a file says cannot be used. */
export function loadConfig({ args, env, readFile }: LoadOptions): LoadedConfig {
  const { path, text } = findFile(args, env, readFile);
  const written = text === undefined ? [] : parseToml(text, path!);
  const overridden = overrides(args);
  const names = new Set(overridden.map((setting) => setting.name));
  const settings = [...written.filter((setting) => !names.has(setting.name)), ...overridden];
  const source = path ?? "command line";
  const config = checkSettings(settings, source);
  if (args.insecure && !isLoopback(config.server.bindAddress)) {
    throw new ConfigError(source, [{
      line: settings.find((setting) => setting.name === "server.bind_address")?.line ?? 0,
      reason: `--insecure switches auth and TLS off, so [server] bind_address must be a loopback address, ` +
        `not ${config.server.bindAddress}; remove --insecure, or bind to 127.0.0.1`,
    }]);
  }
  return { config, path };
}

/** 127.0.0.0/8, ::1 or localhost. */
export function isLoopback(address: string): boolean {
  return /^127(\.\d{1,3}){3}$/.test(address) || address === "::1" || address === "[::1]" ||
    address === "localhost";
}

function findFile(
  args: ConfigArguments,
  env: LoadOptions["env"],
  readFile: LoadOptions["readFile"],
): { path: string | undefined; text: string | undefined } {
  const fromEnv = env("XERJ_CONFIG");
  const named = args.configPath ?? (fromEnv === "" ? undefined : fromEnv);
  if (named !== undefined) {
    const text = readFile(named);
    if (text !== undefined) return { path: named, text };
    const by = args.configPath === undefined ? "XERJ_CONFIG" : "--config";
    throw new ConfigError(named, [{ line: 0, reason: `there is no such file, though ${by} names it` }]);
  }
  for (const path of DEFAULT_PATHS) {
    const text = readFile(path);
    if (text !== undefined) return { path, text };
  }
  return { path: undefined, text: undefined };
}

function overrides(args: ConfigArguments): Setting[] {
  const settings: Setting[] = [];
  const set = (name: string, value: Value | undefined): void => {
    if (value !== undefined) settings.push({ name, value, line: 0 });
  };
  set("server.data_dir", args.dataDir);
  set("server.rest_port", args.restPort);
  set("server.es_compat_port", args.esPort);
  if (args.insecure) {
    set("auth.enabled", false);
    set("tls.enabled", false);
  }
  return settings;
}
