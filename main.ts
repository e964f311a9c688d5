/**
 * The executable: command line, configuration, server. Only composes.
 *
 * @module
 */
import { IoError } from "./src/base/errors.ts";
import { BACKUP, backupProcess } from "./src/cli/backup.ts";
import { COMMANDS } from "./src/cli/commands.ts";
import { configureLog, partLogger } from "./src/cli/log.ts";
import { RESTORE, restoreProcess } from "./src/cli/restore.ts";
import { runServer } from "./src/cli/run_server.ts";
import { startUp } from "./src/cli/start_up.ts";
import { VERIFY, verifyProcess } from "./src/cli/verify.ts";
import { environment, exit, stderrIsTerminal, writeStderr, writeStdout } from "./src/os/process.ts";

const start = startUp({
  args: Deno.args,
  commands: COMMANDS,
  env: environment,
  readFile: (path) => {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw new IoError("read", path, error);
    }
  },
});

if (start.kind === "exit") {
  writeStdout(start.stdout);
  writeStderr(start.stderr);
  exit(start.code);
}

const setLog = (
  { level, format }: { level: "debug" | "info" | "warn" | "error"; format: "auto" | "json" | "pretty" },
) => configureLog({ level, format, isTerminal: stderrIsTerminal(), write: writeStderr });
setLog(start.loaded.config.log);
if (start.parsed.command === VERIFY) {
  exit(await verifyProcess(start.parsed, start.loaded.config));
}
if (BACKUP.subcommands?.includes(start.parsed.command)) {
  exit(await backupProcess(start.parsed, start.loaded.config));
}
if (start.parsed.command === RESTORE) exit(await restoreProcess(start.parsed, start.loaded.config));
exit(
  await runServer({
    config: start.loaded.config,
    reread: () => {
      const { config } = start.reload();
      setLog(config.log);
      return config;
    },
    log: partLogger("server"),
  }),
);
