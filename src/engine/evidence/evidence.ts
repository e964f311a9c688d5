/**
 * Evidence: what a restore of a backup must show, index by index, as of the backup's very instant. Plain JSON; it travels
 * in the backup's manifest.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import { BodyReader } from "../../format/sealed_json.ts";
import { type AnsweredProbe, decodeProbe } from "./probe.ts";

export const EVIDENCE_VERSION = 1;

export interface IndexEvidence {
  readonly index: string;
  /** Live documents, those of the log behind the last flush included. */
  readonly docs: number;
  /** Who counted them: the server itself at that instant, or a look at the files that were backed up. */
  readonly countedBy: "server" | "files";
  /** Last position of its shards. */
  readonly lsn: number;
  readonly probes: readonly AnsweredProbe[];
  /** Why there are fewer probes than there might be; "" otherwise. */
  readonly omitted: string;
}

export interface Evidence {
  readonly version: number;
  /** What `[fts] default_analyzer` was: it decides what probes of text mean. */
  readonly defaultAnalyzer: string;
  readonly indices: readonly IndexEvidence[];
  /** How long it took to gather. */
  readonly tookMs: number;
}

/**
 * @param extra What a backup's manifest holds beside its files.
 * @returns undefined: the backup has none, as those made by earlier versions.
 * @throws {CorruptionError} It has some, and it cannot be read.
 */
export function evidenceOf(extra: unknown): Evidence | undefined {
  if (typeof extra !== "object" || extra === null) return undefined;
  const json = (extra as Readonly<Record<string, unknown>>)["evidence"];
  if (json === undefined) return undefined;
  const body = new BodyReader("evidence", json);
  const version = body.integer("version", 1);
  if (version > EVIDENCE_VERSION) {
    throw new CorruptionError(`Cannot decode evidence: version ${version} is newer than ${EVIDENCE_VERSION}`);
  }
  return {
    version,
    defaultAnalyzer: body.text("defaultAnalyzer"),
    indices: body.list("indices").map(decodeIndex),
    tookMs: body.integer("tookMs"),
  };
}

function decodeIndex(json: unknown): IndexEvidence {
  const body = new BodyReader("evidence of an index", json);
  return {
    index: body.text("index"),
    docs: body.integer("docs"),
    countedBy: body.text("countedBy") === "server" ? "server" : "files",
    lsn: body.integer("lsn"),
    probes: body.list("probes").map(decodeProbe),
    omitted: body.text("omitted"),
  };
}
