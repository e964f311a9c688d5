/**
 * Does what was restored show what the backup says it must?
 *
 * @module
 */
import { CorruptionError, RequestError } from "../../base/errors.ts";
import type { IndexEvidence } from "./evidence.ts";
import type { ScratchEngine } from "./scratch.ts";

export interface ComparedIndex {
  readonly index: string;
  /** undefined: the backup does not say. */
  readonly expectedDocs: number | undefined;
  /** undefined: the index is not there. */
  readonly foundDocs: number | undefined;
  readonly probes: number;
  /** In words; [] is as it must be. */
  readonly differences: readonly string[];
  /** Why less was compared than might be; "" otherwise. */
  readonly omitted: string;
}

/** Differences of one index that are told. */
const MAX_DIFFERENCES = 10;

/** @param evidence undefined: the backup has none for this index, so that it is opened and counted only. */
export async function compareIndex(
  scratch: ScratchEngine,
  { index, evidence }: { readonly index: string; readonly evidence: IndexEvidence | undefined },
): Promise<ComparedIndex> {
  const expectedDocs = evidence?.docs;
  const foundDocs = await scratch.docs(index);
  const differences: string[] = [];
  if (foundDocs === undefined) differences.push("the index is not there");
  else if (expectedDocs !== undefined && foundDocs !== expectedDocs) {
    differences.push(
      `it has ${foundDocs} documents; there were ${expectedDocs} (counted by the ${evidence!.countedBy})`,
    );
  }
  const probes = foundDocs === undefined ? [] : evidence?.probes ?? [];
  let differing = 0;
  for (const probe of probes) {
    const difference = await differenceOf(scratch, index, probe);
    if (difference === undefined) continue;
    if (++differing <= MAX_DIFFERENCES) differences.push(`${probe.what}: ${difference}`);
  }
  if (differing > MAX_DIFFERENCES) differences.push(`${differing - MAX_DIFFERENCES} more`);
  return {
    index,
    expectedDocs,
    foundDocs,
    probes: probes.length,
    differences,
    omitted: evidence === undefined ? "the backup does not say what it must show" : evidence.omitted,
  };
}

async function differenceOf(
  scratch: ScratchEngine,
  index: string,
  probe: IndexEvidence["probes"][number],
): Promise<string | undefined> {
  try {
    const { docs, sha256 } = await scratch.ask(index, probe);
    if (docs !== probe.docs) return `${docs} documents match; there were ${probe.docs}`;
    return sha256 === probe.sha256 ? undefined : "the answer is another than at the time of the backup";
  } catch (error) {
    if (error instanceof RequestError || error instanceof CorruptionError) return error.message;
    throw error;
  }
}
