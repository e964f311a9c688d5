/**
 * Restore drills of the native dialect.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { Destination } from "../control/destination.ts";
import type { DrillReceipt } from "../control/drill_receipts.ts";
import type { DrillSchedules } from "../control/drill_schedules.ts";
import type { DrillRun, Drills } from "../control/drills.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";
import { checkKeys, destinationOf, names, text } from "./backups.ts";

export interface DrillRoutesOptions {
  readonly drills: Drills;
  readonly schedules: DrillSchedules;
  /** A repository of the configuration. @throws {RequestError} 404, 400 */
  readonly named: (name: string) => Destination;
}

/** POST `/v1/admin/drill`. */
export async function holdDrill(
  { drills, named }: DrillRoutesOptions,
  context: RequestContext,
): Promise<Answer> {
  const body = await objectBody(context);
  checkKeys(body, ["destination", "credentials", "repository", "backup", "indices"]);
  const wait = context.query.get("wait");
  if (wait !== null && wait !== "true" && wait !== "false") {
    throw illegalArgument("[wait] must be true or false");
  }
  const { run, done } = drills.start({
    destination: destinationOf(body, named),
    kind: "manual",
    backup: body["backup"] === undefined ? "latest" : text(body, "backup"),
    ...(body["indices"] === undefined ? {} : { indices: names(body, "indices") }),
  });
  if (wait === "false") return jsonAnswer(runJson(run), 202);
  return jsonAnswer(receiptJson(await done));
}

/** GET `/v1/admin/drills`: receipts, the newest first, and what is under way. */
export function listDrills({ drills, schedules }: DrillRoutesOptions): Answer {
  const { running } = drills;
  const next = schedules.next;
  return jsonAnswer({
    running: running ? runJson(running) : null,
    repositories: schedules.ages.map(({ repository, ageMs }) => {
      const dueMs = next.get(repository);
      return {
        repository,
        last_proven_age_seconds: ageMs === undefined ? null : Math.round(ageMs / 1000),
        next: dueMs === undefined ? null : timeOf(dueMs),
      };
    }),
    receipts: drills.receipts.all.map(receiptJson).reverse(),
  });
}

function runJson({ id, place, kind, backup, startedMs, phase, progress }: DrillRun): JsonObject {
  return {
    drill_id: id,
    outcome: "running",
    destination: place,
    kind,
    backup_id: backup,
    started: timeOf(startedMs),
    phase,
    bytes_done: progress?.bytesDone,
    bytes_total: progress?.bytesTotal,
  };
}

type JsonObject = { readonly [key: string]: Json | undefined };

/** A receipt, as routes and commands print it. */
export function receiptJson(receipt: DrillReceipt): JsonObject {
  const { startedMs, endedMs, backupCreatedMs } = receipt;
  return {
    drill_id: receipt.id,
    outcome: receipt.outcome,
    reason: receipt.reason === "" ? undefined : receipt.reason,
    repository: receipt.repository === "" ? undefined : receipt.repository,
    destination: receipt.place,
    repository_id: receipt.repositoryId === "" ? undefined : receipt.repositoryId,
    backup_id: receipt.backupId === "" ? undefined : receipt.backupId,
    backup_created: backupCreatedMs === 0 ? undefined : timeOf(backupCreatedMs),
    kind: receipt.kind,
    started: timeOf(startedMs),
    ended: timeOf(endedMs),
    fetch_ms: receipt.fetchMs,
    open_ms: receipt.openMs,
    compare_ms: receipt.compareMs,
    bytes: receipt.bytes,
    bytes_fetched: receipt.fetchedBytes,
    indices: receipt.indices.map((index) => ({
      index: index.index,
      docs_expected: index.expectedDocs ?? null,
      docs: index.foundDocs ?? null,
      probes: index.probes,
      differences: [...index.differences],
      omitted: index.omitted === "" ? undefined : index.omitted,
    })),
    left_out: receipt.leftOut.length > 0 ? [...receipt.leftOut] : undefined,
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
