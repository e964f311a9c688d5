/**
 * Which repository a command means, and with which credentials and key: from its flags, the environment and the
 * configuration. Secrets come from the environment and from files only: arguments can be seen by every user of the
 * machine.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { utf8Text } from "../base/bytes.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import { type Destination, namedDestination } from "../control/destination.ts";
import { KEY_VARIABLE } from "../control/hydration.ts";
import { parseDestination } from "../objectstore/open.ts";
import type { FileSystem } from "../os/fs.ts";
import { type Flag, UsageError } from "./arguments.ts";

export { KEY_VARIABLE };

export const REPOSITORY_FLAGS: readonly Flag[] = [
  {
    name: "endpoint",
    value: "URL",
    effect: "the S3 service; else $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, Amazon's",
  },
  { name: "region", value: "REGION", effect: "the bucket's; else $AWS_REGION, us-east-1" },
  {
    name: "key-file",
    value: "FILE",
    effect: `holds the key of an encrypted repository; else $${KEY_VARIABLE}`,
  },
];

export interface RepositorySources {
  readonly fs: FileSystem;
  readonly env: (name: string) => string | undefined;
  /** Of the configuration, by name. */
  readonly repositories: Readonly<Record<string, RepositoryConfig>>;
}

/**
 * @param where A destination's address, or a name of the configuration. Flags win over the configuration, the
 * configuration over the environment.
 * @throws {UsageError} It is missing. @throws {RequestError} No such name, a secret is not where it should be.
 * @throws {StoreError} "unsupported": the address cannot be used. @throws {IoError} The key's file.
 */
export function repositoryOf(
  flags: ReadonlyMap<string, string>,
  { flag, sources }: { readonly flag: "from" | "to"; readonly sources: RepositorySources },
): Destination {
  const { env, fs, repositories } = sources;
  const where = flags.get(flag);
  if (where === undefined || where === "") throw new UsageError(missing(flag, repositories));
  const base = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(where) || where.includes("/")
    ? byAddress(where, env)
    : namedDestination(where, repositories, { env, readFile: (path) => fs.readFile(path) });
  const endpoint = flags.get("endpoint");
  const region = flags.get("region");
  const encryptionKey = keyOf(flags, { base, env, fs });
  return {
    ...base,
    ...(endpoint === undefined ? {} : { endpoint: endpoint.replace(/\/+$/, "") }),
    ...(region === undefined ? {} : { region }),
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
  };
}

function byAddress(where: string, env: RepositorySources["env"]): Destination {
  parseDestination(where);
  const endpoint = firstSet(env, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
  const region = firstSet(env, "AWS_REGION", "AWS_DEFAULT_REGION");
  return {
    url: where.replace(/\/+$/, ""),
    compress: true,
    singleWriter: false,
    ...(endpoint === undefined ? {} : { endpoint: endpoint.replace(/\/+$/, "") }),
    ...(region === undefined ? {} : { region }),
  };
}

function keyOf(
  flags: ReadonlyMap<string, string>,
  { base, env, fs }: { readonly base: Destination } & Pick<RepositorySources, "env" | "fs">,
): string | undefined {
  const file = flags.get("key-file");
  if (file === undefined) return base.encryptionKey ?? firstSet(env, KEY_VARIABLE);
  const key = utf8Text(fs.readFile(file)).trim();
  if (key === "") throw illegalArgument(`the key file ${file} is empty`);
  return key;
}

function firstSet(env: RepositorySources["env"], ...names: readonly string[]): string | undefined {
  return names.map(env).find((value) => value !== undefined && value !== "");
}

function missing(flag: string, repositories: RepositorySources["repositories"]): string {
  const names = Object.keys(repositories);
  const known = names.length === 0 ? "" : ` (the configuration has ${names.join(", ")})`;
  return `--${flag} is needed: s3://bucket/prefix, file:///path, or the name of a repository${known}`;
}
