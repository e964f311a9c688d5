/**
 * Does a manifest's account of its segments add up: sizes, digests, documents, who is alive once all deletes that its
 * segments carry are applied?
 *
 * @module
 */
import { popcount } from "../../base/bitset.ts";
import { manifestName } from "../../format/file_names.ts";
import type { Manifest, ManifestSegment } from "../../format/manifest.ts";
import { SEGMENT_FILE_NAMES, segmentFolder } from "../store_names.ts";
import type { Problem } from "./finding.ts";
import type { SegmentFacts } from "./segment_files.ts";

/** What is wrong with a segment as a manifest names it, or with the sum of them. */
export interface ManifestAccount {
  readonly problems: readonly (Problem & { readonly segment: number })[];
  readonly liveDocs: number;
  readonly docCount: number;
}

/**
 * @param facts By segment number; a segment whose folder is not there has none.
 */
export function accountFor(
  directory: string,
  manifest: Manifest,
  facts: ReadonlyMap<number, SegmentFacts>,
): ManifestAccount {
  const problems: (Problem & { segment: number })[] = [];
  const name = manifestName(manifest.number);
  let liveDocs = 0;
  let docCount = 0;
  let allOpen = true;
  for (const entry of manifest.segments) {
    const folder = segmentFolder(directory, entry.number);
    const say = (what: string, file = folder, absent?: boolean) =>
      problems.push({ segment: entry.number, file, offset: -1, what, ...(absent ? { absent } : {}) });
    liveDocs += entry.liveDocs;
    docCount += entry.docCount;
    const found = facts.get(entry.number);
    if (!found) {
      say(`the segment is not there, ${name} names it`, folder, true);
      continue;
    }
    compareFiles(entry, found, { say, name });
    const { content } = found;
    if (!content) {
      allOpen = false;
      if (found.problems.some(({ absent }) => absent)) {
        say(`files of the segment are not there, ${name} names them`, folder, true);
      }
      continue;
    }
    if (content.uuid !== entry.uuid) say(`it is segment ${content.uuid}, ${name} says ${entry.uuid}`);
    if (content.docCount !== entry.docCount) {
      say(`it has ${content.docCount} documents, ${name} says ${entry.docCount}`);
    }
  }
  // Who is alive, all of the segments say together.
  if (problems.length > 0 || !allOpen) return { problems, liveDocs, docCount };
  for (const { entry, live, outside } of livingOf(manifest, facts)) {
    const file = segmentFolder(directory, entry.number);
    const at = { segment: entry.number, file, offset: -1 };
    if (outside > 0) {
      problems.push({ ...at, what: `${outside} deletes are of documents that it does not have` });
    }
    if (live === entry.liveDocs) continue;
    problems.push({ ...at, what: `${live} of its documents are alive, ${name} says ${entry.liveDocs}` });
  }
  return { problems, liveDocs, docCount };
}

function compareFiles(
  entry: ManifestSegment,
  { files, folder, problems }: SegmentFacts,
  { say, name }: { readonly say: (what: string, file: string) => void; readonly name: string },
): void {
  for (const file of SEGMENT_FILE_NAMES) {
    const [found, expected] = [files[file], entry.files[file]];
    const path = `${folder}/${file}`;
    // What is wrong with it by itself has been said.
    if (!found || problems.some((problem) => problem.file === path)) continue;
    if (found.sizeBytes !== expected.sizeBytes) {
      say(`it has ${found.sizeBytes} bytes, ${name} says ${expected.sizeBytes}`, path);
    } else if (found.sha256 !== expected.sha256) {
      say(`its sha256 is ${found.sha256}, ${name} says ${expected.sha256}`, path);
    }
  }
}

export interface LivingOf {
  readonly entry: ManifestSegment;
  /** Bit set: dead. */
  readonly dead: Uint32Array;
  readonly live: number;
  /** Deletes for it that name no document of it. */
  readonly outside: number;
}

/** Who is alive in each segment that can be opened, as an opening of this manifest finds it. */
export function livingOf(manifest: Manifest, facts: ReadonlyMap<number, SegmentFacts>): LivingOf[] {
  const contents = manifest.segments.flatMap((entry) => {
    const content = facts.get(entry.number)?.content;
    return content ? [{ entry, content }] : [];
  });
  return contents.map(({ entry, content: { uuid, docCount, bornDead } }) => {
    const dead = new Uint32Array((docCount + 31) >>> 5);
    if (bornDead) dead.set(bornDead.subarray(0, dead.length));
    let outside = 0;
    for (const { content } of contents) {
      for (const list of content.tombstones) {
        if (list.uuid !== uuid) continue;
        for (const doc of list.docs) {
          if (doc < docCount) dead[doc >>> 5]! |= 1 << (doc & 31);
          else outside++;
        }
      }
    }
    return { entry, dead, live: docCount - countBits(dead, docCount), outside };
  });
}

/** Set bits below `count`. */
export function countBits(bits: Uint32Array, count: number): number {
  let total = 0;
  const whole = count >>> 5;
  for (let word = 0; word < whole; word++) total += popcount(bits[word]!);
  if ((count & 31) !== 0) total += popcount(bits[whole]! & ((1 << (count & 31)) - 1));
  return total;
}
