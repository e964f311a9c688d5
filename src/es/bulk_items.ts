/**
 * Items of a `_bulk` answer, rendered straight to bytes by the writer: 100,000 of them make no object.
 *
 * @module
 */
import { ByteWriter, utf8 } from "../base/bytes.ts";
import type { BulkAction, BulkFailure, BulkItem, BulkRenderer } from "../engine/bulk_renderer.ts";
import { renderCause } from "../http/error_answer.ts";
import { SourceFilter } from "../query/fetch/source_filter.ts";
import type { SourceSpec } from "../query/request/request.ts";
import { parseSource } from "../query/request/source.ts";
import { PRIMARY_TERM, type WriteOperation, type WriteOutcome } from "../engine/operation.ts";

const RESULT_STATUS: Readonly<Record<string, number>> = {
  created: 201,
  updated: 200,
  deleted: 200,
  not_found: 404,
  noop: 200,
};
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class EsBulkRenderer implements BulkRenderer {
  readonly #out = new ByteWriter(64 * 1024);
  readonly #options: Readonly<Record<string, string>>;
  /** `{"index":{"_index":"logs","_id":` by action and index. */
  readonly #heads = new Map<string, Uint8Array>();
  /** `,"result":"created",...,"_seq_no":` by result. */
  readonly #middles = new Map<string, Uint8Array>();
  #lastHeadKey = "";
  #lastHead: Uint8Array = new Uint8Array(0);
  errors = false;

  /** @param options `forcedRefresh`: say so with every change; `source`: a `SourceSpec` for updates, in JSON. */
  constructor(options: Readonly<Record<string, string>>) {
    this.#options = options;
  }

  get length(): number {
    return this.#out.length;
  }

  comma(): void {
    this.#out.u8(COMMA);
  }

  bytes(): Uint8Array {
    return this.#out.bytes();
  }

  item(item: BulkItem, op: WriteOperation, outcome: WriteOutcome, noop: boolean): void {
    const { kind } = outcome;
    if (kind === "conflict" || kind === "error") {
      this.failure(item.action, item.index, op.idText(), {
        status: outcome.status,
        type: outcome.errorType,
        reason: outcome.reason,
        ...(outcome.causedBy ? { causedBy: outcome.causedBy } : {}),
        ...(kind === "conflict" || outcome.errorType === "document_missing_exception"
          ? { indexUuid: item.indexUuid, shard: item.shard }
          : {}),
      });
      return;
    }
    const result = noop ? "noop" : kind;
    const out = this.#out;
    out.append(this.#head(item.action, item.index));
    appendJsonString(out, op.id, op.idStart, op.idEnd);
    out.append(VERSION);
    appendInteger(out, outcome.version);
    out.append(this.#middle(result));
    appendInteger(out, outcome.seqNo);
    out.append(TERM);
    if (item.action === "update") this.#get(item, op, outcome.seqNo);
    out.append(STATUS);
    appendInteger(out, RESULT_STATUS[result]!);
    out.u8(0x7d);
    out.u8(0x7d);
  }

  failure(action: BulkAction, index: string, id: string | undefined, failure: BulkFailure): void {
    this.errors = true;
    const { status, type, reason, causedBy, details, indexUuid, shard } = failure;
    const error = {
      type,
      reason,
      ...details,
      ...(indexUuid === undefined ? {} : { index_uuid: indexUuid, shard: String(shard), index }),
      ...(causedBy ? { caused_by: renderCause(causedBy) } : {}),
    };
    this.#out.append(utf8(JSON.stringify({ [action]: { _index: index, _id: id ?? null, status, error } })));
  }

  #head(action: BulkAction, index: string): Uint8Array {
    const key = `${action} ${index}`;
    if (key === this.#lastHeadKey) return this.#lastHead;
    let head = this.#heads.get(key);
    if (!head) {
      head = utf8(`{"${action}":{"_index":${JSON.stringify(index)},"_id":`);
      this.#heads.set(key, head);
    }
    this.#lastHeadKey = key;
    this.#lastHead = head;
    return head;
  }

  /** `get` of an update whose source is asked for. */
  #get({ source }: BulkItem, op: WriteOperation, seqNo: number): void {
    const spec = shownSource(source, this.#options["source"]);
    if (spec === undefined || spec.kind === "none") return;
    const whole = op.source.subarray(op.start, op.end);
    const out = this.#out;
    out.append(
      utf8(`,"get":{"_seq_no":${seqNo},"_primary_term":${PRIMARY_TERM},"found":true,"_source":`),
    );
    out.append(spec.kind === "all" ? whole : new SourceFilter(spec.includes, spec.excludes).apply(whole));
    out.u8(0x7d);
  }

  #middle(result: string): Uint8Array {
    let middle = this.#middles.get(result);
    if (!middle) {
      const forced = this.#options["forcedRefresh"] !== undefined;
      middle = utf8(
        `,"result":"${result}"${forced ? `,"forced_refresh":true` : ""},` +
          `"_shards":{"total":1,"successful":1,"failed":0},"_seq_no":`,
      );
      this.#middles.set(result, middle);
    }
    return middle;
  }
}

/** What the answer shows of an updated document; undefined: nothing. */
function shownSource(asked: unknown, fallback: string | undefined): SourceSpec | undefined {
  if (asked !== undefined) return parseSource(asked);
  return fallback === undefined ? undefined : JSON.parse(fallback) as SourceSpec;
}

const VERSION = utf8(`,"_version":`);
const TERM = utf8(`,"_primary_term":${PRIMARY_TERM}`);
const STATUS = utf8(`,"status":`);

/** Makes the renderer of one bulk request. */
export function esBulkRenderer(options: Readonly<Record<string, string>>): BulkRenderer {
  return new EsBulkRenderer(options);
}

/** Appends bytes as a JSON string; escapes what must be. */
function appendJsonString(out: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) {
      out.append(utf8(JSON.stringify(new TextDecoder().decode(bytes.slice(start, end)))));
      return;
    }
  }
  const room = out.reserve(end - start + 2);
  let at = out.length;
  room[at++] = QUOTE;
  for (let i = start; i < end; i++) room[at++] = bytes[i]!;
  room[at++] = QUOTE;
  out.advance(end - start + 2);
}

function appendInteger(out: ByteWriter, value: number): void {
  let digits = 1;
  for (let bound = 10; value >= bound; bound *= 10) digits++;
  const room = out.reserve(digits);
  let at = out.length + digits;
  for (let rest = value; digits > 0 && at > out.length; at--) {
    const next = Math.floor(rest / 10);
    room[at - 1] = 0x30 + (rest - next * 10);
    rest = next;
  }
  out.advance(digits);
}
