/**
 * The command line into a command and its options.
 *
 * @module
 */
import { nearestName } from "../config/nearest.ts";

/** The command line cannot be understood. The message is for the user, on one or two lines. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** One letter, or undefined. */
  readonly short?: string;
  /** Shown in the usage, such as "FILE"; undefined: the flag takes no value. */
  readonly value?: string;
  readonly effect: string;
}

export interface Command {
  /** All its words, such as "backup list". */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** Names of what may follow without dashes, such as ["REPOSITORY", "ID"]; all of them are needed. */
  readonly operands: readonly string[];
  /** One of these must follow; flags and operands are theirs. */
  readonly subcommands?: readonly Command[];
}

/** What every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  {
    name: "config",
    value: "FILE",
    effect: "configuration file (else $XERJ_CONFIG, /etc/xerj/xerj.toml, ./xerj.toml)",
  },
  { name: "data-dir", value: "DIR", effect: "overrides [server] data_dir" },
  { name: "help", short: "h", effect: "prints this and exits" },
  { name: "version", short: "V", effect: "prints the version and exits" },
];

export const SERVE: Command = {
  name: "serve",
  summary: "runs the server (the default)",
  operands: [],
  flags: [
    { name: "rest-port", value: "PORT", effect: "overrides [server] rest_port; 0 switches it off" },
    { name: "es-port", value: "PORT", effect: "overrides [server] es_compat_port; 0 switches it off" },
    { name: "insecure", effect: "switches auth and TLS off; only on a loopback address" },
    { name: "check-config", effect: "says whether the configuration can be used, and exits" },
    { name: "print-config", effect: "prints every key with its default and effect, and exits" },
  ],
};

export interface ParsedArguments {
  readonly command: Command;
  /** By flag name; flags without a value are "". */
  readonly flags: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/**
 * Takes `--name value`, `--name=value`, `-h`, `--` before operands. The command, when given, comes first.
 *
 * @param commands All there are; the first is the default.
 * @throws {UsageError} Naming the nearest flag or command where one is near.
 */
export function parseArguments(
  args: readonly string[],
  commands: readonly Command[] = [SERVE],
): ParsedArguments {
  const { command, rest } = commandOf(args, commands);
  const known = [...command.flags, ...COMMON_FLAGS];
  const flags = new Map<string, string>();
  const operands: string[] = [];
  for (let at = 0; at < rest.length; at++) {
    const argument = rest[at]!;
    if (argument === "--") {
      operands.push(...rest.slice(at + 1));
      break;
    }
    if (!argument.startsWith("-") || argument === "-") {
      operands.push(argument);
      continue;
    }
    const equals = argument.indexOf("=");
    const written = equals < 0 ? argument : argument.slice(0, equals);
    const flag = findFlag(written, known);
    const inline = equals < 0 ? undefined : argument.slice(equals + 1);
    const value = flag.value === undefined ? noValue(flag, inline) : inline ?? rest[++at];
    if (value === undefined) {
      throw new UsageError(`--${flag.name} needs a value: --${flag.name} ${flag.value}`);
    }
    if (flags.has(flag.name)) throw new UsageError(`--${flag.name} is given twice`);
    flags.set(flag.name, value);
  }
  checkOperands(command, operands, flags);
  return { command, flags, operands };
}

/** The number that `--name` gives, or undefined. @throws {UsageError} It is not an integer in the range. */
export function integerFlag(
  { flags }: ParsedArguments,
  { name, min, max }: { readonly name: string; readonly min: number; readonly max: number },
): number | undefined {
  const text = flags.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(`--${name} cannot be ${text}; it must be an integer from ${min} to ${max}`);
  }
  return value;
}

/** The command that the first words name, and what follows them. */
function commandOf(
  args: readonly string[],
  commands: readonly Command[],
): { readonly command: Command; readonly rest: readonly string[] } {
  const [first, ...others] = args;
  if (first === undefined || first.startsWith("-")) return { command: commands[0]!, rest: args };
  const command = findCommand(first, { commands, before: "" });
  if (!command.subcommands) return { command, rest: others };
  const [second, ...rest] = others;
  if (second !== undefined && !second.startsWith("-")) {
    return { command: findCommand(second, { commands: command.subcommands, before: `${first} ` }), rest };
  }
  if (others.some((argument) => TELLING.includes(argument))) return { command, rest: others };
  const names = command.subcommands.map(({ name }) => name.slice(first.length + 1));
  throw new UsageError(`after ${first} comes one of ${names.join(", ")}; see ${first} --help`);
}

/** Flags with which a command only tells of itself. */
const TELLING = ["--help", "-h", "--version", "-V"];

/** @param before Words that all of `commands` begin with and that were written already. */
function findCommand(
  name: string,
  { commands, before }: { readonly commands: readonly Command[]; readonly before: string },
): Command {
  const found = commands.find((command) => command.name === before + name);
  if (found) return found;
  const near = nearestName(name, commands.map((command) => command.name.slice(before.length)));
  const hint = near === undefined ? `see ${before}--help` : `did you mean ${before}${near}?`;
  throw new UsageError(`there is no command ${before}${name}; ${hint}`);
}

function findFlag(written: string, known: readonly Flag[]): Flag {
  const found = known.find(({ name, short }) => written === `--${name}` || written === `-${short}`);
  if (found) return found;
  const near = nearestName(written, known.map(({ name }) => `--${name}`));
  throw new UsageError(
    `there is no flag ${written}; ${near === undefined ? "see --help" : `did you mean ${near}?`}`,
  );
}

function noValue(flag: Flag, inline: string | undefined): string {
  if (inline !== undefined) throw new UsageError(`--${flag.name} takes no value`);
  return "";
}

function checkOperands(
  command: Command,
  operands: readonly string[],
  flags: ReadonlyMap<string, string>,
): void {
  if (flags.has("help") || flags.has("version") || operands.length === command.operands.length) return;
  const missing = command.operands[operands.length];
  if (missing !== undefined) {
    throw new UsageError(`${command.name} needs ${missing}; see ${command.name} --help`);
  }
  throw new UsageError(`${command.name} does not take ${operands[command.operands.length]}; see --help`);
}
