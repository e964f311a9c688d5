/**
 * Looks at repositories by the clock: manifests, sizes, and a sample of the objects, other ones each time; what is
 * damaged is stored again where `heal` is on.
 *
 * @module
 */
import { Cron } from "croner";
import type { Logger } from "../base/log.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import type { Destination } from "./destination.ts";
import type { Verifications } from "./verifications.ts";

export interface VerifySchedulesOptions {
  readonly verifications: Pick<Verifications, "start">;
  readonly log: Logger;
  readonly repositories: () => Readonly<Record<string, RepositoryConfig>>;
  /** @throws {RequestError} A secret is not where the configuration says. */
  readonly named: (name: string) => Destination;
}

export class VerifySchedules {
  readonly #options: VerifySchedulesOptions;
  readonly #planned = new Map<string, { readonly schedule: string; readonly cron: Cron }>();

  constructor(options: VerifySchedulesOptions) {
    this.#options = options;
  }

  /** Begins, and takes changed schedules into force. */
  reconfigured(): void {
    const repositories = this.#options.repositories();
    for (const [name, { schedule, cron }] of this.#planned) {
      if (repositories[name]?.verifySchedule === schedule) continue;
      cron.stop();
      this.#planned.delete(name);
    }
    for (const [name, { verifySchedule: schedule }] of Object.entries(repositories)) {
      if (schedule === "" || this.#planned.has(name)) continue;
      const cron = new Cron(schedule, { timezone: "UTC" }, () => this.run(name));
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

  /** One look. What it finds is in the log, in health and in the list of verifications. */
  async run(name: string): Promise<void> {
    const { verifications, repositories, named, log } = this.#options;
    const config = repositories()[name];
    if (!config) return;
    let done: Promise<unknown>;
    try {
      ({ done } = verifications.start({ destination: named(name), mode: "sample", heal: config.heal }));
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      log.error("a scheduled verification was not begun", { repository: name, failure });
      return;
    }
    // A failure on the way is in the log already.
    await done.catch(() => {});
  }
}
