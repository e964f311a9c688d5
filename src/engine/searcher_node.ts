/**
 * The searcher thread: keeps readers over published snapshots and runs body handlers over them. Owns nothing, writes
 * nothing, waits for no writer.
 *
 * @module
 */
import { AnalyzerSet } from "../analysis/mod.ts";
import { assert, RequestError } from "../base/errors.ts";
import { Mapping } from "../schema/mapping.ts";
import type { SearchSegment, SearchTarget } from "../query/target.ts";
import { openSegment } from "../segment/open.ts";
import type { SegmentReader } from "../segment/reader.ts";
import { loadOf } from "../shard/images.ts";
import type { FileRegion, SegmentRef, ShardSnapshot } from "../shard/snapshot.ts";
import type { NodeSettings, SearchCall, SearchReply } from "./messages.ts";
import { snapshotKey } from "./messages.ts";
import { Moved } from "./rpc.ts";

/** What a body handler works with. */
export interface SearchEnvironment {
  readonly settings: NodeSettings;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
}

/** Turns a request body into an answer's bytes, in a searcher thread. Errors are thrown as `RequestError`. */
export type SearchHandler = (
  call: SearchCall,
  targets: readonly SearchTarget[],
  environment: SearchEnvironment,
) => { readonly status: number; readonly body: Uint8Array };

interface HeldSnapshot {
  readonly snapshot: ShardSnapshot;
  readonly target: SearchTarget;
}

export class SearcherNode {
  readonly #handlers: Readonly<Record<string, SearchHandler>>;
  readonly #viewMapping: (address: bigint, sizeBytes: number) => Uint8Array;
  readonly #clock: { nowMs(): number; monotonicMs(): number };
  readonly #snapshots = new Map<string, HeldSnapshot>();
  readonly #readers = new Map<string, SegmentReader>();
  /** Mapping and analyzers by incarnation, newest version only. */
  readonly #schemas = new Map<string, { version: number; mapping: Mapping; analyzers: AnalyzerSet }>();
  #settings: NodeSettings;

  constructor(options: {
    readonly handlers: Readonly<Record<string, SearchHandler>>;
    readonly viewMapping: (address: bigint, sizeBytes: number) => Uint8Array;
    readonly clock: { nowMs(): number; monotonicMs(): number };
    readonly settings: NodeSettings;
  }) {
    this.#handlers = options.handlers;
    this.#viewMapping = options.viewMapping;
    this.#clock = options.clock;
    this.#settings = options.settings;
  }

  /** What main may call, by name. */
  calls() {
    return {
      configure: (settings: NodeSettings) => {
        this.#settings = settings;
      },
      snapshot: (snapshot: ShardSnapshot) => this.#hold(snapshot),
      drop: (gone: { snapshots: readonly string[]; segments: readonly string[] }) => this.#drop(gone),
      search: (call: SearchCall) => this.#search(call),
    };
  }

  #hold(snapshot: ShardSnapshot): void {
    const { mapping, analyzers } = this.#schema(snapshot);
    const segments = snapshot.segments.map(({ ref, live, liveCount }, ordinal): SearchSegment => ({
      reader: this.#reader(ref),
      live,
      liveCount,
      ordinal,
    }));
    this.#snapshots.set(snapshotKey(snapshot), {
      snapshot,
      target: { index: snapshot.index, mapping, analyzers, segments },
    });
  }

  #schema({ incarnation, mapping, mappingVersion, settings }: ShardSnapshot) {
    const held = this.#schemas.get(incarnation);
    if (held && held.version === mappingVersion) return held;
    const { maxFields, defaultAnalyzer } = this.#settings;
    const analyzers = held?.analyzers ?? AnalyzerSet.fromSettings(settings, defaultAnalyzer);
    const schema = {
      version: mappingVersion,
      analyzers,
      mapping: Mapping.fromStored(mapping as Readonly<Record<string, unknown>>, { maxFields, analyzers }),
    };
    this.#schemas.set(incarnation, schema);
    return schema;
  }

  #reader(ref: SegmentRef): SegmentReader {
    const known = this.#readers.get(ref.key);
    if (known) return known;
    const image = (region: FileRegion) => {
      const { verified, label, blocks } = region;
      const bytes = region.kind === "shared"
        ? region.bytes
        : this.#viewMapping(region.address, region.sizeBytes);
      const load = loadOf(blocks, label);
      return { bytes, verified, label, ...(load ? { load } : {}) };
    };
    const reader = openSegment({ seg: image(ref.seg), sidx: image(ref.sidx), ids: image(ref.ids) });
    this.#readers.set(ref.key, reader);
    return reader;
  }

  #drop({ snapshots, segments }: { snapshots: readonly string[]; segments: readonly string[] }): void {
    for (const key of snapshots) {
      const incarnation = this.#snapshots.get(key)?.snapshot.incarnation;
      this.#snapshots.delete(key);
      if (incarnation === undefined) continue;
      const used = [...this.#snapshots.values()].some(({ snapshot }) => snapshot.incarnation === incarnation);
      if (!used) this.#schemas.delete(incarnation);
    }
    for (const key of segments) this.#readers.delete(key);
  }

  #search(call: SearchCall): Moved<SearchReply> {
    const started = this.#clock.monotonicMs();
    const handler = this.#handlers[call.handler];
    assert(handler, `search handler ${call.handler} exists`);
    const targets = numbered(call.snapshots.map((key) => {
      const held = this.#snapshots.get(key);
      if (!held) {
        throw new RequestError(`snapshot [${key}] is gone`, {
          status: 503,
          type: "search_phase_execution_exception",
        });
      }
      return held.target;
    }));
    const { status, body } = handler(call, targets, {
      settings: this.#settings,
      nowMs: () => this.#clock.nowMs(),
      monotonicMs: () => this.#clock.monotonicMs(),
    });
    const microseconds = Math.round((this.#clock.monotonicMs() - started) * 1000);
    // A view into a larger buffer must not take the rest along.
    const own = body.byteLength === body.buffer.byteLength ? body : body.slice();
    return new Moved({ status, body: own, microseconds }, [own.buffer as ArrayBuffer]);
  }
}

/** Numbers segments over all targets; a single target's are numbered already. */
function numbered(targets: readonly SearchTarget[]): readonly SearchTarget[] {
  if (targets.length === 1) return targets;
  let next = 0;
  return targets.map((target) => ({
    ...target,
    segments: target.segments.map((segment) => ({ ...segment, ordinal: next++ })),
  }));
}
