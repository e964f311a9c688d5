/**
 * The engine as continuous shipping sees it.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { ServerView } from "../backup/continuous/view.ts";
import type { EngineShipView } from "../engine/ship.ts";

/** The caller releases either, not both. */
export function serverView(view: EngineShipView): ServerView {
  const run = view.history.runs.at(-1);
  assert(run, "a server that serves has started its run");
  return {
    owner: { instanceId: view.instanceId, run: run.id },
    history: view.history,
    atMs: view.atMs,
    coveredLsn: view.coveredLsn,
    logs: view.logs,
    hidden: view.hidden.map(({ incarnation }) => incarnation),
    catalogs: view.catalogs,
    release: () => view.release(),
  };
}
