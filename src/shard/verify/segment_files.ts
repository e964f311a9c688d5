/**
 * Are a segment's three files what was written? Reads every byte once; memory: one piece, the page tables, and the
 * deletes that the segment carries.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32, hex32 } from "../../base/crc.ts";
import { CorruptionError } from "../../base/errors.ts";
import { type Container, decodeContainer, FileKind, type FileKindCode } from "../../format/container.ts";
import type { ManifestFile, SegmentFileName } from "../../format/manifest.ts";
import type { FileSystem } from "../../os/fs.ts";
import { PAGE_BYTES } from "../../segment/file_view.ts";
import { openSegment, type StoredSegment } from "../../segment/open.ts";
import type { Tombstones } from "../../segment/reader.ts";
import { SEGMENT_FILE_NAMES } from "../store_names.ts";
import { type Problem, problemOf, type Progress } from "./finding.ts";
import { ReadImage } from "./read_image.ts";

/** Whole pages; about 5 ms of SHA-256. */
const PIECE_BYTES = 64 * PAGE_BYTES;
/** Bad pages that are named one by one. */
const MAX_NAMED_PAGES = 20;

const KINDS: Readonly<Record<SegmentFileName, FileKindCode>> = {
  "segment.seg": FileKind.Seg,
  "segment.sidx": FileKind.Sidx,
  "segment.ids": FileKind.Ids,
};

/** What a segment's files say of themselves. */
export interface SegmentFacts {
  readonly folder: string;
  /** Empty: every checksum is right and the three belong together. */
  readonly problems: readonly Problem[];
  /** Of the files that could be read to their end. */
  readonly files: Readonly<Partial<Record<SegmentFileName, ManifestFile>>>;
  /** Undefined: the files cannot be opened together. */
  readonly content: SegmentContent | undefined;
}

export interface SegmentContent {
  readonly uuid: string;
  readonly docCount: number;
  readonly bornDead: Uint32Array | null;
  readonly tombstones: readonly Tombstones[];
}

/** Reads all of a segment. What is wrong is a finding; @throws {IoError} For all but a missing file and EIO. */
export async function checkSegment(
  fs: FileSystem,
  folder: string,
  progress: Progress,
): Promise<SegmentFacts> {
  const problems: Problem[] = [];
  const files: Partial<Record<SegmentFileName, ManifestFile>> = {};
  for (const name of SEGMENT_FILE_NAMES) {
    const path = `${folder}/${name}`;
    try {
      files[name] = await checkFile(fs, path, { kind: KINDS[name], problems, progress });
    } catch (error) {
      problems.push(problemOf(error, path));
    }
  }
  let content: SegmentContent | undefined;
  if (problems.length === 0) {
    try {
      const { reader, close } = openByRead(fs, folder);
      try {
        const { uuid, docCount, bornDead, tombstones } = reader;
        content = {
          uuid,
          docCount,
          bornDead: bornDead && bornDead.slice(),
          tombstones: tombstones.map((list) => ({ ...list, docs: list.docs.slice() })),
        };
      } finally {
        close();
      }
    } catch (error) {
      problems.push(problemOf(error, folder));
    }
  }
  return { folder, problems, files, content };
}

/** A segment whose pages are brought in by `read` as they are asked for. */
export interface OpenByRead {
  readonly reader: StoredSegment;
  /** Bytes brought in so far, all of which stay in memory. */
  readonly loadedBytes: () => number;
  readonly close: () => void;
}

/** @throws {CorruptionError | IoError} */
export function openByRead(fs: FileSystem, folder: string): OpenByRead {
  const images: ReadImage[] = [];
  const close = () => images.forEach((image) => image.close());
  const open = (name: SegmentFileName) => {
    const image = new ReadImage(fs, `${folder}/${name}`);
    images.push(image);
    return image;
  };
  try {
    const reader = openSegment({
      seg: open("segment.seg"),
      sidx: open("segment.sidx"),
      ids: open("segment.ids"),
    });
    return {
      reader,
      close,
      loadedBytes: () => images.reduce((sum, { loadedBytes }) => sum + loadedBytes, 0),
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function checkFile(
  fs: FileSystem,
  path: string,
  { kind, problems, progress }: {
    readonly kind: FileKindCode;
    readonly problems: Problem[];
    readonly progress: Progress;
  },
): Promise<ManifestFile> {
  const container = openContainer(fs, path, { kind, problems });
  const file = fs.openRead(path);
  try {
    const sizeBytes = file.size();
    const hash = createHash("sha256");
    const piece = new Uint8Array(PIECE_BYTES);
    let bad = 0;
    for (let at = 0; at < sizeBytes;) {
      const read = file.readAt(piece.subarray(0, Math.min(PIECE_BYTES, sizeBytes - at)), at);
      if (read === 0) break;
      const bytes = piece.subarray(0, read);
      hash.update(bytes);
      for (const problem of container ? badPages(bytes, at, { container, path }) : []) {
        if (bad++ < MAX_NAMED_PAGES) problems.push(problem);
      }
      at += read;
      progress.read(read);
      await progress.pause();
    }
    if (bad > MAX_NAMED_PAGES) {
      problems.push({ file: path, offset: -1, what: `${bad - MAX_NAMED_PAGES} more pages are damaged` });
    }
    return { sizeBytes, sha256: hash.digest("hex") };
  } finally {
    file.close();
  }
}

function openContainer(
  fs: FileSystem,
  path: string,
  { kind, problems }: { readonly kind: FileKindCode; readonly problems: Problem[] },
): Container | undefined {
  const image = new ReadImage(fs, path);
  try {
    const container = decodeContainer(image.bytes, { kind, label: path, pageBytes: PAGE_BYTES });
    // A view would keep the whole image.
    return { ...container, pageCrcs: container.pageCrcs.slice() };
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    problems.push(problemOf(error, path));
    return undefined;
  } finally {
    image.close();
  }
}

/** @param at Offset of `bytes` in the file, a multiple of the page size. */
function badPages(
  bytes: Uint8Array,
  at: number,
  { container: { bodyBytes, pageCrcs, runs }, path }: {
    readonly container: Container;
    readonly path: string;
  },
): Problem[] {
  const problems: Problem[] = [];
  for (let from = 0; from < bytes.length && at + from < bodyBytes; from += PAGE_BYTES) {
    const page = bytes.subarray(from, Math.min(from + PAGE_BYTES, bodyBytes - at, bytes.length));
    const actual = crc32(page);
    const stored = pageCrcs[(at + from) / PAGE_BYTES]!;
    if (actual === stored) continue;
    const names = runs
      .filter(({ offset, length }) => offset < at + from + PAGE_BYTES && offset + length > at + from)
      .map(({ name }) => name);
    const holds = names.length === 0 ? "" : `; the page holds ${names.slice(0, 4).join(", ")}` +
      (names.length > 4 ? ` and ${names.length - 4} more` : "");
    problems.push({
      file: path,
      offset: at + from,
      what: `page crc is ${hex32(actual)}, stored ${hex32(stored)}${holds}`,
    });
  }
  return problems;
}
