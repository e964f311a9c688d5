/**
 * What can go wrong with a stream, as far as the caller's next step depends on it.
 *
 * @module
 */

export type StreamErrorKind =
  /** There is no stream of that name. */
  | "missing"
  /** Its head or state cannot be read, or is not what was stored. */
  | "damaged"
  /** It was written by a newer version. */
  | "version"
  /** It belongs to another server, or to another past of this one: nothing was written. */
  | "foreign"
  /** Nothing of the asked-for instant is kept, or not all of it. */
  | "out_of_reach"
  /** The request makes no sense. */
  | "selection"
  /** The place to restore to cannot be used. */
  | "target";

/** A refused or failed operation on a stream. Its message holds no secret and is fit for a user. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  readonly kind: StreamErrorKind;
  /** What to do about it; "" when the message says enough. */
  readonly hint: string;

  constructor(
    message: string,
    options: { readonly kind: StreamErrorKind; readonly hint?: string; readonly cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.hint = options.hint ?? "";
  }
}
