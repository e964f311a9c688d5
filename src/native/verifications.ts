/**
 * Looking whether repositories hold what they list, and healing them.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { DamagedObject, Verification, VerifyReport } from "../control/verifications.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";
import {
  type BackupRoutesOptions,
  checkKeys,
  destinationOf,
  flag,
  names,
  NDJSON,
  progressStream,
  waits,
} from "./backups.ts";

type JsonObject = { readonly [key: string]: Json | undefined };

const MODES: readonly VerifyReport["mode"][] = ["quick", "sample", "full"];

/** POST `/v1/admin/backup/verify`. */
export async function verifyRepository(
  { verifications, named }: BackupRoutesOptions,
  context: RequestContext,
): Promise<Answer | Response> {
  const body = await objectBody(context);
  checkKeys(body, ["destination", "credentials", "repository", "mode", "share", "backups", "heal"]);
  const mode = body["mode"] === undefined ? "quick" : MODES.find((known) => known === body["mode"]);
  if (mode === undefined) throw illegalArgument(`[mode] must be one of ${MODES.join(", ")}`);
  const { run, done } = verifications.start({
    destination: destinationOf(body, named),
    mode,
    heal: flag(body, "heal", false),
    ...(body["share"] === undefined ? {} : { share: shareOf(body["share"], mode) }),
    ...(body["backups"] === undefined ? {} : { ids: names(body, "backups") }),
  });
  if (context.request.headers.get("accept")?.includes(NDJSON)) {
    const end = () => verificationJson(run);
    return progressStream(end, done.then(end, end));
  }
  if (!waits(context.query)) return jsonAnswer(verificationJson(run), 202);
  return jsonAnswer(verificationJson(await done));
}

/** GET `/v1/admin/backup/verify`: those since the server's start, the newest first. */
export function listVerifications({ verifications }: BackupRoutesOptions): Answer {
  return jsonAnswer({ verifications: verifications.runs.map(verificationJson) });
}

/** GET `/v1/admin/backup/verify/{id}`. */
export function getVerification({ verifications }: BackupRoutesOptions, context: RequestContext): Answer {
  return jsonAnswer(verificationJson(verifications.get(context.params["id"]!)));
}

/** POST `/v1/admin/backup/verify/{id}/_cancel`. */
export function cancelVerification({ verifications }: BackupRoutesOptions, context: RequestContext): Answer {
  return jsonAnswer(verificationJson(verifications.cancel(context.params["id"]!)), 202);
}

function verificationJson(run: Verification): JsonObject {
  const { id, state, place, mode, heal, startedMs, progress, report, outcome, error, durationMs } = run;
  return {
    verification_id: id,
    state,
    destination: place,
    mode,
    heal,
    started: new Date(startedMs).toISOString(),
    ...(report && state !== "running" ? reportJson(report) : {}),
    ...(outcome
      ? {
        healed: [...outcome.healed],
        bytes_sent: outcome.bytes,
        unhealed: outcome.unhealed.map((one) => ({ ...damagedJson(one), why: one.why })),
      }
      : {}),
    ...(report && state === "success" ? { verdict: verdictOf(run) } : {}),
    ...(progress && state === "running"
      ? {
        phase: progress.phase,
        objects_done: progress.objectsDone,
        objects: progress.objectsTotal,
        bytes: progress.bytes,
      }
      : {}),
    duration_ms: state === "running" ? undefined : Math.round(durationMs),
    error: error && { ...error },
  };
}

/** What is so when it has ended. */
function verdictOf({ report, outcome }: Verification): "sound" | "healed" | "damaged" {
  if (report!.damaged.length === 0) return "sound";
  return outcome?.unhealed.length === 0 ? "healed" : "damaged";
}

function reportJson({ backups, objects, objectsRead, bytesRead, damaged }: VerifyReport): JsonObject {
  return {
    backups,
    objects,
    objects_read: objectsRead,
    bytes_read: bytesRead,
    damaged: damaged.map(damagedJson),
  };
}

function damagedJson({ object, problem, reason, backups, paths }: DamagedObject): { [key: string]: Json } {
  return { object, problem, reason, backups: [...backups], paths: [...paths] };
}

function shareOf(share: unknown, mode: string): number {
  if (mode !== "sample") throw illegalArgument("[share] goes with [mode] sample");
  if (typeof share === "number" && share > 0 && share <= 1) return share;
  throw illegalArgument(
    "[share] must be a number above 0 and up to 1: the share of the objects that is read",
  );
}
