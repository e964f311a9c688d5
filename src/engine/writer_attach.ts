/**
 * A writer's part of an attach: first every shard's folder is opened, which changes nothing; only when all of them are
 * good, shards of the new incarnation are made of them.
 *
 * @module
 */
import { AnalyzerSet } from "../analysis/mod.ts";
import { shardFolder } from "../format/file_names.ts";
import { attachShard, closePutBack, type FoundShard, openPutBack } from "../shard/attach.ts";
import { publishIfChanged } from "../shard/refresh.ts";
import type { AttachCall, OpenedShardReport } from "./messages.ts";
import type { WriterNode } from "./writer_node.ts";

/** Folders opened by attaches under way, by the incarnation that they are to become. */
export class Attachments {
  readonly #node: WriterNode;
  readonly #found = new Map<
    string,
    { readonly call: AttachCall; readonly shards: Map<number, FoundShard> }
  >();

  constructor(node: WriterNode) {
    this.#node = node;
  }

  /**
   * Opens the folders; writes nothing.
   *
   * @throws {OpenRefusedError | CorruptionError} One of them cannot be opened: all are let go.
   */
  async open(call: AttachCall): Promise<void> {
    const { spec, source, shards, isChecked } = call;
    const found = new Map<number, FoundShard>();
    this.#found.set(spec.incarnation, { call, shards: found });
    const { store, shard: environment } = this.#node.environments();
    try {
      for (const shard of shards) {
        const directory = folderOf(source.directory, { shard, shards: source.shards });
        found.set(
          shard,
          await openPutBack(store, directory, {
            identity: {
              indexUuid: source.uuid,
              incarnation: source.incarnation,
              shard,
              shards: source.shards,
            },
            environment: { ...environment, publish: () => {} },
            isChecked,
            names: { index: spec.index, incarnation: source.incarnation, shard },
            analyzersOf: (settings) =>
              AnalyzerSet.fromSettings(settings, this.#node.settings.defaultAnalyzer),
          }),
        );
      }
    } catch (error) {
      this.drop(spec.incarnation);
      throw error;
    }
  }

  /** Makes the new index's shards of what was opened, and opens them. @throws {RequestError | IoError} */
  async make(incarnation: string): Promise<OpenedShardReport[]> {
    const { call: { spec }, shards } = this.#found.get(incarnation)!;
    const { store: storeEnvironment, shard: environment } = this.#node.environments();
    const reports: OpenedShardReport[] = [];
    for (const [shard, found] of shards) {
      const state = await attachShard(storeEnvironment, found, {
        directory: folderOf(spec.directory, { shard, shards: spec.shards }),
        identity: { indexUuid: spec.uuid, incarnation, shard, shards: spec.shards },
        above: spec.firstNumbers[shard],
        environment,
        names: { index: spec.index, incarnation, shard },
        analyzers: found.state.analyzers,
      });
      this.#node.take({ state, spec });
      publishIfChanged(state, true);
      reports.push({
        shard,
        mapping: state.mapping.toStored(),
        mappingVersion: state.mapping.version,
        settings: state.settings,
        lsn: state.store.position.lsn,
        replayedBytes: found.replayedBytes,
        liveDocs: state.liveDocs,
        warnings: found.warnings,
      });
    }
    this.drop(incarnation);
    return reports;
  }

  /** Lets the folders go. */
  drop(incarnation: string): void {
    for (const found of this.#found.get(incarnation)?.shards.values() ?? []) closePutBack(found);
    this.#found.delete(incarnation);
  }
}

function folderOf(
  directory: string,
  { shard, shards }: { readonly shard: number; readonly shards: number },
): string {
  return shards === 1 ? directory : `${directory}/${shardFolder(shard)}`;
}
