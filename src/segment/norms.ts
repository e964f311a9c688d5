/**
 * Norms: one byte a document that tells how long a text is (`base/norm.ts`), and which documents have the field at
 * all, since an empty text's norm is 0, too.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { TextInput } from "./input.ts";
import type { RunView, RunWriter } from "./runs.ts";
import type { NormsMeta } from "./terms_meta.ts";

/** Norms and presence of a text field, loaded for a build. */
export interface LoadedNorms {
  /** By doc; 0 where absent. */
  readonly norms: Uint8Array;
  /** Bit of each doc that has the field. */
  readonly present: Uint32Array;
  readonly presentCount: number;
  /** Docs with at least one term. */
  readonly nonEmptyCount: number;
}

/** Asked of a cursor. */
const NORMS_AT_A_TIME = 2048;

export function loadNorms(input: TextInput, docCount: number): LoadedNorms {
  const norms = new Uint8Array(docCount);
  const present = new Uint32Array(Math.ceil(docCount / 32));
  const docs = new Uint32Array(NORMS_AT_A_TIME);
  const values = new Uint8Array(NORMS_AT_A_TIME);
  const cursor = input.openNorms();
  let presentCount = 0;
  let nonEmptyCount = 0;
  for (let n = cursor.fill(docs, values); n > 0; n = cursor.fill(docs, values)) {
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      norms[doc] = values[i]!;
      present[doc >>> 5] = present[doc >>> 5]! | (1 << (doc & 31));
      if (values[i] !== 0) nonEmptyCount++;
    }
    presentCount += n;
  }
  return { norms, present, presentCount, nonEmptyCount };
}

/** Writes the runs `<field>:norms` and `<field>:presence` where they are needed. */
export function writeNorms(input: TextInput, loaded: LoadedNorms, out: RunWriter): NormsMeta {
  const { norms, present, presentCount, nonEmptyCount } = loaded;
  const first = norms[0] ?? 0;
  const kind = !input.norms ? "none" : norms.every((norm) => norm === first) ? "constant" : "bytes";
  if (kind === "bytes") {
    out.begin(`${input.name}:norms`);
    out.append(norms);
    out.end();
  }
  const presence = presentCount === norms.length
    ? "all"
    : kind === "none" || nonEmptyCount < presentCount
    ? "bits"
    : "norms";
  if (presence === "bits") {
    out.begin(`${input.name}:presence`);
    out.append(new Uint8Array(present.buffer, present.byteOffset, present.byteLength));
    out.end();
  }
  return { kind, value: kind === "constant" ? first : 0, present: presentCount, presence };
}

/**
 * Norm bytes by doc, as `SegmentReader.norms` gives them; undefined when the field has them off. A view of the run,
 * or an array filled for the purpose when all are equal: keep it.
 *
 * @throws {CorruptionError} The run is missing or not a byte a doc.
 */
export function openNorms(
  field: string,
  meta: NormsMeta,
  segmentDocs: number,
  view: RunView,
): Uint8Array | undefined {
  if (meta.kind === "none") return undefined;
  if (meta.kind === "constant") return new Uint8Array(segmentDocs).fill(meta.value);
  const run = view.run(`${field}:norms`);
  if (run === undefined || run.length !== segmentDocs) {
    throw new CorruptionError(`Cannot decode norms of [${field}]: ${run?.length ?? 0} bytes`);
  }
  return run.view(0, segmentDocs);
}

/**
 * Sets the bit of each doc that has the text field: `SegmentReader.exists`.
 *
 * @throws {CorruptionError} A run is missing or too short.
 */
export function markPresent(
  field: string,
  meta: NormsMeta,
  segmentDocs: number,
  view: RunView,
  into: Uint32Array,
): void {
  if (meta.presence === "bits") {
    const run = view.run(`${field}:presence`);
    if (run === undefined || run.length < Math.ceil(segmentDocs / 32) * 4) {
      throw new CorruptionError(`Cannot decode presence of [${field}]: ${run?.length ?? 0} bytes`);
    }
    const bytes = run.view(0, run.length);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, Math.ceil(segmentDocs / 32));
    for (let i = 0; i < words.length; i++) into[i] = into[i]! | words[i]!;
    return;
  }
  const norms = meta.presence === "norms" ? openNorms(field, meta, segmentDocs, view) : undefined;
  for (let doc = 0; doc < segmentDocs; doc++) {
    if (norms !== undefined && norms[doc] === 0) continue;
    into[doc >>> 5] = into[doc >>> 5]! | (1 << (doc & 31));
  }
}
