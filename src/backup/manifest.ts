/**
 * A backup's manifest: every file of one backup, and which objects hold its bytes. Complete by itself: restoring needs
 * no other backup's.
 *
 * Sealed JSON (`format/sealed_json.ts`) of kind `backup`; in an encrypted repository encrypted as a whole. To restore by
 * hand: for each file the decoded bytes of its pieces one after the other, or its `inline` bytes; their SHA-256 is the
 * file's.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../format/sealed_json.ts";
import { checkStoredPath, parseObjectName } from "./names.ts";

const BACKUP_VERSION = 1;

/** How an object's bytes are made of the piece's: first zstd, then encryption. */
export type PieceEncoding = "plain" | "zstd" | "aes" | "zstd+aes";

const ENCODINGS: readonly PieceEncoding[] = ["plain", "zstd", "aes", "zstd+aes"];

/** A piece of a file, as an object holds it. */
export interface Piece {
  readonly object: string;
  /** Size of the object. */
  readonly bytes: number;
  readonly encoding: PieceEncoding;
  readonly plainBytes: number;
  /** Of the plain bytes, lower-case hex. */
  readonly sha256: string;
  /**
   * Of a compressed one: bytes of each frame, of 1 MiB plain bytes each but the last, before encryption. Absent in
   * manifests of before, and then only the whole piece can be read.
   */
  readonly frames?: readonly number[];
}

export interface BackupEntry {
  /** Relative to the data directory. */
  readonly path: string;
  /** The index that it belongs to; null: the server's own. */
  readonly index: string | null;
  readonly bytes: number;
  /** Of all of it, plain. */
  readonly sha256: string;
  /** ms since the epoch, for people. */
  readonly modifiedMs: number;
  /** In the file's order; [] with `inline`. */
  readonly pieces: readonly Piece[];
  /** All bytes of a small file; undefined: they are in `pieces`. */
  readonly inline?: Uint8Array;
}

export interface BackedUpIndex {
  readonly name: string;
  readonly incarnation: string;
  readonly shards: number;
  readonly docs: number;
}

export interface BackedUpServer {
  readonly version: string;
  readonly instanceId: string;
}

export interface BackupManifest {
  readonly backupId: string;
  readonly repositoryId: string;
  /** The head's when this was written. */
  readonly epoch: number;
  /** ms since the epoch. */
  readonly createdMs: number;
  readonly server: BackedUpServer;
  readonly lsn: number;
  readonly kind: string;
  readonly series: string;
  readonly indices: readonly BackedUpIndex[];
  /** In path order, no path twice. */
  readonly files: readonly BackupEntry[];
  /** What the caller wants to find again, such as digests of queries; opaque here. */
  readonly extra: unknown;
}

/** Sum of all files' sizes. */
export function bytesTotal(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Names of all objects, each once. */
export function objectsOf(manifest: BackupManifest): Set<string> {
  const names = new Set<string>();
  for (const { pieces } of manifest.files) for (const { object } of pieces) names.add(object);
  return names;
}

export function encodeBackupManifest(manifest: BackupManifest): Uint8Array {
  const { files, indices, extra, createdMs, ...rest } = manifest;
  return encodeSealed("backup", {
    version: BACKUP_VERSION,
    ...rest,
    createdMs,
    created: new Date(createdMs).toISOString(),
    indices,
    extra: extra ?? null,
    files: files.map(({ inline, pieces, ...file }) =>
      inline === undefined ? { ...file, pieces } : { ...file, inline: base64(inline) }
    ),
  });
}

/** @throws {CorruptionError} */
export function decodeBackupManifest(bytes: Uint8Array): BackupManifest {
  const body = new BodyReader("backup manifest", decodeSealed("backup", bytes));
  const version = body.integer("version", 1);
  if (version > BACKUP_VERSION) {
    throw new CorruptionError(
      `Cannot decode backup manifest: version ${version} is newer than ${BACKUP_VERSION}`,
    );
  }
  const server = new BodyReader("backed up server", body.member("server"));
  const files = body.list("files").map(entryFrom);
  for (let i = 1; i < files.length; i++) {
    if (files[i - 1]!.path < files[i]!.path) continue;
    throw new CorruptionError(`Cannot decode backup manifest: ${files[i]!.path} is out of order`);
  }
  return {
    backupId: body.text("backupId"),
    repositoryId: body.text("repositoryId"),
    epoch: body.integer("epoch", 1),
    createdMs: body.integer("createdMs"),
    server: { version: server.text("version"), instanceId: server.text("instanceId") },
    lsn: body.integer("lsn"),
    kind: body.text("kind"),
    series: body.text("series"),
    indices: body.list("indices").map((json) => {
      const index = new BodyReader("backed up index", json);
      return {
        name: index.text("name"),
        incarnation: index.text("incarnation"),
        shards: index.integer("shards", 1),
        docs: index.integer("docs"),
      };
    }),
    files,
    extra: body.member("extra"),
  };
}

function entryFrom(json: unknown): BackupEntry {
  const body = new BodyReader("backed up file", json);
  const index = body.member("index");
  const file = {
    path: checkStoredPath(body.text("path")),
    index: index === null ? null : body.text("index"),
    bytes: body.integer("bytes"),
    sha256: body.text("sha256"),
    modifiedMs: body.integer("modifiedMs"),
  };
  if (body.has("inline")) {
    const inline = fromBase64(body.text("inline"));
    if (inline.length === file.bytes) return { ...file, pieces: [], inline };
    throw new CorruptionError(
      `Cannot decode backup manifest: ${file.path} has ${inline.length} of ${file.bytes} bytes`,
    );
  }
  const pieces = body.list("pieces").map(pieceFrom);
  const sum = pieces.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  if (sum === file.bytes) return { ...file, pieces };
  throw new CorruptionError(`Cannot decode backup manifest: ${file.path} has ${sum} of ${file.bytes} bytes`);
}

/** @throws {CorruptionError} */
export function pieceFrom(json: unknown): Piece {
  const body = new BodyReader("piece of a file", json);
  const object = body.text("object");
  const encoding = ENCODINGS.find((known) => known === body.text("encoding"));
  if (encoding === undefined) {
    throw new CorruptionError(
      `Cannot decode backup manifest: encoding ${JSON.stringify(body.text("encoding"))} is unknown`,
    );
  }
  if (!parseObjectName(object)) {
    throw new CorruptionError(`Cannot decode backup manifest: ${JSON.stringify(object)} is no object's name`);
  }
  return {
    object,
    bytes: body.integer("bytes"),
    encoding,
    plainBytes: body.integer("plainBytes"),
    sha256: body.text("sha256"),
    ...(body.has("frames") ? { frames: framesFrom(body.list("frames")) } : {}),
  };
}

function framesFrom(list: readonly unknown[]): number[] {
  return list.map((length) => {
    if (typeof length === "number" && Number.isSafeInteger(length) && length > 0) return length;
    throw new CorruptionError(`Cannot decode backup manifest: a frame has ${JSON.stringify(length)} bytes`);
  });
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new CorruptionError("Cannot decode backup manifest: inline bytes are not base64");
  }
}
