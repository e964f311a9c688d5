/**
 * The three ways in which something outside of our code can be wrong, and the assertion for when our code is.
 *
 * @module
 */

/** What caused an error, and what caused that. */
export interface ErrorCause {
  readonly type: string;
  readonly reason: string;
  readonly causedBy?: ErrorCause;
}

/** What a client sees of a failed request: `{"error": {"type", "reason", ...details}, "status"}`. */
export interface RequestErrorOptions {
  readonly status: number;
  /** Elasticsearch's name of the error, since clients match on it, such as `index_not_found_exception`. */
  readonly type: string;
  /** Further keys of the `error` object, such as `index` or `line`. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Response headers, such as `Retry-After` or `Allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What Elasticsearch calls `caused_by`. */
  readonly causedBy?: ErrorCause;
}

/** The request cannot be served as it is (4xx), or not now (429, 503). Never retried by the server itself. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: number;
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly causedBy: ErrorCause | undefined;

  constructor(reason: string, options: RequestErrorOptions) {
    super(reason);
    this.status = options.status;
    this.type = options.type;
    this.details = options.details ?? {};
    this.headers = options.headers ?? {};
    this.causedBy = options.causedBy;
  }
}

/** An error as the cause of another. */
export function causeOf({ type, message, causedBy }: RequestError): ErrorCause {
  return { type, reason: message, ...(causedBy ? { causedBy } : {}) };
}

/** 400 `illegal_argument_exception`, the commonest answer to a wrong parameter. */
export function illegalArgument(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "illegal_argument_exception" });
}

/** 400 `parsing_exception`: a search body that does not follow its grammar. */
export function parsingError(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "parsing_exception" });
}

/**
 * Stored bytes disagree with `docs/FORMAT.md`.
 *
 * Thrown by decoders only: bad user input is a `RequestError`, a failed system call an `IoError`. Never
 * retried: the shard stops taking writes and keeps the file. Message form:
 * "Cannot decode WAL record: crc is 0x0, stored 0x1f". `file` and `offset` are added by whoever knows them.
 */
export class CorruptionError extends Error {
  override readonly name = "CorruptionError";
  /** File that holds the bad bytes, or "" while only the bytes are known. */
  readonly file: string;
  /** Byte offset in `file`, or -1 when it is the whole file. */
  readonly offset: number;

  constructor(reason: string, where: { readonly file?: string; readonly offset?: number } = {}) {
    const at = where.file
      ? ` (file ${where.file}${where.offset === undefined ? "" : `, offset ${where.offset}`})`
      : "";
    super(reason + at);
    this.file = where.file ?? "";
    this.offset = where.offset ?? -1;
  }
}

/** A system call failed. `code` is the errno name (`ENOSPC`, `EIO`, `EROFS`, ...) or `""` when unknown. */
export class IoError extends Error {
  override readonly name = "IoError";
  readonly operation: string;
  readonly path: string;
  readonly code: string;

  constructor(operation: string, path: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot ${operation} ${path}: ${reason}`, { cause });
    this.operation = operation;
    this.path = path;
    this.code = errnoName(cause);
  }
}

/** The errno name of a failed system call, as Deno reports it: a `code` property or "(os error N)" in the text. */
export function errnoName(cause: unknown): string {
  if (typeof cause !== "object" || cause === null) return "";
  const code = (cause as { code?: unknown }).code;
  if (typeof code === "string") return code;
  const text = String((cause as { message?: unknown }).message ?? "");
  const match = /os error (\d+)/.exec(text);
  if (!match) return "";
  return ERRNO[Number(match[1])] ?? `E${match[1]}`;
}

const ERRNO: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  17: "EEXIST",
  18: "EXDEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  31: "EMLINK",
  36: "ENAMETOOLONG",
  39: "ENOTEMPTY",
  122: "EDQUOT",
};

/** Guards against our own mistakes; stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed: ${message}`);
}
