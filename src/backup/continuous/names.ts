/**
 * Names of a stream's objects, below the repository's own:
 *
 *     continuous/<stream>/head.json                  the only object that is ever replaced
 *     continuous/<stream>/packs/<revision>-<try>     pieces of logs and small files
 *     continuous/<stream>/segments/<revision>-<try>  one piece of a segment's file
 *     continuous/<stream>/states/<revision>-<try>    what the head refers to instead of holding it
 *
 * `revision` is the number of the head that was to name the object first, 12 digits; `try` 16 random hex digits. No name
 * is used twice. An object whose revision is not above the head's, and that neither the head's state names nor the
 * server that owns the stream is about to name, is garbage for ever.
 *
 * Backups and prunes of the repository look at `objects/` and `backups/` alone: they never meet a stream's objects.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import type { Random } from "../../os/fs.ts";
import { newTry } from "../names.ts";

export const STREAM_PREFIX = "continuous/";

export type StreamObjectKind = "packs" | "segments" | "states";

const MAX_STREAM_CHARS = 64;
const STREAM = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const OBJECT = /^(packs|segments|states)\/(\d{12,15})-[0-9a-f]{16}$/;

/** Whether a text may name a stream: 1 to 64 of [A-Za-z0-9._-], beginning with a letter or digit. */
export function isStreamName(name: string): boolean {
  return name.length <= MAX_STREAM_CHARS && STREAM.test(name) && !name.includes("..");
}

/** With a `/` at its end. */
export function streamPrefix(stream: string): string {
  assert(isStreamName(stream), `${JSON.stringify(stream)} names no stream`);
  return `${STREAM_PREFIX}${stream}/`;
}

export function streamHeadName(stream: string): string {
  return `${streamPrefix(stream)}head.json`;
}

/** A name that nothing had before. */
export function newStreamObject(
  stream: string,
  { kind, revision }: { readonly kind: StreamObjectKind; readonly revision: number },
  random: Random,
): string {
  return `${streamPrefix(stream)}${kind}/${String(revision).padStart(12, "0")}-${newTry(random)}`;
}

/** Revision in the name of one of this stream's objects; undefined: not one of ours. */
export function revisionOf(stream: string, name: string): number | undefined {
  const prefix = streamPrefix(stream);
  const match = name.startsWith(prefix) ? OBJECT.exec(name.slice(prefix.length)) : null;
  return match ? Number(match[2]) : undefined;
}
