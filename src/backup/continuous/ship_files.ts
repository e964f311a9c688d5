/**
 * The manifests' and catalogues' part of a round. Each is listed only when all that it names is there.
 *
 * @module
 */
import { IoError } from "../../base/errors.ts";
import {
  catalogName,
  deletedName,
  MANIFEST_FOLDER,
  manifestName,
  META_FOLDER,
  segmentName,
} from "../../format/file_names.ts";
import { SEGMENT_FILE_NAMES } from "../../format/manifest.ts";
import { sha256Hex } from "../../format/sealed_json.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { Repository } from "../repository.ts";
import { type Draft, isLocal, isRestorable, isWhole, keyOf, type Round } from "./draft.ts";
import { foreignStream } from "./ownership.ts";
import type { Arrived, AwaitedManifest, MissingFile, SegmentLane } from "./segment_lane.ts";
import type { CatalogView, LogView } from "./view.ts";

export interface FileShippingOptions {
  readonly repository: Repository;
  readonly stream: string;
  readonly fs: FileSystem;
  readonly lane: SegmentLane;
}

export class FileShipping {
  readonly #options: FileShippingOptions;

  constructor(options: FileShippingOptions) {
    this.#options = options;
  }

  /** Manifests whose segments are all there; others are awaited. */
  async shipManifests(round: Round, draft: Draft, arrived: readonly Arrived[]): Promise<void> {
    for (const { manifest } of arrived) {
      if (!manifest) continue;
      const { folder, incarnation, number } = manifest.facts;
      const newest = draft.newestManifest(folder, incarnation);
      if (
        number > newest && this.#lacks(draft, manifest.facts.folder, manifest.facts.segments).length === 0
      ) {
        await this.#listManifest(manifest, draft);
      }
    }
    for (const log of round.view.logs) {
      if (round.isSkipped(log)) continue;
      try {
        await this.#shipManifest(log, round, draft);
      } catch (error) {
        if (!isLocal(error)) throw error;
        round.fail(log, error);
      }
    }
  }

  async #shipManifest(log: LogView, round: Round, draft: Draft): Promise<void> {
    const { manifest, folder, directory } = log;
    const newest = draft.newestManifest(folder, manifest.incarnation);
    if (manifest.number > newest) {
      const name = manifestName(manifest.number);
      const bytes = this.#options.fs.readFile(`${directory}/${MANIFEST_FOLDER}/${name}`);
      const awaited: AwaitedManifest = {
        path: `${folder}/${MANIFEST_FOLDER}/${name}`,
        bytes,
        sha256: sha256Hex(bytes),
        facts: {
          folder,
          incarnation: manifest.incarnation,
          number: manifest.number,
          createdMs: manifest.createdMs,
          lsn: manifest.checkpoint.lsn,
          segments: manifest.segments.map(({ number }) => number),
          run: manifest.history.runs.at(-1)?.id ?? "",
        },
      };
      const missing: MissingFile[] = [];
      for (const { number, files } of manifest.segments) {
        for (const name of SEGMENT_FILE_NAMES) {
          const path = `${folder}/${segmentName(number)}/${name}`;
          const there = draft.file(path);
          if (there && there.sha256 !== files[name].sha256) {
            const { repository, stream } = this.#options;
            throw foreignStream(repository.place, stream, `it holds another ${path}`);
          }
          if (!there) {
            missing.push({ path, source: `${directory}/${segmentName(number)}/${name}`, file: files[name] });
          }
        }
      }
      const key = keyOf(log);
      if (missing.length === 0) await this.#listManifest(awaited, draft);
      else if (this.#options.lane.mayStart(key)) this.#options.lane.start(key, awaited, missing, log.hold());
      const failure = this.#options.lane.failures.get(key);
      if (failure) round.problem(log, failure.error);
    }
    if (!isRestorable(draft, log)) round.incomplete.add(manifest.incarnation);
  }

  /** Files of segments that the stream would lack. */
  #lacks(draft: Draft, folder: string, segments: readonly number[]): string[] {
    return segments.flatMap((number) =>
      SEGMENT_FILE_NAMES.map((name) => `${folder}/${segmentName(number)}/${name}`)
    )
      .filter((path) => !draft.file(path));
  }

  async #listManifest({ path, bytes, sha256, facts }: AwaitedManifest, draft: Draft): Promise<void> {
    const slice = await draft.packs.add(bytes);
    draft.addFile({ path, bytes: bytes.length, sha256, slices: [slice], manifest: facts });
  }

  /** Catalogues of whose indices a manifest is there. One that a newer one can replace may stay out. */
  async shipCatalogs({ view, incomplete }: Round, draft: Draft): Promise<void> {
    const newest = draft.inventory.catalogs().at(-1)?.catalog?.number ?? 0;
    let listed = newest;
    for (const catalog of view.catalogs) {
      if (catalog.body.number <= newest || !isWhole(catalog, draft)) continue;
      if (await this.#shipCatalog(catalog, draft)) listed = catalog.body.number;
    }
    const last = view.catalogs.at(-1);
    if (!last || last.body.number <= listed) return;
    for (const { incarnation } of last.body.indices) incomplete.add(incarnation);
  }

  /** @returns false: it is gone. */
  async #shipCatalog({ body, path, deletedPath }: CatalogView, draft: Draft): Promise<boolean> {
    const { fs } = this.#options;
    let bytes: Uint8Array;
    try {
      bytes = fs.readFile(path);
    } catch (error) {
      // An older one may have been released; the newest stays.
      if (error instanceof IoError && error.code === "ENOENT") return false;
      throw error;
    }
    if (body.deleted && deletedPath !== undefined) {
      const name = `${META_FOLDER}/${deletedName(body.deleted.number)}`;
      if (!draft.file(name)) {
        const list = fs.readFile(deletedPath);
        const slice = await draft.packs.add(list);
        draft.addFile({ path: name, bytes: list.length, sha256: sha256Hex(list), slices: [slice] });
      }
    }
    const slice = await draft.packs.add(bytes);
    const { number, createdMs, lsn, deleted } = body;
    draft.addFile({
      path: `${META_FOLDER}/${catalogName(number)}`,
      bytes: bytes.length,
      sha256: sha256Hex(bytes),
      slices: [slice],
      catalog: { number, createdMs, lsn, deleted: deleted?.number ?? 0 },
    });
    return true;
  }
}
