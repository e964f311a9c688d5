/**
 * Builds a segment's three files from cursors, front to back.
 *
 * Generators, so that a thread with other duties can stop between two steps (each well under a millisecond or two);
 * nothing is held longer than one field's encoded dictionary, the zones of one column and 12 bytes for each id.
 *
 * @module
 */
import { FileKind } from "../format/container.ts";
import { encodeSegmentDirectory, type FieldEntry, FieldPart } from "../format/segment_directory.ts";
import { writeNumericColumn, writeOrdinalColumn, writePresence } from "./column_writer.ts";
import { buildIds, type IdsBody, type IdsBodyState } from "./ids_builder.ts";
import type { FieldInput, SegmentInput, TermsInput, TextInput } from "./input.ts";
import { type Allocate, type ByteSink, MemorySink, RunFile } from "./run_file.ts";
import type { Scratch } from "./runs.ts";
import type { SequenceFiles } from "./sequence_writer.ts";
import { writeStored } from "./stored.ts";
import { writeTerms } from "./terms_writer.ts";

export interface BuildOptions {
  /** Of the segment, in all three files; lower-case text form. */
  readonly uuid: string;
  /** Makes the memory of each finished file. Plain arrays by default. */
  readonly allocate?: Allocate;
}

export interface BuiltSegment {
  readonly uuid: string;
  readonly docCount: number;
  /** `segment.seg`, whole. */
  readonly seg: Uint8Array;
  /** `segment.sidx`, whole. */
  readonly sidx: Uint8Array;
  /** `segment.ids` but for its last part: see `finishIds`. */
  readonly idsBody: IdsBody;
}

/** Where the files of a segment go that is too large for memory. */
export interface SegmentSinks {
  readonly seg: ByteSink;
  readonly sidx: ByteSink;
  readonly ids: ByteSink;
  /** For what has to wait for its turn; in memory by default. */
  readonly scratch?: () => Scratch;
}

/** Builds in memory, in steps. */
export function* buildSegment(input: SegmentInput, options: BuildOptions): Generator<void, BuiltSegment> {
  const allocate = options.allocate ?? ((sizeBytes: number) => new Uint8Array(sizeBytes));
  const sinks = { seg: new MemorySink(), sidx: new MemorySink(), ids: new MemorySink() };
  const state = yield* buildSegmentInto(input, { uuid: options.uuid, sinks });
  return {
    uuid: options.uuid,
    docCount: input.docCount,
    seg: yield* sinks.seg.join(allocate),
    sidx: yield* sinks.sidx.join(allocate),
    idsBody: { bytes: yield* sinks.ids.join(allocate), ...state },
  };
}

/** The same in one go. */
export function buildSegmentNow(input: SegmentInput, options: BuildOptions): BuiltSegment {
  const steps = buildSegment(input, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * Builds into sinks, in steps. `seg` and `sidx` get whole files, `ids` its body; the returned state is for
 * `finishIds`, whose bytes go behind it.
 */
export function* buildSegmentInto(
  input: SegmentInput,
  { uuid, sinks }: { readonly uuid: string; readonly sinks: SegmentSinks },
): Generator<void, IdsBodyState> {
  const { docCount } = input;
  const files = {
    seg: new RunFile(FileKind.Seg, uuid, {
      sink: sinks.seg,
      ...(sinks.scratch ? { scratch: sinks.scratch } : {}),
    }),
    sidx: new RunFile(FileKind.Sidx, uuid, { sink: sinks.sidx }),
  };
  const fields: FieldEntry[] = [];
  for (const field of input.fields) {
    fields.push(yield* writeField(field, docCount, files));
    yield;
  }
  yield* writeStored(input.stored, docCount, files.seg);
  files.seg.finish(encodeSegmentDirectory({ docCount, fields }));
  files.sidx.finish(new Uint8Array(0));
  return yield* buildIds(input.ids, docCount, {
    uuid,
    sink: sinks.ids,
    ...(input.idBytes ? { used: input.idBytes } : {}),
  });
}

function* writeField(field: FieldInput, docCount: number, files: SequenceFiles): Generator<void, FieldEntry> {
  const { name, type } = field;
  if (field.kind === "numeric") {
    const column = yield* writeNumericColumn(field, docCount, files);
    return { name, type, parts: FieldPart.Numbers, column, terms: undefined };
  }
  const used = field.prepare ? yield* field.prepare() : undefined;
  const entry = yield* writeFieldWithTerms(field, docCount, files, used);
  field.release?.();
  return entry;
}

function* writeFieldWithTerms(
  field: TermsInput | TextInput,
  docCount: number,
  files: SequenceFiles,
  used: Uint8Array | undefined,
): Generator<void, FieldEntry> {
  const { name, type } = field;
  if (field.kind === "text") {
    const terms = yield* writeTerms(field, files.seg, docCount, used);
    return { name, type, parts: FieldPart.Terms, column: undefined, terms };
  }
  // Terms first: a merge learns the ordinals from them.
  const terms = yield* writeTerms(field, files.seg, docCount, used);
  const column = field.column
    ? yield* writeOrdinalColumn(field, docCount, files)
    : yield* writePresence(field, docCount, files);
  const parts = FieldPart.Terms | (field.column ? FieldPart.Ordinals : FieldPart.PresenceOnly);
  return { name, type, parts, column, terms };
}
