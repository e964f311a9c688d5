/**
 * What a data directory has lost, out of a repository: for `xerj verify --repair --from`.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import { fetchLostFile } from "../backup/continuous/fetch_file.ts";
import { openDestination, openRepository } from "../control/open_repository.ts";
import type { LostFiles } from "../shard/repair/fetch_segments.ts";
import type { CommandEnvironment } from "./command_environment.ts";
import { repositoryOf } from "./repository_flags.ts";

export interface OpenLostFiles extends LostFiles {
  close(): void;
}

/** @throws {UsageError | RequestError | RepositoryError | StoreError | IoError} It cannot be opened. */
export async function openLostFiles(
  environment: CommandEnvironment,
  flags: ReadonlyMap<string, string>,
  { repositories }: Pick<Config, "repositories">,
): Promise<OpenLostFiles> {
  const { fs, env, signal } = environment;
  const destination = repositoryOf(flags, { flag: "from", sources: { fs, env, repositories } });
  const store = openDestination(destination, environment);
  try {
    const repository = await openRepository(store, destination, { ...environment, create: false, signal });
    return {
      fetch: async (wanted, to) => {
        const stream = flags.get("stream");
        const streams = stream === undefined ? [] : [stream];
        const found = await fetchLostFile(repository, wanted, { to, fs, streams, signal });
        return found.kind === "fetched"
          ? { kind: "fetched", from: `${found.source} at ${repository.place}` }
          : found;
      },
      close: () => store.close(),
    };
  } catch (error) {
    store.close();
    throw error;
  }
}
