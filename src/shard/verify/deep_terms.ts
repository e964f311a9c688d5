/**
 * A dictionary, its postings, ordinals and norms against the terms that the sources give.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import type { TermCursor, TermsInput, TextInput } from "../../segment/input.ts";
import {
  NO_MORE_DOCS,
  type PostingsCursor,
  type SegmentReader,
  type TermEntry,
} from "../../segment/reader.ts";
import { type Batch, termText } from "./deep_segment.ts";
import type { FieldTally } from "./deep_tally.ts";

const ROOM = 128;

/** Per document of a batch: terms that were found where they should be, and terms that were not. */
interface Counts {
  readonly found: Uint32Array;
  readonly missed: Uint32Array;
}

export function compareTerms(
  reader: SegmentReader,
  field: TermsInput | TextInput,
  { batch, tally }: { readonly batch: Batch; readonly tally: FieldTally },
): void {
  const { first, end, seqNos } = batch;
  const counts: Counts = { found: new Uint32Array(end - first), missed: new Uint32Array(end - first) };
  const dictionary = reader.terms(field.name);
  const ordinals: number[] = [];
  const docs = new Uint32Array(ROOM);
  const freqs = new Uint32Array(ROOM);
  const isText = field.kind === "text";
  const hasPostings = isText || field.postings;
  for (const terms = field.openTerms(); terms.next();) {
    const term = terms.bytes.subarray(terms.start, terms.end);
    const entry = dictionary?.find(term);
    ordinals.push(entry?.ordinal ?? -1);
    if (!hasPostings) continue;
    const cursor = entry &&
      dictionary!.postings(entry, { freqs: isText, positions: isText && field.positions });
    comparePostings(terms, cursor, {
      batch,
      tally,
      counts,
      term,
      docs,
      freqs,
      positions: isText && field.positions,
    });
  }
  if (field.kind === "terms" && field.column) {
    compareOrdinals(reader, field, { batch, tally, counts, ordinals });
  }
  if (isText) compareNorms(reader, field, { batch, tally, counts });
  for (let i = 0; i < end - first; i++) {
    const seqNo = seqNos[i]!;
    if (counts.found[i]! > 0) tally.has(first + i, seqNo);
    if (counts.missed[i] === 0) continue;
    if (counts.found[i] === 0) tally.lacks(first + i, seqNo);
    else {tally.say(
        `document ${first + i} is found by some of its terms only, ${counts.missed[i]} are missing`,
      );}
  }
}

function comparePostings(
  terms: TermCursor,
  cursor: PostingsCursor | undefined,
  { batch: { first, end }, tally, counts, term, docs, freqs, positions }: {
    readonly batch: Batch;
    readonly tally: FieldTally;
    readonly counts: Counts;
    readonly term: Uint8Array;
    readonly docs: Uint32Array;
    readonly freqs: Uint32Array;
    readonly positions: boolean;
  },
): void {
  let doc = !cursor ? NO_MORE_DOCS : first === 0 ? cursor.next() : cursor.advance(first);
  for (let n; (n = terms.fillPostings(docs, freqs)) > 0;) {
    let at = 0;
    for (let i = 0; i < n; i++) {
      const wanted = docs[i]! + first;
      for (; doc < wanted; doc = cursor!.next()) {
        tally.say(`term ${termText(term)} leads to document ${doc} as well`);
      }
      if (doc > wanted) {
        counts.missed[wanted - first]!++;
        if (positions) at += freqs[i]!;
        continue;
      }
      counts.found[wanted - first]!++;
      tally.postings++;
      tally.occurrences += cursor!.freq;
      if (positions) {
        const places = cursor!.positions();
        let same = cursor!.freq === freqs[i];
        for (let k = 0; same && k < freqs[i]!; k++) same = places[k] === terms.positions[at + k];
        if (!same) tally.say(`term ${termText(term)} stands at other places of document ${doc}`);
        at += freqs[i]!;
      } else if (cursor!.freq !== freqs[i] && freqs[i]! > 0 && cursor!.freq > 1) {
        tally.say(
          `term ${termText(term)} occurs ${freqs[i]} times in document ${doc}, ${cursor!.freq} are stored`,
        );
      }
      doc = cursor!.next();
    }
  }
  for (; doc < end; doc = cursor!.next()) {
    tally.say(`term ${termText(term)} leads to document ${doc} as well`);
  }
}

function compareOrdinals(
  reader: SegmentReader,
  field: TermsInput,
  { batch: { first, end }, tally, counts, ordinals }: {
    readonly batch: Batch;
    readonly tally: FieldTally;
    readonly counts: Counts;
    /** Of the batch's terms, in the segment; -1: not there. */
    readonly ordinals: readonly number[];
  },
): void {
  const wanted: number[][] = Array.from({ length: end - first }, () => []);
  const cursor = field.openOrdinals();
  const docs = new Uint32Array(1024);
  const room = new Uint32Array(1024);
  for (let n; (n = cursor.fill(docs, room)) > 0;) {
    for (let i = 0; i < n; i++) wanted[docs[i]!]!.push(ordinals[room[i]!]!);
  }
  const stored = reader.ordinals(field.name)?.cursor();
  for (let from = first; from < end; from += docs.length) {
    const count = Math.min(docs.length, end - from);
    for (let i = 0; i < count; i++) docs[i] = from + i;
    const pairs = stored?.gather(docs, count) ?? 0;
    let pair = 0;
    for (let i = 0; i < count; i++) {
      const list = wanted[from + i - first]!;
      let same = true;
      let found = 0;
      for (; pair < pairs && stored!.owners[pair] === i; pair++) {
        same &&= list[found++] === stored!.ordinals[pair];
      }
      if (!field.postings) {
        if (found > 0) counts.found[from + i - first]!++;
        else if (list.length > 0) counts.missed[from + i - first]!++;
      }
      if (found > 0 && (!same || found !== list.length)) {
        tally.say(`document ${from + i} has other values in its column than its source`);
      } else if (found === 0 && list.length > 0 && counts.found[from + i - first]! > 0) {
        tally.say(`document ${from + i} has no value in its column`);
      }
    }
  }
}

function compareNorms(
  reader: SegmentReader,
  field: TextInput,
  { batch: { first }, tally, counts }: {
    readonly batch: Batch;
    readonly tally: FieldTally;
    readonly counts: Counts;
  },
): void {
  const stored = reader.norms(field.name);
  let present: Uint32Array | undefined;
  const docs = new Uint32Array(ROOM);
  const norms = new Uint8Array(ROOM);
  const cursor = field.openNorms();
  for (let n; (n = cursor.fill(docs, norms)) > 0;) {
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      // A text without a term has the field, though nothing finds it.
      if (counts.found[doc] === 0 && counts.missed[doc] === 0) {
        present ??= presenceOf(reader, field.name);
        if ((present[(first + doc) >>> 5]! & (1 << ((first + doc) & 31))) !== 0) counts.found[doc]!++;
        else counts.missed[doc]!++;
      }
      if (!field.norms || !stored || counts.missed[doc]! > 0) continue;
      if (stored[first + doc] !== norms[i]) {
        tally.say(`document ${first + doc} has norm ${stored[first + doc]}, not ${norms[i]}`);
      }
    }
  }
}

function presenceOf(reader: SegmentReader, field: string): Uint32Array {
  const bits = new Uint32Array((reader.docCount + 31) >>> 5);
  reader.exists(field, bits);
  return bits;
}

/** Order, numbers and sums of a dictionary: with every expected posting found, equal sums say that there are no others. */
export function compareWholeDictionary(reader: SegmentReader, tally: FieldTally): void {
  const dictionary = reader.terms(tally.name);
  if (!dictionary) return;
  let postings = 0;
  let occurrences = 0;
  let ordinal = 0;
  let last: Uint8Array | undefined;
  const counts = reader.ordinals(tally.name)?.counts();
  for (const terms = dictionary.iterate(); terms.next(); ordinal++) {
    const entry: TermEntry = terms.entry;
    if (last && compareBytes(last, terms.term) >= 0) {
      tally.say(`term ${termText(terms.term)} is out of order`);
    }
    if (entry.ordinal !== ordinal) {
      tally.say(`term ${termText(terms.term)} is number ${entry.ordinal}, not ${ordinal}`);
    }
    if (counts && counts[ordinal] !== entry.docFreq) {
      tally.say(`term ${termText(terms.term)} counts ${counts[ordinal]} documents, ${entry.docFreq} have it`);
    }
    postings += entry.docFreq;
    occurrences += entry.totalTermFreq;
    last = terms.term.slice();
  }
  if (ordinal !== dictionary.termCount) {
    tally.say(`it has ${ordinal} terms, ${dictionary.termCount} are said`);
  }
  if (postings !== dictionary.sumDocFreq) {
    tally.say(`its terms are in ${postings} documents, ${dictionary.sumDocFreq} are said`);
  }
  if (!dictionary.hasPostings) return;
  if (postings !== tally.postings) {
    tally.say(`${postings} postings are stored, the sources give ${tally.postings}`);
  }
  if (dictionary.hasFreqs && occurrences !== tally.occurrences) {
    tally.say(`${occurrences} occurrences are stored, the sources give ${tally.occurrences}`);
  }
}
