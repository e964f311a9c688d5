/**
 * A live segment whose files are damaged: looking again, and taking whole files in their place while the shard goes on.
 *
 * No file of a published segment ever changes: what takes the place of a damaged file has the very bytes that the
 * manifest names. The damaged one is kept aside; what is mapped of it stays mapped until no search uses it.
 *
 * @module
 */
import { wholeName } from "../shard/repair/replace_file.ts";
import { mapSegment, unmapSegment } from "../shard/images.ts";
import { publishIfChanged } from "../shard/refresh.ts";
import { SEGMENT_FILE_NAMES } from "../shard/store_names.ts";
import { checkSegment } from "../shard/verify/segment_files.ts";
import { problemsWith } from "./scrub.ts";
import type { WriterNode } from "./writer_node.ts";

export interface SegmentCall {
  readonly incarnation: string;
  readonly shard: number;
  readonly number: number;
}

/** A file of a segment that is not what its manifest says. */
export interface BadFile {
  readonly path: string;
  readonly reason: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Where it is to be made whole, on the shard's file system. */
  readonly whole: string;
}

export interface HealSegmentCall extends SegmentCall {
  /** Whole now. */
  readonly files: readonly Pick<BadFile, "path" | "whole">[];
}

export type HealedSegment =
  | { readonly kind: "healed"; readonly aside: readonly string[]; readonly links: number }
  /** Not now; nothing has changed. */
  | { readonly kind: "busy" }
  /** A merge, or the index's end, has taken the segment away; nothing has changed. */
  | { readonly kind: "gone" };

/** What main may call, by name. */
export function segmentCalls(node: WriterNode) {
  return {
    checkSegment: (call: SegmentCall) => checkLiveSegment(node, call),
    healSegment: (call: HealSegmentCall) => healLiveSegment(node, call),
  };
}

/**
 * Reads a segment's files again, all of them.
 *
 * @returns What is wrong; [] when nothing is; undefined: there is no such segment any more. @throws {IoError}
 * @throws {RequestError} 404, 503: the shard is poisoned.
 */
export async function checkLiveSegment(
  node: WriterNode,
  { incarnation, shard, number }: SegmentCall,
): Promise<readonly BadFile[] | undefined> {
  const { state: { store } } = node.shard(incarnation, shard);
  const entry = store.manifest.segments.find((segment) => segment.number === number);
  if (!entry) return undefined;
  const { fs, pause } = node.options;
  const facts = await checkSegment(fs, store.segmentPath(number), { read: () => {}, pause });
  // Released while it was read.
  if (!store.manifest.segments.some(({ uuid }) => uuid === entry.uuid)) return undefined;
  const problems = problemsWith(entry, facts);
  node.scrub.note(entry.uuid, problems.map(({ file, offset, what }) => ({ file, offset, reason: what })));
  if (problems.length === 0) return [];
  const aside = store.asidePath();
  return SEGMENT_FILE_NAMES.flatMap((name): BadFile[] => {
    const path = `${facts.folder}/${name}`;
    const [is, was] = [facts.files[name], entry.files[name]];
    if (is?.sha256 === was.sha256 && is.sizeBytes === was.sizeBytes) return [];
    const reason = problems.find(({ file }) => file === path)?.what ??
      "its bytes are not those that the manifest says";
    return [{ path, reason, ...was, whole: wholeName(aside, path) }];
  });
}

/**
 * Puts whole files in the place of damaged ones, and maps the segment anew, for this writer and for all searches to come.
 *
 * @throws {CorruptionError} The segment cannot be opened even so: what was mapped stays.
 * @throws {IoError} Poisons. @throws {RequestError} 404, 503: the shard is poisoned.
 */
export async function healLiveSegment(
  node: WriterNode,
  { incarnation, shard, number, files }: HealSegmentCall,
): Promise<HealedSegment> {
  const open = node.shard(incarnation, shard);
  const { state } = open;
  const { fs } = node.options;
  // No flush or merge holds on to a reader then, and no write.
  const healed = await state.flushes.take(() =>
    state.turn.take((): HealedSegment => {
      if (state.closed) return { kind: "gone" };
      const segment = state.segments.find(({ ref, home }) => home.kind === "disk" && ref.number === number);
      if (segment?.home.kind !== "disk") return { kind: "gone" };
      if (node.merges.isReading(open, number)) return { kind: "busy" };
      const { store, environment } = state;
      const { entry } = segment.home;
      const aside: string[] = [];
      let links = 0;
      for (const { path, whole } of files) {
        // Beside its own name and the one that it is kept under.
        const others = fs.exists(path) ? fs.stat(path).links - 1 : 0;
        const kept = store.replaceFile(path, whole);
        if (kept !== undefined) aside.push(kept);
        links = Math.max(links, others);
      }
      const fresh = mapSegment(environment, store.segmentPath(number), entry);
      try {
        const old = segment.remap(fresh);
        state.retired.set(old.ref.key, old);
      } catch (error) {
        unmapSegment(fresh);
        throw error;
      }
      state.segmentsChanged = true;
      node.merges.healed(open, number);
      node.scrub.note(entry.uuid, []);
      return { kind: "healed", aside, links };
    })
  );
  publishIfChanged(state);
  return healed;
}
