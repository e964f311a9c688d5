/**
 * Damaged files of live segments, fetched back from the configured repositories while the server goes on.
 *
 * Scrubs, merges, searches and backups say which file they found damaged. Its segment is read once more; what is
 * damaged then is fetched by the SHA-256 that the manifest states, beside the shard, and its writer puts it in place. A
 * failed attempt leaves all as it was, is told by health, and is made again after a pause.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import type { Engine } from "../engine/engine.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { BadFile, HealedSegment } from "../engine/writer_heal.ts";
import { parseNumberedName, parseShardFolder } from "../format/file_names.ts";
import { SEGMENT_FILE_NAMES } from "../format/manifest.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import type { Backups } from "./backups.ts";
import type { Destination } from "./destination.ts";
import type { FetchCall, FetchReply } from "./fetch_node.ts";

/** After a failure, and after a look that found nothing, nobody looks at the segment for so long. */
const PAUSE_MS = 600_000;
/** A merge is reading the segment: it will find the damage, and end. */
const BUSY_MS = 1000;
const BUSY_ATTEMPTS = 120;

export interface SegmentHealerOptions {
  readonly engine: Engine;
  readonly backups: Pick<Backups, "job">;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
  readonly repositories: () => Readonly<Record<string, RepositoryConfig>>;
  /** @throws {RequestError} A secret is not where the configuration says. */
  readonly named: (name: string) => Destination;
  /** That this server ships to a repository, by its name. */
  readonly streams: (repository: string) => readonly string[];
  /** Default 10 minutes. */
  readonly pauseMs?: number;
}

/** A segment of the shard that is in force under a name. */
interface Suspect {
  readonly folder: string;
  readonly index: string;
  readonly incarnation: string;
  readonly shard: number;
  readonly number: number;
}

export class SegmentHealer {
  readonly #options: SegmentHealerOptions;
  /** By folder: being healed, or to be. */
  readonly #queue = new Map<string, Suspect>();
  /** Monotonic ms before which a folder is left alone. */
  readonly #restUntilMs = new Map<string, number>();
  /** Why a segment, by folder, could not be healed. */
  readonly #failures = new Map<string, string>();
  readonly #timers = new Set<number>();
  #running = false;
  #stopped = false;
  /** Files, since start. */
  damagedTotal = 0;
  healedTotal = 0;
  /** Attempts, since start. */
  failedTotal = 0;

  constructor(options: SegmentHealerOptions) {
    this.#options = options;
  }

  get warnings(): HealthWarning[] {
    return [...this.#failures].map(([folder, failure]) => ({
      cause: `the damaged segment ${folder} could not be fetched back: ${failure}`,
      next:
        "it is tried again after a pause; mend the cause, or stop the server and run `xerj verify --repair --from ...`",
      status: "yellow",
    }));
  }

  /** A file below the data directory was found damaged. Cheap: may be called for every search that finds so. */
  suspect(file: string): void {
    // What a lazy restore brings is not on disk under its name yet, and comes from a repository anyway.
    if ((this.#options.engine.hydration?.pendingBytes ?? 0) > 0) return;
    const suspect = this.#suspectOf(file);
    if (!suspect || this.#stopped || this.#queue.has(suspect.folder)) return;
    const { clock } = this.#options;
    if (clock.monotonicMs() < (this.#restUntilMs.get(suspect.folder) ?? -Infinity)) return;
    this.#queue.set(suspect.folder, suspect);
    this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.clear();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** One after another: what is damaged is rare, and the network others'. */
  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (const [folder, suspect] of this.#queue) {
      let rests = true;
      try {
        rests = await this.#heal(suspect) !== "healed";
        this.#failures.delete(folder);
      } catch (error) {
        if (this.#stopped) break;
        if (error instanceof RequestError && error.type === "index_not_found_exception") {
          // Its index was deleted meanwhile.
          this.#failures.delete(folder);
          this.#queue.delete(folder);
          continue;
        }
        const failure = error instanceof Error ? error.message : String(error);
        this.failedTotal++;
        this.#failures.set(folder, failure);
        this.#options.log.error("a damaged segment could not be fetched back", {
          index: suspect.index,
          folder,
          failure,
        });
        this.#later(suspect);
      }
      if (rests) this.#rest(folder);
      this.#queue.delete(folder);
    }
    this.#running = false;
  }

  #rest(folder: string): void {
    const { clock, pauseMs = PAUSE_MS } = this.#options;
    const now = clock.monotonicMs();
    for (const [each, untilMs] of this.#restUntilMs) if (untilMs <= now) this.#restUntilMs.delete(each);
    this.#restUntilMs.set(folder, now + pauseMs);
  }

  /** Tries again even if nobody finds the damage again. */
  #later(suspect: Suspect): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#queue.set(suspect.folder, suspect);
      this.#run();
    }, this.#options.pauseMs ?? PAUSE_MS);
    this.#timers.add(timer);
  }

  /** @throws {Error} It stays damaged; in words. */
  async #heal(suspect: Suspect): Promise<"healed" | "nothing"> {
    const { engine, fs, log } = this.#options;
    const { index, incarnation, shard, number, folder } = suspect;
    const writer = engine.threads.writer(incarnation, shard);
    const call = { incarnation, shard, number };
    const bad = await writer.call<readonly BadFile[] | undefined>("checkSegment", call);
    if (bad === undefined || bad.length === 0) {
      if (bad) {
        log.info("a segment that was said to be damaged is sound when it is read again", { index, folder });
      }
      return "nothing";
    }
    if (!this.#failures.has(folder)) this.damagedTotal += bad.length;
    for (const { path, reason } of bad) {
      log.error("a file of a segment is damaged", { index, file: path, reason });
    }
    const from: string[] = [];
    try {
      for (const file of bad) from.push(await this.#fetch(file));
      const files = bad.map(({ path, whole }) => ({ path, whole }));
      const healed = await this.#putBack(() => writer.call<HealedSegment>("healSegment", { ...call, files }));
      if (healed.kind === "gone") return "nothing";
      this.healedTotal += bad.length;
      log.warn("damaged files of a segment were fetched back from a repository", {
        index,
        files: files.map(({ path }) => path),
        from: [...new Set(from)],
        kept: healed.aside,
      });
      if (healed.links > 0) {
        log.warn("other names share the damaged file, and keep it: delete snapshots that do", {
          index,
          folder,
        });
      }
      return "healed";
    } finally {
      for (const { whole } of bad) if (fs.exists(whole)) fs.unlink(whole);
    }
  }

  async #putBack(call: () => Promise<HealedSegment>): Promise<Exclude<HealedSegment, { kind: "busy" }>> {
    for (let attempt = 0; attempt < BUSY_ATTEMPTS; attempt++) {
      const healed = await call();
      if (healed.kind !== "busy") return healed;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          resolve();
        }, BUSY_MS);
        this.#timers.add(timer);
      });
    }
    throw new Error("a merge that reads it does not end");
  }

  /** @returns Where it came from. */
  async #fetch({ path, sha256, sizeBytes, whole }: BadFile): Promise<string> {
    const { backups, repositories, named, fs, dataDir, engine } = this.#options;
    const names = Object.entries(repositories()).filter(([, { heal, destination }]) =>
      heal && destination !== ""
    );
    if (names.length === 0) {
      throw new Error("no [backup.repositories.<name>] of the configuration may be asked for it");
    }
    const free = fs.freeBytes(dataDir) - engine.settings.diskReserveBytes;
    if (sizeBytes > free) {
      throw new Error(`${sizeBytes} bytes are needed for ${path}, and ${Math.max(0, free)} are free`);
    }
    const failures: string[] = [];
    for (const [name] of names) {
      try {
        const streams = this.#options.streams(name);
        const call: Omit<FetchCall, "job"> = {
          destination: named(name),
          sha256,
          sizeBytes,
          to: whole,
          streams,
        };
        const found = await backups.job<FetchReply>("fetchFile", { ...call }).done;
        if (found.kind === "fetched") return `${found.source} at ${found.place}`;
        failures.push(found.why);
      } catch (error) {
        failures.push(`[${name}]: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new Error(`${path}: ${failures.join("; ")}`);
  }

  /** undefined: it is no file of a live segment. */
  #suspectOf(file: string): Suspect | undefined {
    const { dataDir, engine } = this.#options;
    if (!file.startsWith(`${dataDir}/`)) return undefined;
    const parts = file.slice(dataDir.length + 1).split("/");
    const name = parts.pop();
    const folder = parts.pop();
    const numbered = folder === undefined ? undefined : parseNumberedName(folder);
    const shard = parts.length === 1 ? 0 : parts.length === 2 ? parseShardFolder(parts[1]!) : undefined;
    const index = engine.indices.get(parts[0] ?? "");
    const isSegment = SEGMENT_FILE_NAMES.some((known) => known === name);
    if (
      !isSegment || numbered?.kind !== "segment" || shard === undefined || !index || shard >= index.shards
    ) {
      return undefined;
    }
    return {
      folder: file.slice(0, file.lastIndexOf("/")),
      index: index.name,
      incarnation: index.incarnation,
      shard,
      number: numbered.number,
    };
  }
}
