import { assertEquals } from "@std/assert";
import { AnalyzerSet } from "../../src/analysis/mod.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { Memtable } from "../../src/memtable/memtable.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { parseDocument } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";
import { finishIds } from "../../src/segment/ids_tail.ts";
import type { FieldInput, SegmentInput, TermCursor } from "../../src/segment/input.ts";
import { type DeepFinding, DeepSegment } from "../../src/shard/verify/deep_segment.ts";
import { type Random, randomOf } from "../ingest/random.ts";
import { inTemporaryDirectory } from "../shard/real_tree.ts";
import { assert } from "./directory.ts";

const analyzers = AnalyzerSet.fromSettings({}, "standard");
const PROPERTIES = {
  at: { type: "date" },
  level: { type: "keyword" },
  tags: { type: "keyword" },
  hidden: { type: "keyword", index: false },
  bare: { type: "keyword", doc_values: false },
  size: { type: "long" },
  big: { type: "unsigned_long" },
  ratio: { type: "double" },
  ok: { type: "boolean" },
  from: { type: "ip" },
  message: { type: "text", fields: { raw: { type: "keyword", ignore_above: 40 } } },
  title: { type: "text", norms: false },
  labels: { type: "flattened" },
};
const mapping = Mapping.parse({ properties: PROPERTIES }, { maxFields: 100, analyzers });
const WORDS = "request completed in error timeout user order created node token backup é".split(" ");
const DOCS = 700;

function document(random: Random, i: number): string {
  const maybe = (text: string): string => random.below(4) === 0 ? "" : text;
  const words = () => Array.from({ length: random.below(12) }, () => random.pick(WORDS)).join(" ");
  const members = [
    maybe(`"at":"2024-01-0${1 + random.below(9)}T00:00:${10 + random.below(50)}.000Z"`),
    `"level":"${random.pick(["info", "warn", "error"])}"`,
    maybe(`"tags":[${Array.from({ length: random.below(5) }, () => `"t${random.below(6)}"`)}]`),
    maybe(`"hidden":"h${random.below(20)}"`),
    maybe(`"bare":"b${random.below(20)}"`),
    maybe(
      `"size":${random.below(50) === 0 ? "9007199254740993" : `[${random.below(99)},${random.below(5000)}]`}`,
    ),
    maybe(`"big":18446744073709${random.below(500000)}`),
    maybe(`"ratio":${random.below(1000) / 7}`),
    maybe(`"ok":${random.below(2) === 0}`),
    maybe(`"from":"10.0.${random.below(4)}.${random.below(256)}"`),
    maybe(`"message":${random.below(9) === 0 ? `["${words()}","${words()}"]` : `"${words()}"`}`),
    maybe(`"title":"${words()}"`),
    random.below(9) === 0 ? `"labels":{"env":"p${random.below(3)}","n":{"x":${i % 9}}}` : "",
  ];
  return `{${members.filter((member) => member !== "").join(",")}}`;
}

interface Made {
  readonly input: SegmentInput;
  readonly bornDead: Uint32Array | null;
}

function make(seed: number, known = mapping): Made {
  const random = randomOf(seed);
  const memtable = new Memtable({ mapping: known, analyzers });
  const staged = new StagedDocument();
  for (let i = 0; i < DOCS; i++) {
    const source = utf8(document(random, i));
    staged.reset(source);
    const { kind } = parseDocument(known, source, 0, source.length, staged, { maxDepth: 20 });
    assertEquals(kind, "ok");
    const again = i > 50 && random.below(10) === 0;
    const id = utf8(`doc-${again ? i - 1 : i}`);
    if (again) memtable.kill(i - 1);
    memtable.add(staged, id, 0, id.length, source, 0, source.length, i, 1, true);
  }
  return { input: memtable.freeze(), bornDead: memtable.bornDead() };
}

/** Builds a segment that every checksum calls sound, and compares it. */
async function compare({ input, bornDead }: Made, known = mapping): Promise<readonly DeepFinding[]> {
  let findings: readonly DeepFinding[] = [];
  await inTemporaryDirectory(async (folder) => {
    const built = buildSegmentNow(input, { uuid: "0b1e4b7a-8f5e-4c55-9d3b-0123456789ab" });
    Deno.writeFileSync(`${folder}/segment.seg`, built.seg);
    Deno.writeFileSync(`${folder}/segment.sidx`, built.sidx);
    Deno.writeFileSync(`${folder}/segment.ids`, built.idsBody.bytes);
    Deno.writeFileSync(`${folder}/segment.ids`, finishIds(built.idsBody, { tombstones: [], bornDead }), {
      append: true,
    });
    const dead = new Uint32Array((DOCS + 31) >>> 5);
    if (bornDead) dead.set(bornDead);
    const segment = new DeepSegment(realFileSystem(), folder, {
      mapping: known,
      analyzers,
      dead,
      progress: { read: () => {}, pause: () => Promise.resolve() },
    });
    findings = await segment.compare();
  });
  return findings;
}

/** The same input with one field's replaced. */
function with_(made: Made, name: string, change: (field: FieldInput) => FieldInput): Made {
  let changed = false;
  const fields = made.input.fields.map((field) => {
    if (field.name !== name) return field;
    changed = true;
    return change(field);
  });
  assert(changed, `there is a field ${name}`);
  return { ...made, input: { ...made.input, fields } };
}

/** Terms with the postings of one changed; `change` gets docs, freqs and positions of a block. */
function changedTerms(
  open: () => TermCursor,
  which: number,
  change: (docs: Uint32Array, freqs: Uint32Array, n: number, positions: Uint32Array) => void,
): () => TermCursor {
  return () => {
    const inner = open();
    let term = -1;
    let blocks = 0;
    return new Proxy(inner, {
      get: (target, name: keyof TermCursor) => {
        if (name === "next") {
          return () => {
            term++;
            blocks = 0;
            return target.next();
          };
        }
        if (name === "fillPostings") {
          return (docs: Uint32Array, freqs: Uint32Array) => {
            const n = target.fillPostings(docs, freqs);
            if (term === which && blocks++ === 0) change(docs, freqs, n, target.positions);
            return n;
          };
        }
        const value = target[name];
        return typeof value === "function" ? (value as () => unknown).bind(target) : value;
      },
    });
  };
}

Deno.test("segments that say what their documents say have no findings", async () => {
  for (const seed of [1, 2, 3]) assertEquals(await compare(make(seed)), []);
});

const WRONGS: Readonly<Record<string, (made: Made) => Made>> = {
  "a posting of another document": (made) =>
    with_(made, "level", (field) => {
      assert(field.kind === "terms");
      return { ...field, openTerms: changedTerms(field.openTerms, 1, (docs, _, n) => void docs[n - 1]!++) };
    }),
  "a frequency with its positions": (made) =>
    with_(made, "message", (field) => {
      assert(field.kind === "text");
      return {
        ...field,
        openTerms: changedTerms(field.openTerms, 3, (_d, _f, _n, positions) => void positions[0]!++),
      };
    }),
  "a norm": (made) =>
    with_(made, "message", (field) => {
      assert(field.kind === "text");
      const openNorms = () => {
        const inner = field.openNorms();
        let first = true;
        return {
          fill: (docs: Uint32Array, norms: Uint8Array) => {
            const n = inner.fill(docs, norms);
            if (first && n > 5) norms[5]! ^= 3;
            first = false;
            return n;
          },
        };
      };
      return { ...field, openNorms };
    }),
  "a number": (made) =>
    with_(made, "ratio", (field) => {
      assert(field.kind === "numeric");
      const open = () => {
        const inner = field.open();
        let first = true;
        return {
          fill: (docs: Uint32Array, values: Float64Array | BigInt64Array) => {
            const n = inner.fill(docs, values);
            if (first && n > 9) (values as Float64Array)[9]! += 0.5;
            first = false;
            return n;
          },
        };
      };
      return { ...field, open };
    }),
  "an ordinal": (made) =>
    with_(made, "level", (field) => {
      assert(field.kind === "terms");
      const openOrdinals = () => {
        const inner = field.openOrdinals();
        let first = true;
        return {
          fill: (docs: Uint32Array, ordinals: Uint32Array) => {
            const n = inner.fill(docs, ordinals);
            if (first && n > 9) ordinals[9] = (ordinals[9]! + 1) % 3;
            first = false;
            return n;
          },
        };
      };
      return { ...field, openOrdinals };
    }),
  "a source": (made) => {
    const other = make(99);
    return { ...made, input: { ...made.input, stored: other.input.stored } };
  },
  "a whole field missing": (made) => ({
    ...made,
    input: {
      ...made.input,
      fields: made.input.fields.filter(({ name }) => name !== "_ignored" && name !== "size"),
    },
  }),
};

for (const [name, wrong] of Object.entries(WRONGS)) {
  Deno.test(`found, though every checksum is right: ${name}`, async () => {
    const findings = await compare(wrong(make(5)));
    const isField = name.startsWith("a whole field");
    assert(
      findings.some(({ severity }) => severity === (isField ? "note" : "damage")),
      JSON.stringify(findings),
    );
  });
}

Deno.test("a field that was added later is lacking in older documents without being damage", async () => {
  const { title: _, ...before } = PROPERTIES;
  const older = Mapping.parse({ dynamic: false, properties: before }, { maxFields: 100, analyzers });
  const findings = await compare(make(6, older));
  assertEquals(findings.length, 1);
  assertEquals(findings[0]!.severity, "note");
  assert(findings[0]!.what.startsWith("field title:"), findings[0]!.what);
});
