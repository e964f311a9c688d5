/**
 * Timing of repeated calls.
 *
 * @module
 */

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

/** Runs `call` until `count` measurements are taken, after a warm-up; ms. */
export async function timeCalls(call: () => Promise<unknown> | unknown, count: number): Promise<Quantiles> {
  for (let i = 0; i < Math.ceil(count / 5); i++) await call();
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await call();
    times.push(performance.now() - started);
  }
  return quantiles(times);
}

export function quantiles(times: number[]): Quantiles {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), count: sorted.length };
}

/** Size of a directory's files; hard links count each. */
export function directoryBytes(path: string): number {
  let total = 0;
  for (const entry of Deno.readDirSync(path)) {
    const full = `${path}/${entry.name}`;
    if (entry.isDirectory) total += directoryBytes(full);
    else if (entry.isFile) total += Deno.statSync(full).size;
  }
  return total;
}

/** Resident memory of a process: anonymous pages, and all of them; bytes. */
export function memoryOf(pid: number): { readonly anonymous: number; readonly resident: number } {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return { anonymous: kilobytes("RssAnon"), resident: kilobytes("VmRSS") };
}
