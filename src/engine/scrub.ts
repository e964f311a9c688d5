/**
 * Do the segments on disk still hold what was written? Reads them back in the background, one after another, at
 * `[storage] scrub_mb_per_sec`: by `read`, since a mapped page that the disk cannot give would end the process.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { ManifestSegment } from "../format/manifest.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import { isHydrating } from "../shard/images.ts";
import { SEGMENT_FILE_NAMES } from "../shard/store_names.ts";
import type { Problem, Progress } from "../shard/verify/finding.ts";
import { checkSegment, type SegmentFacts } from "../shard/verify/segment_files.ts";
import type { OpenShard } from "./writer_node.ts";

/** A segment that a manifest in force names. */
export interface ScrubTarget {
  readonly index: string;
  readonly folder: string;
  readonly entry: ManifestSegment;
}

export interface ScrubOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  /** Asked anew before every piece; 0: off. */
  readonly bytesPerSec: () => number;
  readonly targets: () => Iterable<ScrubTarget>;
  readonly onRead: (bytes: number) => void;
  /** Gets the number of damaged places of a segment that was read through, unless there is none. */
  readonly onDamage: (places: number) => void;
  /** Gets each file with such a place. */
  readonly onDamagedFile?: (file: string) => void;
  /** Age at which a segment counts as cold: what was just written is still in memory. Default 5 minutes. */
  readonly coldMs?: number;
  /** Time between two readings of a segment, so that a small index is not read all day. Default an hour. */
  readonly restMs?: number;
}

/** Every segment in force but those that a lazy restore is still bringing. */
export function* scrubTargets(shards: Iterable<OpenShard>): Generator<ScrubTarget> {
  for (const { state: { store, segments }, spec } of shards) {
    const hydrating = new Set(segments.filter(({ ref }) => isHydrating(ref)).map(({ ref }) => ref.number));
    for (const entry of store.manifest.segments) {
      if (hydrating.has(entry.number)) continue;
      yield { index: spec.index, folder: store.segmentPath(entry.number), entry };
    }
  }
}

/** What a scrub found wrong with a file. */
export interface DamagedFile {
  readonly file: string;
  /** -1: the whole file. */
  readonly offset: number;
  readonly reason: string;
}

const COLD_MS = 300_000;
const REST_MS = 3_600_000;
/** How often it looks whether there is anything to do. */
const IDLE_MS = 1000;

interface Known {
  readonly sinceMs: number;
  readMs: number | undefined;
  damaged: readonly DamagedFile[];
}

export class Scrub {
  readonly #options: ScrubOptions;
  /** By uuid, of segments in force. */
  readonly #known = new Map<string, Known>();
  #stopped = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  /** Monotonic ms at which the next piece may be read. */
  #dueMs = 0;
  #readSincePause = 0;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
  }

  /** What another look found; empty: nothing. */
  note(uuid: string, damaged: readonly DamagedFile[]): void {
    const now = this.#options.clock.monotonicMs();
    this.#known.set(uuid, { sinceMs: this.#known.get(uuid)?.sinceMs ?? now, readMs: now, damaged });
  }

  /** What is wrong with a segment; empty: nothing, as far as it was read. */
  damaged(uuid: string): readonly DamagedFile[] {
    return this.#known.get(uuid)?.damaged ?? [];
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const target = this.#options.bytesPerSec() > 0 ? this.#next() : undefined;
      if (!target) {
        await this.#sleep(IDLE_MS);
        continue;
      }
      try {
        await this.#read(target);
      } catch (error) {
        if (!(error instanceof Stopped)) {
          this.#options.log.error("cannot scrub a segment", {
            folder: target.folder,
            failure: String(error),
          });
          this.#known.get(target.entry.uuid)!.readMs = this.#options.clock.monotonicMs();
        }
      }
    }
  }

  /** The cold segment that was not read for longest. */
  #next(): ScrubTarget | undefined {
    const { clock, coldMs = COLD_MS, restMs = REST_MS } = this.#options;
    const now = clock.monotonicMs();
    const inForce = new Set<string>();
    let best: ScrubTarget | undefined;
    let bestMs = Infinity;
    for (const target of this.#options.targets()) {
      const { uuid } = target.entry;
      inForce.add(uuid);
      let known = this.#known.get(uuid);
      if (!known) this.#known.set(uuid, known = { sinceMs: now, readMs: undefined, damaged: [] });
      if (now - known.sinceMs < coldMs || now - (known.readMs ?? -Infinity) < restMs) continue;
      const readMs = known.readMs ?? -Infinity;
      if (best && readMs >= bestMs) continue;
      best = target;
      bestMs = readMs;
    }
    for (const uuid of this.#known.keys()) if (!inForce.has(uuid)) this.#known.delete(uuid);
    return best;
  }

  async #read({ index, folder, entry }: ScrubTarget): Promise<void> {
    const { fs, log, clock, onRead } = this.#options;
    const progress: Progress = {
      read: (bytes) => {
        this.#readSincePause += bytes;
        onRead(bytes);
      },
      pause: () => this.#throttle(),
    };
    const facts = await checkSegment(fs, folder, progress);
    const known = this.#known.get(entry.uuid);
    // Released while it was read.
    if (!known || facts.problems.some(({ absent }) => absent)) return;
    known.readMs = clock.monotonicMs();
    const damaged = problemsWith(entry, facts).map(({ file, offset, what }) => ({
      file,
      offset,
      reason: what,
    }));
    for (const { file, offset, reason } of damaged) {
      log.error("a stored file is damaged", { index, file, offset: offset < 0 ? undefined : offset, reason });
    }
    known.damaged = damaged;
    if (damaged.length > 0) this.#options.onDamage(damaged.length);
    for (const file of new Set(damaged.map(({ file }) => file))) this.#options.onDamagedFile?.(file);
  }

  /** Waits as long as what was read may take. */
  async #throttle(): Promise<void> {
    const { clock, bytesPerSec } = this.#options;
    for (;;) {
      if (this.#stopped) throw new Stopped();
      const rate = bytesPerSec();
      if (rate <= 0) {
        await this.#sleep(IDLE_MS);
        continue;
      }
      const now = clock.monotonicMs();
      this.#dueMs = Math.max(this.#dueMs, now) + this.#readSincePause * 1000 / rate;
      this.#readSincePause = 0;
      await this.#sleep(this.#dueMs - now);
      if (this.#stopped) throw new Stopped();
      return;
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The server ends: what was read of the segment counts for nothing. */
class Stopped extends Error {}

/** What is other than a manifest says. */
export function problemsWith(
  { files: expected }: ManifestSegment,
  { files, folder, problems }: SegmentFacts,
): Problem[] {
  const found = [...problems];
  for (const name of SEGMENT_FILE_NAMES) {
    const file = `${folder}/${name}`;
    const [is, was] = [files[name], expected[name]];
    if (!is || problems.some((problem) => problem.file === file)) continue;
    if (is.sizeBytes === was.sizeBytes && is.sha256 === was.sha256) continue;
    const what =
      `${is.sizeBytes} bytes with sha256 ${is.sha256}, the manifest says ${was.sizeBytes} and ${was.sha256}`;
    found.push({ file, offset: -1, what });
  }
  return found;
}
