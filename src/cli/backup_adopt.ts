/**
 * `xerj backup adopt`: tells the server that runs here to take a stream over, which another server wrote until it was lost.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { CommandEnvironment } from "./command_environment.ts";
import { adminKey } from "./admin_key.ts";
import { type Command, type Flag, UsageError } from "./arguments.ts";
import { type CommandFailure, commandFailure, EXIT_DONE, EXIT_REFUSED } from "./command_failure.ts";

/** The variable with the administrator's key where the server's own file cannot be read. */
export const ADMIN_KEY_VARIABLE = "XERJ_ADMIN_KEY";
const ROUTE = "/v1/admin/continuous/_adopt";
const LIMIT_MS = 60_000;

const ADOPT_FLAGS: readonly Flag[] = [
  {
    name: "url",
    value: "URL",
    effect:
      `the native API of the server; else as the configuration says. Its key: from its data_dir, or $${ADMIN_KEY_VARIABLE}`,
  },
  { name: "json", effect: "prints one JSON object instead of text" },
];

export const ADOPT: Command = {
  name: "backup adopt",
  summary: "lets this machine's server go on with the stream of one that is gone for good",
  operands: [],
  flags: ADOPT_FLAGS,
};

/** @returns The exit status. */
export async function runAdopt(
  environment: CommandEnvironment,
  flags: ReadonlyMap<string, string>,
  config: Config,
): Promise<number> {
  let failure: CommandFailure | undefined;
  try {
    const url = addressOf(flags, config);
    failure = await adopt(environment, url, config);
    if (!failure) {
      environment.writeStdout(
        flags.has("json")
          ? `${JSON.stringify({ adopted: true, url })}\n`
          : `the server at ${url} ships there from now on; what the stream held stays restorable for its window\n`,
      );
      return EXIT_DONE;
    }
  } catch (error) {
    failure = commandFailure(error, { isOpen: false });
    if (!failure) throw error;
  }
  if (flags.has("json")) environment.writeStdout(`${JSON.stringify({ error: failure })}\n`);
  else environment.writeStderr(`xerj backup adopt: ${failure.reason}\n`);
  return failure.exit;
}

/** @returns Why it did not do it. @throws {IoError} The key's file. */
async function adopt(
  environment: CommandEnvironment,
  url: string,
  config: Config,
): Promise<CommandFailure | undefined> {
  const key = config.auth.enabled ? keyOf(environment, config) : undefined;
  let answer: { readonly status: number; readonly body: unknown };
  try {
    const response = await fetch(`${url}${ROUTE}`, {
      method: "POST",
      signal: AbortSignal.any([environment.signal, AbortSignal.timeout(LIMIT_MS)]),
      ...(key === undefined ? {} : { headers: { authorization: `ApiKey ${key}` } }),
    });
    answer = { status: response.status, body: parsed(await response.text()) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reason = `Cannot reach the server at ${url}: ${error.message}; it has to run, --url says where`;
    return { exit: EXIT_REFUSED, type: "unreachable", reason };
  }
  if (answer.status === 200) return undefined;
  const { type, reason } = (answer.body as { error?: { type?: string; reason?: string } })?.error ?? {};
  return {
    exit: EXIT_REFUSED,
    type: type ?? "refused",
    reason: `the server at ${url} refused (${answer.status}): ${reason ?? "it does not say why"}`,
  };
}

function addressOf(flags: ReadonlyMap<string, string>, { server, tls }: Config): string {
  const url = flags.get("url");
  if (url !== undefined) {
    if (!URL.canParse(url)) {
      throw new UsageError(`--url ${JSON.stringify(url)} is no address such as http://127.0.0.1:8080`);
    }
    return url.replace(/\/+$/, "");
  }
  if (server.restPort === 0) throw new UsageError("--url is needed: [server] rest_port is switched off");
  const { bindAddress: bound } = server;
  const host = bound === "0.0.0.0"
    ? "127.0.0.1"
    : bound === "::"
    ? "[::1]"
    : bound.includes(":")
    ? `[${bound}]`
    : bound;
  return `${tls.enabled ? "https" : "http"}://${host}:${server.restPort}`;
}

function keyOf({ env, fs, random }: CommandEnvironment, { auth, server }: Config): string {
  const given = env(ADMIN_KEY_VARIABLE);
  if (given !== undefined && given !== "") return given;
  const path = `${server.dataDir}/admin.key`;
  if (auth.adminApiKey === "" && !fs.exists(path)) {
    throw new IoError(
      "use",
      path,
      new Error(`no server has made its key there; --data-dir or $${ADMIN_KEY_VARIABLE}`),
    );
  }
  return adminKey(fs, { dataDir: server.dataDir, configured: auth.adminApiKey, random }).key;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
