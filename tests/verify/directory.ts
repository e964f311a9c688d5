/**
 * A data directory with a past, and a model of what must be in it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { repairDirectory } from "../../src/cli/repair_directory.ts";
import {
  type DirectoryOptions,
  type DirectoryReport,
  verdictOf,
  verifyDirectory,
} from "../../src/cli/verify_directory.ts";
import { renderText } from "../../src/cli/verify_render.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { World } from "../engine/world.ts";

/** The library's does not narrow types. */
export function assert(condition: unknown, message = "what must hold does not"): asserts condition {
  if (!condition) throw new Error(message);
}

export const MAPPINGS = {
  properties: {
    "@timestamp": { type: "date" },
    host: { type: "keyword" },
    user: { type: "keyword" },
    message: { type: "text" },
    bytes: { type: "long" },
    seconds: { type: "double" },
    ok: { type: "boolean" },
  },
};

export const INDEX = "logs";

export function document(i: number, edition = 0): Record<string, unknown> {
  return {
    "@timestamp": new Date(Date.UTC(2026, 0, 1) + i * 7_200_000).toISOString(),
    host: `host${i % 5}`,
    user: `user-${i}`,
    message: `disk of host${i % 5} is ${i % 3 === 0 ? "full" : "fine"}, said user-${i}, edition ${edition}`,
    bytes: i * 17 + edition,
    seconds: i / 8,
    ...(i % 4 === 0 ? {} : { ok: i % 2 === 0 }),
  };
}

/** Id -> edition of the document that must be there. */
export type Model = Map<string, number>;

/** One index that is written to, and what it must hold. */
export class Past {
  readonly model: Model = new Map();
  /** The model as it was after each call of `put` and `remove`, with the last sequence number then. */
  readonly states: { readonly seqNo: number; readonly model: Model }[] = [];
  seqNo = -1;

  constructor(readonly world: World) {}

  async put(from: number, to: number, edition = 0): Promise<void> {
    const lines: unknown[] = [];
    for (let i = from; i < to; i++) {
      lines.push({ index: { _id: `id-${i}` } }, document(i, edition));
      this.model.set(`id-${i}`, edition);
    }
    const items = await this.world.bulk(INDEX, lines);
    assertEquals(items.filter(({ status }) => status >= 300), []);
    this.#remember(to - from);
  }

  async remove(...numbers: number[]): Promise<void> {
    for (const i of numbers) {
      await this.world.delete(INDEX, `id-${i}`);
      this.model.delete(`id-${i}`);
    }
    this.#remember(numbers.length);
  }

  flush(): Promise<void> {
    return this.world.flush(INDEX);
  }

  #remember(operations: number): void {
    this.seqNo += operations;
    this.states.push({ seqNo: this.seqNo, model: new Map(this.model) });
  }
}

export interface PastOptions {
  /** How long superseded manifests stay: 0 leaves the newest alone. */
  readonly retainMs?: number;
  readonly walMaxBytes?: number;
}

/** Lives through `past` and stops cleanly. */
export async function live(
  dataDir: string,
  past: (past: Past) => Promise<void>,
  { retainMs = 900_000, walMaxBytes = 1 << 20 }: PastOptions = {},
): Promise<Past> {
  const world = new World(dataDir, {
    settings: { walBatchMs: 10, walMaxBytes, retainSupersededMs: retainMs },
  });
  await world.open();
  const lived = new Past(world);
  try {
    await world.create(INDEX, { mappings: MAPPINGS });
    await past(lived);
  } finally {
    await world.close();
  }
  return lived;
}

export const OPTIONS: DirectoryOptions = {
  fs: realFileSystem(),
  clock: systemClock(),
  bootId: "",
  machineId: "",
  deep: false,
  pause: () => Promise.resolve(),
};

export function look(
  dataDir: string,
  { deep = false, pause = OPTIONS.pause }: Partial<Pick<DirectoryOptions, "deep" | "pause">> = {},
): Promise<DirectoryReport> {
  return verifyDirectory({ ...OPTIONS, deep, pause }, dataDir);
}

/** @throws When it is not sound. */
export async function expectSound(dataDir: string): Promise<DirectoryReport> {
  const report = await look(dataDir, { deep: true });
  assertEquals(verdictOf(report), 0, renderText(report));
  return report;
}

export function repair(dataDir: string, what: "wal" | "segments" | "both") {
  return repairDirectory({ ...OPTIONS, random: systemRandom() }, dataDir, {
    wal: what !== "segments",
    segments: what !== "wal",
  });
}

/** What is in the index once it is opened, by id. */
export async function contents(dataDir: string): Promise<Model> {
  const world = new World(dataDir, { settings: { walBatchMs: 10 } });
  await world.open();
  try {
    await world.refresh(INDEX);
    const found: Model = new Map();
    const { total, hits } = await world.search(INDEX, { size: 10_000, track_total_hits: true });
    for (const { _id, _source } of hits) {
      const i = Number(_id.slice(3));
      const edition = Number(_source["bytes"]) - i * 17;
      assertEquals(_source, document(i, edition));
      found.set(_id, edition);
    }
    assertEquals(found.size, total, "each id once");
    return found;
  } finally {
    await world.close();
  }
}

export function sorted(model: Model): [string, number][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Changes one bit; an offset below 0 counts from the end, one beyond it goes round. */
export function flipBit(path: string, offset: number, bit = 3): void {
  const bytes = Deno.readFileSync(path);
  const at = (offset < 0 ? bytes.length + offset : offset) % bytes.length;
  bytes[at]! ^= 1 << bit;
  Deno.writeFileSync(path, bytes);
}

/** Damages some bytes, more than can be turned back. */
export function smash(path: string, offset: number): void {
  for (let i = 0; i < 4; i++) flipBit(path, offset + i, (i * 5 + 1) % 8);
}
