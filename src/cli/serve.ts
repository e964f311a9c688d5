/**
 * `xerj`, or `xerj serve`: from a configuration to a running server, and to its end.
 *
 * Order: lock and catalogue, threads, ports (so that health answers), logs replayed, READY. At SIGTERM: no new
 * requests, running ones finish within a bound, everything is flushed, exit 0.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { diffConfig, reloadedConfig } from "../config/diff.ts";
import { Backups } from "../control/backups.ts";
import { Drills } from "../control/drills.ts";
import { DrillSchedules } from "../control/drill_schedules.ts";
import { RegisteredRepositories } from "../control/registered.ts";
import { ContinuousShipper } from "../control/continuous.ts";
import { RemoteRounds } from "../control/continuous_node.ts";
import { type Destination, namedDestination, placeOf } from "../control/destination.ts";
import { hydrationOf, removeSpentHydration } from "../control/hydration.ts";
import { isHalfRestored, Restores } from "../control/restores.ts";
import { SegmentHealer } from "../control/segment_healer.ts";
import { Schedules } from "../control/schedules.ts";
import { DirectorySnapshots } from "../control/snapshots.ts";
import { VerifySchedules } from "../control/verify_schedules.ts";
import { Verifications } from "../control/verifications.ts";
import { type Catalog, openCatalog } from "../engine/catalog.ts";
import { Engine } from "../engine/engine.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { ThreadFactory } from "../engine/threads.ts";
import { esRouter } from "../es/routes.ts";
import { ES_APP } from "../es/dialect.ts";
import { type AnsweredRequest, type App, createApp } from "../http/app.ts";
import { authenticator } from "../http/auth.ts";
import { BodyBudget } from "../http/body.ts";
import { listen, type Listener, type TlsFiles } from "../http/listener.ts";
import { requestIds } from "../http/request_id.ts";
import type { Router } from "../http/router.ts";
import { Metrics } from "../native/metrics.ts";
import { nativeRouter } from "../native/routes.ts";
import { bootId, machineId } from "../os/boot.ts";
import { systemClock } from "../os/clock.ts";
import { processMemory, totalMemoryBytes } from "../os/memory.ts";
import { environment, hostName } from "../os/process.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { syncFileSystem } from "../os/sync_file_system.ts";
import { serviceNotifier } from "../os/sd_notify.ts";
import { availableCores } from "../os/threads.ts";
import { adminKey } from "./admin_key.ts";
import { halfRestored } from "./half_restored.ts";
import { engineLimits, nodeSettings } from "./node_settings.ts";
import { VERSION } from "./version.ts";

export interface ServeOptions {
  readonly config: Config;
  /** Reads the configuration anew, for SIGHUP. @throws {ConfigError} */
  readonly reread: () => Config;
  readonly log: Logger;
  readonly factory: ThreadFactory;
  /** A thread died or an index cannot be opened: the process must end. */
  readonly onFatal: (error: Error) => void;
}

/** How often the service manager hears of a replay, and how much more time it is asked for. */
const REPLAY_REPORT_MS = 5_000;
const REPLAY_EXTENSION_MS = 60_000;

/** A port of 0 is off. */
const OFF = 0;

/** A server that answers. */
export interface Server {
  readonly nativeOrigin: string | undefined;
  readonly esOrigin: string | undefined;
  /** Resolves when every log is replayed; rejects with what was refused. */
  readonly ready: Promise<void>;
  /** Takes what SIGHUP asks for; logs each change. */
  reload(): Promise<void>;
  /** @returns false when something could not be closed cleanly. */
  stop(): Promise<boolean>;
}

/**
 * @throws {OpenRefusedError | IoError | CorruptionError | RequestError} The directory is taken or half restored, a port
 * is taken, a certificate does not load.
 */
export function serve({ config: initial, reread, log, factory, onFatal }: ServeOptions): Server {
  let config = initial;
  const fs = realFileSystem();
  const clock = systemClock();
  const random = systemRandom();
  const startedMonotonicMs = clock.monotonicMs();
  const dataDir = config.server.dataDir;
  if (isHalfRestored(fs, dataDir)) throw halfRestored(dataDir);
  const lsn = new BigInt64Array(new SharedArrayBuffer(8));
  const catalog = openCatalog({
    fs,
    clock,
    random,
    log,
    machineId: machineId(),
    lsn: () => Number(Atomics.load(lsn, 0)),
    retainSupersededMs: () => config.storage.retainSupersededSecs * 1000,
  }, dataDir);
  Atomics.store(lsn, 0, BigInt(catalog.maxLsn));
  try {
    return start();
  } catch (error) {
    catalog.close({ clean: false });
    throw error;
  }

  function start(): Server {
    const key = config.auth.enabled
      ? adminKey(fs, { dataDir, configured: config.auth.adminApiKey, random })
      : { key: "", path: undefined, isNew: false };
    for (const warning of catalog.warnings) log.warn(warning);
    if (key.isNew) log.info("made the administrator's key", { file: key.path });
    const metrics = new Metrics();
    const threads = threadCounts(config);
    const machine = { totalMemoryBytes: totalMemoryBytes(), writers: threads.writers };
    const secrets = { env: environment, readFile: (path: string) => fs.readFile(path) };
    const bandwidth = () => config.backup.bandwidthMbPerSec * 1024 * 1024;
    const hydration = hydrationOf({
      fs,
      log,
      dataDir,
      bandwidth,
      waitMs: () => config.backup.hydrateWaitMs,
      repositories: () => config.repositories,
      secrets,
    });
    const engine = new Engine({
      fs,
      clock,
      random,
      log,
      dataDir,
      catalog,
      lsn,
      factory,
      ...threads,
      settings: nodeSettings(config, machine),
      limits: engineLimits(config),
      boot: { bootId: bootId(), isCopy: catalog.isCopy, cleanStop: catalog.cleanStop },
      hydration,
      onDeath: onFatal,
      onDamagedFile: (file) => healer.suspect(file),
      onTimings: (timings) => metrics.measured(timings),
    });
    const shared = {
      authenticator: authenticator(() => ({
        enabled: config.auth.enabled,
        adminKey: config.auth.adminApiKey === "" ? key.key : config.auth.adminApiKey,
        metricsToken: config.auth.metricsToken,
      })),
      requestIds: requestIds(random),
      clock,
      logger: log,
      budget: new BodyBudget(() => config.limits.maxInflightBodyMb * 1024 * 1024),
      bodyLimits: () => ({ maxBytes: config.limits.maxBodyBytes }),
      onAnswered: ({ method, path, status, requestId, tookMs }: AnsweredRequest) => {
        if (config.log.level !== "debug") return;
        log.debug("answered", {
          method,
          path,
          status,
          request_id: requestId,
          ms: Math.round(tookMs * 1000) / 1000,
        });
      },
    };
    const observed = {
      onSearch: (seconds: number, bytes: number) => metrics.searched(seconds, bytes),
      onWrite: (seconds: number, bytes: number) => metrics.wrote(seconds, bytes),
    };
    const snapshots = new DirectorySnapshots({ engine, fs, clock, dataDir, syncFileSystem });
    const backups = new Backups({
      engine,
      fs,
      clock,
      log,
      dataDir,
      version: VERSION,
      instanceId: catalog.instanceId,
      bandwidth,
      onDamagedFile: (file) => healer.suspect(file),
    });
    const restores = new Restores({ engine, backups, fs, clock, log, dataDir });
    const verifications = new Verifications({ engine, backups, fs, clock, log, dataDir });
    const namedRepository = (name: string) => namedDestination(name, config.repositories, secrets);
    const healer = new SegmentHealer({
      engine,
      backups,
      fs,
      clock,
      log,
      dataDir,
      repositories: () => config.repositories,
      named: namedRepository,
      streams: (name) => {
        const { enabled, repository, stream } = config.backupContinuous;
        return enabled && repository === name ? [stream] : [];
      },
    });
    const schedules = new Schedules({
      backups,
      log,
      repositories: () => config.repositories,
      named: namedRepository,
    });
    const verifySchedules = new VerifySchedules({
      verifications,
      log,
      repositories: () => config.repositories,
      named: namedRepository,
    });
    const drills = new Drills({
      engine,
      backups,
      fs,
      clock,
      log,
      dataDir,
      scratch: () => config.backup.drillDir,
      limitBytes: () => config.backup.drillMaxMb * 1024 * 1024,
    });
    const drillSchedules = new DrillSchedules({
      hold: (request) => drills.start(request).done,
      receipts: drills.receipts,
      clock,
      log,
      repositories: () => config.repositories,
      named: namedRepository,
    });
    const continuous = config.backupContinuous.enabled ? shipping() : undefined;
    const registered = new RegisteredRepositories({
      catalog,
      repositories: () => config.repositories,
      named: namedRepository,
    });
    function shipping(): ContinuousShipper {
      const { repository, stream } = config.backupContinuous;
      const destination = namedRepository(repository);
      const rounds = new RemoteRounds<Destination>(() => backups.shipper, () => ({
        destination,
        stream,
        retainMs: config.backupContinuous.retainHours * 3_600_000,
        conditional: !destination.singleWriter,
      }));
      backups.onReleased((holds) => rounds.released(holds));
      return new ContinuousShipper({
        engine,
        rounds,
        clock,
        log,
        stream,
        place: placeOf(destination),
        intervalMs: () => config.backupContinuous.intervalMs,
      });
    }
    const routers: { readonly native: Router; readonly es: Router } = {
      native: nativeRouter({
        engine,
        metrics,
        snapshots,
        backups: { backups, restores, verifications, healer, named: namedRepository, continuous },
        drills: { drills, schedules: drillSchedules, named: namedRepository },
        facts: {
          version: VERSION,
          startedMonotonicMs,
          monotonicMs: () => clock.monotonicMs(),
          memory: () => {
            const { residentBytes, anonymousBytes } = processMemory();
            return { rssBytes: residentBytes, anonymousBytes };
          },
          freeBytes: () => fs.freeBytes(dataDir),
          warnings: standingWarnings(config, catalog),
          liveWarnings: () => [
            ...hydration?.warnings ?? [],
            ...schedules.warnings,
            ...verifications.warnings,
            ...healer.warnings,
            ...drillSchedules.warnings,
            ...continuous?.warnings ?? [],
          ],
          maxLineBytes: () => config.limits.maxLineBytes,
        },
      }),
      es: esRouter({
        engine,
        identity: { name: hostName(), instanceId: catalog.instanceId, version: VERSION },
        snapshots: {
          repositories: registered,
          backups,
          restores,
          node: { id: catalog.instanceId, name: hostName() },
        },
        monotonicMs: () => clock.monotonicMs(),
        ...observed,
      }),
    };
    const apps = {
      native: createApp({ ...shared, router: routers.native }),
      es: createApp({ ...shared, router: routers.es, ...ES_APP }),
    };
    const tls = config.tls.enabled ? readTls(config) : undefined;
    const open = (port: number, app: App): Listener | undefined =>
      port === OFF ? undefined : listen({
        address: config.server.bindAddress,
        port,
        ...(tls ? { tls } : {}),
        handle: app.handle,
        logger: log,
      });
    const native = open(config.server.restPort, apps.native);
    let es: Listener | undefined;
    try {
      es = open(config.server.esCompatPort, apps.es);
    } catch (error) {
      native?.stop(0);
      throw error;
    }
    log.info("listening", {
      native: native?.origin,
      elasticsearch: es?.origin,
      data_dir: dataDir,
      version: VERSION,
    });
    const notifier = serviceNotifier(environment("NOTIFY_SOCKET"));
    const replaying = setInterval(() => {
      const { bytesDone, bytesTotal } = engine.replay;
      notifier.status(`replaying the log: ${bytesDone} of ${bytesTotal} bytes`);
      notifier.extendTimeout(REPLAY_EXTENSION_MS);
    }, REPLAY_REPORT_MS);
    const opened = hydration ? hydration.prepare(engine).then(() => engine.open()) : engine.open();
    const ready = opened.then(() => {
      if (hydration) hydration.opened();
      else removeSpentHydration(fs, dataDir);
      snapshots.removeLeftovers();
      backups.removeLeftovers({ isCopy: catalog.isCopy });
      restores.removeLeftovers();
      drills.removeLeftovers();
      schedules.start();
      verifySchedules.reconfigured();
      drillSchedules.start();
      continuous?.start();
      notifier.status(`serving ${engine.indices.names().length} indices`);
      notifier.ready();
      log.info("ready", {
        indices: engine.indices.names().length,
        ms: Math.round(clock.monotonicMs() - startedMonotonicMs),
      });
    }).finally(() => clearInterval(replaying));
    return {
      nativeOrigin: native?.origin,
      esOrigin: es?.origin,
      ready,
      reload: async () => {
        const next = reread();
        for (const change of diffConfig(config, next)) {
          if (change.reloadable) {
            log.info("configuration changed", { key: change.key, old: change.old, new: change.new });
          } else {log.warn("this key needs a restart to change", {
              key: change.key,
              old: change.old,
              new: change.new,
            });}
        }
        config = reloadedConfig(config, next);
        backups.reconfigured();
        hydration?.reconfigured();
        schedules.reconfigured();
        verifySchedules.reconfigured();
        drillSchedules.reconfigured();
        await engine.configure(nodeSettings(config, machine), engineLimits(config));
        if (config.tls.enabled) {
          const files = readTls(config);
          const drainMs = config.server.shutdownTimeoutSecs * 1000;
          await Promise.all([native?.replaceTls(files, drainMs), es?.replaceTls(files, drainMs)]);
        }
      },
      stop: async () => {
        notifier.stopping();
        schedules.stop();
        verifySchedules.stop();
        healer.stop();
        verifications.stop();
        drillSchedules.stop();
        drills.stop();
        backups.stop();
        hydration?.stop();
        apps.native.stop();
        apps.es.stop();
        const drainMs = config.server.shutdownTimeoutSecs * 1000;
        await Promise.all([native?.stop(drainMs), es?.stop(drainMs)]);
        await continuous?.stop();
        const clean = await engine.stop();
        catalog.close({ clean });
        return clean;
      },
    };
  }

  function readTls({ tls }: Config): TlsFiles {
    const read = (path: string) => new TextDecoder().decode(fs.readFile(path));
    return { certificate: read(tls.certPath), key: read(tls.keyPath) };
  }
}

/** Threads of each kind; on two cores one of each. */
function threadCounts({ threads }: Config): { readonly writers: number; readonly searchers: number } {
  const half = Math.max(1, Math.floor(availableCores() / 2));
  return { writers: threads.writers || half, searchers: threads.searchers || half };
}

function standingWarnings({ auth, server }: Config, catalog: Catalog): HealthWarning[] {
  const warnings: HealthWarning[] = [];
  if (!auth.enabled) {
    warnings.push({
      cause: `requests need no key on ${server.bindAddress}`,
      next: "remove --insecure, or set [auth] enabled = true",
      status: "yellow",
    });
  }
  for (const cause of catalog.warnings) {
    warnings.push({ cause, next: "see the server's log, and docs/operations.md", status: "yellow" });
  }
  return warnings;
}
