/**
 * Manifests: which segments are live, from where on the WAL counts, mapping, settings, history. Immutable.
 * Spec: `docs/FORMAT.md`, "Manifest".
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { type History, historyFromJson, historyToJson } from "./history.ts";
import { BodyReader, decodeSealed, encodeSealed } from "./sealed_json.ts";

/** Stored in every manifest; readers refuse a higher one. */
export const MANIFEST_VERSION = 1;

/** Up to here the segments hold everything. */
export interface Checkpoint {
  /** Records behind the checkpoint lie in this generation or later ones. */
  readonly generation: number;
  readonly lsn: number;
  /** Last sequence number, -1 before the first. */
  readonly seqNo: number;
}

export interface ManifestFile {
  readonly sizeBytes: number;
  /** Of the whole file, as `sha256sum` prints it. */
  readonly sha256: string;
}

export const SEGMENT_FILE_NAMES = ["segment.seg", "segment.sidx", "segment.ids"] as const;
export type SegmentFileName = typeof SEGMENT_FILE_NAMES[number];

export interface ManifestSegment {
  readonly number: number;
  /** Repeated in each of its files. */
  readonly uuid: string;
  readonly docCount: number;
  /** Documents that are alive once the tombstones of all segments of this manifest are applied. */
  readonly liveDocs: number;
  readonly files: Readonly<Record<SegmentFileName, ManifestFile>>;
  readonly minSeqNo?: number;
  readonly maxSeqNo?: number;
  /** Level of a log-structured merge. */
  readonly level?: number;
  /** Time range of a time-series index, ms since the epoch. */
  readonly minTimeMs?: number;
  readonly maxTimeMs?: number;
}

export interface Manifest {
  readonly number: number;
  /** Number of the one that it replaced, 0: none. */
  readonly previous: number;
  readonly indexUuid: string;
  readonly incarnation: string;
  readonly shard: number;
  /** How many shards the index has. */
  readonly shards: number;
  readonly createdMs: number;
  /** The last manifest of a deleted index. */
  readonly deleted: boolean;
  readonly segments: readonly ManifestSegment[];
  readonly checkpoint: Checkpoint;
  readonly mappingVersion: number;
  /** As `Mapping.toStored` gives it; opaque here. */
  readonly mapping: unknown;
  readonly settings: unknown;
  readonly history: History;
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { history, mapping, settings, ...rest } = manifest;
  const body = { version: MANIFEST_VERSION, ...rest, history: historyToJson(history), settings, mapping };
  return encodeSealed("manifest", body);
}

/** @throws {CorruptionError} */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const body = new BodyReader("manifest", decodeSealed("manifest", bytes));
  const version = body.integer("version", 1);
  if (version > MANIFEST_VERSION) {
    throw new CorruptionError(`Cannot decode manifest: version ${version} is newer than ${MANIFEST_VERSION}`);
  }
  const checkpoint = new BodyReader("checkpoint", body.member("checkpoint"));
  return {
    number: body.integer("number", 1),
    previous: body.integer("previous"),
    indexUuid: body.text("indexUuid"),
    incarnation: body.text("incarnation"),
    shard: body.integer("shard"),
    shards: body.integer("shards", 1),
    createdMs: body.integer("createdMs"),
    deleted: body.flag("deleted"),
    segments: body.list("segments").map(segmentFromJson),
    checkpoint: {
      generation: checkpoint.integer("generation"),
      lsn: checkpoint.integer("lsn"),
      seqNo: checkpoint.integer("seqNo", -1),
    },
    mappingVersion: body.integer("mappingVersion"),
    mapping: body.member("mapping"),
    settings: body.member("settings"),
    history: historyFromJson(body.member("history")),
  };
}

const OPTIONAL_NUMBERS = ["minSeqNo", "maxSeqNo", "level", "minTimeMs", "maxTimeMs"] as const;

function segmentFromJson(json: unknown): ManifestSegment {
  const body = new BodyReader("manifest segment", json);
  const files = new BodyReader("manifest segment", body.member("files"));
  const optional: Record<string, number> = {};
  for (const name of OPTIONAL_NUMBERS) {
    if (body.has(name)) optional[name] = body.integer(name, Number.MIN_SAFE_INTEGER);
  }
  const file = (name: SegmentFileName): ManifestFile => {
    const entry = new BodyReader(`manifest segment file ${name}`, files.member(name));
    return { sizeBytes: entry.integer("sizeBytes"), sha256: entry.text("sha256") };
  };
  return {
    number: body.integer("number", 1),
    uuid: body.text("uuid"),
    docCount: body.integer("docCount"),
    liveDocs: body.integer("liveDocs"),
    files: {
      "segment.seg": file("segment.seg"),
      "segment.sidx": file("segment.sidx"),
      "segment.ids": file("segment.ids"),
    },
    ...optional,
  };
}
