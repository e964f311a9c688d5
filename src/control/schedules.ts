/**
 * Backups by the clock: each repository of the configuration with a schedule gets them, and has those removed that its
 * keep keys do not name. One that was broken off by the server's end is gone on with when it is back.
 *
 * @module
 */
import { Cron } from "croner";
import type { Logger } from "../base/log.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { Backups } from "./backups.ts";
import { type Destination, placeOf } from "./destination.ts";

export interface SchedulesOptions {
  readonly backups: Backups;
  readonly log: Logger;
  readonly repositories: () => Readonly<Record<string, RepositoryConfig>>;
  /** @throws {RequestError} A secret is not where the configuration says. */
  readonly named: (name: string) => Destination;
}

interface Planned {
  readonly schedule: string;
  readonly cron: Cron;
}

export class Schedules {
  readonly #options: SchedulesOptions;
  readonly #planned = new Map<string, Planned>();
  /** What went wrong with the last scheduled backup of a repository. */
  readonly #failures = new Map<string, string>();

  constructor(options: SchedulesOptions) {
    this.#options = options;
  }

  /** Begins, and goes on with what was broken off. */
  start(): void {
    this.reconfigured();
    const { backups, repositories, named, log } = this.#options;
    const places = new Set(backups.unfinished.map(({ place }) => place));
    for (const [name, { schedule }] of Object.entries(repositories())) {
      if (schedule === "" || places.size === 0) continue;
      try {
        if (places.has(placeOf(named(name)))) this.run(name);
      } catch (error) {
        log.error("cannot go on with a backup", { repository: name, failure: (error as Error).message });
      }
    }
  }

  /** Takes changed schedules into force. */
  reconfigured(): void {
    const repositories = this.#options.repositories();
    for (const [name, { schedule, cron }] of this.#planned) {
      if (repositories[name]?.schedule === schedule) continue;
      cron.stop();
      this.#planned.delete(name);
      this.#failures.delete(name);
    }
    for (const [name, { schedule }] of Object.entries(repositories)) {
      if (schedule === "" || this.#planned.has(name)) continue;
      this.#planned.set(name, {
        schedule,
        cron: new Cron(schedule, { timezone: "UTC" }, () => this.run(name)),
      });
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

  get warnings(): HealthWarning[] {
    return [...this.#failures.values()].map((cause) => ({
      cause,
      next: "mend the cause; the next one runs by the schedule, or POST /v1/admin/backup",
      status: "yellow",
    }));
  }

  /** One scheduled backup, and the removal of old ones. Failures are logged, and in `warnings` until one goes well. */
  async run(name: string): Promise<void> {
    const { backups, repositories, named, log } = this.#options;
    try {
      const config = repositories()[name];
      if (!config) return;
      const destination = named(name);
      await backups.start({ destination, flushFirst: true, kind: "scheduled" }).done;
      this.#failures.delete(name);
      await this.#prune(name, destination, config);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      this.#failures.set(name, `the last scheduled backup to [${name}] failed: ${failure}`);
      log.error("a scheduled backup failed", { repository: name, failure });
    }
  }

  /** The backup is made all the same: what could not be removed is told by itself. */
  async #prune(name: string, destination: Destination, config: RepositoryConfig): Promise<void> {
    const { backups, log } = this.#options;
    const {
      keepLast: last,
      keepHourly: hourly,
      keepDaily: daily,
      keepWeekly: weekly,
      keepMonthly: monthly,
    } = config;
    const retention = { last, hourly, daily, weekly, monthly };
    if (Object.values(retention).every((count) => count === 0)) return;
    try {
      const { removed, deletedBytes } = await backups.pruneScheduled(destination, retention);
      if (removed.length > 0) {
        log.info("removed old backups", { repository: name, removed, bytes: deletedBytes });
      }
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      this.#failures.set(name, `old backups of [${name}] were not removed: ${failure}`);
      log.error("old backups were not removed", { repository: name, failure });
    }
  }
}
