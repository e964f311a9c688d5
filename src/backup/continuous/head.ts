/**
 * A stream's head: whose it is, up to where it goes, and where its state is. The only object that is replaced, always
 * under the condition that nobody else replaced it.
 *
 * Sealed JSON (`format/sealed_json.ts`) of kind `stream_head`. The state is `base`, then `deltas`, then `inline`, one
 * applied to the other; see `inventory.ts`.
 *
 * Invariants
 * - `revision` grows by one with each replacement and `nonce` is drawn for each: an etag never comes back.
 * - Everything in the state of one timeline is of one past: that of `owner` up to `highestLsn`.
 *
 * @module
 */
import { utf8, utf8Text } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../../format/sealed_json.ts";
import type { PieceEncoding } from "../manifest.ts";
import type { StoredObject } from "./inventory.ts";
import type { StreamOwner } from "./view.ts";

const STREAM_VERSION = 1;

/** An object that holds a part of the state. */
export interface StateRef extends StoredObject {
  readonly name: string;
}

/** What an earlier owner left, kept as long as the window asks for it. */
export interface Archive {
  readonly timeline: number;
  readonly owner: StreamOwner;
  readonly lsn: number;
  /** ms since the epoch: when it began, and up to where it goes. */
  readonly fromMs: number;
  readonly atMs: number;
  /** When it was adopted by another. */
  readonly endedMs: number;
  readonly state: StateRef;
}

/** A part of the state within the head, encoded as objects are. */
export interface InlineState {
  readonly object: StoredObject;
  readonly bytes: Uint8Array;
}

export interface StreamHead {
  readonly stream: string;
  readonly repositoryId: string;
  readonly revision: number;
  readonly nonce: string;
  /** Counts adoptions. */
  readonly timeline: number;
  readonly owner: StreamOwner;
  /** Every record up to here is in the stream. */
  readonly lsn: number;
  /** Highest LSN of anything in it: an owner's past reaches at least here. */
  readonly highestLsn: number;
  /** Highest number of a catalogue in it. Indices come and go without an LSN of their own. */
  readonly highestCatalog: number;
  /** ms since the epoch, by the owner's clock: what was acknowledged before is in it; 0: it was never complete. */
  readonly atMs: number;
  /** When this timeline began. */
  readonly fromMs: number;
  /** For how long anything is kept, ms: as the owner is configured. */
  readonly retainMs: number;
  readonly base: StateRef | null;
  readonly deltas: readonly StateRef[];
  readonly inline: readonly InlineState[];
  /** Oldest first. */
  readonly archives: readonly Archive[];
}

export function encodeStreamHead(head: StreamHead): Uint8Array {
  const inline = head.inline.map(({ object, bytes }) => ({ ...object, text: toBase64(bytes) }));
  return encodeSealed("stream_head", { version: STREAM_VERSION, ...head, inline });
}

/** @throws {CorruptionError} */
export function decodeStreamHead(bytes: Uint8Array): StreamHead {
  const body = new BodyReader("stream head", decodeSealed("stream_head", bytes));
  const version = body.integer("version", 1);
  if (version > STREAM_VERSION) {
    throw new CorruptionError(
      `Cannot decode stream head: version ${version} is newer than ${STREAM_VERSION}`,
    );
  }
  const base = body.member("base");
  return {
    stream: body.text("stream"),
    repositoryId: body.text("repositoryId"),
    revision: body.integer("revision", 1),
    nonce: body.text("nonce"),
    timeline: body.integer("timeline", 1),
    owner: ownerFrom(body.member("owner")),
    lsn: body.integer("lsn"),
    highestLsn: body.integer("highestLsn"),
    highestCatalog: body.integer("highestCatalog"),
    atMs: body.integer("atMs"),
    fromMs: body.integer("fromMs"),
    retainMs: body.integer("retainMs"),
    base: base === null ? null : refFrom(base),
    deltas: body.list("deltas").map(refFrom),
    inline: body.list("inline").map((json) => {
      const entry = new BodyReader("stream head", json);
      return { object: objectFrom(entry), bytes: fromBase64(entry.text("text")) };
    }),
    archives: body.list("archives").map((json) => {
      const entry = new BodyReader("stream archive", json);
      return {
        timeline: entry.integer("timeline", 1),
        owner: ownerFrom(entry.member("owner")),
        lsn: entry.integer("lsn"),
        fromMs: entry.integer("fromMs"),
        atMs: entry.integer("atMs"),
        endedMs: entry.integer("endedMs"),
        state: refFrom(entry.member("state")),
      };
    }),
  };
}

function ownerFrom(json: unknown): StreamOwner {
  const body = new BodyReader("stream owner", json);
  return { instanceId: body.text("instanceId"), run: body.text("run") };
}

function refFrom(json: unknown): StateRef {
  const body = new BodyReader("stream state", json);
  return { name: body.text("name"), ...objectFrom(body) };
}

const ENCODINGS: readonly PieceEncoding[] = ["plain", "zstd", "aes", "zstd+aes"];

function objectFrom(body: BodyReader): StoredObject {
  const encoding = ENCODINGS.find((known) => known === body.text("encoding"));
  if (!encoding) {
    throw new CorruptionError(`Cannot decode stream head: encoding ${body.text("encoding")} is unknown`);
  }
  return {
    bytes: body.integer("bytes"),
    plainBytes: body.integer("plainBytes"),
    encoding,
    sha256: body.text("sha256"),
  };
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** A state as JSON's bytes, and back. */
export function jsonBytes(json: unknown): Uint8Array {
  return utf8(JSON.stringify(json));
}

/** @throws {CorruptionError} */
export function jsonFromBytes(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new CorruptionError(`Cannot decode stream state: ${error.message}`);
    }
    throw error;
  }
}
