/**
 * What does it mean for a shard that a file is wrong: what of the acknowledged would be lost, and what is to be done?
 *
 * @module
 */
import { manifestName } from "../../format/file_names.ts";
import type { ShardIdentity } from "../store_environment.ts";
import { segmentFolder } from "../store_names.ts";
import { damagedSegments } from "../repair/candidates.ts";
import { planSegmentRepair } from "../repair/segment_plan.ts";
import { planWalRepair } from "../repair/wal_plan.ts";
import type { Finding, Problem, Severity } from "./finding.ts";
import type { VerifyEnvironment } from "./environment.ts";
import type { Opening } from "./shard.ts";
import type { ShardFiles } from "./shard_files.ts";

interface Verdict {
  readonly lost: string;
  readonly next: string;
}

/** Findings of a shard, the worst first. */
export async function judge(
  environment: VerifyEnvironment,
  directory: string,
  { files, opening, identity }: {
    readonly files: ShardFiles;
    readonly opening: Opening | undefined;
    readonly identity: ShardIdentity | undefined;
  },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const say = (severity: Severity, { file, offset, what }: Problem, { lost, next }: Verdict) =>
    findings.push({ severity, file, offset, what, lost, next });
  const used = opening?.kind === "opens" ? opening : undefined;
  const usedName = used ? manifestName(used.decision.opened.number) : "";
  const stands: Verdict = used
    ? { lost: `nothing: ${usedName} and the log behind it hold everything`, next: "" }
    : { lost: "nothing: no catalogue lists this index", next: "" };
  const broken = opening?.kind === "refused" ? await refusedVerdict() : stands;

  for (const problem of files.problems.manifests) {
    say(
      "damage",
      problem,
      opening?.kind === "refused" ? broken : {
        ...stands,
        next: "`xerj verify --repair` moves it aside",
      },
    );
  }
  const chain = new Set(used?.decision.chain.map(({ found }) => found.number));
  for (const problem of files.problems.generations) {
    // What a look at the whole says of the log behind the opened manifest, the refusal says too.
    say(
      "damage",
      problem,
      opening?.kind === "refused" ? broken : {
        lost: chain.has(problem.number)
          ? "unknown: an opening does not see this, yet it reads these records"
          : stands.lost,
        next: "nothing: the file goes when its time has come; a flush and the retention make that soon",
      },
    );
  }
  const needed = new Set(used?.decision.opened.manifest.segments.map(({ number }) => number));
  const wrong = new Map<number, Problem[]>();
  const note = (problem: Problem & { readonly number: number }) => {
    const list = wrong.get(problem.number);
    if (list) list.push(problem);
    else wrong.set(problem.number, [problem]);
  };
  for (const problem of files.problems.segments) note(problem);
  for (const account of accountsOf(files, used)) {
    for (const { segment, ...problem } of account) note({ ...problem, number: segment });
  }
  const damagedAndNeeded = [...wrong].some(([number]) => needed.has(number));
  const plan = damagedAndNeeded && identity
    ? await planSegmentRepair(environment, directory, { identity, files })
    : undefined;
  for (const [number, problems] of wrong) {
    for (const problem of problems) {
      if (!needed.has(number) && problem.absent) {
        say("note", { ...problem, file: segmentFolder(directory, number) }, { lost: "", next: "" });
        continue;
      }
      const verdict = needed.has(number)
        ? { lost: plan?.lost ?? "unknown", next: plan?.next ?? "restore this index from a backup" }
        : opening?.kind === "refused"
        ? broken
        : { ...stands, next: "`xerj verify --repair` moves it aside" };
      say("damage", problem, verdict);
    }
  }
  if (opening?.kind === "refused") sayRefusal(opening);
  if (used) sayPassedOver(used);
  sayTorn();
  for (const path of files.staged) {
    say("note", { file: path, offset: -1, what: "unfinished work of an earlier process" }, {
      lost: "",
      next: "nothing: the server removes it",
    });
  }
  for (const path of files.strange) {
    say("note", { file: path, offset: -1, what: "not a file of ours" }, { lost: "", next: "" });
  }
  return findings.sort((a, b) => RANK[a.severity] - RANK[b.severity]);

  async function refusedVerdict(): Promise<Verdict> {
    const nothing = { lost: "this index as it stands", next: "restore this index from a backup" };
    if (!identity) return nothing;
    if (damagedSegments(files).size > 0) {
      const plan = await planSegmentRepair(environment, directory, { identity, files });
      if (plan.kind !== "impossible") return plan;
    }
    return await planWalRepair(environment, directory, { identity, files }) ?? nothing;
  }

  function sayRefusal({ code, reason, files: about }: Extract<Opening, { kind: "refused" }>): void {
    const what = code === "corruption" ? reason : reason.replace(/ \([^()]*\)$/, "");
    say(
      "damage",
      { file: about[0] ?? directory, offset: -1, what: `the shard does not open: ${what}` },
      broken,
    );
  }

  /** An older manifest is as good as the newest, so that this is only worth a word. */
  function sayPassedOver({ decision }: Extract<Opening, { kind: "opens" }>): void {
    for (const { path, reason, manifest } of decision.passedOver) {
      // That it cannot be read has been said.
      if (!manifest) continue;
      say("warning", { file: path, offset: -1, what: `it is passed over: ${reason}` }, stands);
    }
  }

  function sayTorn(): void {
    for (const { file, offset, bytes, validBehind } of files.torn) {
      const what = `a torn tail of ${bytes} bytes` +
        (validBehind > 0 ? `, with ${validBehind} whole records in it` : "");
      if (environment.isLive) {
        say("note", { file, offset, what: "a record is being written" }, { lost: "", next: "" });
      } else if (environment.cleanStop) {
        say("damage", { file, offset, what: `${what}, though the server ended cleanly` }, {
          lost: "what the server wrote there, which may be no more than the mark that closes a log",
          next: "restore this index from a backup, or start the server: it goes on before the tail",
        });
      } else if (validBehind > 0) {
        say("warning", { file, offset, what }, {
          lost:
            "what is in the tail, if a power cut or a copy left it: none of it is known to have been synced",
          next:
            "if there was neither, it is damage: restore this index from a backup before the server starts",
        });
      } else {
        say("note", { file, offset, what }, {
          lost: "nothing that was synced: a power cut or a copy leaves such a tail",
          next: "nothing: the server goes on before it",
        });
      }
    }
  }
}

/** Problems of every manifest's account, each once; of those that are not opened, only what is not simply absent. */
function* accountsOf(
  { accounts }: ShardFiles,
  used: Extract<Opening, { kind: "opens" }> | undefined,
): Generator<readonly (Problem & { readonly segment: number })[]> {
  if (used) yield used.account.problems;
  const said = new Set(used?.account.problems.map(({ file }) => file));
  for (const { problems } of accounts.values()) {
    const fresh = problems.filter(({ file, absent }) => !absent && !said.has(file));
    for (const { file } of fresh) said.add(file);
    yield fresh;
  }
}

const RANK: Readonly<Record<Severity, number>> = { damage: 0, unknown: 1, warning: 2, note: 3 };
