/**
 * One document at a time: index, create, update, delete by id.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";
import { AutoIds } from "../ingest/auto_id.ts";
import { WriteOperation, WriteOutcome } from "../shard/operation.ts";
import type { ShardState } from "../shard/state.ts";
import { getDocument, WriteBatch } from "../shard/write.ts";
import { indexNotFound } from "./index_names.ts";
import { shardOfId } from "./index_state.ts";
import type { WriteCall, WriteReply } from "./messages.ts";
import { mergeSource, parseUpdateBody, type UpdateBody } from "./update_document.ts";
import type { OpenShard, WriterNode } from "./writer_node.ts";

/** How often a document may ask for more fields before we call it our mistake. */
const MAX_MAPPING_ROUNDS = 8;

/** Applies one write, waits for its durability, answers. @throws {RequestError} 409, 400, 404, 429, 503 */
export async function applyWrite(node: WriterNode, call: WriteCall): Promise<WriteReply> {
  const open = node.shard(call.incarnation, call.shard);
  const { state } = open;
  checkWritable(node, state);
  if (call.action !== "delete") node.space.checkDocuments();
  const op = new WriteOperation();
  const outcome = new WriteOutcome();
  fill(op, call, { node, shards: open.spec.shards });
  const reply = await state.turn.take(async () => {
    checkOpen(node, open);
    const batch = new WriteBatch(state);
    try {
      const update = call.action === "update"
        ? parseUpdateBody(call.body, { maxDepth: node.settings.maxJsonDepth })
        : undefined;
      const noop = await applyOne(node, open, { batch, op, outcome, update, action: call.action });
      if (outcome.kind === "error" || outcome.kind === "conflict") throw failureOf(outcome, open);
      const started = node.options.clock.monotonicMs();
      batch.commit();
      node.timings.walWriteSeconds.push((node.options.clock.monotonicMs() - started) / 1000);
      return {
        id: op.idText(),
        result: noop ? "noop" as const : outcome.kind as WriteReply["result"],
        seqNo: outcome.seqNo,
        version: outcome.version,
        source: call.wantSource || update?.source !== undefined
          ? op.source.slice(op.start, op.end)
          : undefined,
        shown: update?.source,
      };
    } catch (error) {
      batch.rollback();
      throw error;
    }
  });
  await node.durability.acknowledged(state.store);
  node.flushIfLarge(open);
  return reply;
}

/** How far above its limit unflushed memory may grow while flushes run; past it writes wait for them, with 429. */
const MEMORY_OVERDRAFT = 2;

/** A shard that waits for space or for an operator refuses writes before they touch anything. */
export function checkWritable(node: WriterNode, state: ShardState): void {
  const { settings } = node;
  if (node.memoryBytes() > settings.writeMemoryBytes * MEMORY_OVERDRAFT) {
    throw new RequestError(
      `unflushed documents hold ${node.memoryBytes()} bytes of memory, and flushes have not caught up; see [limits] memory_mb`,
      { status: 429, type: "circuit_breaking_exception", headers: { "retry-after": "1" } },
    );
  }
  if (state.store.poisoned) {
    throw new RequestError(
      `[${state.names.index}][${state.names.shard}] takes no writes until it is reopened: ${state.store.poisoned.message}`,
      { status: 503, type: "unavailable_shards_exception" },
    );
  }
  if (state.store.blocked) {
    throw new RequestError(
      `no space left for the log of [${state.names.index}]; writes go on by themselves when there is`,
      { status: 429, type: "disk_full", headers: { "retry-after": "5" } },
    );
  }
}

/** Whether the index was deleted while a write waited for the shard's turn. @throws {RequestError} 404 */
export function checkOpen(node: WriterNode, { spec, state }: OpenShard): void {
  if (node.shards.get(`${spec.incarnation}/${state.names.shard}`)?.state !== state) {
    throw indexNotFound(spec.index);
  }
}

function fill(
  op: WriteOperation,
  call: WriteCall,
  { node, shards }: { node: WriterNode; shards: number },
): void {
  op.autoId = call.id === undefined;
  op.id = call.id === undefined ? drawId(autoIds(node), call.shard, shards).slice() : utf8(call.id);
  op.idStart = 0;
  op.idEnd = op.id.length;
  op.source = call.body;
  op.start = 0;
  op.end = call.body.length;
  op.create = call.action === "create";
  op.ifSeqNo = call.ifSeqNo;
  op.ifPrimaryTerm = call.ifPrimaryTerm;
  op.version = call.version;
  op.versionType = call.versionType;
}

const generators = new WeakMap<WriterNode, AutoIds>();

/** The thread's generator of ids. */
export function autoIds(node: WriterNode): AutoIds {
  let ids = generators.get(node);
  if (!ids) {
    const { clock, random: source } = node.options;
    const random = new Uint8Array(6);
    source.fill(random);
    ids = new AutoIds({ nowMs: () => clock.nowMs(), random });
    generators.set(node, ids);
  }
  return ids;
}

/** Draws an id that belongs to `shard`. A view that the next draw overwrites. */
export function drawId(ids: AutoIds, shard: number, shards: number): Uint8Array {
  do ids.next(); while (shardOfId(ids.bytes, 0, ids.bytes.length, shards) !== shard);
  return ids.bytes;
}

/**
 * Applies one operation to a batch, asking main for new fields when it must.
 *
 * @returns Whether it was an update that changed nothing.
 */
export async function applyOne(
  node: WriterNode,
  { state }: OpenShard,
  one: {
    readonly batch: WriteBatch;
    readonly op: WriteOperation;
    readonly outcome: WriteOutcome;
    readonly update: UpdateBody | undefined;
    readonly action: WriteCall["action"];
  },
): Promise<boolean> {
  const { batch, op, outcome, update, action } = one;
  for (let round = 0; round < MAX_MAPPING_ROUNDS; round++) {
    if (action === "delete") {
      batch.delete(op, outcome);
    } else {
      if (action === "update" && prepareUpdate(state, op, update!, outcome)) {
        return outcome.kind === "updated";
      }
      batch.index(op, outcome);
    }
    if (outcome.kind !== "mapping") return false;
    try {
      await node.growMapping(state, outcome.mappingUpdate);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      outcome.fail("error", error.status, error.type, error.message);
      outcome.causedBy = error.causedBy;
      return false;
    }
  }
  throw new Error("a document still lacks fields after the mapping grew");
}

/**
 * Turns an update into the index operation that it comes to.
 *
 * @returns True when there is nothing to index: `outcome` is `updated` (a noop) or an error.
 */
function prepareUpdate(
  state: ShardState,
  op: WriteOperation,
  update: UpdateBody,
  outcome: WriteOutcome,
): boolean {
  const id = op.id.subarray(op.idStart, op.idEnd);
  const found = getDocument(state, id);
  if (!found) {
    const upsert = update.docAsUpsert ? update.doc : update.upsert;
    if (upsert === undefined) {
      outcome.fail("error", 404, "document_missing_exception", `[${op.idText()}]: document missing`);
      return true;
    }
    if (op.ifSeqNo < 0) op.create = true;
    setSource(op, utf8(JSON.stringify(upsert)));
    return false;
  }
  op.create = false;
  const merged = mergeSource(found.source, update.doc);
  if (merged === undefined && update.detectNoop) {
    const conflict = op.ifSeqNo >= 0 && op.ifSeqNo !== found.seqNo;
    if (!conflict) {
      outcome.done("updated", found.seqNo, found.version);
      setSource(op, found.source);
      return true;
    }
  }
  setSource(op, merged ?? found.source);
  return false;
}

function setSource(op: WriteOperation, source: Uint8Array): void {
  op.source = source;
  op.start = 0;
  op.end = source.length;
}

/** The error that a single-document request answers with. */
function failureOf(outcome: WriteOutcome, { spec, state }: OpenShard): RequestError {
  const details = outcome.kind === "conflict" || outcome.errorType === "document_missing_exception"
    ? { index_uuid: spec.uuid, shard: String(state.names.shard), index: spec.index }
    : {};
  return new RequestError(outcome.reason, {
    status: outcome.status,
    type: outcome.errorType,
    details,
    ...(outcome.causedBy ? { causedBy: outcome.causedBy } : {}),
  });
}
