/**
 * Segments of the generated logs, one after another, without a server.
 *
 * @module
 */
import { AnalyzerSet } from "../src/analysis/mod.ts";
import { AUTO_ID_BYTES, AutoIds } from "../src/ingest/auto_id.ts";
import { FastParser } from "../src/ingest/fast_document.ts";
import { NdjsonCutter } from "../src/ingest/ndjson.ts";
import { Memtable } from "../src/memtable/memtable.ts";
import { parseDocument } from "../src/schema/document.ts";
import { Mapping } from "../src/schema/mapping.ts";
import { StagedDocument } from "../src/schema/staged.ts";
import { buildSegmentNow, type BuiltSegment } from "../src/segment/builder.ts";
import { type FileImage, PAGE_BYTES } from "../src/segment/file_view.ts";
import { finishIds } from "../src/segment/ids_tail.ts";
import { openSegment, type StoredSegment } from "../src/segment/open.ts";
import type { Corpus } from "./corpus.ts";

const NO_TAIL = { tombstones: [], bornDead: null };

/** The three files of a segment, whole. */
export interface SegmentBytes {
  readonly uuid: string;
  readonly docCount: number;
  readonly seg: Uint8Array;
  readonly sidx: Uint8Array;
  readonly ids: Uint8Array;
}

export class LogSegments {
  readonly analyzers: AnalyzerSet = AnalyzerSet.fromSettings({}, "standard");
  readonly mapping: Mapping;
  readonly #lines: Uint8Array;
  readonly #cutter = new NdjsonCutter({ lineBytesMax: 1 << 24 });
  readonly #staged = new StagedDocument();
  readonly #ids = new AutoIds({
    nowMs: () => Date.now(),
    random: crypto.getRandomValues(new Uint8Array(6)),
  });
  #seqNo = 0;

  constructor({ lines, mapping }: Corpus) {
    this.mapping = Mapping.parse(mapping.mappings, { maxFields: 1000, analyzers: this.analyzers });
    this.#lines = lines;
    this.#cutter.push(lines);
  }

  /** A segment of the next `docs` documents, or of what is left. */
  next(docs: number): SegmentBytes {
    const { mapping, analyzers } = this;
    const memtable = new Memtable({ mapping, analyzers });
    const parser = new FastParser(mapping);
    for (let i = 0; i < docs && this.#cutter.next(); i++) {
      const { start, end } = this.#cutter;
      if (!parser.parse(this.#lines, start, end, this.#staged)) {
        const outcome = parseDocument(mapping, this.#lines, start, end, this.#staged, { maxDepth: 20 });
        if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
      }
      this.#ids.next();
      const { bytes } = this.#ids;
      memtable.add(this.#staged, bytes, 0, AUTO_ID_BYTES, this.#lines, start, end, this.#seqNo++, 1, false);
    }
    return wholeFiles(buildSegmentNow(memtable.freeze(), { uuid: crypto.randomUUID() }));
  }
}

function wholeFiles({ uuid, docCount, seg, sidx, idsBody }: BuiltSegment): SegmentBytes {
  const tail = finishIds(idsBody, NO_TAIL);
  const ids = new Uint8Array(idsBody.bytes.length + tail.length);
  ids.set(idsBody.bytes);
  ids.set(tail, idsBody.bytes.length);
  return { uuid, docCount, seg, sidx, ids };
}

export function openBytes({ seg, sidx, ids }: SegmentBytes): StoredSegment {
  const image = (bytes: Uint8Array, label: string): FileImage => ({
    bytes,
    label,
    verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32)),
  });
  return openSegment({ seg: image(seg, "seg"), sidx: image(sidx, "sidx"), ids: image(ids, "ids") });
}
