/**
 * The documentation of stored formats is decoded: each example by the code, each table of fixed offsets by what it
 * says itself. So a change of either without the other fails here.
 */
import { assertEquals } from "@std/assert";
import { assert } from "../../src/base/errors.ts";
import { examples } from "./examples.ts";

const DOCS = new URL("../../docs/", import.meta.url);

interface Row {
  readonly offset: number;
  readonly type: string;
  readonly name: string;
}

interface Section {
  readonly heading: string;
  /** A table whose offsets are all numbers. */
  readonly table: readonly Row[];
  readonly examples: readonly {
    readonly name: string;
    readonly bytes: Uint8Array;
    readonly expected: unknown;
  }[];
}

function sectionsOf(text: string): Section[] {
  return text.split(/^(?=#)/m).map((part) => ({
    heading: part.split("\n", 1)[0]!.replace(/^#+ /, ""),
    table: tableOf(part),
    examples: [...part.matchAll(/```hex name=(\S+)\n([^`]*)```\s+```json expected\n([^`]*)```/g)].map((
      [, name, hex, json],
    ) => ({
      name: name!,
      bytes: Uint8Array.from(hex!.match(/[0-9a-f]{2}/g) ?? [], (pair) => parseInt(pair, 16)),
      expected: JSON.parse(json!),
    })),
  }));
}

function tableOf(part: string): Row[] {
  const rows: Row[] = [];
  const [, table] = /\| offset \| type \| name \| meaning \|\n\|[-| ]+\|\n((?:\|.*\n)*)/.exec(part) ?? [];
  for (const line of table?.trimEnd().split("\n") ?? []) {
    const [, offset, type, name] = line.split("|").map((cell) => cell.trim());
    // Tables that go on with parts of varying size are for people only.
    if (!/^\d+$/.test(offset!) || !TYPE.test(type!)) return [];
    rows.push({ offset: Number(offset), type: type!, name: name! });
  }
  return rows;
}

const TYPE = /^[uif](8|16|32|48|64)(?:\[(\d+)\])?$/;

function sizeOf(type: string): number {
  const [, bits, count] = TYPE.exec(type) ?? [];
  assert(bits !== undefined, `type ${type} is known`);
  return Number(bits) / 8 * Number(count ?? 1);
}

function decodeRow(bytes: Uint8Array, { offset, type }: Row): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, sizeOf(type));
  switch (type) {
    case "u8":
      return view.getUint8(0);
    case "u16":
      return view.getUint16(0, true);
    case "u32":
      return view.getUint32(0, true);
    case "u64":
      return Number(view.getBigUint64(0, true));
    case "i64":
      return Number(view.getBigInt64(0, true));
    case "f64":
      return view.getFloat64(0, true);
    default:
      return Array.from(
        bytes.subarray(offset, offset + view.byteLength),
        (b) => b.toString(16).padStart(2, "0"),
      ).join("");
  }
}

const files = [...Deno.readDirSync(DOCS)].map(({ name }) => name).filter((name) =>
  /^format.*\.md$/i.test(name)
);
const sections = files.flatMap((file) => sectionsOf(Deno.readTextFileSync(new URL(file, DOCS))));

Deno.test("the code decodes every documented example to what the text says", async () => {
  const names = sections.flatMap((section) => section.examples.map(({ name }) => name));
  assertEquals(names.toSorted(), [...new Set(names)].toSorted());
  for (const { examples: shown } of sections) {
    for (const { name, bytes, expected } of shown) {
      const decode = examples[name];
      assert(decode, `example ${name} has a decoder in examples.ts`);
      assertEquals(JSON.parse(JSON.stringify(await decode(bytes))), expected, name);
    }
  }
  for (const name in examples) assert(names.includes(name), `example ${name} is documented`);
});

Deno.test("tables of fixed offsets leave no gap and do not overlap", () => {
  for (const { heading, table } of sections) {
    let next = table[0]?.offset ?? 0;
    for (const { offset, type, name } of table) {
      assertEquals(offset, next, `${heading}: ${name}`);
      next = offset + sizeOf(type);
    }
  }
});

Deno.test("tables of fixed offsets decode their section's example to the same values as the code", () => {
  const decoded: string[] = [];
  for (const { table, examples: shown } of sections) {
    for (const { name, bytes, expected } of shown) {
      const fields = expected as Record<string, unknown>;
      if (table.length === 0 || !table.every((row) => row.name in fields)) continue;
      const values = Object.fromEntries(table.map((row) => [row.name, decodeRow(bytes, row)]));
      assertEquals(values, fields, name);
      decoded.push(name);
    }
  }
  for (const name of ["segment-header", "segment-footer", "column-record", "stored-entry"]) {
    assert(decoded.includes(name), `${name} was decoded by its table`);
  }
});
