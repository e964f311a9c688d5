/**
 * Repositories that clients of port 9200 register: kept in the catalogue, without any secret. Credentials are those of
 * the server's environment, profile or role; repositories of the configuration are there under their names, too.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import type { Catalog } from "../engine/catalog.ts";
import { type Destination, destinationFromRequest } from "./destination.ts";

const SECTION = "repositories";
const NAME = /^[^\s\\/*?"<>|,#_-][^\s\\/*?"<>|,#]{0,127}$/;
const SECRETS = ["access_key", "secret_key", "session_token"];

export interface RegisteredRepository {
  readonly type: "s3" | "fs";
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface RegisteredOptions {
  readonly catalog: Catalog;
  readonly repositories: () => Readonly<Record<string, RepositoryConfig>>;
  /** A repository of the configuration. @throws {RequestError} */
  readonly named: (name: string) => Destination;
}

export class RegisteredRepositories {
  readonly #options: RegisteredOptions;

  constructor(options: RegisteredOptions) {
    this.#options = options;
  }

  /** By name; those of the configuration first. */
  all(): ReadonlyMap<string, RegisteredRepository> {
    const { catalog, repositories } = this.#options;
    const configured = Object.entries(repositories()).map(([name, { destination }]) =>
      [name, describe(destination)] as const
    );
    const kept = Object.entries(catalog.section(SECTION)) as [string, RegisteredRepository][];
    return new Map([...kept, ...configured]);
  }

  /** @throws {RequestError} 404 */
  get(name: string): RegisteredRepository {
    const found = this.all().get(name);
    if (found) return found;
    throw new RequestError(`[${name.slice(0, 128)}] missing`, {
      status: 404,
      type: "repository_missing_exception",
    });
  }

  /** Where it lies. @throws {RequestError} 404, 400 */
  destination(name: string): Destination {
    if (Object.hasOwn(this.#options.repositories(), name)) return this.#options.named(name);
    return destinationOf(this.get(name));
  }

  /** Registers one, or replaces it. @throws {RequestError} 400 */
  put(name: string, body: Readonly<Record<string, unknown>>): void {
    if (!NAME.test(name)) throw illegalArgument(`[${name.slice(0, 128)}] cannot be a repository's name`);
    if (Object.hasOwn(this.#options.repositories(), name)) {
      throw illegalArgument(`[${name}] is a repository of the server's configuration; change it there`);
    }
    const { type, settings = {}, ...rest } = body;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw illegalArgument(`unknown key [${unknown}]; there are [type, settings]`);
    if (type !== "s3" && type !== "fs") {
      throw new RequestError(
        `[${name}] repository type [${String(type)}] does not exist; there are [s3, fs]`,
        {
          status: 400,
          type: "repository_exception",
        },
      );
    }
    if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
      throw illegalArgument("[settings] must be an object");
    }
    for (const secret of SECRETS) {
      if (!Object.hasOwn(settings, secret)) continue;
      throw illegalArgument(
        `[settings.${secret}]: secrets are not kept here; name the repository in the configuration, with its keys from a ` +
          "file or the environment",
      );
    }
    const registered: RegisteredRepository = {
      type,
      settings: settings as Readonly<Record<string, unknown>>,
    };
    destinationOf(registered);
    this.#options.catalog.update((draft) => {
      (draft.sections[SECTION] ??= {})[name] = registered;
    });
  }

  /** Forgets one; what lies there stays. @throws {RequestError} 404, 400 */
  delete(name: string): void {
    this.get(name);
    if (Object.hasOwn(this.#options.repositories(), name)) {
      throw illegalArgument(`[${name}] is a repository of the server's configuration; remove it there`);
    }
    this.#options.catalog.update((draft) => {
      delete draft.sections[SECTION]?.[name];
    });
  }
}

function describe(destination: string): RegisteredRepository {
  if (destination.startsWith("file://")) {
    return { type: "fs", settings: { location: destination.slice("file://".length) } };
  }
  const [bucket = "", ...path] = destination.slice("s3://".length).split("/");
  return { type: "s3", settings: { bucket, ...(path.length > 0 ? { base_path: path.join("/") } : {}) } };
}

/** Settings as Elasticsearch has them; what only tunes its own way of doing it has no effect. */
function destinationOf({ type, settings }: RegisteredRepository): Destination {
  const text = (key: string): string | undefined => {
    const value = settings[key];
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string") throw illegalArgument(`[settings.${key}] must be a string`);
    return value;
  };
  if (type === "fs") {
    const location = text("location");
    if (location === undefined) {
      throw illegalArgument("[settings.location] is missing: the absolute path of a mounted disk");
    }
    return destinationFromRequest(`file://${location}`, undefined);
  }
  const bucket = text("bucket");
  if (bucket === undefined) throw illegalArgument("[settings.bucket] is missing");
  const path = text("base_path")?.replace(/^\/+|\/+$/g, "");
  const endpoint = text("endpoint");
  const region = text("region");
  return destinationFromRequest(path === undefined ? `s3://${bucket}` : `s3://${bucket}/${path}`, {
    ...(endpoint === undefined
      ? {}
      : { endpoint: /^https?:/.test(endpoint) ? endpoint : `https://${endpoint}` }),
    ...(region === undefined ? {} : { region }),
  });
}
