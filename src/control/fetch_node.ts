/**
 * The shipper's part of healing a live segment: one file out of a repository, by its hash.
 *
 * @module
 */
import { fetchLostFile } from "../backup/continuous/fetch_file.ts";
import type { FetchedFile, WantedFile } from "../backup/fetch_file.ts";
import type { Repository } from "../backup/repository.ts";
import type { Job, ShipperOptions } from "./shipper_node.ts";

export interface FetchCall extends Job, WantedFile {
  /** Where to; a file that is there is replaced. */
  readonly to: string;
  /** Streams that may have it, too. */
  readonly streams: readonly string[];
}

export type FetchReply = FetchedFile & { readonly place: string };

export async function fetchIn(
  repository: Repository,
  { sha256, sizeBytes, to, streams }: FetchCall,
  { fs, signal }: ShipperOptions & { readonly signal: AbortSignal },
): Promise<FetchReply> {
  const found = await fetchLostFile(repository, { sha256, sizeBytes }, { to, fs, streams, signal });
  return { ...found, place: repository.place };
}
