/**
 * A repository's head: which backups there are, and which objects are about to go. The only object that is replaced,
 * always under the condition that nobody else replaced it.
 *
 * Invariants
 * - `revision` grows by one with each replacement and `nonce` is drawn for each: no two heads have the same bytes, so
 *   that an etag never comes back.
 * - No condemned object is named by a listed backup's manifest; nothing that was condemned once is ever listed later,
 *   also after it has left `condemned`. This is what lets anybody delete what any head of the past condemned.
 * - An object that no backup lists and whose name's epoch is below `sweptBefore` counts as condemned, named or not.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../format/sealed_json.ts";

const HEAD_VERSION = 1;
/** Ids in `retired`; the oldest are forgotten. */
export const MAX_RETIRED = 1000;

/** One published backup, as far as listing and retention need to know it. */
export interface ListedBackup {
  readonly id: string;
  /** Name of its manifest's object. */
  readonly manifest: string;
  /** Of the manifest's object as it is stored, lower-case hex. */
  readonly sha256: string;
  /** Of the manifest's object. */
  readonly manifestBytes: number;
  /** ms since the epoch, by the clock of the server that was backed up. */
  readonly createdMs: number;
  /** Of all its files. */
  readonly bytesTotal: number;
  readonly files: number;
  readonly lsn: number;
  /** Kept by every retention until it is unpinned. */
  readonly pinned: boolean;
  /** Who asked for it, such as "manual" or "scheduled". */
  readonly kind: string;
  /** Backups that retention counts together, such as a schedule's; see `retention.ts`. */
  readonly series: string;
}

/** An id whose plain manifest name must not be used again. */
export interface RetiredId {
  readonly id: string;
  /** Was listed once: it is never listed again either. */
  readonly listed: boolean;
}

export interface HeadEncryption {
  readonly scheme: "aes-256-gcm";
  /** Tells whether a key is the repository's, and nothing about it. */
  readonly keyCheck: string;
}

export interface Head {
  readonly repositoryId: string;
  readonly revision: number;
  readonly nonce: string;
  /** Counts sweeps. Objects carry it in their names: it tells the old from the young without a clock. */
  readonly epoch: number;
  readonly sweptBefore: number;
  readonly encryption: HeadEncryption | null;
  /** In the order of publishing. */
  readonly backups: readonly ListedBackup[];
  /** Names of objects and manifests that may be deleted by anybody. */
  readonly condemned: readonly string[];
  readonly retired: readonly RetiredId[];
}

export function encodeHead(head: Head): Uint8Array {
  return encodeSealed("head", { version: HEAD_VERSION, ...head });
}

/** @throws {CorruptionError} */
export function decodeHead(bytes: Uint8Array): Head {
  const body = new BodyReader("repository head", decodeSealed("head", bytes));
  const version = body.integer("version", 1);
  if (version > HEAD_VERSION) {
    throw new CorruptionError(
      `Cannot decode repository head: version ${version} is newer than ${HEAD_VERSION}`,
    );
  }
  return {
    repositoryId: body.text("repositoryId"),
    revision: body.integer("revision", 1),
    nonce: body.text("nonce"),
    epoch: body.integer("epoch", 1),
    sweptBefore: body.integer("sweptBefore"),
    encryption: encryptionFrom(body.member("encryption")),
    backups: body.list("backups").map(listedFrom),
    condemned: body.list("condemned").map(nameFrom),
    retired: body.list("retired").map((json) => {
      const entry = new BodyReader("retired id", json);
      return { id: entry.text("id"), listed: entry.flag("listed") };
    }),
  };
}

function encryptionFrom(json: unknown): HeadEncryption | null {
  if (json === null) return null;
  const body = new BodyReader("repository encryption", json);
  const scheme = body.text("scheme");
  if (scheme !== "aes-256-gcm") {
    throw new CorruptionError(`Cannot decode repository head: encryption scheme ${scheme} is unknown`);
  }
  return { scheme, keyCheck: body.text("keyCheck") };
}

function listedFrom(json: unknown): ListedBackup {
  const body = new BodyReader("listed backup", json);
  return {
    id: body.text("id"),
    manifest: body.text("manifest"),
    sha256: body.text("sha256"),
    manifestBytes: body.integer("manifestBytes"),
    createdMs: body.integer("createdMs"),
    bytesTotal: body.integer("bytesTotal"),
    files: body.integer("files"),
    lsn: body.integer("lsn"),
    pinned: body.flag("pinned"),
    kind: body.text("kind"),
    series: body.text("series"),
  };
}

function nameFrom(json: unknown): string {
  if (typeof json === "string") return json;
  throw new CorruptionError("Cannot decode repository head: a condemned name is not a text");
}
