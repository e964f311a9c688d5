/** Decoders of the examples in the FST, dictionary and postings sections of the format's documentation. */
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { fstFloor } from "../../src/format/fst.ts";
import { afterGolomb, readGolomb } from "../../src/format/postings_bits.ts";
import { decodeFullDocs, decodeFullFreqs, decodeTail } from "../../src/format/postings_block.ts";
import { decodeImpacts, IMPACTS_MAX } from "../../src/format/postings_impacts.ts";
import { GroupSkips } from "../../src/format/postings_list.ts";
import { decodePositionBlock, decodePositionTail } from "../../src/format/postings_positions.ts";
import { TermBlock, type TermBlockLayout } from "../../src/format/terms_block.ts";

/** A copy that starts at a multiple of 4. */
function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.slice().buffer);
}

/** Runs of equal neighbours as [value, times], to keep 128 values readable. */
function runsOf(values: Iterable<number>): [number, number][] {
  const runs: [number, number][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last && last[0] === value) last[1]++;
    else runs.push([value, 1]);
  }
  return runs;
}

const EXAMPLE_LAYOUT: TermBlockLayout = {
  postings: true,
  freqs: true,
  positions: true,
  docBits: 10,
  alphabet: new Uint8Array(256),
  codeBits: 8,
};

export const examples: Record<string, (bytes: Uint8Array) => unknown> = {
  "exp-golomb": (bytes) => {
    const padded = new Uint8Array(bytes.length + 8);
    padded.set(bytes);
    const values: number[] = [];
    for (let i = 0, bit = 0; i < 4; i++, bit = afterGolomb()) values.push(readGolomb(padded, bit, 1));
    return values;
  },
  "fst": (bytes) => {
    // The root is the last node: three arcs, each with a label, an output and a target of one byte.
    const root = bytes.length - 11;
    const floors: Record<string, number> = {};
    for (const target of ["", "b", "by", "cat", "dry", "e"]) {
      floors[target] = fstFloor(bytes, root, 4, utf8(target));
    }
    return { root, floors };
  },
  "dictionary-block": (bytes) => {
    const padded = new Uint8Array(bytes.length + 8);
    padded.set(bytes);
    const block = new TermBlock();
    block.open(padded, 0, bytes.length, 3, EXAMPLE_LAYOUT);
    block.readNumbers(1000);
    return [0, 1, 2].map((i) => {
      const term = new Uint8Array(block.lengths[i]!);
      block.copyTerm(i, term);
      const docFreq = block.docFreqs[i]!;
      return {
        term: utf8Text(term),
        docFreq,
        totalTermFreq: block.totalTermFreqs[i],
        docs: docFreq > 2 ? null : [0, 1].slice(0, docFreq).map((d) => block.inlineDoc(i, d)),
        postings: [block.postingsAt[i], block.postingsBytes[i]],
        positions: [block.positionsAt[i], block.positionsBytes[i]],
      };
    });
  },
  "postings-tail": (bytes) => {
    const docs = new Uint32Array(5);
    const freqs = new Uint32Array(5);
    decodeTail(bytes, 0, 5, -1, docs, freqs);
    return { docs: [...docs], freqs: [...freqs] };
  },
  "postings-block": (bytes) => {
    const docs = new Uint32Array(128);
    const freqs = new Uint32Array(128);
    decodeFullDocs(wordsOf(bytes), 0, 99, docs);
    decodeFullFreqs(wordsOf(bytes), 0, freqs);
    const gaps = docs.map((doc, i) => doc - (i === 0 ? 99 : docs[i - 1]!));
    return { firstDoc: docs[0], lastDoc: docs[127], steps: runsOf(gaps), freqs: runsOf(freqs) };
  },
  "postings-bitmap": (bytes) => {
    const docs = new Uint32Array(128);
    decodeFullDocs(wordsOf(bytes), 0, -1, docs);
    return { count: docs.length, first: [...docs.subarray(0, 12)], last: docs[127] };
  },
  "impacts": (bytes) => {
    const freqs = new Uint32Array(IMPACTS_MAX);
    const norms = new Uint8Array(IMPACTS_MAX);
    const count = decodeImpacts(bytes, 0, freqs, norms);
    return Array.from({ length: count }, (_, i) => ({ freq: freqs[i], norm: norms[i] }));
  },
  "postings-group": (bytes) => {
    const group = new GroupSkips();
    group.read(bytes, 0, bytes.length, 130, {
      freqs: true,
      positions: true,
      previous: -1,
      positionsAt: 0,
      docCount: 1000,
    });
    const tail = new Uint32Array(2);
    decodeTail(bytes, group.starts[1]!, 2, group.lastDocs[0]!, tail, undefined);
    return [0, 1].map((b) => ({
      lastDoc: group.lastDocs[b],
      start: group.starts[b],
      positionsEnd: group.positionEnds[b],
      impactsAt: group.impacts[b],
      ...(b === 1 ? { docs: [...tail] } : {}),
    }));
  },
  "positions-tail": (bytes) => {
    const deltas = new Uint32Array(6);
    decodePositionTail(bytes, 0, 6, deltas);
    return [...deltas];
  },
  "positions-block": (bytes) => {
    const deltas = new Uint32Array(128);
    decodePositionBlock(wordsOf(bytes), 0, deltas);
    return runsOf(deltas);
  },
};
