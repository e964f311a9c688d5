/**
 * Many operations in one body: framed by byte scan, applied in order, one log record a shard.
 *
 * With several writers each gets the whole body, frames it, and takes the operations whose ids hash to its shards
 * (without an id: by position, drawing an id that hashes there).
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import { BulkFramer } from "../ingest/bulk.ts";
import type { AutoIds } from "../ingest/auto_id.ts";
import type { BulkAction, BulkActionKind } from "../ingest/bulk_action.ts";
import { WriteOperation, WriteOutcome } from "../shard/operation.ts";
import type { WriteBatch } from "../shard/write.ts";
import type { BulkItem, BulkRenderer } from "./bulk_renderer.ts";
import { indexNotFound } from "./index_names.ts";
import { shardOfId } from "./index_state.ts";
import type { BulkCall, BulkReply } from "./messages.ts";
import { Moved } from "./rpc.ts";
import { writerOf } from "./threads.ts";
import { parseUpdateBody, type UpdateBody } from "./update_document.ts";
import { ShardBatches } from "./shard_batches.ts";
import type { OpenShard, WriteIndex, WriterNode } from "./writer_node.ts";
import { applyOne, autoIds, drawId } from "./writer_write.ts";

/** How long a bulk runs before gets and small writes are let in. */
export const SLICE_MS = 5;

/** Applies one bulk request's share of this writer and waits for its durability. */
export async function applyBulk(node: WriterNode, call: BulkCall): Promise<Moved<BulkReply>> {
  const run = new BulkRun(node, call);
  const batches = await node.bulkTurn.take(() => run.apply());
  await batches.acknowledged();
  return run.reply();
}

/** What a name in the body stands for. */
interface Target {
  readonly index: WriteIndex;
  /** By shard, once its batch has begun: until that is committed nobody closes the shard. */
  readonly places: (Place | undefined)[];
}

interface Place {
  readonly open: OpenShard;
  readonly batch: WriteBatch;
  readonly items: Readonly<Record<BulkActionKind, BulkItem>>;
}

class BulkRun {
  readonly #node: WriterNode;
  readonly #call: BulkCall;
  readonly #renderer: BulkRenderer;
  readonly #ids: AutoIds;
  readonly #op = new WriteOperation();
  readonly #outcome = new WriteOutcome();
  /** By `#key`. */
  readonly #targets = new Map<string, Target | RequestError>();
  readonly #ends: number[] = [];
  readonly #positions: number[] = [];
  #itemCount = 0;
  #touched: readonly string[] = [];

  constructor(node: WriterNode, call: BulkCall) {
    this.#node = node;
    this.#call = call;
    this.#ids = autoIds(node);
    this.#renderer = node.options.renderers[call.renderer]!(call.options);
  }

  async apply(): Promise<ShardBatches> {
    const { options } = this.#node;
    const { body } = this.#call;
    this.#ids.refresh();
    const framer = new BulkFramer(body);
    const batches = new ShardBatches(this.#node);
    try {
      let sliceStart = options.clock.monotonicMs();
      const { maxIdBytes } = this.#node.settings;
      for (let position = 0; framer.next(); position++) {
        const problem = invalid(framer.action, maxIdBytes);
        if (problem) throw problem;
        const waits = this.#one(framer, position, batches);
        if (waits) await waits;
        if ((position & 63) === 63 && options.clock.monotonicMs() - sliceStart > SLICE_MS) {
          await options.pause();
          sliceStart = options.clock.monotonicMs();
        }
      }
      batches.commit();
    } catch (error) {
      batches.rollback();
      throw error;
    } finally {
      batches.release();
    }
    this.#touched = batches.incarnations();
    return batches;
  }

  reply(): Moved<BulkReply> {
    const items = this.#renderer.bytes().slice();
    const several = this.#call.writers > 1;
    const ends = several ? Uint32Array.from(this.#ends) : undefined;
    const positions = several ? Uint32Array.from(this.#positions) : undefined;
    const reply: BulkReply = {
      items,
      ends,
      positions,
      itemCount: this.#itemCount,
      errors: this.#renderer.errors,
      touched: this.#touched,
    };
    return new Moved(reply, [items.buffer as ArrayBuffer]);
  }

  /** Applies one operation; the promise of that, when it has to wait for somebody. */
  #one(framer: BulkFramer, position: number, batches: ShardBatches): Promise<void> | undefined {
    const { action } = framer;
    const name = action.index ?? this.#call.defaultIndex;
    if (name === undefined) throw validation("index is missing");
    const key = this.#key(action, name);
    const target = this.#targets.get(key);
    if (target === undefined) {
      return this.#resolve(key, name, action).then(() => this.#one(framer, position, batches));
    }
    if (target instanceof RequestError) {
      // What no writer can place is answered by the first.
      if (this.#call.writer === 0) this.#refuse(framer, name, position, target);
      return undefined;
    }
    const shard = this.#place(framer, target.index, position);
    if (shard < 0) return undefined;
    const place = target.places[shard];
    if (place) return this.#apply(framer, position, place);
    return this.#begin(framer, position, { target, shard, batches });
  }

  /** Where `#targets` has what the name means: under the name, unless the operation asks something else of it. */
  #key(action: BulkAction, name: string): string {
    const { requireAlias } = this.#call;
    if (action.requireAlias === undefined || action.requireAlias === requireAlias) {
      if (makesIndex(action) || this.#targets.has(name)) return name;
    }
    // No name of an index has a space in it.
    return `${name} ${action.requireAlias ?? requireAlias} ${makesIndex(action)}`;
  }

  async #resolve(key: string, name: string, action: BulkAction): Promise<void> {
    try {
      const { bulk } = this.#call;
      const requireAlias = action.requireAlias ?? this.#call.requireAlias;
      const create = makesIndex(action);
      const index = await this.#node.options.main.writeIndex({ name, bulk, requireAlias, create });
      this.#targets.set(key, { index, places: [] });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#targets.set(key, error);
    }
  }

  /** Takes the shard for the rest of the request, then applies its first operation. */
  async #begin(
    framer: BulkFramer,
    position: number,
    { target, shard, batches }: { target: Target; shard: number; batches: ShardBatches },
  ): Promise<void> {
    const { index, uuid: indexUuid, incarnation } = target.index;
    let open: OpenShard;
    let batch: WriteBatch;
    try {
      open = this.#node.shard(incarnation, shard);
      batch = batches.of(open) ?? await batches.begin(open);
    } catch (error) {
      // The index was deleted since its name was looked up: that concerns its own operations only.
      if (!(error instanceof RequestError) || error.status !== 404) throw error;
      this.#refuse(framer, index, position, indexNotFound(index));
      return;
    }
    const item = (action: BulkActionKind): BulkItem => ({ action, index, indexUuid, shard });
    const items = {
      index: item("index"),
      create: item("create"),
      update: item("update"),
      delete: item("delete"),
    };
    const place: Place = { open, batch, items };
    target.places[shard] = place;
    await this.#apply(framer, position, place);
  }

  /** Shard of the operation, and its id in `op`; -1 when another writer takes it. */
  #place(framer: BulkFramer, { incarnation, shards }: WriteIndex, position: number): number {
    const op = this.#op;
    op.reset();
    const { writer, writers } = this.#call;
    const { action } = framer;
    const hasId = action.idStart >= 0;
    let shard: number;
    if (hasId) {
      op.id = action.idBytes;
      op.idStart = action.idStart;
      op.idEnd = action.idEnd;
      shard = shardOfId(op.id, op.idStart, op.idEnd, shards);
    } else {
      shard = position % shards;
    }
    if (writers > 1 && writerOf(incarnation, shard, writers) !== writer) return -1;
    if (!hasId) {
      op.autoId = true;
      op.id = drawId(this.#ids, shard, shards);
      op.idStart = 0;
      op.idEnd = op.id.length;
    }
    return shard;
  }

  #apply(framer: BulkFramer, position: number, place: Place): Promise<void> | undefined {
    const op = this.#op;
    const outcome = this.#outcome;
    const { batch, items } = place;
    const { kind: action } = framer.action;
    const item = items[action];
    const { space } = this.#node;
    const refused = refusal(framer.action) ??
      (space.low && action !== "delete" ? space.refusal() : undefined);
    if (refused) {
      this.#refuse(framer, item.index, position, refused);
      return undefined;
    }
    op.source = this.#call.body;
    op.start = framer.sourceStart;
    op.end = framer.sourceEnd;
    op.create = action === "create";
    op.ifSeqNo = framer.action.ifSeqNo;
    op.ifPrimaryTerm = framer.action.ifPrimaryTerm;
    op.version = framer.action.version ?? -1;
    op.versionType = framer.action.versionType;
    if (action === "update") {
      let update: UpdateBody;
      try {
        const { maxJsonDepth: maxDepth } = this.#node.settings;
        update = parseUpdateBody(op.source.subarray(op.start, op.end), { maxDepth });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        this.#refuse(framer, item.index, position, error);
        return undefined;
      }
      const source = framer.action.source ?? update.source;
      return this.#applySlowly(position, place, { ...item, source }, update);
    }
    if (action === "delete") batch.delete(op, outcome);
    else {
      batch.index(op, outcome);
      if (outcome.kind === "mapping") return this.#applySlowly(position, place, item, undefined);
    }
    this.#render(position, item, false);
    return undefined;
  }

  /** An operation that may need main's word about the mapping. */
  async #applySlowly(
    position: number,
    { open, batch }: Place,
    item: BulkItem,
    update: UpdateBody | undefined,
  ): Promise<void> {
    const { action } = item;
    const one = { batch, op: this.#op, outcome: this.#outcome, update, action };
    this.#render(position, item, await applyOne(this.#node, open, one));
  }

  #render(position: number, item: BulkItem, noop: boolean): void {
    this.#startItem(position);
    this.#renderer.item(item, this.#op, this.#outcome, noop);
    this.#endItem();
  }

  #refuse(framer: BulkFramer, index: string, position: number, error: RequestError): void {
    const { kind, id } = framer.action;
    this.#startItem(position);
    this.#renderer.failure(kind, index, id, {
      status: error.status,
      type: error.type,
      reason: error.message,
      details: error.details,
      ...(error.causedBy ? { causedBy: error.causedBy } : {}),
    });
    this.#endItem();
  }

  #startItem(position: number): void {
    if (this.#call.writers > 1) this.#positions.push(position);
    else if (this.#itemCount > 0) this.#renderer.comma();
    this.#itemCount++;
  }

  #endItem(): void {
    if (this.#call.writers > 1) this.#ends.push(this.#renderer.length);
  }
}

/** A delete makes no index, unless its version has to be remembered. */
function makesIndex({ kind, versionType }: BulkAction): boolean {
  return kind !== "delete" || versionType !== "internal";
}

/** What refuses the whole request before any of it counts, as Elasticsearch does. */
function invalid(action: BulkAction, maxIdBytes: number): RequestError | undefined {
  const { kind, idStart, idEnd, ifSeqNo, ifPrimaryTerm, version, versionType } = action;
  if (idStart < 0) {
    if (kind === "update" || kind === "delete") return validation("id is missing");
  } else if (idEnd - idStart > maxIdBytes) {
    const size = idEnd - idStart;
    return validation(
      `id [${action.id}] is too long, must be no longer than ${maxIdBytes} bytes but was: ${size}`,
    );
  }
  if (kind === "create" && versionType !== "internal") {
    return validation("create operations only support internal versioning. use index instead");
  }
  if (kind === "create" && ifSeqNo >= 0) {
    return validation("create operations do not support compare and set. use index instead");
  }
  if (version !== undefined && versionType === "internal") {
    return validation(
      "internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and " +
        "`if_primary_term` instead",
    );
  }
  if (versionType !== "internal" && version === undefined) {
    return validation(`illegal version value [-3] for version type [${versionType.toUpperCase()}]`);
  }
  if (ifSeqNo >= 0 && versionType !== "internal") {
    return validation("compare and write operations can not use versioning");
  }
  if ((ifSeqNo >= 0) !== (ifPrimaryTerm > 0)) {
    return validation(
      ifSeqNo >= 0
        ? "ifSeqNo is set, but primary term is [0]"
        : `ifSeqNo is unassigned, but primary term is [${ifPrimaryTerm}]`,
    );
  }
  return undefined;
}

/** Why an operation cannot be applied, whatever its shard holds. */
function refusal({ idStart, idEnd, pipeline }: BulkAction): RequestError | undefined {
  if (idStart >= 0 && idStart === idEnd) return illegalArgument("if _id is specified it must not be empty");
  if (pipeline !== undefined && pipeline !== "_none") {
    return illegalArgument(`pipeline with id [${pipeline}] does not exist`);
  }
  return undefined;
}

function validation(reason: string): RequestError {
  return new RequestError(`Validation Failed: 1: ${reason};`, {
    status: 400,
    type: "action_request_validation_exception",
  });
}
