/**
 * What a store really does: "compatible" ones differ, and a backup rests on these.
 *
 * Everything that is written lies below `probe/<uuid>`, and is deleted in the end, also after a failure.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { randomUuid } from "../base/uuid.ts";
import type { Random } from "../os/fs.ts";
import { systemRandom } from "../os/random.ts";
import { type CallOptions, type ObjectStore, type StoreAbilities, StoreError } from "./store.ts";

/** What is tested, in this order. */
export type ProbeName =
  | "write and read"
  | "listing after put"
  | "range"
  | "put if absent"
  | "put if absent, raced"
  | "put if match"
  | "put if match, raced"
  | "checksum refusal"
  | "large object"
  | "object lock"
  | "delete";

export interface ProbeCheck {
  readonly name: ProbeName;
  readonly ok: boolean;
  /** Whether a backup needs it; without the others it does with less, and says so. */
  readonly required: boolean;
  /** One sentence: what was found. */
  readonly words: string;
  /** What to do about it; "" when nothing is to be done, or the words say it. */
  readonly hint: string;
  readonly durationMs: number;
}

export interface ProbeReport {
  readonly place: string;
  /** Whether a backup can work with this store at all. */
  readonly ok: boolean;
  readonly abilities: StoreAbilities;
  readonly checks: readonly ProbeCheck[];
  /** Where objects of the probe stay, since the credentials may not delete; "": nowhere. */
  readonly left: string;
}

export interface ProbeOptions extends CallOptions {
  readonly random?: Random;
  /** Bytes of the large object. Default 17 MiB: three parts of an S3 store's default. */
  readonly largeBytes?: number;
  /** Told of each check when it is done. */
  readonly onCheck?: (check: ProbeCheck) => void;
}

const DEFAULT_LARGE_BYTES = 17 * 1024 * 1024;
const RACERS = 8;
const RACES = 3;

const ONE_WRITER_HINT =
  "Without it only one writer may use a repository: configure single_writer = true, or take another store.";

/** A store that can be put to the test with bytes and a SHA-256 that do not belong together. */
export interface ChecksumTrial {
  /** @throws {StoreError} "damaged", as it should: the store has looked. */
  putWrongChecksum(name: string, bytes: Uint8Array, options?: CallOptions): Promise<void>;
}

/** A check that found something else than it should. */
class Found extends Error {
  constructor(words: string, readonly hint = "") {
    super(words);
  }
}

interface Step {
  readonly name: ProbeName;
  readonly required: boolean;
  /** What was found, when all is well. @throws {Found} */
  run(): Promise<string>;
}

/**
 * Tries all checks, also after one has failed.
 *
 * @throws {StoreError} "denied", "unavailable" or "missing" (the bucket), when not even a small object can be written;
 * "cancelled".
 */
export async function probeStore(store: ObjectStore, options: ProbeOptions = {}): Promise<ProbeReport> {
  const probe = new Probe(store, options);
  const checks: ProbeCheck[] = [];
  let isThere = true;
  try {
    for (const step of probe.steps()) {
      const check = await tried(step);
      checks.push(check);
      options.onCheck?.(check);
    }
  } catch (error) {
    // Nobody is there who could delete anything.
    isThere = !(error instanceof StoreError && error.kind === "unavailable" && checks.length === 0);
    throw error;
  } finally {
    if (isThere) await probe.cleanUp();
  }
  const holds = (...names: readonly ProbeName[]) =>
    checks.every(({ name, ok }) => ok || !names.includes(name));
  return {
    place: store.place,
    ok: checks.every(({ ok, required }) => ok || !required),
    abilities: {
      putIfAbsent: holds("put if absent", "put if absent, raced"),
      putIfMatch: holds("put if match", "put if match, raced"),
    },
    checks,
    left: probe.left,
  };
}

async function tried({ name, required, run }: Step): Promise<ProbeCheck> {
  const startMs = performance.now();
  const check = (ok: boolean, words: string, hint: string): ProbeCheck => ({
    name,
    ok,
    required,
    words,
    hint,
    durationMs: Math.round(performance.now() - startMs),
  });
  try {
    return check(true, await run(), "");
  } catch (error) {
    if (error instanceof Found) return check(false, error.message, error.hint);
    if (!(error instanceof StoreError)) throw error;
    // Without these nothing else can be found out.
    const isHopeless = error.kind === "cancelled" || name === "write and read";
    if (isHopeless) throw error;
    return check(false, error.message, error.hint);
  }
}

class Probe {
  readonly #store: ObjectStore;
  readonly #options: CallOptions;
  readonly #random: Random;
  readonly #largeBytes: number;
  readonly #folder: string;
  readonly #written = new Set<string>();

  constructor(store: ObjectStore, { signal, random = systemRandom(), largeBytes }: ProbeOptions) {
    this.#store = store;
    this.#options = signal ? { signal } : {};
    this.#random = random;
    this.#largeBytes = largeBytes ?? DEFAULT_LARGE_BYTES;
    this.#folder = `probe/${randomUuid(random)}`;
  }

  steps(): readonly Step[] {
    return [
      { name: "write and read", required: true, run: () => this.#writeAndRead() },
      { name: "listing after put", required: true, run: () => this.#listing() },
      { name: "range", required: true, run: () => this.#range() },
      { name: "put if absent", required: false, run: () => this.#putIfAbsent() },
      { name: "put if absent, raced", required: false, run: () => this.#raceAbsent() },
      { name: "put if match", required: false, run: () => this.#putIfMatch() },
      { name: "put if match, raced", required: false, run: () => this.#raceMatch() },
      { name: "checksum refusal", required: false, run: () => this.#checksum() },
      { name: "large object", required: true, run: () => this.#large() },
      ...(this.#store.objectLock
        ? [
          {
            name: "object lock",
            required: this.#store.lock !== undefined,
            run: () => this.#objectLock(),
          } as const,
        ]
        : []),
      { name: "delete", required: false, run: () => this.#delete() },
    ];
  }

  get left(): string {
    return this.#written.size > 0 ? `${this.#folder}/` : "";
  }

  /** Deletes what is left; a store whose credentials cannot delete keeps it, as the check "delete" has said. */
  async cleanUp(): Promise<void> {
    try {
      // Not under the caller's signal, which may be what ended the probe.
      if (this.#written.size > 0) await this.#store.delete([...this.#written]);
      this.#written.clear();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  #name(last: string): string {
    const name = `${this.#folder}/${last}`;
    this.#written.add(name);
    return name;
  }

  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#random.fill(bytes);
    return bytes;
  }

  async #expect(name: string, wanted: Uint8Array): Promise<{ readonly etag: string }> {
    const found = await this.#store.get(name, this.#options);
    if (!found) throw new Found("An object that was just written is not there.");
    if (!equal(found.bytes, wanted)) {
      throw new Found("An object came back with other bytes than were written.");
    }
    return found;
  }

  async #writeAndRead(): Promise<string> {
    const name = this.#name("small");
    const [first, second] = [this.#bytes(1000), this.#bytes(2000)];
    await this.#store.put(name, first, this.#options);
    await this.#expect(name, first);
    const etag = await this.#store.put(name, second, this.#options);
    const found = await this.#expect(name, second);
    if (found.etag !== etag) throw new Found("The etag of a write is not that of what is read afterwards.");
    const info = await this.#store.head(name, this.#options);
    if (info?.sizeBytes !== second.length) throw new Found("A look at an object does not give its size.");
    if (await this.#store.get(this.#name("nothing"), this.#options)) {
      throw new Found("An object is there that nobody wrote.");
    }
    return "What is written is there at once, and replaced at once.";
  }

  async #listing(): Promise<string> {
    const names = ["list/a", "list/b", "list/c"].map((last) => this.#name(last));
    for (const name of names) await this.#store.put(name, this.#bytes(10), this.#options);
    const found: string[] = [];
    for await (const { name } of this.#store.list(`${this.#folder}/list/`, this.#options)) found.push(name);
    if (found.join() !== names.join()) {
      throw new Found(
        `Of ${names.length} objects that were just written the list has ${found.length}, or in another order.`,
        "The store's lists lag behind: what is left by dead backups may be found late.",
      );
    }
    return "Lists have what was just written, in order.";
  }

  async #range(): Promise<string> {
    const name = this.#name("range");
    const bytes = this.#bytes(100_000);
    await this.#store.put(name, bytes, this.#options);
    const range = { offset: 12_345, length: 678 };
    const got: number[] = [];
    for await (const piece of this.#store.stream(name, { ...this.#options, range })) got.push(...piece);
    if (!equal(Uint8Array.from(got), bytes.subarray(range.offset, range.offset + range.length))) {
      throw new Found("A range came back with other bytes than the object has there.");
    }
    return "Ranges of an object can be read.";
  }

  async #putIfAbsent(): Promise<string> {
    const name = this.#name("absent");
    const bytes = this.#bytes(100);
    const options = { ...this.#options, condition: { ifAbsent: true } } as const;
    await this.#store.put(name, bytes, options);
    await this.#mustRefuse(this.#store.put(name, this.#bytes(100), options), "already there");
    await this.#expect(name, bytes);
    return "A write that must be the first is refused when there is an object.";
  }

  async #putIfMatch(): Promise<string> {
    const name = this.#name("match");
    const bytes = this.#bytes(100);
    const first = await this.#store.put(name, this.#bytes(100), this.#options);
    const replace = (ifMatch: string, by: Uint8Array) =>
      this.#store.put(name, by, { ...this.#options, condition: { ifMatch } });
    await replace(first, bytes);
    await this.#mustRefuse(replace(first, this.#bytes(100)), "replaced meanwhile");
    await this.#expect(name, bytes);
    return "A replacement is refused when the object is another one by then.";
  }

  async #mustRefuse(put: Promise<string>, what: string): Promise<void> {
    const refusal = await outcomeOf(put);
    if (refusal === "done") {
      throw new Found(
        `The store, or a proxy before it, ignores conditions: it wrote over what was ${what}.`,
        ONE_WRITER_HINT,
      );
    }
    if (refusal.kind === "precondition") return;
    throw new Found(refusal.message, ONE_WRITER_HINT);
  }

  async #raceAbsent(): Promise<string> {
    for (let race = 0; race < RACES; race++) {
      const name = this.#name(`absent-race-${race}`);
      await this.#race(
        name,
        (bytes) => this.#store.put(name, bytes, { ...this.#options, condition: { ifAbsent: true } }),
      );
    }
    return `Of ${RACERS} first writes at once, one wins.`;
  }

  async #raceMatch(): Promise<string> {
    for (let race = 0; race < RACES; race++) {
      const name = this.#name(`match-race-${race}`);
      const ifMatch = await this.#store.put(name, this.#bytes(10), this.#options);
      await this.#race(
        name,
        (bytes) => this.#store.put(name, bytes, { ...this.#options, condition: { ifMatch } }),
      );
    }
    return `Of ${RACERS} replacements at once, one wins.`;
  }

  async #race(name: string, put: (bytes: Uint8Array) => Promise<string>): Promise<void> {
    const racers = Array.from({ length: RACERS }, (_, index) => this.#bytes(100 + index));
    const outcomes = await Promise.all(racers.map((bytes) => outcomeOf(put(bytes))));
    for (const outcome of outcomes) {
      if (outcome !== "done" && outcome.kind !== "precondition") {
        throw new Found(outcome.message, ONE_WRITER_HINT);
      }
    }
    const winners = racers.filter((_, index) => outcomes[index] === "done");
    if (winners.length !== 1) {
      throw new Found(`Of ${RACERS} conditional writes at once, ${winners.length} won.`, ONE_WRITER_HINT);
    }
    await this.#expect(name, winners[0]!);
  }

  async #checksum(): Promise<string> {
    const name = this.#name("wrong");
    const bytes = this.#bytes(1000);
    const sha256 = sha256Of(this.#bytes(1000));
    const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
    const refusal = await outcomeOf(
      this.#store.putFile(name, { sizeBytes: bytes.length, sha256, read }, this.#options),
    );
    if (refusal === "done") throw new Found("Bytes were taken that do not have the SHA-256 given with them.");
    if (refusal.kind !== "damaged") throw refusal;
    if (!("putWrongChecksum" in this.#store)) {
      return "Bytes without the right SHA-256 are refused before they are stored.";
    }
    const answer = await outcomeOf(
      (this.#store as ChecksumTrial).putWrongChecksum(name, bytes, this.#options),
    );
    if (answer === "done") {
      throw new Found(
        "The store took bytes that do not have the SHA-256 sent with them: it does not look at checksums.",
        "Use https, and verify backups now and then: a flip on the way in is found only when bytes are read again.",
      );
    }
    if (answer.kind !== "damaged" && answer.kind !== "unsupported") throw answer;
    return "Bytes that do not have the SHA-256 sent with them are refused.";
  }

  async #large(): Promise<string> {
    const name = this.#name("large");
    const bytes = this.#bytes(this.#largeBytes);
    const sha256 = sha256Of(bytes);
    const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
    const source = { sizeBytes: bytes.length, sha256, read };
    await this.#store.putFile(name, source, { ...this.#options, condition: { ifAbsent: true } });
    const hash = createHash("sha256");
    for await (const piece of this.#store.stream(name, this.#options)) hash.update(piece);
    if (hash.digest("hex") !== sha256) throw new Found("A large object came back with other bytes.");
    const again = await outcomeOf(
      this.#store.putFile(name, source, { ...this.#options, condition: { ifAbsent: true } }),
    );
    const words = `${(bytes.length / 1024 / 1024).toFixed(0)} MiB went up and came back whole`;
    return again === "done" ? `${words}; conditions of large objects are ignored.` : `${words}.`;
  }

  async #objectLock(): Promise<string> {
    const state = await this.#store.objectLock!(this.#options);
    if (state === "on") return "The bucket can lock objects: object_lock_days may be set.";
    const words = state === "off"
      ? "The bucket has no object lock"
      : "Whether the bucket has object lock may not be asked with these credentials";
    if (!this.#store.lock || state === "unknown") return `${words}; only object_lock_days needs it.`;
    throw new Found(
      `${words}, and object_lock_days is set.`,
      "Make a bucket with object lock, which cannot be switched on everywhere later, or set object_lock_days = 0.",
    );
  }

  async #delete(): Promise<string> {
    const names = [...this.#written];
    const refusal = await outcomeOf(this.#store.delete(names, this.#options));
    if (refusal !== "done") {
      throw new Found(
        refusal.message,
        "Backups work without the right to delete; prune then under another identity. The probe's objects stay.",
      );
    }
    for await (const { name } of this.#store.list(`${this.#folder}/`, this.#options)) {
      throw new Found(`${name} was deleted and is still listed.`);
    }
    this.#written.clear();
    return "What is deleted is gone, also from lists.";
  }
}

async function outcomeOf(call: Promise<unknown>): Promise<"done" | StoreError> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (error instanceof StoreError && error.kind !== "cancelled") return error;
    throw error;
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
