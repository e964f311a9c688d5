/**
 * Gathers what a restore must show, from the files that are being backed up.
 *
 * Bounded: an index with a long log, or whose probes would read much, gets fewer of them; when the time for one backup
 * is over, further indices get a count only. An index that has not changed since it was last looked at is not looked at
 * again.
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { CatalogEntry } from "../../format/catalog.ts";
import { DEFAULT_SEARCH_LIMITS } from "../../query/target.ts";
import { chooseProbes } from "./choose.ts";
import { type Evidence, EVIDENCE_VERSION, type IndexEvidence } from "./evidence.ts";
import { type AnsweredProbe, answerProbe } from "./probe.ts";
import { indicesOf, LookTooLongError, type OpenIndex, openIndex, type TreeOptions } from "./tree.ts";

export interface GatherLimits {
  /** For all indices together. */
  readonly totalMs: number;
  /** For opening one index, its log replayed. */
  readonly openMs: number;
  /** For the probes of one index. */
  readonly indexMs: number;
  /** For one probe. */
  readonly probeMs: number;
  /** Pages of one index's segments that are read. */
  readonly segmentBytes: number;
  /** Of one index, behind its last flush. */
  readonly logBytes: number;
}

export const GATHER_LIMITS: GatherLimits = {
  totalMs: 10_000,
  openMs: 1_500,
  indexMs: 1_500,
  probeMs: 300,
  segmentBytes: 64 * 1024 * 1024,
  logBytes: 32 * 1024 * 1024,
};

/** What the server said of an index when it linked its files. */
export interface LinkedIndex {
  readonly name: string;
  readonly incarnation: string;
  /** The highest of its shards'. */
  readonly lsn: number;
  /** Positions of all shards: equal ones mean equal documents. */
  readonly position: string;
  /** undefined: it could not tell at that instant. */
  readonly liveDocs: number | undefined;
}

/** Indices that are remembered. */
const MAX_REMEMBERED = 10_000;

export class EvidenceGatherer {
  readonly #options: TreeOptions & { readonly log: Logger };
  readonly #limits: GatherLimits;
  readonly #known = new Map<string, IndexEvidence>();

  constructor(options: TreeOptions & { readonly log: Logger }, limits: GatherLimits = GATHER_LIMITS) {
    this.#options = options;
    this.#limits = limits;
  }

  /**
   * @param tree A directory as `Engine.linkAll` makes it.
   * @param indices Those that are backed up.
   */
  async gather(
    tree: string,
    { indices, signal }: { readonly indices: readonly LinkedIndex[]; readonly signal?: AbortSignal },
  ): Promise<Evidence> {
    const { clock, pause, settings } = this.#options;
    const startedMs = clock.monotonicMs();
    let entries: readonly CatalogEntry[] | undefined;
    const found: IndexEvidence[] = [];
    for (const linked of indices) {
      // Whoever asked is told by the backup itself.
      if (signal?.aborted) break;
      const key = `${linked.incarnation} ${linked.position} ${settings.defaultAnalyzer}`;
      const known = this.#known.get(key);
      if (known) {
        found.push({ ...known, index: linked.name });
        continue;
      }
      entries ??= this.#entries(tree);
      const entry = entries.find(({ incarnation }) => incarnation === linked.incarnation);
      const isLate = clock.monotonicMs() - startedMs > this.#limits.totalMs;
      const evidence = entry && !isLate
        ? await this.#look(tree, { entry, linked, key })
        : counted(linked, isLate ? "there was no time left to look at it" : "no catalogue lists it");
      if (evidence) found.push(evidence);
      await pause();
    }
    return {
      version: EVIDENCE_VERSION,
      defaultAnalyzer: settings.defaultAnalyzer,
      indices: found,
      tookMs: Math.round(clock.monotonicMs() - startedMs),
    };
  }

  #entries(tree: string): readonly CatalogEntry[] {
    try {
      return indicesOf(this.#options.fs, tree);
    } catch (error) {
      this.#failed(tree, error);
      return [];
    }
  }

  #remembered(key: string, evidence: IndexEvidence): IndexEvidence {
    if (this.#known.size >= MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, evidence);
    return evidence;
  }

  async #look(
    tree: string,
    { entry, linked, key }: {
      readonly entry: CatalogEntry;
      readonly linked: LinkedIndex;
      readonly key: string;
    },
  ): Promise<IndexEvidence | undefined> {
    let open: OpenIndex | undefined;
    try {
      open = await openIndex(this.#options, tree, { entry, limits: this.#limits });
      const { liveDocs } = open;
      if (linked.liveDocs !== undefined && linked.liveDocs !== liveDocs) {
        this.#options.log.error("files that are backed up hold other documents than the server", {
          index: linked.name,
          server: linked.liveDocs,
          files: liveDocs,
        });
      }
      const { probes, omitted } = await this.#ask(open);
      const { docs, countedBy } = counted(linked, "") ?? { docs: liveDocs, countedBy: "files" as const };
      const { name: index, lsn } = linked;
      return this.#remembered(key, { index, docs, countedBy, lsn, probes, omitted });
    } catch (error) {
      if (error instanceof LookTooLongError) {
        const evidence = counted(linked, error.message);
        return evidence && this.#remembered(key, evidence);
      }
      this.#failed(linked.name, error);
      return counted(
        linked,
        "it could not be looked at: the log of the server that made the backup says why",
      );
    } finally {
      open?.close();
    }
  }

  async #ask(
    { targets }: OpenIndex,
  ): Promise<{ readonly probes: readonly AnsweredProbe[]; readonly omitted: string }> {
    const { clock, pause } = this.#options;
    const { probeMs, indexMs } = this.#limits;
    const endMs = clock.monotonicMs() + indexMs;
    const probes: AnsweredProbe[] = [];
    let omitted = "";
    try {
      for (const probe of chooseProbes(targets)) {
        const now = clock.monotonicMs();
        if (now > endMs) {
          omitted = "there was no time left for more";
          break;
        }
        try {
          const answer = answerProbe(probe, {
            targets,
            nowMs: clock.nowMs(),
            deadlineMs: Math.min(endMs, now + probeMs),
            monotonicMs: () => clock.monotonicMs(),
            limits: DEFAULT_SEARCH_LIMITS,
          });
          probes.push({ ...probe, ...answer });
        } catch (error) {
          // A probe that a field does not allow, or that takes too long, is no probe.
          if (!(error instanceof RequestError)) throw error;
          omitted = `${probe.what}: ${error.message}`;
        }
        await pause();
      }
    } catch (error) {
      if (!(error instanceof LookTooLongError)) throw error;
      omitted = error.message;
    }
    return { probes, omitted };
  }

  /** A backup does not fail for want of evidence, whatever went wrong: the log says it, and the evidence does. */
  #failed(what: string, error: unknown): void {
    const failure = error instanceof Error ? error.message : String(error);
    this.#options.log.error("cannot gather what a restore must show", { of: what, failure });
  }
}

/** What is known without a look; undefined: nothing. */
function counted({ name, liveDocs, lsn }: LinkedIndex, omitted: string): IndexEvidence | undefined {
  if (liveDocs === undefined) return undefined;
  return { index: name, docs: liveDocs, countedBy: "server", lsn, probes: [], omitted };
}
