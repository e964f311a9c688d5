/**
 * NDJSON documents as a stream of pieces: every line is a document, a bad one is reported by number, the rest go in.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";
import { checkJsonDepth } from "../base/json_depth.ts";
import { NdjsonCutter } from "../ingest/ndjson.ts";
import { WriteOperation, WriteOutcome } from "../shard/operation.ts";
import { parseExact } from "./update_document.ts";
import { shardOfId } from "./index_state.ts";
import type { IngestCall, IngestError, IngestReply, NodeSettings } from "./messages.ts";
import { ShardBatches } from "./shard_batches.ts";
import { writerOf } from "./threads.ts";
import { SLICE_MS } from "./writer_bulk.ts";
import type { WriteBatch } from "../shard/write.ts";
import type { OpenShard, WriterNode } from "./writer_node.ts";
import { applyOne, autoIds, drawId } from "./writer_write.ts";

/** Applies this writer's share of a piece and waits for its durability. */
export async function applyIngest(node: WriterNode, call: IngestCall): Promise<IngestReply> {
  const errors: IngestError[] = [];
  const counts = { indexed: 0, failed: 0 };
  const batches = await node.bulkTurn.take(() => applyLines(node, call, { errors, counts }));
  await batches.acknowledged();
  return { ...counts, errors };
}

async function applyLines(
  node: WriterNode,
  call: IngestCall,
  { errors, counts }: {
    readonly errors: IngestError[];
    readonly counts: { indexed: number; failed: number };
  },
): Promise<ShardBatches> {
  const { options } = node;
  node.space.checkDocuments();
  const { lines, incarnation, shards, writer, writers } = call;
  const batches = new ShardBatches(node);
  const op = new WriteOperation();
  const outcome = new WriteOutcome();
  const fail = (line: number, type: string, reason: string) => {
    counts.failed++;
    if (errors.length < call.maxErrors) errors.push({ line, type, reason });
  };
  try {
    let sliceStart = options.clock.monotonicMs();
    const ids = autoIds(node);
    ids.refresh();
    // By shard: its batch, until the end of which nobody closes it.
    const begun: { readonly open: OpenShard; readonly batch: WriteBatch }[] = [];
    const cutter = new NdjsonCutter({ lineBytesMax: node.settings.maxLineBytes });
    cutter.push(lines);
    for (const line of numberedLines(cutter, call.firstLine)) {
      if (cutter.tooLong) {
        if (writer === 0) fail(line, "illegal_argument_exception", tooLong(node.settings.maxLineBytes));
        continue;
      }
      op.reset();
      op.source = cutter.bytes;
      op.start = cutter.start;
      op.end = cutter.end;
      let shard = line % shards;
      if (call.idField !== undefined) {
        const id = idOf(cutter.bytes.slice(cutter.start, cutter.end), call.idField, node.settings);
        if (id instanceof RequestError) {
          if (writer === 0) fail(line, id.type, id.message);
          continue;
        }
        op.id = id;
        op.idStart = 0;
        op.idEnd = id.length;
        shard = shardOfId(id, 0, id.length, shards);
      }
      if (writers > 1 && writerOf(incarnation, shard, writers) !== writer) continue;
      if (call.idField === undefined) {
        op.autoId = true;
        op.id = drawId(ids, shard, shards);
        op.idStart = 0;
        op.idEnd = op.id.length;
      }
      let place = begun[shard];
      if (!place) {
        const open = node.shard(incarnation, shard);
        place = begun[shard] = { open, batch: await batches.begin(open) };
      }
      const { open, batch } = place;
      batch.index(op, outcome);
      if (outcome.kind === "mapping") {
        await applyOne(node, open, { batch, op, outcome, update: undefined, action: "index" });
      }
      if (outcome.kind === "error" || outcome.kind === "conflict") {
        fail(line, outcome.errorType, outcome.reason);
      } else counts.indexed++;
      if ((line & 63) === 63 && options.clock.monotonicMs() - sliceStart > SLICE_MS) {
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
  return batches;
}

export function tooLong(maxLineBytes: number): string {
  return `the line exceeds [limits] max_line_bytes = ${maxLineBytes}`;
}

function idOf(
  line: Uint8Array,
  field: string,
  { maxJsonDepth: maxDepth, maxIdBytes }: Pick<NodeSettings, "maxJsonDepth" | "maxIdBytes">,
): Uint8Array | RequestError {
  let value: unknown;
  try {
    checkJsonDepth(line, { maxDepth, what: "the document", type: "document_parsing_exception" });
    value = (parseExact(new TextDecoder("utf-8", { fatal: true }).decode(line)) as Record<string, unknown>)
      ?.[field];
  } catch (error) {
    return new RequestError(`cannot read the document's id: ${(error as Error).message}`, {
      status: 400,
      type: "document_parsing_exception",
    });
  }
  if (typeof value === "number" || (typeof value === "string" && value !== "")) {
    const id = utf8(String(value));
    if (id.length <= maxIdBytes) return id;
    return new RequestError(
      `id is too long, must be no longer than ${maxIdBytes} bytes but was: ${id.length}`,
      {
        status: 400,
        type: "illegal_argument_exception",
      },
    );
  }
  return new RequestError(`the document has no usable id in field [${field}]`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}

/** Numbers of the lines of the one piece, as the cutter stands on each; its last line may lack the newline. */
function* numberedLines(cutter: NdjsonCutter, firstLine: number): Generator<number> {
  while (cutter.next()) yield firstLine - 1 + cutter.line;
  cutter.finish();
  while (cutter.next()) yield firstLine - 1 + cutter.line;
}
