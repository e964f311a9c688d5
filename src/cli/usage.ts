/**
 * What `--help` and `--version` print.
 *
 * @module
 */
import { VERSION } from "./version.ts";
import { type Command, COMMON_FLAGS, type Flag, SERVE } from "./arguments.ts";

/** Ends with a newline. */
export function versionText(): string {
  return `xerj ${VERSION}\n`;
}

/** For one command, or for all. Ends with a newline. */
export function usage(command: Command | undefined, commands: readonly Command[] = [SERVE]): string {
  const shown = command ?? commands[0]!;
  const operands = shown.operands.map((operand) => ` ${operand}`).join("");
  const name = command === undefined
    ? "[COMMAND]"
    : command.subcommands
    ? `${command.name} COMMAND`
    : command.name;
  const parts = [`Usage: xerj ${name} [FLAGS]${operands}`];
  if (command === undefined) {
    parts.push(`Commands:\n${table(commands.map((each) => [each.name, each.summary]))}`);
  } else parts.push(`${command.name}: ${command.summary}`);
  if (command?.subcommands) {
    parts.push(`Commands:\n${table(command.subcommands.map((each) => [each.name, each.summary]))}`);
  }
  if (shown.flags.length > 0) parts.push(`Flags of ${shown.name}:\n${flagTable(shown.flags)}`);
  parts.push(`Flags of every command:\n${flagTable(COMMON_FLAGS)}`);
  return `${parts.join("\n\n")}\n`;
}

function flagTable(flags: readonly Flag[]): string {
  return table(flags.map(({ name, short, value, effect }) => [
    `${short === undefined ? "   " : `-${short},`} --${name}${value === undefined ? "" : ` ${value}`}`,
    effect,
  ]));
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
