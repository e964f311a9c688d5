/**
 * Opens a segment in the calling thread, without I/O and without copying.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { assertLittleEndian } from "../format/bitpack.ts";
import { encodingName } from "../format/column_record.ts";
import { FileKind } from "../format/container.ts";
import { decodeSegmentDirectory, type FieldEntry, FieldPart } from "../format/segment_directory.ts";
import type { Owners } from "./column_match.ts";
import { Door } from "./door.ts";
import type { SegmentImage } from "./file_view.ts";
import { IdsReader } from "./ids_reader.ts";
import { markPresent, openNorms } from "./norms.ts";
import { StoredNumericColumn } from "./numeric_column.ts";
import { StoredOrdinalColumn } from "./ordinal_column.ts";
import { presenceOpener, type PresenceReader, Starts } from "./presence.ts";
import type { ColumnInfo, NumericColumn, OrdinalColumn, SegmentReader, Tombstones } from "./reader.ts";
import { Sequence } from "./sequence_reader.ts";
import { StoredReader } from "./stored.ts";
import { parseTermsMeta, type TermsMeta } from "./terms_meta.ts";
import { openTerms, type StoredTerms } from "./terms_reader.ts";

/**
 * Checks footers, directories and that the three files belong together now, each page on first touch; the cost
 * does not grow with the files but for 4 bytes a page.
 *
 * @returns A reader that aliases the images' memory: pin the snapshot that listed it for as long as it lives.
 * @throws {CorruptionError} Names file and offset.
 */
export function openSegment(image: SegmentImage): StoredSegment {
  return new StoredSegment(image);
}

/** What is opened of a field, each part when it is first asked for. */
interface OpenField {
  readonly entry: FieldEntry;
  numeric?: NumericColumn;
  ordinals?: OrdinalColumn;
  terms?: StoredTerms;
  norms?: Uint8Array;
  presence?: () => PresenceReader;
}

export class StoredSegment implements SegmentReader {
  readonly uuid: string;
  readonly docCount: number;
  readonly ids: IdsReader;
  readonly stored: StoredReader;
  readonly #seg: Door;
  readonly #sidx: Door;
  readonly #idsDoor: Door;
  readonly #fields = new Map<string, OpenField>();
  #columns: readonly ColumnInfo[] | undefined;

  constructor(image: SegmentImage) {
    assertLittleEndian();
    this.#seg = new Door(image.seg, FileKind.Seg);
    this.#sidx = new Door(image.sidx, FileKind.Sidx);
    this.#idsDoor = new Door(image.ids, FileKind.Ids);
    this.uuid = this.#seg.container.uuid;
    for (const door of [this.#sidx, this.#idsDoor]) {
      if (door.container.uuid !== this.uuid) {
        throw new CorruptionError(
          `Cannot open segment: uuid ${door.container.uuid}, others have ${this.uuid}`,
          {
            file: door.image.label,
            offset: 0,
          },
        );
      }
    }
    const directory = decodeSegmentDirectory(this.#seg.container.meta);
    this.docCount = directory.docCount;
    this.ids = new IdsReader(this.#idsDoor);
    if (this.ids.docCount !== this.docCount) {
      throw new CorruptionError(`Cannot open segment: ${this.ids.docCount} ids, ${this.docCount} documents`, {
        file: image.ids.label,
      });
    }
    this.stored = new StoredReader(this.#seg, this.docCount);
    for (const entry of directory.fields) this.#fields.set(entry.name, { entry });
  }

  /** Fields in the order in which they were written. */
  get fields(): readonly FieldEntry[] {
    return Array.from(this.#fields.values(), ({ entry }) => entry);
  }

  get columns(): readonly ColumnInfo[] {
    return this.#columns ??= this.fields.flatMap((entry) => this.#describe(entry));
  }

  get touched(): ReadonlyMap<string, number> {
    const touched = new Map<string, number>();
    for (const door of [this.#seg, this.#sidx, this.#idsDoor]) {
      for (const { name, touchedBytes } of door.runs()) if (touchedBytes > 0) touched.set(name, touchedBytes);
    }
    return touched;
  }

  /** Bytes of every run of the three files, by name. */
  get runBytes(): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>();
    for (const door of [this.#seg, this.#sidx, this.#idsDoor]) {
      for (const { name, length } of door.runs()) sizes.set(name, length);
    }
    return sizes;
  }

  numeric(field: string): NumericColumn | undefined {
    const open = this.#fields.get(field);
    if (!open || (open.entry.parts & FieldPart.Numbers) === 0) return undefined;
    return open.numeric ??= new StoredNumericColumn(...this.#column(open.entry, "values"));
  }

  ordinals(field: string): OrdinalColumn | undefined {
    const open = this.#fields.get(field);
    if (!open || (open.entry.parts & FieldPart.Ordinals) === 0) return undefined;
    const dictionary = this.terms(field)!;
    return open.ordinals ??= new StoredOrdinalColumn(...this.#column(open.entry, "ordinals"), {
      counts: this.#sidx.run(`${field}:counts`),
      dictionary,
    });
  }

  terms(field: string): StoredTerms | undefined {
    const open = this.#fields.get(field);
    if (!open || (open.entry.parts & FieldPart.Terms) === 0) return undefined;
    return open.terms ??= openTerms(field, this.#termsMeta(open.entry), this.#seg);
  }

  norms(field: string): Uint8Array | undefined {
    const open = this.#fields.get(field);
    if (!open || (open.entry.parts & FieldPart.Terms) === 0) return undefined;
    const { norms } = this.#termsMeta(open.entry);
    if (!norms) return undefined;
    return open.norms ??= openNorms(field, norms, this.docCount, this.#seg);
  }

  exists(field: string, into: Uint32Array): boolean {
    const open = this.#fields.get(field);
    if (!open) return false;
    if (open.entry.column) {
      open.presence ??= this.#presence(open.entry);
      open.presence().mark(into);
    } else {
      const { norms } = this.#termsMeta(open.entry);
      if (norms) markPresent(field, norms, this.docCount, this.#seg, into);
    }
    return true;
  }

  source(doc: number): Uint8Array {
    return this.stored.source(doc);
  }

  id(doc: number): string {
    return this.ids.id(doc);
  }

  findId(id: Uint8Array): number {
    return this.ids.find(id);
  }

  get bornDead(): Uint32Array | null {
    return this.ids.bornDead;
  }

  get tombstones(): readonly Tombstones[] {
    return this.ids.tombstones;
  }

  /**
   * Verifies every page of the three files again, whether it was read before or not.
   *
   * @throws {CorruptionError}
   */
  verify(): void {
    for (const door of [this.#seg, this.#sidx, this.#idsDoor]) door.verifyAll();
  }

  /** Verifies the pages that `known` has no bit for, in steps: one bitmap for each of the three files. */
  *verifyOthers(known: { readonly seg: Uint32Array; readonly sidx: Uint32Array; readonly ids: Uint32Array }) {
    yield* this.#seg.verifyOthers(known.seg);
    yield* this.#sidx.verifyOthers(known.sidx);
    yield* this.#idsDoor.verifyOthers(known.ids);
  }

  #termsMeta(entry: FieldEntry): TermsMeta {
    return parseTermsMeta(entry.terms);
  }

  #presence({ name, column }: FieldEntry): () => PresenceReader {
    const { values, docs } = column!;
    const parts = { docs, run: this.#seg.run(`${name}:docs`), zones: this.#sidx.run(`${name}:docs_zones`) };
    return presenceOpener(values, parts, this.docCount);
  }

  #column(entry: FieldEntry, part: string): [Sequence, () => Owners] {
    const { name, column } = entry;
    const { values, starts } = column!;
    const sequence = new Sequence(values, this.#seg.run(`${name}:${part}`), this.#sidx.run(`${name}:zones`));
    const presence = this.#presence(entry);
    const startSequence = starts &&
      new Sequence(starts, this.#seg.run(`${name}:starts`), this.#sidx.run(`${name}:starts_zones`));
    return [sequence, () => ({
      presence: presence(),
      starts: startSequence && new Starts(startSequence, values.valueCount),
    })];
  }

  #describe({ name, type, parts, column, terms }: FieldEntry): ColumnInfo[] {
    const infos: ColumnInfo[] = [];
    if (column && (parts & FieldPart.PresenceOnly) === 0) {
      const { values } = column;
      infos.push({
        field: name,
        type,
        encoding: (parts & FieldPart.Ordinals) !== 0 ? "ordinals" : encodingName(values),
        bytes: this.#bytesOf(name, COLUMN_RUNS),
        values: values.valueCount,
        docs: values.docsWithValue,
      });
    }
    if (terms !== undefined) {
      const meta = parseTermsMeta(terms);
      infos.push({
        field: name,
        type,
        encoding: meta.postings ? "postings" : "dictionary",
        bytes: this.#bytesOf(name, TERMS_RUNS),
        values: meta.sumDocFreq,
        docs: meta.docCount,
      });
    }
    return infos;
  }

  #bytesOf(field: string, parts: readonly string[]): number {
    let bytes = 0;
    for (const part of parts) {
      for (const door of [this.#seg, this.#sidx]) bytes += door.run(`${field}:${part}`)?.length ?? 0;
    }
    return bytes;
  }
}

const COLUMN_RUNS = ["values", "ordinals", "zones", "docs", "docs_zones", "starts", "starts_zones", "counts"];
const TERMS_RUNS = ["dict", "fst", "postings", "positions", "norms", "presence"];
