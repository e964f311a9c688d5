/**
 * A backup's journal: a local file that says which objects it has sent, so that after a crash the same backup goes on
 * rather than begins anew. Lines of JSON, appended:
 *
 *     {"journal":1,"repository":"<id>","backup":"<id>"}
 *     {"begun":"<object>", ...}      about to be sent
 *     {"sent":"<object>"}            the store has it
 *     {"manifest":"<object>"}        about to be sent
 *
 * Never synced and never trusted: an object that it names is looked for in the store before it is used, and a lost or
 * torn line costs sending one object again.
 *
 * @module
 */
import { utf8, utf8Text } from "../base/bytes.ts";
import { IoError } from "../base/errors.ts";
import type { FileSystem, OpenFile } from "../os/fs.ts";
import type { PieceEncoding } from "./manifest.ts";

/** An object that this backup sent, or began to. */
export interface JournalObject {
  readonly object: string;
  /** Content name; see `names.ts`. */
  readonly content: string;
  readonly bytes: number;
  readonly encoding: PieceEncoding;
  /** As `Piece.frames`. */
  readonly frames?: readonly number[];
}

export interface JournalOptions {
  readonly fs: FileSystem;
  readonly path: string;
  readonly repositoryId: string;
  readonly backupId: string;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #file: OpenFile;
  /** Objects of earlier runs, by content name; the last one of each. */
  readonly objects: ReadonlyMap<string, JournalObject>;
  /** Objects that an earlier run began to send and may have left as unfinished uploads. */
  readonly unfinished: readonly string[];
  /** An earlier run may have stored a manifest under the plain name. */
  readonly manifestBegun: boolean;

  private constructor(options: JournalOptions, file: OpenFile, found: Found) {
    this.#options = options;
    this.#file = file;
    this.objects = found.objects;
    this.unfinished = [...found.unfinished];
    this.manifestBegun = found.manifestBegun;
  }

  /** Goes on with the journal of this backup, or starts it; another backup's, or an unreadable one, is dropped. @throws {IoError} */
  static open(options: JournalOptions): Journal {
    const { fs, path } = options;
    const header = { journal: 1, repository: options.repositoryId, backup: options.backupId };
    const text = fs.exists(path) ? utf8Text(fs.readFile(path)) : "";
    const [first = "", ...lines] = text.split("\n");
    if (first === JSON.stringify(header)) {
      const file = fs.openAppend(path);
      // What was torn off by a crash must not run into the next line.
      if (!text.endsWith("\n")) file.write(utf8("\n"));
      return new Journal(options, file, readLines(lines));
    }
    if (text !== "" || fs.exists(path)) fs.unlink(path);
    const file = fs.create(path);
    file.write(utf8(`${JSON.stringify(header)}\n`));
    return new Journal(options, file, readLines([]));
  }

  begin(object: JournalObject): void {
    const { object: begun, ...rest } = object;
    this.#append({ begun, ...rest });
  }

  sent(object: string): void {
    this.#append({ sent: object });
  }

  beginManifest(object: string): void {
    this.#append({ manifest: object });
  }

  close(): void {
    this.#file.close();
  }

  /** The backup is published: nobody needs to go on with it. */
  remove(): void {
    this.#file.close();
    try {
      this.#options.fs.unlink(this.#options.path);
    } catch (error) {
      if (!(error instanceof IoError) || error.code !== "ENOENT") throw error;
    }
  }

  #append(line: unknown): void {
    this.#file.write(utf8(`${JSON.stringify(line)}\n`));
  }
}

interface Found {
  readonly objects: Map<string, JournalObject>;
  readonly unfinished: Set<string>;
  readonly manifestBegun: boolean;
}

function readLines(lines: readonly string[]): Found {
  const objects = new Map<string, JournalObject>();
  const unfinished = new Set<string>();
  let manifestBegun = false;
  for (const line of lines) {
    const json = parseLine(line);
    if (!json) continue;
    const { begun, content, bytes, encoding, frames } = json;
    if (typeof begun === "string" && typeof content === "string" && typeof bytes === "number") {
      objects.set(content, {
        object: begun,
        content,
        bytes,
        encoding: encoding as PieceEncoding,
        ...(Array.isArray(frames) ? { frames: frames as number[] } : {}),
      });
      unfinished.add(begun);
    }
    if (typeof json.sent === "string") unfinished.delete(json.sent);
    if (typeof json.manifest === "string") manifestBegun = true;
  }
  return { objects, unfinished, manifestBegun };
}

/** undefined: empty, or torn by a crash. */
function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === "object" && json !== null ? json as Record<string, unknown> : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
