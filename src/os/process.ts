/**
 * This process: its environment, its standard streams, its end.
 *
 * @module
 */

export function environment(name: string): string | undefined {
  return Deno.env.get(name);
}

export function processId(): number {
  return Deno.pid;
}

/** Absolute. */
export function currentDirectory(): string {
  return Deno.cwd();
}

export function hostName(): string {
  return Deno.hostname();
}

export function stderrIsTerminal(): boolean {
  return Deno.stderr.isTerminal();
}

/** Writes all of `text`, waiting where the reader is slow; a reader that is gone is not an error. */
export function writeStderr(text: string): void {
  writeAll(Deno.stderr, text);
}

/** The same for the standard output. */
export function writeStdout(text: string): void {
  writeAll(Deno.stdout, text);
}

/** Ends the process now. */
export function exit(code: number): never {
  Deno.exit(code);
}

const encoder = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
