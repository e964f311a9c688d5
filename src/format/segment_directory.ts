/**
 * What the directory of `segment.seg` says of the fields. Spec: `docs/FORMAT.md`, "Segment directory".
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";
import {
  type ColumnRecord,
  decodeColumnRecord,
  encodeColumnRecord,
  Presence,
  Shape,
} from "./column_record.ts";

/** Bits of a field's `parts`. Append; never reuse one. */
export const FieldPart = { Numbers: 1, Ordinals: 2, Terms: 4, PresenceOnly: 8 } as const;

const COLUMN_PARTS = FieldPart.Numbers | FieldPart.Ordinals | FieldPart.PresenceOnly;

export interface FieldEntry {
  readonly name: string;
  /** Mapping type. */
  readonly type: string;
  readonly parts: number;
  /** Of a column, or of docs alone (`PresenceOnly`). */
  readonly column:
    | {
      readonly values: ColumnRecord;
      readonly docs: ColumnRecord | undefined;
      readonly starts: ColumnRecord | undefined;
    }
    | undefined;
  /** Statistics and places of a dictionary, as `segment/terms_meta.ts` has them; plain JSON. */
  readonly terms: unknown;
}

export interface SegmentDirectory {
  readonly docCount: number;
  readonly fields: readonly FieldEntry[];
}

export function encodeSegmentDirectory({ docCount, fields }: SegmentDirectory): Uint8Array {
  const out = new ByteWriter();
  out.u32(docCount);
  out.varint(fields.length);
  for (const { name, type, parts, column, terms } of fields) {
    out.text(name);
    out.text(type);
    out.u8(parts);
    if (column) {
      encodeColumnRecord(column.values, out);
      if (column.docs) encodeColumnRecord(column.docs, out);
      if (column.starts) encodeColumnRecord(column.starts, out);
    }
    if ((parts & FieldPart.Terms) !== 0) out.text(JSON.stringify(terms));
  }
  return out.toBytes();
}

/** @throws {CorruptionError} */
export function decodeSegmentDirectory(bytes: Uint8Array): SegmentDirectory {
  const reader = new ByteReader(bytes);
  const docCount = reader.u32();
  const count = reader.varint();
  const fields: FieldEntry[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.text();
    const type = reader.text();
    const parts = reader.u8();
    let column: FieldEntry["column"];
    if ((parts & COLUMN_PARTS) !== 0) {
      const values = decodeColumnRecord(reader);
      const docs = values.presence === Presence.List ? decodeColumnRecord(reader) : undefined;
      const starts = values.shape === Shape.Multi ? decodeColumnRecord(reader) : undefined;
      column = { values, docs, starts };
    }
    const terms = (parts & FieldPart.Terms) !== 0 ? parseJson(reader.text()) : undefined;
    fields.push({ name, type, parts, column, terms });
  }
  if (reader.remaining !== 0) throw new CorruptionError("Cannot decode segment directory: bytes left over");
  return { docCount, fields };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CorruptionError(
      `Cannot decode segment directory: ${error instanceof Error ? error.message : error}`,
    );
  }
}
