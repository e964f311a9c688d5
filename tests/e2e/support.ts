/**
 * What the tests against a real server process share.
 *
 * @module
 */
import { type ServerOptions, type ServerProcess, startServer } from "../support/server.ts";

/** The executable under test; undefined: this checkout, through Deno. */
export const BINARY: string | undefined = Deno.env.get("XERJ_BINARY");

/** Runs `test` with a server in a directory of its own; both go afterwards. */
export async function inServer(
  options: ServerOptions,
  test: (server: ServerProcess) => Promise<void>,
): Promise<void> {
  const server = await startServer(withBinary(options));
  try {
    await test(server);
  } finally {
    await server.kill();
    server.remove();
  }
}

export function withBinary(options: ServerOptions): ServerOptions {
  return BINARY === undefined ? options : { binary: BINARY, ...options };
}

/** Runs `test` with an empty directory that goes afterwards. */
export async function inDirectory(test: (path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "xerj-e2e-" });
  try {
    await test(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

/** Starts a server that is expected to refuse, and waits for its end. */
export async function refusedStart(options: ServerOptions): Promise<{ code: number; log: string }> {
  const server = await startServer(withBinary({ ...options, waitReady: false }));
  try {
    const { code } = await within(server.exited, 30_000, "the refused start did not end");
    return { code, log: server.log };
  } finally {
    await server.kill();
    server.remove();
  }
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Lines of a JSON log. */
export function logLines(log: string): LogLine[] {
  return log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** The first log line that fits, once it is there. */
export async function logged(
  server: ServerProcess,
  fits: (line: LogLine) => boolean,
  timeoutMs = 20_000,
): Promise<LogLine> {
  for (const until = performance.now() + timeoutMs; performance.now() < until;) {
    const line = logLines(server.log).find(fits);
    if (line) return line;
    await delay(20);
  }
  throw new Error(`no such line within ${timeoutMs} ms in:\n${server.log}`);
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function within<T>(work: Promise<T>, ms: number, otherwise: string): Promise<T> {
  let timer: number | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a command of the machine is there. */
export function hasCommand(name: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null", stderr: "null" })
    .outputSync().success;
}

/** Runs a command to its end. @throws When it failed. */
export function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args, stdout: "piped", stderr: "piped" })
    .outputSync();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}
