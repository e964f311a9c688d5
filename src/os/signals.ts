/**
 * Signals from the operator.
 *
 * @module
 */

export type Signal = "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";

/**
 * Calls `handler` on each `signal` instead of what the system would do. Waiting for signals alone does not keep the
 * process alive.
 *
 * @returns Takes the handler away.
 */
export function onSignal(signal: Signal, handler: () => void): () => void {
  Deno.addSignalListener(signal, handler);
  return () => Deno.removeSignalListener(signal, handler);
}
