/**
 * Receipts of restore drills: one small sealed file each, kept where the server finds them again after a restart.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { STAGED_SUFFIX } from "../format/file_names.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../format/sealed_json.ts";
import type { ComparedIndex } from "../engine/evidence/compare.ts";
import type { FileSystem } from "../os/fs.ts";

/** Older ones go; the newest that proved a repository stays whatever its age. */
export const MAX_RECEIPTS = 64;

/** `not_held`: it could not be said whether the backup is good. */
export type DrillOutcome = "passed" | "failed" | "not_held";

const OUTCOMES: readonly DrillOutcome[] = ["passed", "failed", "not_held"];

export interface DrillReceipt {
  readonly id: string;
  readonly kind: "manual" | "scheduled";
  /** Name in the configuration, or "". */
  readonly repository: string;
  /** Fit for messages: as `placeOf`. */
  readonly place: string;
  /** "": it was not reached. */
  readonly repositoryId: string;
  /** "": it was not found. */
  readonly backupId: string;
  /** ms since the epoch; 0: not known. */
  readonly backupCreatedMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly outcome: DrillOutcome;
  /** In words, for people; "" after one that passed and compared everything. */
  readonly reason: string;
  /** Of the files that were restored. */
  readonly bytes: number;
  readonly fetchedBytes: number;
  readonly fetchMs: number;
  readonly openMs: number;
  readonly compareMs: number;
  readonly indices: readonly ComparedIndex[];
  /** Indices that the byte limit left for another time. */
  readonly leftOut: readonly string[];
  /** Somebody chose the indices: then it says nothing of the others. */
  readonly isPart: boolean;
}

const SUFFIX = ".json";

export class DrillReceipts {
  readonly #fs: FileSystem;
  readonly #folder: string;
  readonly #log: Logger;
  #all: DrillReceipt[] | undefined;

  constructor({ fs, folder, log }: {
    readonly fs: FileSystem;
    /** Made with the first receipt. */
    readonly folder: string;
    readonly log: Logger;
  }) {
    this.#fs = fs;
    this.#folder = folder;
    this.#log = log;
  }

  /** Oldest first. */
  get all(): readonly DrillReceipt[] {
    return this.#all ??= this.#read();
  }

  /** The newest that proved a repository: all of what a server backed up, not a part that somebody chose. */
  lastProven(place: string): DrillReceipt | undefined {
    return this.all.findLast((receipt) =>
      receipt.place === place && receipt.outcome === "passed" && !receipt.isPart
    );
  }

  /** The newest of a repository, whatever came out. */
  last(place: string): DrillReceipt | undefined {
    return this.all.findLast((receipt) => receipt.place === place);
  }

  /** Durable when this returns. @throws {IoError} */
  add(receipt: DrillReceipt): void {
    const fs = this.#fs;
    const all = [...this.all, receipt];
    this.#makeFolder();
    const path = this.#pathOf(receipt);
    if (fs.exists(path + STAGED_SUFFIX)) fs.unlink(path + STAGED_SUFFIX);
    const file = fs.create(path + STAGED_SUFFIX);
    try {
      file.write(encodeSealed("drill", receipt));
      file.syncData();
    } finally {
      file.close();
    }
    fs.rename(path + STAGED_SUFFIX, path);
    fs.syncDirectory(this.#folder);
    this.#all = all;
    this.#forgetOld();
  }

  #makeFolder(): void {
    const fs = this.#fs;
    if (fs.exists(this.#folder)) return;
    fs.makeDirectory(this.#folder);
    const parent = this.#folder.slice(0, this.#folder.lastIndexOf("/"));
    fs.syncDirectory(parent);
    fs.syncDirectory(parent.slice(0, parent.lastIndexOf("/")));
  }

  #forgetOld(): void {
    const all = this.#all!;
    const proving = new Set(all.map(({ place }) => this.lastProven(place)));
    const kept = all.filter((receipt, i) => i >= all.length - MAX_RECEIPTS || proving.has(receipt));
    for (const receipt of all) {
      if (kept.includes(receipt)) continue;
      const path = this.#pathOf(receipt);
      if (this.#fs.exists(path)) this.#fs.unlink(path);
    }
    this.#all = kept;
  }

  #pathOf({ id }: DrillReceipt): string {
    return `${this.#folder}/${id}${SUFFIX}`;
  }

  #read(): DrillReceipt[] {
    const fs = this.#fs;
    const found: DrillReceipt[] = [];
    for (const { name, isFile } of fs.exists(this.#folder) ? fs.list(this.#folder) : []) {
      if (!isFile || !name.endsWith(SUFFIX)) continue;
      try {
        found.push(decodeReceipt(fs.readFile(`${this.#folder}/${name}`)));
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        // It proves nothing any more; the next drill writes another.
        this.#log.warn("a drill's receipt cannot be read", { file: name, reason: error.message });
      }
    }
    return found.sort((a, b) => a.endedMs - b.endedMs);
  }
}

/** @throws {CorruptionError} */
function decodeReceipt(bytes: Uint8Array): DrillReceipt {
  const body = new BodyReader("drill receipt", decodeSealed("drill", bytes));
  const outcome = OUTCOMES.find((known) => known === body.text("outcome"));
  if (!outcome) throw new CorruptionError(`Cannot decode drill receipt: outcome ${body.text("outcome")}`);
  return {
    id: body.text("id"),
    kind: body.text("kind") === "scheduled" ? "scheduled" : "manual",
    repository: body.text("repository"),
    place: body.text("place"),
    repositoryId: body.text("repositoryId"),
    backupId: body.text("backupId"),
    backupCreatedMs: body.integer("backupCreatedMs"),
    startedMs: body.integer("startedMs"),
    endedMs: body.integer("endedMs"),
    outcome,
    reason: body.text("reason"),
    bytes: body.integer("bytes"),
    fetchedBytes: body.integer("fetchedBytes"),
    fetchMs: body.integer("fetchMs"),
    openMs: body.integer("openMs"),
    compareMs: body.integer("compareMs"),
    indices: body.list("indices").map(decodeCompared),
    leftOut: body.list("leftOut").map(String),
    isPart: body.flag("isPart"),
  };
}

function decodeCompared(json: unknown): ComparedIndex {
  const body = new BodyReader("drilled index", json);
  return {
    index: body.text("index"),
    expectedDocs: body.has("expectedDocs") ? body.integer("expectedDocs") : undefined,
    foundDocs: body.has("foundDocs") ? body.integer("foundDocs") : undefined,
    probes: body.integer("probes"),
    differences: body.list("differences").map(String),
    omitted: body.text("omitted"),
  };
}
