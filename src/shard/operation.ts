/**
 * One write and what became of it. Both are reused from operation to operation: a bulk of 100,000 makes two objects.
 *
 * @module
 */

export type VersionType = "internal" | "external" | "external_gte";

/** A document to index or delete. Fill in, hand to `Shard.index` or `Shard.delete`. */
export class WriteOperation {
  /** The id is bytes [idStart, idEnd) of `id`, UTF-8. */
  id: Uint8Array = new Uint8Array(0);
  idStart = 0;
  idEnd = 0;
  /** The server drew the id, so no older document can have it. */
  autoId = false;
  /** The source is bytes [start, end) of `source`. */
  source: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** Fail when a document with this id exists. */
  create = false;
  /** -1: no condition. */
  ifSeqNo = -1;
  ifPrimaryTerm = -1;
  /** -1: none given. */
  version = -1;
  versionType: VersionType = "internal";

  reset(): void {
    this.autoId = false;
    this.create = false;
    this.ifSeqNo = -1;
    this.ifPrimaryTerm = -1;
    this.version = -1;
    this.versionType = "internal";
  }

  idText(): string {
    return new TextDecoder().decode(this.id.slice(this.idStart, this.idEnd));
  }
}

/** What became of an operation. */
export type ResultKind = "created" | "updated" | "deleted" | "not_found" | "conflict" | "error" | "mapping";

export class WriteOutcome {
  kind: ResultKind = "created";
  seqNo = 0;
  version = 0;
  /** Of `conflict` and `error`. */
  status = 0;
  errorType = "";
  reason = "";
  causedBy: { readonly type: string; readonly reason: string } | undefined;
  /** Of `mapping`: fields that the document needs first; ask, apply, and try again. */
  mappingUpdate: unknown;

  fail(kind: "conflict" | "error", status: number, type: string, reason: string): this {
    this.kind = kind;
    this.status = status;
    this.errorType = type;
    this.reason = reason;
    this.causedBy = undefined;
    return this;
  }

  done(kind: "created" | "updated" | "deleted" | "not_found", seqNo: number, version: number): this {
    this.kind = kind;
    this.seqNo = seqNo;
    this.version = version;
    return this;
  }
}

/** The one term of a server without replicas. */
export const PRIMARY_TERM = 1;
