/**
 * The seam between the writer's bulk loop and a dialect's answer.
 *
 * @module
 */
import type { ErrorCause } from "../base/errors.ts";
import type { WriteOperation, WriteOutcome } from "../shard/operation.ts";

export type BulkAction = "index" | "create" | "update" | "delete";

export interface BulkFailure {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
  readonly causedBy?: ErrorCause;
  /** Further keys of the error. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Index uuid and shard where known, as Elasticsearch adds them to conflicts. */
  readonly indexUuid?: string;
  readonly shard?: number;
}

export interface BulkItem {
  readonly action: BulkAction;
  readonly index: string;
  readonly indexUuid: string;
  readonly shard: number;
  /** `_source` of the action line or of an update's body: what the answer shall show of the document. */
  readonly source?: unknown;
}

/** Appends rendered items to one growing buffer, without the commas between them. */
export interface BulkRenderer {
  /** End of what was rendered so far. */
  readonly length: number;
  /** Whether any item failed. */
  readonly errors: boolean;
  /** An operation that was applied, or refused by the shard. `noop`: an update that changed nothing. */
  item(item: BulkItem, op: WriteOperation, outcome: WriteOutcome, noop: boolean): void;
  /** An operation that did not reach a shard. */
  failure(action: BulkAction, index: string, id: string | undefined, failure: BulkFailure): void;
  /** Separates two items. */
  comma(): void;
  /** A view of all that was rendered. */
  bytes(): Uint8Array;
}

export type BulkRendererFactory = (options: Readonly<Record<string, string>>) => BulkRenderer;
