/**
 * Every key of the configuration. `config.toml` at the project's root is rendered from this table.
 *
 * @module
 */
import { boolean, choice, integer, type Key, text } from "./keys.ts";

/** MB in names means MiB, here and everywhere. */
export const SECTIONS = {
  server: {
    restPort: integer({
      default: 8080,
      min: 0,
      max: 65535,
      effect: "TCP port of the native API. 0 switches it off.",
      reload: "restart",
    }),
    esCompatPort: integer({
      default: 9200,
      min: 0,
      max: 65535,
      effect: "TCP port of the Elasticsearch-compatible API. 0 switches it off.",
      reload: "restart",
    }),
    bindAddress: text({
      default: "127.0.0.1",
      effect:
        'Address that both ports listen on. "0.0.0.0" (or "::") means all interfaces; keep auth and TLS on then.',
      reload: "restart",
    }),
    dataDir: text({
      default: "./data",
      effect:
        "Directory of everything that the server knows; a copy of it is a copy of the server. Relative " +
        "paths start at the working directory. The systemd unit uses /var/lib/xerj.",
      reload: "restart",
    }),
    shutdownTimeoutSecs: integer({
      default: 30,
      min: 1,
      max: 3600,
      unit: "seconds",
      effect: "How long SIGTERM waits for running requests before their connections are closed. " +
        "Acknowledged writes are safe either way.",
    }),
  },
  auth: {
    enabled: boolean({
      default: true,
      effect: "Whether requests need a key. Without one, only the health routes answer.",
      reload: "restart",
    }),
    adminApiKey: text({
      default: "",
      isSecret: true,
      effect:
        "The administrator's key, in printable ASCII without spaces. Empty: the first start makes one and " +
        "keeps it in <data_dir>/admin.key, readable by the server's user only.",
    }),
    metricsToken: text({
      default: "",
      isSecret: true,
      effect: "A key that is good for GET /v1/metrics only, for the metrics collector. Empty: none.",
    }),
  },
  tls: {
    enabled: boolean({
      default: false,
      effect: "Whether both ports speak TLS. Needs cert_path and key_path.",
      reload: "restart",
    }),
    certPath: text({
      default: "",
      effect: "File of the certificate chain, PEM, the server's own certificate first. Read again on SIGHUP.",
    }),
    keyPath: text({
      default: "",
      effect: "File of the certificate's private key, PEM. Read again on SIGHUP.",
    }),
  },
  log: {
    level: choice(["debug", "info", "warn", "error"], {
      default: "info",
      effect:
        'The least severe lines that are written, to the standard error stream. "debug" has one for each ' +
        "request.",
    }),
    format: choice(["auto", "json", "pretty"], {
      default: "auto",
      effect: '"json": one object a line; "pretty": for people; "auto": pretty on a terminal, else json.',
    }),
  },
  storage: {
    walSync: choice(["sync", "batched", "async", "replicated"], {
      default: "batched",
      effect:
        'When a write is acknowledged. "sync": once it is on disk, nothing can be lost. "batched": once ' +
        "the kernel has it; a crash of the process loses nothing, a power loss at most wal_batch_ms. " +
        '"async": likewise, but a power loss can take about a second. "replicated": once it is on disk and in the repository of ' +
        "[backup.continuous], which must be enabled; losing the whole machine loses nothing.",
    }),
    walBatchMs: integer({
      default: 100,
      min: 1,
      max: 10000,
      unit: "ms",
      effect:
        'How often the log is synced with wal_sync = "batched": what a power loss can take at most. Lower ' +
        "costs throughput on slow disks.",
    }),
    walMaxSizeMb: integer({
      default: 512,
      min: 1,
      max: 65536,
      unit: "MB",
      effect: "Size at which a shard starts a new log file. Smaller files are released sooner.",
    }),
    flushSizeMb: integer({
      default: 256,
      min: 1,
      max: 16384,
      unit: "MB",
      effect:
        "Bytes of new documents in one shard's memory that start a flush to disk. Higher means fewer, " +
        "larger segments, more memory and a longer replay after a crash.",
    }),
    flushIntervalSecs: integer({
      default: 30,
      min: 1,
      max: 86400,
      unit: "seconds",
      effect: "Age of the oldest unflushed write in a shard that starts a flush.",
    }),
    refreshIntervalMs: integer({
      default: 1000,
      min: 50,
      max: 3600000,
      unit: "ms",
      effect: "How soon new documents are seen by searches, for indices that do not set their own " +
        "refresh_interval. Gets by id see them at once.",
    }),
    searchIdleSecs: integer({
      default: 30,
      min: 0,
      max: 86400,
      unit: "seconds",
      effect:
        "A shard that nobody has searched for this long is not refreshed until the next search, which " +
        "then waits for it: bulk loading pays nothing. 0: refreshed always.",
    }),
    retainSupersededSecs: integer({
      default: 900,
      min: 0,
      max: 2592000,
      unit: "seconds",
      effect: "How long files that were replaced by a flush or merge stay, so that a file copy that runs " +
        "meanwhile is whole. Set it above the time that your rsync or tar takes. Costs disk space.",
    }),
    diskReserveMb: integer({
      default: 256,
      min: 0,
      max: 16777216,
      unit: "MB",
      effect:
        "Free space that is kept on the data directory's disk. Merges that would go below it wait; below it, " +
        "files that only copies may still need go first, then new documents are answered with 429. Deletes and " +
        "searches go on, and all resumes by itself. 0: until the disk is full.",
    }),
    scrubMbPerSec: integer({
      default: 4,
      min: 0,
      max: 10000,
      unit: "MB/s",
      effect:
        "Rate at which stored files are read back and compared with their checksums in the background. " +
        "0 switches it off.",
    }),
  },
  merge: {
    strategy: choice(["size_tiered", "log_structured"], {
      default: "size_tiered",
      effect: 'Which segments are merged. "size_tiered": those of one size class, cheapest writes. ' +
        '"log_structured": levels, each ten times the one before, without overlap in time.',
    }),
    minSegments: integer({
      default: 10,
      min: 2,
      max: 1000,
      effect:
        "Segments of one size class (or of the first level) that start a merge. Lower: faster searches, " +
        "more writing.",
    }),
    maxSegmentMb: integer({
      default: 5120,
      min: 1,
      max: 1048576,
      unit: "MB",
      effect: "Merges make no segment larger than this.",
    }),
    ioRateMbPerSec: integer({
      default: 100,
      min: 0,
      max: 100000,
      unit: "MB/s",
      effect: "What all merges together may read and write. 0: no limit.",
    }),
    maxConcurrent: integer({
      default: 1,
      min: 1,
      max: 64,
      effect: "Merges that run at once, each on a thread of its own.",
    }),
  },
  fts: {
    defaultAnalyzer: text({
      default: "standard",
      effect: "Analyzer of text fields that name none, for indices made from then on.",
    }),
  },
  limits: {
    maxBodyBytes: integer({
      default: 104857600,
      min: 1024,
      max: 2147483647,
      unit: "bytes",
      effect:
        "Largest request body, counted after decompression; more answers 413. Streamed ingestion is not " +
        "bound by it, but by max_line_bytes.",
    }),
    maxInflightBodyMb: integer({
      default: 1024,
      min: 1,
      max: 1048576,
      unit: "MB",
      effect: "Bodies of all running requests together; more answers 429. Must hold at least one body of " +
        "max_body_bytes.",
    }),
    maxLineBytes: integer({
      default: 16777216,
      min: 1024,
      max: 1073741824,
      unit: "bytes",
      effect: "Longest line of streamed NDJSON or log lines.",
    }),
    maxJsonDepth: integer({
      default: 100,
      min: 2,
      max: 1000,
      effect: "Deepest nesting of objects and arrays in a document or request.",
    }),
    maxIdBytes: integer({
      default: 512,
      min: 1,
      max: 4096,
      unit: "bytes",
      effect: "Longest document id.",
    }),
    maxFieldsPerIndex: integer({
      default: 1000,
      min: 1,
      max: 100000,
      effect: "Fields in an index's mapping; documents that would add more are refused.",
    }),
    maxResultWindow: integer({
      default: 10000,
      min: 1,
      max: 10000000,
      effect: "Largest from + size of a search; search_after and scrolls go further.",
    }),
    maxBuckets: integer({
      default: 65536,
      min: 1,
      max: 10000000,
      effect: "Buckets that one search's aggregations may make.",
    }),
    maxClauses: integer({
      default: 4096,
      min: 1,
      max: 1000000,
      effect: "Clauses of one query, after wildcards and the like are expanded.",
    }),
    maxConcurrentSearches: integer({
      default: 64,
      min: 1,
      max: 10000,
      effect: "Searches that run at once; further ones queue.",
    }),
    maxQueuedSearches: integer({
      default: 1000,
      min: 0,
      max: 100000,
      effect: "Searches that may wait for a place; further ones answer 429.",
    }),
    maxOpenScrolls: integer({
      default: 500,
      min: 0,
      max: 100000,
      effect: "Scrolls and points in time that are open at once; each holds on to old segments.",
    }),
    maxRequestMs: integer({
      default: 60000,
      min: 100,
      max: 86400000,
      unit: "ms",
      effect:
        "How long a search may run, whatever its own timeout says. Does not apply to backup and restore.",
    }),
    memoryMb: integer({
      default: 0,
      min: 0,
      max: 16777216,
      unit: "MB",
      effect:
        "Memory for writes that are not on disk yet, and for queries, together; near it, flushes start " +
        "early, then requests answer 429. Mapped files do not count. 0: half of what the machine (or the " +
        "container) has.",
    }),
    maxQueryMemoryMb: integer({
      default: 0,
      min: 0,
      max: 16777216,
      unit: "MB",
      effect: "What one search may hold in memory; more answers 429. 0: a tenth of memory_mb.",
    }),
  },
  backup: {
    bandwidthMbPerSec: integer({
      default: 0,
      min: 0,
      max: 100000,
      unit: "MB/s",
      effect: "What all backups together may send, and a lazy restore fetch. 0: no limit.",
    }),
    hydrateWaitMs: integer({
      default: 10_000,
      min: 100,
      max: 600_000,
      unit: "ms",
      effect:
        "After `xerj restore --lazy`: how long a request waits for a block that is still in the repository before it " +
        "answers 503.",
    }),
    drillDir: text({
      default: "",
      effect: "Where restore drills restore to, and remove it again: absolute. Empty: in data_dir.",
    }),
    drillMaxMb: integer({
      default: 0,
      min: 0,
      max: 1000000000,
      unit: "MB",
      effect:
        "How much a restore drill restores at most; indices that do not fit have their turn in a later one. 0: all.",
    }),
  },
  backupContinuous: {
    enabled: boolean({
      default: false,
      effect: "Whether new segments and the log are shipped to a repository all the time.",
      reload: "restart",
    }),
    repository: text({
      default: "",
      effect: "Name of the repository: there must be a [backup.repositories.<name>].",
      reload: "restart",
    }),
    stream: text({
      default: "main",
      effect: "Name of this server's stream in the repository. No two servers may share one.",
      reload: "restart",
    }),
    intervalMs: integer({
      default: 1000,
      min: 100,
      max: 3600000,
      unit: "ms",
      effect: "How often what is new is shipped: what losing the whole machine loses at most.",
    }),
    retainHours: integer({
      default: 24,
      min: 1,
      max: 87600,
      unit: "hours",
      effect: "How far back any instant can be restored.",
    }),
  },
  threads: {
    writers: integer({
      default: 0,
      min: 0,
      max: 64,
      effect: "Threads that index; shards are spread over them. 0: half the cores, at least one.",
      reload: "restart",
    }),
    searchers: integer({
      default: 0,
      min: 0,
      max: 64,
      effect: "Threads that search, each one search at a time. 0: half the cores, at least one.",
      reload: "restart",
    }),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Key>>>>;
