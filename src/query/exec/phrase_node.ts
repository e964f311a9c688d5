/**
 * Docs in which terms stand together, and docs that hold any of several synonyms.
 *
 * @module
 */
import { NO_MORE_DOCS, type PostingsCursor, type TermEntry } from "../../segment/reader.ts";
import { type Bm25, bm25Score } from "../plan/bm25.ts";
import type { PhrasePlan, SynonymPlan } from "../plan/plan.ts";
import type { CompileScope } from "./compile.ts";
import type { Deadline } from "./deadline.ts";
import { type Batch, BATCH_DOCS, EmptyNode, Node } from "./node.ts";
import { ExactPhrase, type PhraseMatcher, SloppyPhrase } from "./phrase_match.ts";
import { maxImpactScore } from "./term_node.ts";

/**
 * Docs that hold any of the terms of one slot, with the positions of all of them. One term is by far the
 * commonest; several come from synonyms and from prefixes.
 */
class SlotCursor {
  readonly cost: number;
  doc = -1;
  readonly #cursors: readonly PostingsCursor[];
  #merged = new Uint32Array(16);

  constructor(cursors: readonly PostingsCursor[]) {
    this.#cursors = cursors;
    this.cost = cursors.reduce((sum, cursor) => sum + cursor.docFreq, 0);
  }

  advance(target: number): number {
    const cursors = this.#cursors;
    if (cursors.length === 1) return this.doc = cursors[0]!.advance(target);
    let least = NO_MORE_DOCS;
    for (const cursor of cursors) {
      const doc = cursor.doc < target ? cursor.advance(target) : cursor.doc;
      if (doc < least) least = doc;
    }
    return this.doc = least;
  }

  /** The cursor of a slot of one term. */
  get only(): PostingsCursor | undefined {
    return this.#cursors.length === 1 ? this.#cursors[0] : undefined;
  }

  /** Occurrences in the current doc. */
  get freq(): number {
    const cursors = this.#cursors;
    if (cursors.length === 1) return cursors[0]!.freq;
    let sum = 0;
    for (const cursor of cursors) if (cursor.doc === this.doc) sum += cursor.freq;
    return sum;
  }

  /** Positions in the current doc, ascending: [0, freq) is used. Valid until the cursor moves. */
  positions(): Uint32Array {
    const cursors = this.#cursors;
    if (cursors.length === 1) return cursors[0]!.positions();
    let n = 0;
    for (const cursor of cursors) {
      if (cursor.doc !== this.doc) continue;
      const freq = cursor.freq;
      if (n + freq > this.#merged.length) {
        const grown = new Uint32Array((n + freq) * 2);
        grown.set(this.#merged.subarray(0, n));
        this.#merged = grown;
      }
      this.#merged.set(cursor.positions().subarray(0, freq), n);
      n += freq;
    }
    this.#merged.subarray(0, n).sort();
    return this.#merged;
  }
}

/** Compiles a phrase; a slot without terms in this segment empties it. */
export function phraseNode(plan: PhrasePlan, scope: CompileScope): Node {
  const dictionary = scope.reader.terms(plan.field);
  if (dictionary === undefined) return new EmptyNode();
  const opened = new Map<string, SlotCursor>();
  const slots: SlotCursor[] = [];
  for (const slot of plan.slots) {
    const entries: TermEntry[] = [];
    for (const term of slot.terms) {
      const entry = dictionary.find(term);
      if (entry !== undefined) entries.push(entry);
    }
    if (entries.length === 0) return new EmptyNode();
    const key = entries.map((entry) => entry.ordinal).join();
    let cursor = opened.get(key);
    if (cursor === undefined) {
      const want = { freqs: true, positions: true };
      cursor = new SlotCursor(entries.map((entry) => dictionary.postings(entry, want)));
      opened.set(key, cursor);
    }
    slots.push(cursor);
  }
  const offsets = plan.slots.map((slot) => slot.offset);
  // Slots that share a cursor, or any term, can claim the same position.
  const groups = slots.map((slot) => slots.indexOf(slot));
  const matcher = plan.slop === 0 ? new ExactPhrase(offsets) : new SloppyPhrase(offsets, groups, plan.slop);
  return new PhraseNode(`phrase ${plan.field}`, {
    slots,
    matcher,
    scorer: scope.scored ? plan.scorer : null,
    norms: scope.reader.norms(plan.field) ?? null,
    deadline: scope.deadline,
  });
}

class PhraseNode extends Node {
  readonly cost: number;
  readonly #slots: readonly SlotCursor[];
  /** Distinct cursors, rarest first. */
  readonly #order: readonly SlotCursor[];
  readonly #matcher: PhraseMatcher;
  readonly #isExact: boolean;
  readonly #scorer: Bm25 | null;
  readonly #norms: Uint8Array | null;
  readonly #deadline: Deadline;
  /** By slot: the first one of the same term. */
  readonly #firsts: readonly number[];
  readonly #freqs: Int32Array;
  readonly #positions: Uint32Array[];
  #leastScore = -1;
  /** Last doc of the lead's block that is known to be worth reading. */
  #goodTo = -1;
  #checked = 0;

  constructor(
    readonly label: string,
    options: {
      readonly slots: readonly SlotCursor[];
      readonly matcher: PhraseMatcher;
      readonly scorer: Bm25 | null;
      readonly norms: Uint8Array | null;
      readonly deadline: Deadline;
    },
  ) {
    super();
    this.#slots = options.slots;
    this.#order = Array.from(new Set(options.slots)).sort((a, b) => a.cost - b.cost);
    this.#matcher = options.matcher;
    this.#isExact = options.matcher instanceof ExactPhrase;
    this.#scorer = options.scorer;
    this.#norms = options.norms;
    this.#deadline = options.deadline;
    this.cost = this.#order[0]!.cost;
    this.#firsts = options.slots.map((slot) => options.slots.indexOf(slot));
    this.#freqs = new Int32Array(options.slots.length);
    this.#positions = options.slots.map(() => new Uint32Array(0));
  }

  override dropUpTo(score: number): void {
    this.#leastScore = score;
    this.#goodTo = -1;
  }

  protected fill(batch: Batch): number {
    let n = 0;
    let target = this.#order[0]!.doc + 1;
    while (n < BATCH_DOCS && target < NO_MORE_DOCS) {
      if (target > this.#goodTo && this.#leastScore >= 0 && this.#scorer !== null) {
        target = this.#skipBlocks(target, this.#scorer);
      }
      const doc = this.#meet(target);
      if (doc === NO_MORE_DOCS) break;
      const freq = this.#freq(doc);
      if (freq > 0) {
        batch.docs[n] = doc;
        batch.scores[n++] = this.#score(doc, freq);
      }
      target = doc + 1;
    }
    return n;
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    let found = 0;
    for (let i = 0; i < n; i++) {
      hits[i] = 0;
      const doc = docs[i]!;
      if (!this.#allAt(doc)) continue;
      const freq = this.#freq(doc);
      if (freq === 0) continue;
      hits[i] = 1;
      scores[i] = this.#score(doc, freq);
      found++;
    }
    return found;
  }

  /** First doc from `target` on whose block of the rarest term could hold a phrase that scores enough. */
  #skipBlocks(target: number, scorer: Bm25): number {
    const cursor = this.#order[0]!.only;
    if (cursor === undefined || !this.#isExact) {
      this.#goodTo = NO_MORE_DOCS;
      return target;
    }
    for (;;) {
      cursor.shallowAdvance(target);
      const last = cursor.shallowLastDoc;
      this.#goodTo = last;
      // A phrase occurs no more often than any of its terms.
      if (
        last === NO_MORE_DOCS ||
        maxImpactScore(cursor.impactFreqs, cursor.impactNorms, cursor.impactCount, scorer) > this.#leastScore
      ) return target;
      target = last + 1;
    }
  }

  /** First doc from `target` on that holds every term. */
  #meet(target: number): number {
    const order = this.#order;
    const lead = order[0]!;
    let doc = lead.doc >= target ? lead.doc : lead.advance(target);
    for (;;) {
      this.#deadline.spend(1);
      if (doc === NO_MORE_DOCS) return doc;
      let i = 1;
      for (; i < order.length; i++) {
        const other = order[i]!;
        const at = other.doc < doc ? other.advance(doc) : other.doc;
        if (at !== doc) {
          doc = at === NO_MORE_DOCS ? at : lead.advance(at);
          break;
        }
      }
      if (i === order.length) return doc;
    }
  }

  #allAt(doc: number): boolean {
    for (const slot of this.#order) {
      if ((slot.doc < doc ? slot.advance(doc) : slot.doc) !== doc) return false;
    }
    return true;
  }

  /**
   * Phrase frequency in the doc where all cursors stand; 0: the terms are there, the phrase is not, or cannot score
   * enough.
   */
  #freq(doc: number): number {
    const slots = this.#slots;
    const freqs = this.#freqs;
    const positions = this.#positions;
    let least = 0x7fff_ffff;
    let sum = 0;
    for (let i = 0; i < slots.length; i++) {
      const first = this.#firsts[i]!;
      const freq = first < i ? freqs[first]! : slots[i]!.freq;
      freqs[i] = freq;
      sum += freq;
      if (freq < least) least = freq;
    }
    // A position begins at most one match; of an exact phrase each term's does.
    const most = this.#isExact ? least : sum;
    if (this.#leastScore >= 0 && this.#score(doc, most) <= this.#leastScore) return 0;
    this.#checked++;
    const matcher = this.#matcher;
    for (let i = 0; i < slots.length; i++) {
      const first = this.#firsts[i]!;
      positions[i] = first < i ? positions[first]! : slots[i]!.positions();
      matcher.set(i, positions[i]!, freqs[i]!);
    }
    return this.#scorer === null ? (matcher.matches() ? 1 : 0) : matcher.freq();
  }

  #score(doc: number, freq: number): number {
    if (this.#scorer === null) return 1;
    return bm25Score(this.#scorer, freq, this.#norms === null ? 1 : this.#norms[doc]!);
  }

  override facts(): Readonly<Record<string, number>> {
    return { docs_checked: this.#checked };
  }
}

/** Docs that hold any of several terms, scored as one term whose frequency is the sum. */
export class SynonymNode extends Node {
  readonly label: string;
  readonly cost: number;
  readonly #slot: SlotCursor;
  readonly #scorer: Bm25 | null;
  readonly #norms: Uint8Array | null;

  private constructor(label: string, slot: SlotCursor, scorer: Bm25 | null, norms: Uint8Array | null) {
    super();
    this.label = label;
    this.#slot = slot;
    this.cost = slot.cost;
    this.#scorer = scorer;
    this.#norms = norms;
  }

  static open(plan: SynonymPlan, scope: CompileScope): Node {
    const dictionary = scope.reader.terms(plan.field);
    const cursors: PostingsCursor[] = [];
    for (const term of plan.terms) {
      const entry = dictionary?.find(term);
      if (entry !== undefined) cursors.push(dictionary!.postings(entry, { freqs: true, positions: false }));
    }
    if (cursors.length === 0) return new EmptyNode();
    const scorer = scope.scored ? plan.scorer : null;
    const norms = scope.reader.norms(plan.field) ?? null;
    return new SynonymNode(`synonyms ${plan.field}`, new SlotCursor(cursors), scorer, norms);
  }

  protected fill(batch: Batch): number {
    const slot = this.#slot;
    let n = 0;
    while (n < BATCH_DOCS && slot.doc !== NO_MORE_DOCS) {
      const doc = slot.advance(slot.doc + 1);
      if (doc === NO_MORE_DOCS) break;
      batch.docs[n] = doc;
      batch.scores[n++] = this.#score(doc);
    }
    return n;
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const slot = this.#slot;
    let found = 0;
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      const at = slot.doc < doc ? slot.advance(doc) : slot.doc;
      hits[i] = at === doc ? 1 : 0;
      if (at !== doc) continue;
      scores[i] = this.#score(doc);
      found++;
    }
    return found;
  }

  #score(doc: number): number {
    if (this.#scorer === null) return 1;
    return bm25Score(this.#scorer, this.#slot.freq, this.#norms === null ? 1 : this.#norms[doc]!);
  }
}
