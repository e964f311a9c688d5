/**
 * What `xerj verify` found, for a person and for a program.
 *
 * @module
 */
import { manifestName } from "../format/file_names.ts";
import type { Finding, Severity } from "../shard/verify/finding.ts";
import type { ShardReport } from "../shard/verify/shard.ts";
import type { Repair } from "./repair_directory.ts";
import { type DirectoryReport, verdictOf } from "./verify_directory.ts";

const VERDICTS = ["sound", "damaged", "cannot say"] as const;
const HEADS: Readonly<Record<Severity, string>> = {
  damage: "DAMAGED",
  unknown: "UNKNOWN",
  warning: "warning",
  note: "note",
};

/** Ends with a newline. */
export function renderText(report: DirectoryReport): string {
  const { dataDir, findings, indices, isLive, isCopy, files, bytesRead } = report;
  const lines = [...findings.map(renderFinding)];
  for (const { name, shards } of indices) {
    for (const shard of shards) lines.push(`${label(name, shard, shards.length)}: ${renderShard(shard)}`);
  }
  const state = isLive ? ", in use" : isCopy ? ", a copy" : "";
  const count = findings.filter(({ severity }) => severity === "damage").length;
  lines.push(
    `${dataDir}${state}: ${files} files, ${megabytes(bytesRead)} read: ${VERDICTS[verdictOf(report)]}` +
      (count > 0 ? `, ${count} ${count === 1 ? "finding" : "findings"}` : ""),
  );
  return `${lines.join("\n")}\n`;
}

function renderFinding({ severity, file, offset, what, lost, next }: Finding): string {
  const parts = [`${HEADS[severity]}: ${file}${offset < 0 ? "" : `, offset ${offset}`}: ${what}`];
  if (lost !== "") parts.push(`  would be lost: ${lost}`);
  if (next !== "") parts.push(`  to do: ${next}`);
  return parts.join("\n");
}

function label(name: string, { directory }: ShardReport, shards: number): string {
  return shards === 1 ? name : `${name}/${directory.slice(directory.lastIndexOf("/") + 1)}`;
}

function renderShard({ opening }: ShardReport): string {
  if (!opening) return "no catalogue lists it";
  if (opening.kind === "refused") return "does not open";
  const { decision: { opened, recovered, passedOver, chain }, account } = opening;
  const { segments, checkpoint } = opened.manifest;
  const behind = chain.length === 0
    ? "no log behind it"
    : `the log from LSN ${checkpoint.lsn} to ${recovered.lsn} in ${chain.length} generations`;
  const newer = passedOver.length === 0
    ? ""
    : `; ${passedOver.map(({ number }) => manifestName(number)).join(", ")} passed over`;
  return `${account.liveDocs} documents alive of ${account.docCount} in ${segments.length} segments of ` +
    `${manifestName(opened.number)}, ${behind}${newer}`;
}

/** One object. */
export function toJson(
  report: DirectoryReport,
  { ms, deep }: { readonly ms: number; readonly deep: boolean },
) {
  const { dataDir, isLive, isCopy, cleanStop, catalog, indices, findings, files, bytesRead } = report;
  const verdict = verdictOf(report);
  return {
    data_dir: dataDir,
    verdict: VERDICTS[verdict].replace(" ", "_"),
    exit: verdict,
    deep,
    live: isLive,
    copy: isCopy,
    clean_stop: cleanStop,
    catalog: catalog ?? null,
    files,
    bytes_read: bytesRead,
    took_ms: Math.round(ms),
    indices: indices.map(({ name, entry, shards }) => ({
      name,
      incarnation: entry?.incarnation ?? null,
      shards: shards.map(shardToJson),
    })),
    findings: findings.map(({ offset, ...rest }) => ({ ...rest, offset: offset < 0 ? null : offset })),
  };
}

function shardToJson({ directory, opening, files }: ShardReport) {
  const wal = {
    generations: files.generations.map(({ number, kind, sizeBytes }) => ({ number, kind, bytes: sizeBytes })),
    records: files.walFacts.reduce((sum, { records }) => sum + records, 0),
    operations: files.walFacts.reduce((sum, { operations }) => sum + operations, 0),
  };
  const base = {
    directory,
    manifests: files.manifests.map(({ number, kind }) => ({ number, readable: kind === "ok" })),
    segments: [...files.segments].map(([number, { problems }]) => ({ number, sound: problems.length === 0 })),
    wal,
  };
  if (!opening) return { ...base, opens: null };
  if (opening.kind === "refused") {
    return { ...base, opens: false, code: opening.code, reason: opening.reason, files: opening.files };
  }
  const { decision, account } = opening;
  return {
    ...base,
    opens: account.problems.length === 0,
    manifest: decision.opened.number,
    passed_over: decision.passedOver.map(({ number, reason }) => ({ number, reason })),
    checkpoint_lsn: decision.opened.manifest.checkpoint.lsn,
    recovered_lsn: decision.recovered.lsn,
    recovered_seq_no: decision.recovered.seqNo,
    live_docs: account.liveDocs,
    doc_count: account.docCount,
  };
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** Ends with a newline, or is empty. */
export function renderRepairs(repairs: readonly Repair[]): string {
  return repairs.map((repair) => `${renderRepair(repair)}\n`).join("");
}

function renderRepair(repair: Repair): string {
  if (repair.kind === "wal") return renderWal(repair);
  if (repair.kind === "segments") return renderSegments(repair);
  if (repair.kind === "fetched") return renderFetched(repair);
  const lines = repair.corrections.map(({ path, bits }) =>
    `REPAIRED: ${path}: turned back ${
      bits.map(({ offset, bit }) => `bit ${bit} of byte ${offset}`).join(", ")
    }`
  );
  return [...lines, `  kept: ${repair.aside.join(", ")}`, "  lost: nothing"].join("\n");
}

function renderFetched({ fetched, absent, aside }: Extract<Repair, { kind: "fetched" }>): string {
  return [
    ...fetched.map(({ path, from }) => `REPAIRED: ${path}: fetched from ${from}`),
    ...(aside.length > 0 ? [`  kept: ${aside.join(", ")}`] : []),
    ...(fetched.length > 0 ? ["  lost: nothing of these files"] : []),
    ...absent.map(({ path, why }) => `NOT FETCHED: ${path}: ${why}`),
  ].join("\n");
}

/** Ids named in text; `--json` has them all. */
const NAMED_IDS = 20;

function renderWal({ directory, cut, aside, lost }: Extract<Repair, { kind: "wal" }>): string {
  const lines = [
    `REPAIRED: ${directory}: ` +
    (cut
      ? `the log ends at byte ${cut.offset} of ${cut.path}`
      : "the log begins anew behind what segments hold") +
    `, LSN ${lost.lastLsn}, sequence number ${lost.lastSeqNo}`,
  ];
  if (lost.highestLsn > lost.lastLsn) {
    lines.push(
      `  lost: LSN ${lost.lastLsn + 1} to ${lost.highestLsn}, sequence numbers ${lost.lastSeqNo + 1} to ` +
        `${lost.highestSeqNo}; ${lost.operations} operations that can be read, of ids ${named(lost.ids)}`,
    );
  }
  if (lost.unreadableBytes > 0) {
    lines.push(`  lost: whatever is in ${lost.unreadableBytes} bytes that cannot be read`);
  }
  if (aside.length > 0) lines.push(`  moved: ${aside.join(", ")}`);
  return lines.join("\n");
}

function renderSegments({ directory, aside, rebuilt }: Extract<Repair, { kind: "segments" }>): string {
  const lines = [`REPAIRED: ${directory}`];
  if (aside.length > 0) lines.push(`  moved: ${aside.join(", ")}`);
  if (!rebuilt) return [...lines, "  lost: nothing; another manifest and the log hold everything"].join("\n");
  const { manifest, segments, documents, fromLog, lost, forgotten, withoutVersion, checkpointSeqNo } =
    rebuilt;
  lines.push(
    `  rebuilt: ${documents} documents in ${segments.length} segments of ${manifestName(manifest)}; ` +
      `${fromLog} more come back out of the log at the next start`,
  );
  if (withoutVersion > 0) lines.push(`  changed: ${withoutVersion} documents begin again at version 1`);
  if (lost.length > 0) {
    const ids = lost.filter(({ id }) => id !== "").map(({ id }) => id);
    const seqNos = lost.map(({ seqNo }) => seqNo).filter((seqNo) => seqNo >= 0);
    const range = seqNos.length === 0
      ? ""
      : `, sequence numbers ${Math.min(...seqNos)} to ${Math.max(...seqNos)}`;
    lines.push(`  lost: ${lost.length} documents${range}, ids ${named(ids)}`);
  } else lines.push("  lost: nothing that was written");
  if (forgotten > 0) {
    lines.push(
      `  lost: deletes or overwritings: up to ${forgotten} older documents may be back, of sequence numbers up to ` +
        `${checkpointSeqNo}`,
    );
  }
  return lines.join("\n");
}

function named(ids: readonly string[]): string {
  if (ids.length === 0) return "unknown";
  const more = ids.length > NAMED_IDS ? `, and ${ids.length - NAMED_IDS} more` : "";
  return ids.slice(0, NAMED_IDS).join(", ") + more;
}

export function repairsToJson(repairs: readonly Repair[]) {
  return repairs.map((repair) => {
    const { directory, aside } = repair;
    if (repair.kind === "wal") {
      return { kind: "wal", directory, cut: repair.cut ?? null, aside, lost: repair.lost };
    }
    if (repair.kind === "fetched") {
      return { kind: "fetched", directory, aside, fetched: repair.fetched, absent: repair.absent };
    }
    if (repair.kind === "bits") return { kind: "bits", directory, aside, corrections: repair.corrections };
    return { kind: "segments", directory, aside, rebuilt: repair.rebuilt ?? null };
  });
}
