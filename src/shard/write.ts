/**
 * How does a write get in? A batch checks versions, assigns sequence numbers, applies each operation to the
 * memtable and collects its log entry; `commit` appends them as one record, all or nothing; `rollback` undoes
 * what a failed append must not leave behind.
 *
 * A batch holds the shard's turn from its first operation to its commit, so that a refresh never freezes, and a
 * flush never checkpoints, half of a request.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { type OperationsWriter, OpFlag, OpKind } from "../format/operations.ts";
import { RecordKind } from "../format/wal.ts";
import { FastParser } from "../ingest/fast_document.ts";
import { parseDocument } from "../schema/document.ts";
import type { Mapping } from "../schema/mapping.ts";
import { StagedDocument } from "../schema/staged.ts";
import { EMPTY_BYTES, utf8, utf8Text } from "../base/bytes.ts";
import type { LiveSegment } from "./live_segment.ts";
import { WriteOperation, WriteOutcome } from "./operation.ts";
import { MAX_RECENT_DELETES, RECENT_DELETES_MS, type RecentDelete, type ShardState } from "./state.ts";
import { UndoLog, type Whereabouts } from "./undo_log.ts";

/** Where the newest version of an id is. Reused. */
class Current {
  /** `none`: no such document was ever seen (or is remembered). */
  where: Whereabouts = "none";
  segment: LiveSegment | undefined;
  doc = -1;
  /** Memtable entry of the id, -1 if it has none there. */
  entry = -1;
  seqNo = -1;
  version = 0;

  get exists(): boolean {
    return this.where !== "none" && this.where !== "deleted";
  }
}

const current = new Current();
const staged = new StagedDocument();
const oneDoc = new Uint32Array(1);

/** Finds the newest version of an id: memtable, then the one being frozen, then segments from the newest back. */
function findCurrent(state: ShardState, id: Uint8Array, start: number, end: number): Current {
  current.segment = undefined;
  current.doc = -1;
  current.entry = state.memtable.find(id, start, end);
  if (current.entry >= 0) {
    const entry = current.entry;
    current.doc = state.memtable.entryDoc(entry);
    current.seqNo = state.memtable.entrySeqNo(entry);
    current.version = state.memtable.entryVersion(entry);
    if (current.doc >= 0) {
      current.where = "memtable";
      return current;
    }
    // A tombstone; or, with version 0, the entry of a write that was rolled back: look further.
    if (current.version > 0) {
      current.where = "deleted";
      return current;
    }
  }
  const frozen = state.frozen?.memtable;
  if (frozen) {
    const entry = frozen.find(id, start, end);
    if (entry >= 0 && frozen.entryVersion(entry) > 0) {
      current.doc = frozen.entryDoc(entry);
      current.where = current.doc >= 0 ? "frozen" : "deleted";
      current.seqNo = frozen.entrySeqNo(entry);
      current.version = frozen.entryVersion(entry);
      return current;
    }
  }
  const bytes = state.segments.length + state.recentDeletes.size > 0 ? id.subarray(start, end) : EMPTY_BYTES;
  for (let i = state.segments.length - 1; i >= 0; i--) {
    const segment = state.segments[i]!;
    if (segment.liveCount === 0) continue;
    const doc = segment.reader.findId(bytes);
    if (doc < 0 || !segment.isLive(doc)) continue;
    current.where = "segment";
    current.segment = segment;
    current.doc = doc;
    current.seqNo = numberOf(segment, "_seq_no", doc);
    current.version = numberOf(segment, "_version", doc);
    return current;
  }
  current.where = "none";
  current.seqNo = -1;
  current.version = 0;
  if (state.recentDeletes.size > 0) {
    const recent = state.recentDeletes.get(new TextDecoder().decode(bytes.slice()));
    if (recent) {
      current.where = "deleted";
      current.seqNo = recent.seqNo;
      current.version = recent.version;
    }
  }
  return current;
}

function numberOf(segment: LiveSegment, field: "_seq_no" | "_version", doc: number): number {
  const cursor = segment.reader.numeric(field)?.cursor();
  assert(cursor, `segment has ${field}`);
  oneDoc[0] = doc;
  assert(cursor.gather(oneDoc, 1) === 1, `every document has ${field}`);
  return cursor.values[0]!;
}

/** Operations of one request on one shard. The caller holds `state.turn`. */
export class WriteBatch {
  readonly #state: ShardState;
  readonly #entries: OperationsWriter;
  /** Of operations on ids that the client chose. */
  readonly #undo = new UndoLog();
  /** Docs added under ids that the server drew, which have nothing else to undo. */
  readonly #addedAuto: number[] = [];
  readonly #firstSeqNo: number;
  #lastSeqNo = -1;

  constructor(state: ShardState) {
    this.#state = state;
    this.#entries = state.entries;
    this.#entries.clear();
    this.#firstSeqNo = state.nextSeqNo;
  }

  get operations(): number {
    return this.#entries.opCount;
  }

  /** Bytes that the log record will have. */
  get logBytes(): number {
    return this.#entries.bytes().length;
  }

  /** Indexes `op`; `outcome` says what became of it. `mapping`: apply the update, then call again. */
  index(op: WriteOperation, outcome: WriteOutcome): WriteOutcome {
    const state = this.#state;
    if (!this.#stage(op, outcome)) return outcome;
    if (op.autoId) {
      const seqNo = state.nextSeqNo++;
      this.#apply(op, seqNo, 1);
      return outcome.done("created", seqNo, 1);
    }
    const before = findCurrent(state, op.id, op.idStart, op.idEnd);
    if (!checkConditions(op, before, outcome)) return outcome;
    const version = op.versionType === "internal" ? (before.version + 1) : op.version;
    const seqNo = state.nextSeqNo++;
    const existed = before.exists;
    this.#replace(op, before, seqNo, version);
    return outcome.done(existed ? "updated" : "created", seqNo, version);
  }

  /** Deletes by id. A delete of what is not there still takes a sequence number, as Elasticsearch's does. */
  delete(op: WriteOperation, outcome: WriteOutcome): WriteOutcome {
    const state = this.#state;
    const before = findCurrent(state, op.id, op.idStart, op.idEnd);
    if (!checkConditions(op, before, outcome)) return outcome;
    const version = op.versionType === "internal" ? before.version + 1 : op.version;
    const seqNo = state.nextSeqNo++;
    const existed = before.exists;
    this.#bury(op, before, seqNo, version);
    return outcome.done(existed ? "deleted" : "not_found", seqNo, version);
  }

  /** Applies an operation from the log, unless a newer one was applied already. */
  replayIndex(op: WriteOperation, seqNo: number, version: number, outcome: WriteOutcome): WriteOutcome {
    const before = findCurrent(this.#state, op.id, op.idStart, op.idEnd);
    if (before.where !== "none" && before.seqNo >= seqNo) return outcome.done("updated", seqNo, version);
    if (!this.#stage(op, outcome)) return outcome;
    // Staging does not look ids up: `before` is still that of this id.
    this.#replace(op, before, seqNo, version);
    this.#state.nextSeqNo = Math.max(this.#state.nextSeqNo, seqNo + 1);
    return outcome.done("created", seqNo, version);
  }

  replayDelete(op: WriteOperation, seqNo: number, version: number): void {
    const before = findCurrent(this.#state, op.id, op.idStart, op.idEnd);
    this.#state.nextSeqNo = Math.max(this.#state.nextSeqNo, seqNo + 1);
    if (before.where !== "none" && before.seqNo >= seqNo) return;
    this.#bury(op, before, seqNo, version);
  }

  /** Ends a replayed record, whose entries are in the log already. */
  endReplay(): void {
    this.#entries.clear();
    noteUnflushed(this.#state);
  }

  /**
   * Appends what the batch holds to the log.
   *
   * @returns The record's LSN, 0 when there was nothing to append.
   * @throws {IoError | RequestError} The append failed; the batch has been rolled back.
   */
  commit(): number {
    const state = this.#state;
    try {
      // Before the append, so that a roll that fails leaves nothing behind that would have to be undone.
      state.store.rollIfNeeded();
      if (state.mappingUnlogged) logMapping(state);
      if (this.#entries.opCount === 0) return 0;
      const { lsn } = state.store.append(RecordKind.Operations, {
        seqNo: this.#firstSeqNo,
        lastSeqNo: this.#lastSeqNo,
        payload: [this.#entries.bytes()],
      });
      noteUnflushed(state);
      // It is in the log now, whatever becomes of other shards' parts of the request.
      this.#undo.clear();
      this.#addedAuto.length = 0;
      return lsn;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Takes every operation of the batch back, newest first. Sequence numbers are not given out again. */
  rollback(): void {
    const state = this.#state;
    for (const doc of this.#addedAuto) {
      state.memtable.kill(doc);
      const id = state.memtable.docId(doc).slice();
      state.memtable.restoreEntry(state.memtable.find(id, 0, id.length), -1, 0, 0);
    }
    /** Ids whose older version lies in the memtable. */
    const revived = new Map<string, Uint8Array>();
    const undo = this.#undo;
    while (undo.pop()) {
      const { doc, tombstone, where, beforeEntry } = undo;
      if (doc >= 0) state.memtable.kill(doc);
      // A document that did not get as far as its id left no entry that was not there before.
      const id = tombstone?.id ??
        (doc >= 0 ? state.memtable.docId(doc) : state.memtable.entryId(beforeEntry)).slice();
      const name = utf8Text(id);
      if (tombstone) forgetDelete(state, name, tombstone.recentDelete);
      const entry = state.memtable.find(id, 0, id.length);
      if (where === "memtable") {
        state.memtable.revive(undo.beforeDoc);
        state.memtable.restoreEntry(entry, undo.beforeDoc, undo.beforeSeqNo, undo.beforeVersion);
        revived.set(name, id);
      } else {
        revived.delete(name);
        const known = beforeEntry >= 0 && where === "deleted";
        const [seqNo, version] = known ? [undo.beforeSeqNo, undo.beforeVersion] : [0, 0];
        state.memtable.restoreEntry(entry, -1, seqNo, version);
        if (where === "segment") undo.segment!.revive(undo.beforeDoc);
        if (where === "frozen") {
          const taken = state.frozen!.killed.pop();
          assert(taken === undo.beforeDoc, "deletes are taken back in reverse order");
        }
      }
    }
    this.#addedAuto.length = 0;
    for (const id of revived.values()) this.#addAgain(id);
    this.#entries.clear();
  }

  /** In a segment the last document of an id is the one that counts: what came back must be behind what did not. */
  #addAgain(id: Uint8Array): void {
    const { memtable } = this.#state;
    const entry = memtable.find(id, 0, id.length);
    const doc = memtable.entryDoc(entry);
    const op = new WriteOperation();
    op.id = id;
    op.idEnd = id.length;
    op.source = memtable.source(doc).slice();
    op.end = op.source.length;
    assert(this.#stage(op, new WriteOutcome()), "what was stored can be parsed");
    const [seqNo, version] = [memtable.entrySeqNo(entry), memtable.entryVersion(entry)];
    memtable.kill(doc);
    memtable.add(staged, id, 0, id.length, op.source, 0, op.end, seqNo, version, true);
  }

  /** Parses the source into `staged`; false when `outcome` says why not. */
  #stage(op: WriteOperation, outcome: WriteOutcome): boolean {
    const state = this.#state;
    staged.reset(op.source);
    if (state.parser.parse(op.source, op.start, op.end, staged)) return true;
    staged.reset(op.source);
    const parsed = parseDocument(state.mapping, op.source, op.start, op.end, staged, {
      maxDepth: state.environment.limits.maxJsonDepth,
      id: op.autoId ? undefined : op.idText(),
    });
    if (parsed.kind === "ok") return true;
    if (parsed.kind === "mapping") {
      outcome.kind = "mapping";
      outcome.mappingUpdate = parsed.update;
      return false;
    }
    outcome.fail("error", 400, parsed.type, parsed.reason);
    outcome.causedBy = parsed.causedBy;
    return false;
  }

  /** Puts the staged document in and the older version out. */
  #replace(op: WriteOperation, before: Current, seqNo: number, version: number): void {
    this.#endOlder(op, before, true);
    this.#undo.added(this.#apply(op, seqNo, version));
  }

  #bury(op: WriteOperation, before: Current, seqNo: number, version: number): void {
    const state = this.#state;
    this.#endOlder(op, before, false);
    state.memtable.addTombstone(op.id, op.idStart, op.idEnd, seqNo, version);
    rememberDelete(state, op.idText(), { seqNo, version, atMs: state.environment.clock.monotonicMs() });
    this.#lastSeqNo = seqNo;
    state.deletedTotal++;
    this.#entries.add(
      OpKind.Delete,
      0,
      seqNo - this.#firstSeqNo,
      version,
      op.id,
      op.idStart,
      op.idEnd,
      op.source,
      0,
      0,
    );
  }

  #apply(op: WriteOperation, seqNo: number, version: number): number {
    const state = this.#state;
    const doc = state.memtable.add(
      staged,
      op.id,
      op.idStart,
      op.idEnd,
      op.source,
      op.start,
      op.end,
      seqNo,
      version,
      !op.autoId,
    );
    if (op.autoId) this.#addedAuto.push(doc);
    this.#lastSeqNo = seqNo;
    state.indexedTotal++;
    this.#entries.add(
      OpKind.Index,
      op.autoId ? OpFlag.AutoId : 0,
      seqNo - this.#firstSeqNo,
      version,
      op.id,
      op.idStart,
      op.idEnd,
      op.source,
      op.start,
      op.end,
    );
    return doc;
  }

  #endOlder(op: WriteOperation, before: Current, added: boolean): void {
    const state = this.#state;
    const tombstone = added
      ? undefined
      : { id: op.id.slice(op.idStart, op.idEnd), recentDelete: state.recentDeletes.get(op.idText()) };
    this.#undo.push(before, tombstone);
    if (before.where === "memtable") state.memtable.kill(before.doc);
    else if (before.where === "frozen") state.frozen!.killed.push(before.doc);
    else if (before.where === "segment") before.segment!.kill(before.doc);
  }
}

/** Applies a mapping that main has decided on. The next commit logs it before the documents that need it. */
export function setMapping(state: ShardState, mapping: Mapping): void {
  if (mapping.version <= state.mapping.version) return;
  state.mapping = mapping;
  state.parser = new FastParser(mapping, state.environment.limits.maxJsonDepth);
  state.memtable.setMapping(mapping);
  state.mappingUnlogged = true;
}

/** Appends the mapping to the log. */
export function logMapping(state: ShardState): void {
  const seqNo = state.nextSeqNo - 1;
  state.store.append(RecordKind.Mapping, {
    seqNo: Math.max(0, seqNo),
    lastSeqNo: Math.max(0, seqNo),
    payload: [utf8(JSON.stringify(state.mapping.toStored()))],
  });
  state.mappingUnlogged = false;
}

/** There is something that no segment on disk holds: the clock of its flush starts. */
export function noteUnflushed(state: ShardState): void {
  if (state.unflushedSinceMs === 0) state.unflushedSinceMs = state.environment.clock.monotonicMs();
}

function rememberDelete(
  state: ShardState,
  id: string,
  recent: { seqNo: number; version: number; atMs: number },
): void {
  const { recentDeletes } = state;
  recentDeletes.delete(id);
  recentDeletes.set(id, recent);
  for (const [old, { atMs }] of recentDeletes) {
    if (recentDeletes.size <= MAX_RECENT_DELETES && recent.atMs - atMs <= RECENT_DELETES_MS) break;
    recentDeletes.delete(old);
  }
}

/** Takes `rememberDelete` back. */
function forgetDelete(state: ShardState, id: string, before: RecentDelete | undefined): void {
  if (before) state.recentDeletes.set(id, before);
  else state.recentDeletes.delete(id);
}

/** Optimistic concurrency, in Elasticsearch's words. */
function checkConditions(op: WriteOperation, before: Current, outcome: WriteOutcome): boolean {
  const { exists, version, seqNo } = before;
  const conflict = (reason: string) => {
    outcome.fail(
      "conflict",
      409,
      "version_conflict_engine_exception",
      `[${op.idText()}]: version conflict, ${reason}`,
    );
    return false;
  };
  if (op.create && exists) return conflict(`document already exists (current version [${version}])`);
  if (op.ifSeqNo >= 0) {
    const required = `required seqNo [${op.ifSeqNo}], primary term [${op.ifPrimaryTerm}].`;
    if (!exists) return conflict(`${required} but no document was found`);
    if (seqNo !== op.ifSeqNo || op.ifPrimaryTerm !== 1) {
      return conflict(`${required} current document has seqNo [${seqNo}] and primary term [1]`);
    }
  }
  if (op.versionType === "external" && before.where !== "none" && version >= op.version) {
    return conflict(`current version [${version}] is higher or equal to the one provided [${op.version}]`);
  }
  if (op.versionType === "external_gte" && before.where !== "none" && version > op.version) {
    return conflict(`current version [${version}] is higher than the one provided [${op.version}]`);
  }
  return true;
}

/** A document read by id, newest version first, refreshed or not. */
export interface FoundDocument {
  /** A copy. */
  readonly source: Uint8Array;
  readonly seqNo: number;
  readonly version: number;
}

/** Reads by id. Sees every write that was applied, whether refreshed or not. */
export function getDocument(state: ShardState, id: Uint8Array): FoundDocument | undefined {
  const found = findCurrent(state, id, 0, id.length);
  if (!found.exists) return undefined;
  const { seqNo, version, doc } = found;
  const source = found.where === "memtable"
    ? state.memtable.source(doc)
    : found.where === "frozen"
    ? state.frozen!.memtable.source(doc)
    : found.segment!.reader.source(doc);
  return { source: source.slice(), seqNo, version };
}
