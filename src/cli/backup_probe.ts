/**
 * `xerj backup probe`: what a store really does.
 *
 * @module
 */
import { probeStore } from "../objectstore/probe.ts";
import type { ObjectStore } from "../objectstore/store.ts";
import type { BackupWork } from "./backup_work.ts";
import { EXIT_DAMAGED, EXIT_DONE } from "./command_failure.ts";

/** Exit status of a store in which no backup can be kept. */
const EXIT_UNFIT = EXIT_DAMAGED;

export async function probeDestination(
  { environment: { random, signal }, print }: BackupWork,
  store: ObjectStore,
): Promise<number> {
  const { ok, place, abilities, checks } = await probeStore(store, { random, signal });
  const isConditional = abilities.putIfAbsent && abilities.putIfMatch;
  const verdict = !ok
    ? "no backup can be kept there"
    : isConditional
    ? "fit for backups of any number of servers"
    : "fit for one server only, with single_writer = true in its configuration";
  print({
    place,
    fit: ok,
    conditional_writes: isConditional,
    checks: checks.map(({ name, ok, required, words, hint, durationMs }) => ({
      name,
      ok,
      required,
      words,
      ...(hint === "" ? {} : { hint }),
      duration_ms: durationMs,
    })),
  }, [
    ...checks.flatMap(({ name, ok, words, hint }) => [
      `${ok ? "ok    " : "FAILED"} ${name}: ${words}`,
      ...(hint === "" ? [] : [`       ${hint}`]),
    ]),
    `${place}: ${verdict}`,
  ]);
  return ok ? EXIT_DONE : EXIT_UNFIT;
}
