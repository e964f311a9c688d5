/**
 * One segment against its own stored sources, batch by batch.
 *
 * A field may have been added to the mapping behind a document's back: then older documents lack it, all of it, and
 * younger ones have it. Anything else that differs is a fault.
 *
 * @module
 */
import type { AnalyzerSet } from "../../analysis/mod.ts";
import { equalBytes, utf8Text } from "../../base/bytes.ts";
import { Memtable } from "../../memtable/memtable.ts";
import type { FileSystem } from "../../os/fs.ts";
import { parseDocument } from "../../schema/document.ts";
import type { Mapping } from "../../schema/mapping.ts";
import { StagedDocument } from "../../schema/staged.ts";
import type { FieldInput } from "../../segment/input.ts";
import type { StoredSegment } from "../../segment/open.ts";
import { countBits } from "./accounting.ts";
import { compareNumbers } from "./deep_numbers.ts";
import { FieldTally } from "./deep_tally.ts";
import { compareTerms, compareWholeDictionary } from "./deep_terms.ts";
import type { Progress } from "./finding.ts";
import { type OpenByRead, openByRead } from "./segment_files.ts";

/** Documents that are analysed at once, and the bytes of their sources. */
const BATCH_DOCS = 8192;
const BATCH_BYTES = 8 * 1024 * 1024;
/** Pages that a segment may keep in memory before it is opened anew. */
const MAX_LOADED_BYTES = 256 * 1024 * 1024;
const MAX_JSON_DEPTH = 1000;
const MAX_FINDINGS = 20;

export interface DeepFinding {
  readonly severity: "damage" | "note";
  readonly what: string;
}

/** A range of docs, expected and as it is. */
export interface Batch {
  readonly first: number;
  readonly end: number;
  /** Sequence number by doc - first. */
  readonly seqNos: Float64Array;
}

export class DeepSegment {
  readonly #fs: FileSystem;
  readonly #folder: string;
  readonly #mapping: Mapping;
  readonly #analyzers: AnalyzerSet;
  readonly #dead: Uint32Array;
  readonly #progress: Progress;
  readonly #tallies = new Map<string, FieldTally>();
  readonly #findings: DeepFinding[] = [];
  readonly #staged = new StagedDocument();
  #open: OpenByRead;
  #omitted = 0;

  constructor(
    fs: FileSystem,
    folder: string,
    { mapping, analyzers, dead, progress }: {
      readonly mapping: Mapping;
      readonly analyzers: AnalyzerSet;
      readonly dead: Uint32Array;
      readonly progress: Progress;
    },
  ) {
    this.#fs = fs;
    this.#folder = folder;
    this.#mapping = mapping;
    this.#analyzers = analyzers;
    this.#dead = dead;
    this.#progress = progress;
    this.#open = openByRead(fs, folder);
  }

  /** @throws {CorruptionError | IoError} */
  async compare(): Promise<readonly DeepFinding[]> {
    try {
      for (const { name } of this.#reader.fields) this.#tally(name);
      for (let first = 0; first < this.#reader.docCount;) first = await this.#compareBatch(first);
      await this.#compareWhole();
      for (const tally of this.#tallies.values()) {
        const lacking = tally.judgeLacking();
        if (lacking) this.#say(lacking.severity, lacking.what);
      }
      if (this.#omitted > 0) {
        this.#findings.push({ severity: "damage", what: `${this.#omitted} more differences` });
      }
      return this.#findings;
    } finally {
      this.#open.close();
    }
  }

  get #reader(): StoredSegment {
    return this.#open.reader;
  }

  #tally(name: string): FieldTally {
    let tally = this.#tallies.get(name);
    if (!tally) {
      tally = new FieldTally(name, (what) => this.#say("damage", what));
      this.#tallies.set(name, tally);
    }
    return tally;
  }

  #say(severity: DeepFinding["severity"], what: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ severity, what });
    else if (severity === "damage") this.#omitted++;
  }

  #renew(): void {
    if (this.#open.loadedBytes() < MAX_LOADED_BYTES) return;
    this.#open.close();
    this.#open = openByRead(this.#fs, this.#folder);
  }

  /** @returns The doc behind the batch. */
  async #compareBatch(first: number): Promise<number> {
    const memtable = new Memtable({ mapping: this.#mapping, analyzers: this.#analyzers });
    const { docCount } = this.#reader;
    let bytes = 0;
    let end = first;
    for (; end < docCount && end - first < BATCH_DOCS && bytes < BATCH_BYTES; end++) {
      if (end % 256 === 0) await this.#progress.pause();
      bytes += this.#analyse(memtable, end);
      this.#compareId(end);
    }
    const batch: Batch = { first, end, seqNos: this.#seqNos(first, end) };
    const { fields } = memtable.freeze();
    const seen = new Set<string>();
    for (const field of fields) {
      await this.#progress.pause();
      this.#renew();
      seen.add(field.name);
      if (field.name !== "_seq_no" && field.name !== "_version") this.#compareField(field, batch);
    }
    // Fields that no document of the batch should have.
    for (const { name } of this.#reader.fields) {
      if (seen.has(name) || name === "_seq_no" || name === "_version") continue;
      compareNumbers(this.#reader, undefined, { batch, tally: this.#tally(name), name });
    }
    return end;
  }

  #analyse(memtable: Memtable, doc: number): number {
    const source = this.#reader.source(doc);
    this.#staged.reset(source);
    const outcome = parseDocument(this.#mapping, source, 0, source.length, this.#staged, {
      maxDepth: MAX_JSON_DEPTH,
    });
    if (outcome.kind !== "ok") {
      const why = outcome.kind === "error" ? outcome.reason : "it has fields that the mapping lacks";
      this.#say("damage", `document ${doc} (id ${this.#reader.id(doc)}) does not fit the mapping: ${why}`);
      this.#staged.reset(source);
    }
    const id = new Uint8Array(0);
    memtable.add(this.#staged, id, 0, 0, source, 0, source.length, 0, 1, false);
    return source.length;
  }

  /** From doc to id and back; of an id that occurs twice, the last one counts and the others are dead. */
  #compareId(doc: number): void {
    const { ids } = this.#reader;
    const text = ids.id(doc);
    const id = ENCODER.encode(text);
    const found = ids.find(id);
    const isDead = (this.#dead[doc >>> 5]! & (1 << (doc & 31))) !== 0;
    if (found === doc || (found > doc && isDead && equalBytes(ENCODER.encode(ids.id(found)), id))) return;
    this.#say(
      "damage",
      `document ${doc} has id ${text}, which leads to ${found < 0 ? "none" : `document ${found}`}`,
    );
  }

  #seqNos(first: number, end: number): Float64Array {
    const cursor = this.#reader.numeric("_seq_no")?.cursor();
    const docs = Uint32Array.from({ length: end - first }, (_, i) => first + i);
    const n = cursor ? cursor.gather(docs, docs.length) : 0;
    if (n === docs.length) return cursor!.values.slice(0, n);
    this.#say("damage", `${docs.length - n} documents have no sequence number`);
    return new Float64Array(docs.length);
  }

  #compareField(field: FieldInput, batch: Batch): void {
    const tally = this.#tally(field.name);
    if (field.kind === "numeric") compareNumbers(this.#reader, field, { batch, tally, name: field.name });
    else compareTerms(this.#reader, field, { batch, tally });
  }

  /** What no batch can see: terms that no document has, sums, presence. */
  async #compareWhole(): Promise<void> {
    const { docCount } = this.#reader;
    for (const { name } of this.#reader.fields) {
      await this.#progress.pause();
      this.#renew();
      if (name === "_seq_no" || name === "_version") continue;
      const tally = this.#tally(name);
      compareWholeDictionary(this.#reader, tally);
      const bits = new Uint32Array((docCount + 31) >>> 5);
      this.#reader.exists(name, bits);
      const present = countBits(bits, docCount);
      if (present !== tally.docs) tally.say(`${present} documents are said to have it, ${tally.docs} do`);
    }
  }
}

const ENCODER = new TextEncoder();

/** A term for a message. */
export function termText(term: Uint8Array): string {
  const text = utf8Text(term.slice());
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
