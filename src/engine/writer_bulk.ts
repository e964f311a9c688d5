/**
 * Many operations in one body: framed by byte scan, applied in order, one log record a shard.
 *
 * With several writers each gets the whole body, frames it, and takes the operations whose ids hash to its shards
 * (without an id: by position, drawing an id that hashes there).
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { BulkFramer } from "../ingest/bulk.ts";
import type { BulkAction } from "../ingest/bulk_action.ts";
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

class BulkRun {
  readonly #node: WriterNode;
  readonly #call: BulkCall;
  readonly #renderer: BulkRenderer;
  readonly #op = new WriteOperation();
  readonly #outcome = new WriteOutcome();
  readonly #targets = new Map<string, WriteIndex | RequestError>();
  readonly #ends: number[] = [];
  readonly #positions: number[] = [];
  #itemCount = 0;
  #touched: readonly string[] = [];

  constructor(node: WriterNode, call: BulkCall) {
    this.#node = node;
    this.#call = call;
    this.#renderer = node.options.renderers[call.renderer]!(call.options);
  }

  async apply(): Promise<ShardBatches> {
    const { options } = this.#node;
    const { body } = this.#call;
    autoIds(this.#node).refresh();
    const framer = new BulkFramer(body);
    const batches = new ShardBatches(this.#node);
    try {
      let sliceStart = options.clock.monotonicMs();
      for (let position = 0; framer.next(); position++) {
        await this.#one(framer, position, batches);
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

  async #one(framer: BulkFramer, position: number, batches: ShardBatches): Promise<void> {
    const name = framer.action.index ?? this.#call.defaultIndex;
    if (name === undefined) throw validation("index is missing");
    const known = this.#targets.get(name);
    const target = known ?? await this.#resolve(name);
    if (target instanceof RequestError) {
      // What no writer can place is answered by the first.
      if (this.#call.writer === 0) this.#refuse(framer, name, position, target);
      return;
    }
    const shard = this.#place(framer, target, position);
    if (shard < 0) return;
    let open: OpenShard;
    let batch: WriteBatch;
    try {
      open = this.#node.shard(target.incarnation, shard);
      batch = batches.of(open) ?? await batches.begin(open);
    } catch (error) {
      // The index was deleted since its name was looked up: that concerns its own operations only.
      if (!(error instanceof RequestError) || error.status !== 404) throw error;
      this.#refuse(framer, target.index, position, indexNotFound(target.index));
      return;
    }
    await this.#apply(framer, position, { open, batch, target });
  }

  async #resolve(name: string): Promise<WriteIndex | RequestError> {
    let target: WriteIndex | RequestError;
    try {
      const { requireAlias, bulk } = this.#call;
      target = await this.#node.options.main.writeIndex({ name, requireAlias, bulk });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      target = error;
    }
    this.#targets.set(name, target);
    return target;
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
      op.id = drawId(this.#node, shard, shards);
      op.idStart = 0;
      op.idEnd = op.id.length;
    }
    return shard;
  }

  async #apply(
    framer: BulkFramer,
    position: number,
    { open, batch, target }: { open: OpenShard; batch: WriteBatch; target: WriteIndex },
  ): Promise<void> {
    const op = this.#op;
    const outcome = this.#outcome;
    const { kind: action } = framer.action;
    const item: BulkItem = {
      action,
      index: target.index,
      indexUuid: target.uuid,
      shard: open.state.names.shard,
    };
    const refused = refusal(framer.action, this.#node.settings.maxIdBytes);
    if (refused) {
      this.#refuse(framer, target.index, position, refused);
      return;
    }
    op.source = this.#call.body;
    op.start = framer.sourceStart;
    op.end = framer.sourceEnd;
    op.create = action === "create";
    op.ifSeqNo = framer.action.ifSeqNo;
    op.ifPrimaryTerm = framer.action.ifPrimaryTerm;
    op.version = framer.action.version ?? -1;
    op.versionType = framer.action.versionType;
    let noop = false;
    if (action === "index" || action === "create") {
      batch.index(op, outcome);
      if (outcome.kind === "mapping") {
        noop = await applyOne(this.#node, open, { batch, op, outcome, update: undefined, action });
      }
    } else if (action === "delete") {
      batch.delete(op, outcome);
    } else {
      let update: UpdateBody;
      try {
        update = parseUpdateBody(op.source.subarray(op.start, op.end), {
          maxDepth: this.#node.settings.maxJsonDepth,
        });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        this.#refuse(framer, target.index, position, error);
        return;
      }
      noop = await applyOne(this.#node, open, { batch, op, outcome, update, action });
    }
    this.#startItem(position);
    this.#renderer.item(item, op, outcome, noop);
    this.#endItem();
  }

  #refuse(framer: BulkFramer, index: string, position: number, error: RequestError): void {
    const { kind, id } = framer.action;
    this.#startItem(position);
    this.#renderer.failure(kind, index, id, {
      status: error.status,
      type: error.type,
      reason: error.message,
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

/** Why an operation cannot be applied, whatever its shard holds. */
function refusal(action: BulkAction, maxIdBytes: number): RequestError | undefined {
  const { kind, idStart, idEnd, pipeline, ifSeqNo, version, versionType } = action;
  const size = idEnd - idStart;
  if (idStart >= 0 && (size === 0 || size > maxIdBytes)) {
    return size === 0
      ? validation("if _id is specified it must not be empty")
      : validation(`id is too long, must be no longer than ${maxIdBytes} bytes but was: ${size}`);
  }
  if (idStart < 0 && (kind === "update" || kind === "delete")) return validation("id is missing");
  if (pipeline !== undefined && pipeline !== "_none") {
    return new RequestError(`pipeline with id [${pipeline}] does not exist`, {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  if (kind === "create" && (ifSeqNo >= 0 || versionType !== "internal")) {
    return validation("create operations only support internal versioning. use index instead");
  }
  if (version !== undefined && versionType === "internal") {
    return validation(
      "internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and " +
        "`if_primary_term` instead",
    );
  }
  return undefined;
}

function validation(reason: string): RequestError {
  return new RequestError(`Validation Failed: 1: ${reason};`, {
    status: 400,
    type: "action_request_validation_exception",
  });
}
