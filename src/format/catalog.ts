/**
 * Catalogues: the server's own manifest. Numbered, sealed, immutable; a superseded one becomes a stub in the end.
 * Spec: `docs/FORMAT.md`, "Catalogue", "Deleted incarnations", "Instance", "Clean stop".
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { type History, historyFromJson, historyToJson } from "./history.ts";
import { BodyReader, decodeSealed, encodeSealed } from "./sealed_json.ts";

/** Stored in every catalogue; readers refuse a higher one. */
export const CATALOG_VERSION = 1;

/** Deleted incarnations that are remembered; the oldest are forgotten first. */
export const MAX_DELETED = 10_000;

export interface CatalogEntry {
  readonly name: string;
  readonly uuid: string;
  /** One life of the name. */
  readonly incarnation: string;
  readonly shards: number;
  readonly createdMs: number;
  /** Whether it was closed by a client. */
  readonly closed: boolean;
}

/** What clients have set: section (`aliases`, `templates`, ...) -> name -> opaque value. */
export type CatalogSections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface CatalogBody {
  readonly number: number;
  /** Number of the one that it replaced, 0: none. */
  readonly previous: number;
  readonly createdMs: number;
  /** LSN counter when it was made. */
  readonly lsn: number;
  readonly indices: readonly CatalogEntry[];
  readonly sections: CatalogSections;
  /** File of deleted incarnations; undefined: none was ever deleted. */
  readonly deleted: { readonly number: number; readonly sha256: string } | undefined;
  /** Runs of the server; `manifest` is the number of a run's first catalogue, `generation` 0. */
  readonly history: History;
}

export function encodeCatalog({ history, ...rest }: CatalogBody): Uint8Array {
  return encodeSealed("catalog", { version: CATALOG_VERSION, ...rest, history: historyToJson(history) });
}

/** What a superseded catalogue becomes. */
export function encodeCatalogStub(number: number): Uint8Array {
  return encodeSealed("catalog_stub", { number });
}

/**
 * @returns "stub" for what is left of a superseded one.
 * @throws {CorruptionError}
 */
export function decodeCatalog(bytes: Uint8Array): CatalogBody | "stub" {
  if (isStub(bytes)) return "stub";
  const body = new BodyReader("catalog", decodeSealed("catalog", bytes));
  const version = body.integer("version", 1);
  if (version > CATALOG_VERSION) {
    throw new CorruptionError(`Cannot decode catalog: version ${version} is newer than ${CATALOG_VERSION}`);
  }
  const sections = body.object("sections");
  for (const [name, section] of Object.entries(sections)) new BodyReader(`catalog section ${name}`, section);
  const deleted = body.has("deleted") ? new BodyReader("catalog", body.member("deleted")) : undefined;
  return {
    number: body.integer("number", 1),
    previous: body.integer("previous"),
    createdMs: body.integer("createdMs"),
    lsn: body.integer("lsn"),
    indices: body.list("indices").map(entryFromJson),
    sections: sections as CatalogSections,
    deleted: deleted && { number: deleted.integer("number", 1), sha256: deleted.text("sha256") },
    history: historyFromJson(body.member("history")),
  };
}

const STUB_KEY_AT = '{"sha256":"'.length + 64 + 2;

function isStub(bytes: Uint8Array): boolean {
  const key = new TextDecoder().decode(bytes.slice(STUB_KEY_AT, STUB_KEY_AT + 15));
  if (key !== '"catalog_stub":') return false;
  decodeSealed("catalog_stub", bytes);
  return true;
}

function entryFromJson(json: unknown): CatalogEntry {
  const body = new BodyReader("catalog index", json);
  return {
    name: body.text("name"),
    uuid: body.text("uuid"),
    incarnation: body.text("incarnation"),
    shards: body.integer("shards", 1),
    createdMs: body.integer("createdMs"),
    closed: body.flag("closed"),
  };
}

/** A life of a name that has ended. */
export interface DeletedIncarnation {
  readonly name: string;
  readonly incarnation: string;
  /** ms since the epoch. */
  readonly atMs: number;
  /** Next free numbers of the name's folder, over all its shards. */
  readonly next: { readonly generation: number; readonly manifest: number; readonly segment: number };
}

/** Oldest first. */
export function encodeDeleted(incarnations: readonly DeletedIncarnation[]): Uint8Array {
  return encodeSealed("deleted", incarnations);
}

/** @throws {CorruptionError} */
export function decodeDeleted(bytes: Uint8Array): DeletedIncarnation[] {
  const list = decodeSealed("deleted", bytes);
  if (!Array.isArray(list)) throw new CorruptionError("Cannot decode deleted: not a list");
  return list.map((json) => {
    const body = new BodyReader("deleted", json);
    const next = new BodyReader("deleted", body.member("next"));
    return {
      name: body.text("name"),
      incarnation: body.text("incarnation"),
      atMs: body.integer("atMs"),
      next: {
        generation: next.integer("generation", 1),
        manifest: next.integer("manifest", 1),
        segment: next.integer("segment", 1),
      },
    };
  });
}

/** Tells a data directory from its copy. */
export interface Instance {
  readonly id: string;
  /** Of the LOCK file, decimal: a copy's differs. */
  readonly lockInode: string;
  readonly lockBirthMs: number;
  readonly machineId: string;
}

export function encodeInstance(instance: Instance): Uint8Array {
  return encodeSealed("instance", instance);
}

/** @throws {CorruptionError} */
export function decodeInstance(bytes: Uint8Array): Instance {
  const body = new BodyReader("instance", decodeSealed("instance", bytes));
  return {
    id: body.text("id"),
    lockInode: body.text("lockInode"),
    lockBirthMs: body.integer("lockBirthMs"),
    machineId: body.text("machineId"),
  };
}

/** Says that the run of this id ended with everything synced and marked. */
export function encodeCleanStop(run: string): Uint8Array {
  return encodeSealed("clean_stop", { run });
}

/** @throws {CorruptionError} */
export function decodeCleanStop(bytes: Uint8Array): string {
  return new BodyReader("clean_stop", decodeSealed("clean_stop", bytes)).text("run");
}
