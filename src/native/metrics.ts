/**
 * Metrics in Prometheus's text form, through its own library.
 *
 * @module
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { BackupRun, Backups } from "../control/backups.ts";
import type { ContinuousStatus } from "../control/continuous.ts";
import type { SegmentHealer } from "../control/segment_healer.ts";
import type { Verifications } from "../control/verifications.ts";
import type { DrillOutcome } from "../control/drill_receipts.ts";
import type { ProvenAge } from "../control/drill_schedules.ts";
import type { Engine } from "../engine/engine.ts";
import type { Health } from "../engine/health.ts";
import type { WriterTimings } from "../engine/messages.ts";

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface MemoryReading {
  readonly rssBytes: number;
  /** Anonymous memory: what mapped files do not count to. */
  readonly anonymousBytes: number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #queryLatency = this.#histogram(
    "xerj_query_latency_seconds",
    "Time of a search, from its arrival to its answer",
  );
  readonly #indexLatency = this.#histogram("xerj_index_latency_seconds", "Time of a write request");
  readonly #flushDuration = this.#histogram("xerj_flush_duration_seconds", "Time of a flush of one shard");
  readonly #mergeDuration = this.#histogram("xerj_merge_duration_seconds", "Time of a merge");
  readonly #walWrite = this.#histogram("xerj_wal_write_latency_seconds", "Time of an append to a log");
  readonly #queries = this.#counter("xerj_queries_executed_total", "Searches executed");
  readonly #bytesWritten = this.#counter(
    "xerj_bytes_written_total",
    "Bytes of request bodies written, and of segments",
  );
  readonly #bytesRead = this.#counter("xerj_bytes_read_total", "Bytes of answers to searches");
  readonly #docsIndexed = new Counter({
    name: "xerj_docs_indexed_total",
    help: "Documents indexed since start",
    labelNames: ["index"],
    registers: [this.#registry],
  });
  readonly #segments = this.#gaugeBy("xerj_segment_count", "Segments, those in memory included");
  readonly #docs = this.#gaugeBy("xerj_doc_count", "Live documents");
  readonly #walSize = this.#gaugeBy("xerj_wal_size_bytes", "Bytes of the log on disk");
  readonly #retained = this.#gaugeBy(
    "xerj_retained_bytes",
    "Bytes that stay on disk only for copies that may be running",
  );
  readonly #memoryDocs = this.#gaugeBy(
    "xerj_memtable_bytes",
    "Bytes of documents that are not in segments on disk yet",
  );
  readonly #merging = this.#gaugeBy(
    "xerj_merges_running",
    "Merges that are being built, or wait for a thread",
  );
  readonly #mergeQueue = this.#gaugeBy("xerj_merges_queued", "Merges that wait for a thread");
  readonly #mergeWaiting = this.#gaugeBy(
    "xerj_merges_without_room",
    "Shards whose merges wait for free space",
  );
  readonly #mergeDebt = this.#gaugeBy(
    "xerj_merge_debt_bytes",
    "Bytes that merges which are due, or under way, have still to read and write",
  );
  readonly #mergeTotals = {
    merges: this.#gaugeBy("xerj_merges_total", "Merges since start"),
    failed: this.#gaugeBy("xerj_merges_failed_total", "Merges that failed since start"),
    docs: this.#gaugeBy("xerj_merged_docs_total", "Documents that merges wrote since start"),
    read: this.#gaugeBy("xerj_merge_read_bytes_total", "Bytes that merges read since start"),
    written: this.#gaugeBy("xerj_merge_written_bytes_total", "Bytes that merges wrote since start"),
    throttled: this.#gaugeBy(
      "xerj_merge_throttled_seconds_total",
      "Time that merges waited for [merge] io_rate_mb_per_sec since start",
    ),
  };
  readonly #memory = new Gauge({
    name: "xerj_memory_usage_bytes",
    help: "Memory of the process; mapped files count to rss only",
    labelNames: ["kind"],
    registers: [this.#registry],
  });
  readonly #scrubBytes = this.#counter(
    "xerj_scrub_bytes_total",
    "Bytes of segments read back and compared with their checksums since start",
  );
  readonly #scrubErrors = this.#counter(
    "xerj_scrub_errors_total",
    "Damaged places of segments that were found so since start",
  );
  readonly #activeSearches = this.#gauge("xerj_active_searches", "Searches that run or wait");
  readonly #health = this.#gauge("xerj_health_status", "0 green, 1 yellow, 2 red");
  readonly #backup = {
    time: this.#gauge(
      "xerj_last_backup_timestamp_seconds",
      "When the last backup ended; 0: none since start",
    ),
    bytes: this.#gauge("xerj_last_backup_bytes", "Bytes that the last backup uploaded"),
    duration: this.#gauge("xerj_last_backup_duration_seconds", "How long the last backup took"),
    outcome: this.#gauge("xerj_last_backup_success", "1: the last backup succeeded"),
    failed: this.#gauge("xerj_backups_failed_total", "Backups that failed since start"),
    sent: this.#gauge("xerj_backup_bytes_total", "Bytes that backups have sent since start"),
    throttled: this.#gauge(
      "xerj_backup_throttled_seconds_total",
      "How long bandwidth_mb_per_sec has made backups, restores and shipping wait since start",
    ),
  };

  readonly #hydrating = this.#gauge(
    "xerj_hydrating_bytes",
    "Bytes that a lazy restore has still to bring; 0: all is there",
  );
  readonly #provenAge = new Gauge({
    name: "xerj_backup_last_proven_restore_age_seconds",
    help: "Age of the last restore of a repository that a drill has proven; +Inf: none was ever",
    labelNames: ["repository"],
    registers: [this.#registry],
  });
  readonly #drills = new Gauge({
    name: "xerj_backup_drills_total",
    help: "Restore drills since start, by outcome",
    labelNames: ["outcome"],
    registers: [this.#registry],
  });

  readonly #continuous = {
    lag: this.#gauge(
      "xerj_continuous_lag_seconds",
      "Age of the oldest write that only this machine has; 0 without continuous shipping",
    ),
    bytes: this.#gauge("xerj_continuous_bytes_total", "Bytes that continuous shipping has sent since start"),
    failed: this.#gauge(
      "xerj_continuous_failures_total",
      "Rounds of continuous shipping that failed since start",
    ),
  };

  readonly #verified = {
    time: this.#gauge(
      "xerj_last_backup_verify_timestamp_seconds",
      "When a repository was last looked at; 0: never since start",
    ),
    damaged: this.#gauge(
      "xerj_backup_objects_damaged_total",
      "Objects of repositories that were found missing or damaged since start",
    ),
    healed: this.#gauge(
      "xerj_backup_objects_healed_total",
      "Those of them that were stored again from live files",
    ),
  };

  readonly #segmentFiles = {
    damaged: this.#gauge(
      "xerj_segment_files_damaged_total",
      "Files of live segments that were found damaged, and read again, since start",
    ),
    healed: this.#gauge(
      "xerj_segment_files_healed_total",
      "Those of them that were fetched back from a repository",
    ),
    failed: this.#gauge(
      "xerj_segment_heals_failed_total",
      "Attempts to fetch them back that failed since start",
    ),
  };

  /** A search was answered. */
  searched(seconds: number, answerBytes: number): void {
    this.#queries.inc();
    this.#queryLatency.observe(seconds);
    this.#bytesRead.inc(answerBytes);
  }

  /** A write request was answered. */
  wrote(seconds: number, bodyBytes: number): void {
    this.#indexLatency.observe(seconds);
    this.#bytesWritten.inc(bodyBytes);
  }

  /** What the writers measured. */
  measured(timings: readonly WriterTimings[]): void {
    for (const { walWriteSeconds, flushSeconds, mergeSeconds, bytesWritten, ...scrub } of timings) {
      this.#scrubBytes.inc(scrub.scrubBytes);
      this.#scrubErrors.inc(scrub.scrubErrors);
      for (const seconds of walWriteSeconds) this.#walWrite.observe(seconds);
      for (const seconds of flushSeconds) this.#flushDuration.observe(seconds);
      for (const seconds of mergeSeconds) this.#mergeDuration.observe(seconds);
      this.#bytesWritten.inc(bytesWritten);
    }
  }

  /** The whole page. Asks every writer once. */
  async render(
    engine: Engine,
    { memory, health, lastBackup, backups, continuous, verified, healed, drills }: {
      readonly memory: MemoryReading;
      readonly health: Health;
      /** The last one that has ended. */
      readonly lastBackup: BackupRun | undefined;
      readonly backups: Pick<Backups, "failedTotal" | "sentBytesTotal" | "throttledSecondsTotal">;
      /** undefined: switched off. */
      readonly continuous: ContinuousStatus | undefined;
      readonly verified: Pick<Verifications, "lastEndedMs" | "damagedTotal" | "healedTotal">;
      readonly healed: Pick<SegmentHealer, "damagedTotal" | "healedTotal" | "failedTotal">;
      readonly drills: {
        readonly ages: readonly ProvenAge[];
        readonly totals: Readonly<Record<DrillOutcome, number>>;
      };
    },
  ): Promise<string> {
    const [stats, timings] = await Promise.all([engine.stats(), engine.timings()]);
    this.measured(timings);
    const byIndex = [
      this.#docsIndexed,
      this.#segments,
      this.#docs,
      this.#walSize,
      this.#retained,
      this.#memoryDocs,
      this.#merging,
      this.#mergeQueue,
      this.#mergeWaiting,
      this.#mergeDebt,
      ...Object.values(this.#mergeTotals),
    ];
    for (const gauge of byIndex) gauge.reset();
    for (const shard of stats) {
      const labels = { index: shard.index };
      this.#docsIndexed.inc(labels, shard.indexedTotal);
      this.#segments.inc(labels, shard.segments.length);
      this.#docs.inc(labels, shard.liveDocs);
      this.#walSize.inc(labels, shard.walBytes);
      this.#retained.inc(labels, shard.retainedBytes);
      this.#memoryDocs.inc(labels, shard.memoryBytes);
      const { merges } = shard;
      this.#merging.inc(labels, merges.running.length);
      this.#mergeQueue.inc(labels, merges.running.filter(({ started }) => !started).length);
      this.#mergeWaiting.inc(labels, merges.waiting === undefined ? 0 : 1);
      this.#mergeDebt.inc(labels, merges.debtBytes);
      this.#mergeTotals.merges.inc(labels, merges.total);
      this.#mergeTotals.failed.inc(labels, merges.failedTotal);
      this.#mergeTotals.docs.inc(labels, merges.docsTotal);
      this.#mergeTotals.read.inc(labels, merges.bytesReadTotal);
      this.#mergeTotals.written.inc(labels, merges.bytesWrittenTotal);
      this.#mergeTotals.throttled.inc(labels, merges.throttledMsTotal / 1000);
    }
    this.#memory.set({ kind: "rss" }, memory.rssBytes);
    this.#memory.set({ kind: "anonymous" }, memory.anonymousBytes);
    this.#activeSearches.set(engine.searchGate.active + engine.searchGate.queued);
    this.#health.set({ green: 0, yellow: 1, red: 2 }[health.status]);
    this.#backup.time.set((lastBackup?.endedMs ?? 0) / 1000);
    this.#backup.bytes.set(lastBackup?.result?.outcome.bytes ?? 0);
    this.#backup.duration.set((lastBackup?.durationMs ?? 0) / 1000);
    this.#backup.outcome.set(lastBackup?.state === "success" ? 1 : 0);
    this.#backup.failed.set(backups.failedTotal);
    this.#backup.sent.set(backups.sentBytesTotal);
    this.#backup.throttled.set(backups.throttledSecondsTotal);
    this.#hydrating.set(engine.hydration?.pendingBytes ?? 0);
    this.#continuous.lag.set((continuous?.lagMs ?? 0) / 1000);
    this.#continuous.bytes.set(continuous?.bytesTotal ?? 0);
    this.#continuous.failed.set(continuous?.failuresTotal ?? 0);
    this.#verified.time.set(verified.lastEndedMs / 1000);
    this.#verified.damaged.set(verified.damagedTotal);
    this.#verified.healed.set(verified.healedTotal);
    this.#segmentFiles.damaged.set(healed.damagedTotal);
    this.#segmentFiles.healed.set(healed.healedTotal);
    this.#segmentFiles.failed.set(healed.failedTotal);
    this.#provenAge.reset();
    for (const { repository, ageMs = Infinity } of drills.ages) {
      this.#provenAge.set({ repository }, ageMs / 1000);
    }
    for (const [outcome, count] of Object.entries(drills.totals)) this.#drills.set({ outcome }, count);
    return await this.#registry.metrics();
  }

  #histogram(name: string, help: string) {
    return new Histogram({ name, help, buckets: SECONDS, registers: [this.#registry] });
  }

  #counter(name: string, help: string) {
    return new Counter({ name, help, registers: [this.#registry] });
  }

  #gauge(name: string, help: string) {
    return new Gauge({ name, help, registers: [this.#registry] });
  }

  #gaugeBy(name: string, help: string) {
    return new Gauge({ name, help, labelNames: ["index"], registers: [this.#registry] });
  }
}
