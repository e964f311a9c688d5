/**
 * From a plan to the nodes that execute it over one segment.
 *
 * @module
 */
import { andBits, newBits, setDocs } from "../../base/bitset.ts";
import type { SegmentReader, TermEntry } from "../../segment/reader.ts";
import type { BoolPlan, ExistsPlan, IdsPlan, Plan, TermPlan } from "../plan/plan.ts";
import type { SearchContext, SearchSegment } from "../target.ts";
import { BoolNode, BoostingNode, ConstantNode } from "./bool_node.ts";
import { Deadline } from "./deadline.ts";
import { MemoryBudget } from "./memory.ts";
import { AllNode, Batch, EmptyNode, ListNode, type Node } from "./node.ts";
import { numberRangeSet, numberSet } from "./number_sets.ts";
import { phraseNode, SynonymNode } from "./phrase_node.ts";
import { SetNode, type SetSource } from "./set_node.ts";
import { TermNode } from "./term_node.ts";
import { dictionaryOf, termRangeSet, termScanSet, termSet } from "./term_sets.ts";
import { UnionNode } from "./union_node.ts";

/** What compilation needs to know. */
export interface CompileScope {
  readonly reader: SegmentReader;
  /** Whether anybody looks at scores. */
  readonly scored: boolean;
  readonly deadline: Deadline;
  readonly memory: MemoryBudget;
}

export function compile(plan: Plan, scope: CompileScope): Node {
  const { reader } = scope;
  switch (plan.kind) {
    case "all":
      return new AllNode(reader.docCount, plan.score);
    case "none":
      return new EmptyNode();
    case "term":
      return compileTerm(plan, scope);
    case "synonyms":
      return SynonymNode.open(plan, scope);
    case "phrase":
      return phraseNode(plan, scope);
    case "term_set": {
      const set = termSet(reader, plan);
      if (set === "none" || "fill" in set) return setNode(set, plan.score, scope);
      return entryNode(plan.field, set, plan.score, scope);
    }
    case "term_range":
      return setNode(termRangeSet(reader, plan), plan.score, scope);
    case "term_scan":
      return setNode(termScanSet(reader, plan, scope.deadline), plan.score, scope);
    case "number_range": {
      const column = reader.numeric(plan.field);
      if (column === undefined) return new EmptyNode();
      return setNode(numberRangeSet(reader, plan.field, column, plan.range), plan.score, scope);
    }
    case "number_set": {
      const column = reader.numeric(plan.field);
      if (column === undefined) return new EmptyNode();
      return setNode(numberSet(reader, plan.field, column, plan.values), plan.score, scope);
    }
    case "exists":
      return compileExists(plan, scope);
    case "ids":
      return compileIds(plan, scope);
    case "constant":
      return new ConstantNode(compile(plan.inner, { ...scope, scored: false }), plan.score);
    case "bool":
      return compileBool(plan, scope);
    case "dis_max":
      return new UnionNode(plan.plans.map((inner) => compile(inner, scope)), {
        minimum: 1,
        combine: { kind: "max", tieBreaker: plan.tieBreaker },
        deadline: scope.deadline,
      });
    case "boosting":
      return new BoostingNode(
        compile(plan.positive, scope),
        compile(plan.negative, { ...scope, scored: false }),
        plan.factor,
      );
  }
}

function setNode(set: SetSource | "all" | "none", score: number, scope: CompileScope): Node {
  if (set === "none") return new EmptyNode();
  if (set === "all") return new AllNode(scope.reader.docCount, score);
  return new SetNode(set, { docCount: scope.reader.docCount, score, memory: scope.memory });
}

function compileTerm(plan: TermPlan, scope: CompileScope): Node {
  const { reader } = scope;
  const dictionary = dictionaryOf(reader, plan.field);
  const entry = dictionary?.find(plan.term);
  if (dictionary === undefined || entry === undefined) return new EmptyNode();
  if (!dictionary.hasPostings || plan.scorer === null || !scope.scored) {
    return entryNode(plan.field, entry, plan.score, scope);
  }
  const cursor = dictionary.postings(entry, { freqs: true, positions: false });
  return new TermNode(`term ${plan.field}`, cursor, {
    scorer: plan.scorer,
    norms: reader.norms(plan.field) ?? null,
    score: plan.score,
    reopen: () => dictionary.postings(entry, { freqs: false, positions: false }),
  });
}

/** One term at one score. */
function entryNode(field: string, entry: TermEntry, score: number, scope: CompileScope): Node {
  const dictionary = dictionaryOf(scope.reader, field)!;
  if (dictionary.hasPostings) {
    const reopen = () => dictionary.postings(entry, { freqs: false, positions: false });
    return new TermNode(`term ${field}`, reopen(), { scorer: null, norms: null, score, reopen });
  }
  const column = scope.reader.ordinals(field);
  if (column === undefined) return new EmptyNode();
  return setNode(
    {
      label: `term ${field}`,
      cost: entry.docFreq,
      fillCost: 0,
      fill: (into) => column.matchRange(entry.ordinal, entry.ordinal, into),
    },
    score,
    scope,
  );
}

function compileExists(plan: ExistsPlan, scope: CompileScope): Node {
  const { reader } = scope;
  for (const field of plan.fields) {
    const docs = reader.numeric(field)?.docsWithValue ?? reader.ordinals(field)?.docsWithValue ?? 0;
    if (docs === reader.docCount) return new AllNode(reader.docCount, plan.score);
  }
  return setNode(
    {
      label: `exists ${plan.fields.join(", ")}`,
      cost: reader.docCount,
      fillCost: 0,
      fill: (into) => {
        for (const field of plan.fields) reader.exists(field, into);
      },
    },
    plan.score,
    scope,
  );
}

function compileIds(plan: IdsPlan, scope: CompileScope): Node {
  const docs: number[] = [];
  for (const id of plan.ids) {
    const doc = scope.reader.findId(id);
    if (doc >= 0) docs.push(doc);
  }
  if (docs.length === 0) return new EmptyNode();
  return new ListNode("ids", Uint32Array.from(docs).sort(), plan.score);
}

function compileBool(plan: BoolPlan, scope: CompileScope): Node {
  const unscored = { ...scope, scored: false };
  const { deadline } = scope;
  const must = plan.must.map((clause) => compile(clause, scope));
  const required = [...must, ...plan.filter.map((clause) => compile(clause, unscored))];
  if (required.some((node) => node instanceof EmptyNode)) return new EmptyNode();
  const should = plan.should.map((clause) => compile(clause, scope));
  const some = should.filter((node) => !(node instanceof EmptyNode));
  if (plan.minimum > some.length) return new EmptyNode();
  let scoring = new Set<Node>(scope.scored ? must : []);
  let optional: Node[] = [];
  if (plan.minimum > 0) {
    const union = unionOf(some, plan.minimum, deadline);
    if (scoring.size > 1) {
      // The required clauses' sum is rounded before the optional ones' is added.
      const inner = new BoolNode({
        required: [...required],
        scoring,
        prohibited: [],
        optional: [],
        deadline,
      });
      required.splice(0, required.length, inner);
      scoring = new Set([inner]);
    }
    required.push(union);
    if (scope.scored) scoring.add(union);
  } else if (scope.scored) optional = some;
  const prohibited = plan.mustNot.map((clause) => compile(clause, unscored))
    .filter((node) => !(node instanceof EmptyNode));
  const isBare = prohibited.length === 0 && optional.length === 0 && required.length === 1;
  if (isBare && (scoring.size === 1 || !scope.scored)) return required[0]!;
  return new BoolNode({ required, scoring, prohibited, optional, deadline });
}

function unionOf(nodes: readonly Node[], minimum: number, deadline: Deadline): Node {
  if (nodes.length === 1 && minimum === 1) return nodes[0]!;
  if (minimum === nodes.length) {
    return new BoolNode({
      required: nodes,
      scoring: new Set(nodes),
      prohibited: [],
      optional: [],
      deadline,
    });
  }
  return new UnionNode(nodes, { minimum, combine: { kind: "sum" }, deadline });
}

/** All docs of an unscored node, dead ones included. */
export function nodeBits(node: Node, docCount: number): Uint32Array {
  if (node instanceof SetNode) return node.bits().slice();
  const bits = newBits(docCount);
  const batch = new Batch();
  for (let n = node.next(batch); n > 0; n = node.next(batch)) setDocs(bits, batch.docs, n);
  return bits;
}

/** Live docs of a plan over a segment; "all": every live doc. */
export function compileSet(plan: Plan, segment: SearchSegment, context: SearchContext): Uint32Array | "all" {
  const { reader, live } = segment;
  const scope = {
    reader,
    scored: false,
    deadline: new Deadline(context.deadlineMs, context.monotonicMs),
    memory: new MemoryBudget(context.limits.memoryBytes),
  };
  const node = compile(plan, scope);
  if (node instanceof AllNode) return "all";
  const bits = nodeBits(node, reader.docCount);
  if (live !== null) andBits(bits, live);
  return bits;
}
