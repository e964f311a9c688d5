/**
 * The program as a command that ends, for tests: arguments in, exit status and output out.
 *
 * @module
 */
import { serverCommand } from "./server.ts";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** With no environment of a cloud's but what is given, and no configuration file of this machine. */
export function spawnXerj(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  const [command, ...before] = serverCommand();
  return new Deno.Command(command!, {
    args: [...before, ...args],
    env: {
      XERJ_CONFIG: "/dev/null",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

export async function ended(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

export function xerj(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return ended(spawnXerj(args, env));
}

/** Objects of an output with one a line. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
