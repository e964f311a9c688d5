/**
 * Whose stream is it? Two servers that believe to be the same one must never ship into one stream, and a server must
 * not be shut out of its own.
 *
 * A server goes on with a stream only if all of this holds:
 * 1. The head's instance id is its own. A copy of a data directory has another one.
 * 2. The head's run is in its history, and its history followed that run at least up to the head's highest LSN and its
 *    highest catalogue. A clone below the file system has the same instance id, but not what its original did after it
 *    was taken. Only what is on disk is ever shipped, so an owner's own power cut takes nothing that the stream has.
 * 3. The same for each log and its own history (`past.ts`), which compares the last bytes as well. LSNs count over all
 *    logs: a clone may lack one log's record, though it has a later one of another's; flushes and merges draw none.
 *
 * @module
 */
import type { History } from "../../format/history.ts";
import { StreamError } from "./error.ts";
import type { StreamHead } from "./head.ts";
import type { StreamOwner } from "./view.ts";

export interface Claim {
  readonly owner: StreamOwner;
  readonly history: History;
}

/** Why this server may not go on with the stream; undefined: it may. */
export function ownershipProblem(head: StreamHead, { owner, history }: Claim): string | undefined {
  if (head.owner.instanceId !== owner.instanceId) {
    return `it belongs to server instance ${head.owner.instanceId}, and this is ${owner.instanceId}`;
  }
  const at = history.runs.findIndex(({ id }) => id === head.owner.run);
  if (at < 0) {
    return `run ${head.owner.run} of this server shipped there last, which this data directory knows nothing of`;
  }
  const next = history.runs[at + 1];
  if (next && next.lsn < head.highestLsn) {
    return `it goes on to LSN ${head.highestLsn} of run ${head.owner.run}, which this data directory followed only to ` +
      `LSN ${next.lsn}`;
  }
  if (next && next.manifest <= head.highestCatalog) {
    return `it holds catalogue ${head.highestCatalog} of run ${head.owner.run}, which this data directory followed only ` +
      `up to catalogue ${next.manifest - 1}`;
  }
  return undefined;
}

/** The refusal in words that say what to do. */
export function foreignStream(place: string, stream: string, reason: string): StreamError {
  return new StreamError(`Cannot ship to stream ${stream} at ${place}: ${reason}`, {
    kind: "foreign",
    hint:
      `nothing was written there. If the other server is gone for good, take the stream over with \`xerj backup adopt\` ` +
      `or POST /v1/admin/continuous/_adopt (what it holds stays restorable for its window); else ship under another ` +
      `[backup.continuous] stream name`,
  });
}
