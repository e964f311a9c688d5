/**
 * Does a shard answer what its documents say? Every stored source is parsed and analysed again and compared with what
 * the segments' readers give; ids lead to documents and back, once each; the log behind the checkpoint can be applied.
 *
 * Memory: one batch of documents, and the pages of one segment up to a bound.
 *
 * @module
 */
import { AnalyzerSet } from "../../analysis/mod.ts";
import { utf8Text } from "../../base/bytes.ts";
import { CorruptionError, RequestError } from "../../base/errors.ts";
import { OperationsReader, OpKind } from "../../format/operations.ts";
import { RecordKind } from "../../format/wal.ts";
import type { FileSystem } from "../../os/fs.ts";
import { parseDocument } from "../../schema/document.ts";
import { Mapping } from "../../schema/mapping.ts";
import { StagedDocument } from "../../schema/staged.ts";
import { type FoundBody, readGeneration } from "../../wal/generation_file.ts";
import { RecordReader } from "../../wal/record_reader.ts";
import type { Decision } from "../store_decide.ts";
import { segmentFolder } from "../store_names.ts";
import { livingOf } from "./accounting.ts";
import { DeepSegment } from "./deep_segment.ts";
import type { VerifyEnvironment } from "./environment.ts";
import { type Finding, problemOf } from "./finding.ts";
import { isAbsent } from "./read_image.ts";
import { type OpenByRead, openByRead } from "./segment_files.ts";
import type { ShardFiles } from "./shard_files.ts";

/** Whatever depth was allowed when a document came in. */
export const MAX_JSON_DEPTH = 1000;
const LOST = "nothing is lost; answers may be wrong";
const NEXT =
  "with the server stopped, `xerj verify --repair` after moving the segment's folder away, or a reindex; " +
  "and tell us: no checksum is wrong, so that the fault is ours";

/** @param decision Of the opening, with every segment sound by its checksums. */
export async function compareDeep(
  environment: VerifyEnvironment,
  directory: string,
  { decision, files }: { readonly decision: Decision; readonly files: ShardFiles },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { manifest } = decision.opened;
  const say = (file: string, what: string) =>
    findings.push({ severity: "damage", file, offset: -1, what, lost: LOST, next: NEXT });
  const analyzers = AnalyzerSet.fromSettings(manifest.settings, "standard");
  const mapping = Mapping.fromStored(manifest.mapping, { maxFields: Infinity, analyzers });
  const living = livingOf(manifest, files.segments);
  for (const { entry, dead } of living) {
    const folder = segmentFolder(directory, entry.number);
    if (files.segments.get(entry.number)?.problems.length !== 0) continue;
    try {
      const segment = new DeepSegment(environment.fs, folder, {
        mapping,
        analyzers,
        dead,
        progress: environment.progress,
      });
      for (const { severity, what } of await segment.compare()) {
        if (severity === "damage") say(folder, what);
        else findings.push({ severity, file: folder, offset: -1, what, lost: "", next: "" });
      }
    } catch (error) {
      // Released meanwhile: a newer manifest does without it.
      if (isAbsent(error)) continue;
      const { file, what } = problemOf(error, folder);
      say(file, what);
    }
  }
  for (const { file, what } of await findTwins(environment, directory, living)) say(file, what);
  for (const { file, what } of await tryReplay(environment, { decision, mapping, analyzers })) {
    say(file, what);
  }
  return findings;
}

const MAX_FINDINGS = 20;

/** Ids that are alive in two segments. */
async function findTwins(
  { fs, progress }: VerifyEnvironment,
  directory: string,
  living: ReturnType<typeof livingOf>,
): Promise<{ readonly file: string; readonly what: string }[]> {
  const found: { file: string; what: string }[] = [];
  const open: (OpenByRead & { readonly number: number; readonly dead: Uint32Array })[] = [];
  const isLive = (dead: Uint32Array, doc: number) => (dead[doc >>> 5]! & (1 << (doc & 31))) === 0;
  try {
    for (const { entry: { number }, dead } of living) {
      open.push({ ...openByRead(fs, segmentFolder(directory, number)), number, dead });
    }
    for (const [i, { reader, dead, number }] of open.entries()) {
      const others = open.slice(i + 1);
      const cursor = reader.ids.cursor();
      for (let doc = 0; others.length > 0 && cursor.next(); doc++) {
        if (doc % 1024 === 0) await progress.pause();
        if (!isLive(dead, doc)) continue;
        const id = cursor.bytes.slice(cursor.start, cursor.end);
        for (const other of others) {
          const twin = other.reader.findId(id);
          if (twin < 0 || !isLive(other.dead, twin) || found.length >= MAX_FINDINGS) continue;
          const what = `id ${utf8Text(id)} is alive here and in ${segmentFolder(directory, other.number)}`;
          found.push({ file: segmentFolder(directory, number), what });
        }
      }
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
  } finally {
    for (const { close } of open) close();
  }
  return found;
}

/** Parses every document that the log would bring. */
async function tryReplay(
  { fs, progress }: VerifyEnvironment,
  { decision: { chain, opened }, mapping: first, analyzers }: {
    readonly decision: Decision;
    readonly mapping: Mapping;
    readonly analyzers: AnalyzerSet;
  },
): Promise<{ readonly file: string; readonly what: string }[]> {
  const found: { file: string; what: string }[] = [];
  const staged = new StagedDocument();
  let mapping = first;
  for (const { found: generation, end } of chain) {
    const file = fs.openRead(generation.path);
    try {
      const reader = new RecordReader(file, generation.head, end);
      while (reader.next() && found.length < MAX_FINDINGS) {
        await progress.pause();
        if (reader.lsn <= opened.manifest.checkpoint.lsn) continue;
        if (reader.kind === RecordKind.Mapping) {
          const stored = Mapping.fromStored(JSON.parse(utf8Text(reader.payload)), {
            maxFields: Infinity,
            analyzers,
          });
          if (stored.version > mapping.version) mapping = stored;
          continue;
        }
        if (reader.kind !== RecordKind.Operations) continue;
        const operations = new OperationsReader(reader.payload);
        while (operations.next()) {
          if (operations.kind !== OpKind.Index) continue;
          const { sourceStart, sourceEnd } = operations;
          staged.reset(reader.payload);
          const outcome = parseDocument(mapping, reader.payload, sourceStart, sourceEnd, staged, {
            maxDepth: MAX_JSON_DEPTH,
          });
          if (outcome.kind === "ok") continue;
          const seqNo = reader.seqNo + operations.seqNoDelta;
          const why = outcome.kind === "error" ? outcome.reason : "it needs fields that no mapping has";
          found.push({ file: generation.path, what: `operation ${seqNo} cannot be applied: ${why}` });
        }
      }
    } catch (error) {
      if (isAbsent(error) || isReleased(fs, generation)) continue;
      if (error instanceof RequestError) found.push({ file: generation.path, what: error.message });
      else if (error instanceof CorruptionError) found.push(problemOf(error, generation.path));
      else throw error;
    } finally {
      file.close();
    }
  }
  return found;
}

/** Whether a generation has become a stub, or gone, since its header was read. */
function isReleased(fs: FileSystem, { path, number, head }: FoundBody): boolean {
  try {
    const now = readGeneration(fs, path, number);
    return now.kind !== "body" || now.head.uuid !== head.uuid;
  } catch (error) {
    if (isAbsent(error)) return true;
    throw error;
  }
}
