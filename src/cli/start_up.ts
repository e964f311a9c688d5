/**
 * From the command line to a configuration, or to an end.
 *
 * @module
 */
import { ConfigError } from "../config/error.ts";
import { type ConfigArguments, loadConfig, type LoadedConfig } from "../config/load.ts";
import { renderDefaults } from "../config/render.ts";
import { IoError } from "../base/errors.ts";
import {
  type Command,
  integerFlag,
  parseArguments,
  type ParsedArguments,
  SERVE,
  UsageError,
} from "./arguments.ts";
import { usage, versionText } from "./usage.ts";

/** Exit status of a command line or configuration that cannot be used (EX_USAGE, EX_CONFIG of sysexits.h). */
export const EXIT_USAGE = 64;
export const EXIT_CONFIG = 78;

export interface StartUpOptions {
  readonly args: readonly string[];
  readonly env: (name: string) => string | undefined;
  /** The file's text; undefined when there is none. @throws {IoError} */
  readonly readFile: (path: string) => string | undefined;
  /** All commands; the first is the default. */
  readonly commands?: readonly Command[];
}

export type StartUp =
  /** Print and exit. */
  | { readonly kind: "exit"; readonly code: number; readonly stdout: string; readonly stderr: string }
  | {
    readonly kind: "run";
    readonly parsed: ParsedArguments;
    readonly loaded: LoadedConfig;
    /** Reads the same files again, for SIGHUP. @throws {ConfigError | IoError} */
    readonly reload: () => LoadedConfig;
  };

/** Decides what this process is to do; does nothing itself but read the configuration. */
export function startUp({ args, env, readFile, commands = [SERVE] }: StartUpOptions): StartUp {
  try {
    const parsed = parseArguments(args, commands);
    const { flags, command } = parsed;
    if (flags.has("help")) {
      const isNamed = args[0] !== undefined && !args[0].startsWith("-");
      return exit(0, usage(isNamed ? command : undefined, commands));
    }
    if (flags.has("version")) return exit(0, versionText());
    if (flags.has("print-config")) return exit(0, renderDefaults());
    const configArguments = toConfigArguments(parsed);
    const reload = (): LoadedConfig => loadConfig({ args: configArguments, env, readFile });
    const loaded = reload();
    if (flags.has("check-config")) {
      return exit(0, `${loaded.path ?? "no configuration file: all defaults"}: fine\n`);
    }
    return { kind: "run", parsed, loaded, reload };
  } catch (error) {
    if (error instanceof UsageError) return exit(EXIT_USAGE, "", `xerj: ${error.message}\n`);
    if (error instanceof ConfigError || error instanceof IoError) {
      return exit(EXIT_CONFIG, "", `xerj: cannot use the configuration:\n${error.message}\n`);
    }
    throw error;
  }
}

function exit(code: number, stdout: string, stderr = ""): StartUp {
  return { kind: "exit", code, stdout, stderr };
}

function toConfigArguments(parsed: ParsedArguments): ConfigArguments {
  const port = (name: string): number | undefined => integerFlag(parsed, { name, min: 0, max: 65535 });
  const given = {
    configPath: parsed.flags.get("config"),
    dataDir: parsed.flags.get("data-dir"),
    restPort: port("rest-port"),
    esPort: port("es-port"),
    insecure: parsed.flags.has("insecure") ? true : undefined,
  };
  return given as ConfigArguments;
}
