/**
 * Restore drills by the clock, and what health says of repositories whose last proof is too old, or failed.
 *
 * @module
 */
import { Cron } from "croner";
import { RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { Clock } from "../os/fs.ts";
import { type Destination, placeOf } from "./destination.ts";
import type { DrillReceipt, DrillReceipts } from "./drill_receipts.ts";
import { DRILL_RUNNING, type DrillRequest } from "./drills.ts";

export interface DrillSchedulesOptions {
  /** What holds a drill; resolves with its receipt. */
  readonly hold: (request: DrillRequest) => Promise<unknown>;
  readonly receipts: DrillReceipts;
  readonly clock: Clock;
  readonly log: Logger;
  readonly repositories: () => Readonly<Record<string, RepositoryConfig>>;
  /** @throws {RequestError} A secret is not where the configuration says. */
  readonly named: (name: string) => Destination;
}

/** When a repository's last restore was proven. */
export interface ProvenAge {
  readonly repository: string;
  /** undefined: never. */
  readonly ageMs: number | undefined;
}

interface Planned {
  readonly schedule: string;
  readonly cron: Cron;
}

const HOUR_MS = 3_600_000;

export class DrillSchedules {
  readonly #options: DrillSchedulesOptions;
  readonly #planned = new Map<string, Planned>();
  /** Since when a repository has had its limit, ms since the epoch: what was never proven is that old. */
  readonly #limitedSince = new Map<string, number>();
  /** Why the last scheduled one could not even begin. */
  readonly #failures = new Map<string, string>();
  readonly #places = new WeakMap<RepositoryConfig, string>();
  /** Drills take turns: two schedules may be due at once. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: DrillSchedulesOptions) {
    this.#options = options;
  }

  start(): void {
    this.reconfigured();
  }

  /** Takes changed schedules and limits into force. */
  reconfigured(): void {
    const { repositories, clock } = this.#options;
    const configs = repositories();
    for (const [name, { schedule, cron }] of this.#planned) {
      if (configs[name]?.drillSchedule === schedule) continue;
      cron.stop();
      this.#planned.delete(name);
      this.#failures.delete(name);
    }
    for (const name of this.#limitedSince.keys()) {
      if (!configs[name] || configs[name].maxDrillAgeHours === 0) this.#limitedSince.delete(name);
    }
    for (const [name, { drillSchedule: schedule, maxDrillAgeHours }] of Object.entries(configs)) {
      if (maxDrillAgeHours > 0 && !this.#limitedSince.has(name)) this.#limitedSince.set(name, clock.nowMs());
      if (schedule === "" || this.#planned.has(name)) continue;
      const cron = new Cron(schedule, { timezone: "UTC" }, () => void this.run(name));
      this.#planned.set(name, { schedule, cron });
    }
  }

  stop(): void {
    for (const { cron } of this.#planned.values()) cron.stop();
    this.#planned.clear();
  }

  /** When the next one of each repository is due, ms since the epoch. */
  get next(): ReadonlyMap<string, number | undefined> {
    return new Map([...this.#planned].map(([name, { cron }]) => [name, cron.nextRun()?.getTime()]));
  }

  /** One scheduled drill of the newest backup, behind those that are under way. */
  run(name: string): Promise<void> {
    const turn = this.#tail.then(() => this.#run(name));
    this.#tail = turn;
    return turn;
  }

  async #run(name: string): Promise<void> {
    const { hold, named, log } = this.#options;
    try {
      await hold({ destination: named(name), kind: "scheduled", backup: "latest" });
      this.#failures.delete(name);
    } catch (error) {
      // One by hand is under way: it proves as much.
      if (error instanceof RequestError && error.type === DRILL_RUNNING) return;
      const failure = error instanceof Error ? error.message : String(error);
      this.#failures.set(name, failure);
      log.error("a scheduled restore drill could not begin", { repository: name, failure });
    }
  }

  /** Of every repository of the configuration. */
  get ages(): ProvenAge[] {
    const { repositories, receipts, clock } = this.#options;
    return Object.keys(repositories()).map((repository) => {
      const proven = this.#receipt(repository, (place) => receipts.lastProven(place));
      return { repository, ageMs: proven && Math.max(0, clock.nowMs() - proven.endedMs) };
    });
  }

  get warnings(): HealthWarning[] {
    const { repositories, receipts, clock } = this.#options;
    const next = "see GET /v1/admin/drills; POST /v1/admin/drill holds another";
    const warnings: HealthWarning[] = [];
    const warn = (cause: string, words = next) => warnings.push({ cause, next: words, status: "yellow" });
    const ages = new Map(this.ages.map(({ repository, ageMs }) => [repository, ageMs]));
    for (const [name, { maxDrillAgeHours }] of Object.entries(repositories())) {
      const last = this.#receipt(name, (place) => receipts.last(place));
      const failure = this.#failures.get(name);
      if (last?.outcome === "failed") {
        warn(
          `the last restore drill of [${name}] failed: backup ${last.backupId || "latest"}: ${last.reason}`,
          `make another backup, and look with \`xerj backup verify --full\`; ${next}`,
        );
      } else if (last?.outcome === "not_held") {
        warn(
          `the last restore drill of [${name}] could not be held: ${last.reason}`,
          `mend the cause; ${next}`,
        );
      } else if (failure !== undefined) {
        warn(`the last restore drill of [${name}] could not begin: ${failure}`, `mend the cause; ${next}`);
      }
      const since = this.#limitedSince.get(name);
      if (maxDrillAgeHours === 0 || since === undefined) continue;
      const ageMs = ages.get(name);
      if ((ageMs ?? clock.nowMs() - since) <= maxDrillAgeHours * HOUR_MS) continue;
      warn(
        ageMs === undefined
          ? `no restore of [${name}] was ever proven`
          : `the last proven restore of [${name}] is ${Math.floor(ageMs / HOUR_MS)} hours old; at most ` +
            `${maxDrillAgeHours} are allowed`,
      );
    }
    return warnings;
  }

  /** Of the place that a name stands for now; undefined: there is none, or its secrets are not where they should be. */
  #receipt(
    name: string,
    find: (place: string) => DrillReceipt | undefined,
  ): DrillReceipt | undefined {
    const { repositories, named } = this.#options;
    const config = repositories()[name];
    if (!config) return undefined;
    try {
      let place = this.#places.get(config);
      // Secrets may be in files, and health is asked often.
      if (place === undefined) this.#places.set(config, place = placeOf(named(name)));
      return find(place);
    } catch (error) {
      if (error instanceof RequestError) return undefined;
      throw error;
    }
  }
}
