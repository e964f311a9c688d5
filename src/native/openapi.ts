/**
 * The OpenAPI 3.1 document of the native API, made from its route table, so that neither can drift.
 *
 * @module
 */
import type { Json } from "../base/json.ts";
import type { Route } from "../http/router.ts";

/** What a route's documentation adds to its table entry, by route name. */
interface Operation {
  readonly summary: string;
  /** Schema of the body, or "Lines". */
  readonly body?: string;
  /** Status of success, where it is not (only) 200. */
  readonly ok?: number;
  /** Schema of the answer; default: any object. */
  readonly answer?: string;
  /** Further statuses whose answers are no errors. */
  readonly also?: Readonly<Record<string, string>>;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "health": { summary: "Is the server up, and is anything wrong", answer: "Health" },
  "health.ready": {
    summary: "200 once every log is replayed, 503 with progress until then",
    answer: "Readiness",
    also: { "503": "Readiness" },
  },
  "metrics": { summary: "Metrics in Prometheus's text form" },
  "openapi": { summary: "This document" },
  "admin.flush": { summary: "Put everything written so far into segments on disk", answer: "Flushed" },
  "snapshots.create": { summary: "Make a snapshot of the data directory", body: "Snapshot", ok: 201 },
  "snapshots.list": { summary: "All snapshots" },
  "snapshots.get": { summary: "A snapshot: when, what, how large" },
  "snapshots.delete": { summary: "Delete a snapshot" },
  "indices.attach": { summary: "Make an index of a folder that was put into the data directory" },
  "indices.list": { summary: "All indices" },
  "indices.create": { summary: "Make an index", body: "CreateIndex", ok: 201 },
  "indices.get": { summary: "An index: schema, segments, columns, log" },
  "indices.delete": { summary: "Delete an index" },
  "indices.get_mapping": { summary: "The mapping" },
  "indices.put_mapping": { summary: "Add fields to the mapping", body: "Object" },
  "indices.flush": { summary: "Put one index's writes into segments on disk", answer: "Flushed" },
  "indices.refresh": { summary: "Make one index's writes visible to searches" },
  "docs.add": {
    summary: "Add a document under an id that the server draws",
    body: "Object",
    ok: 201,
    answer: "Written",
  },
  "docs.put": { summary: "Write a document under an id", body: "Object", ok: 201, answer: "Written" },
  "docs.update": {
    summary: "Replace some fields of a document",
    body: "Update",
    ok: 201,
    answer: "Written",
  },
  "docs.delete": { summary: "Delete a document", answer: "Written", also: { "404": "Written" } },
  "docs.get": { summary: "Read a document by id; sees the latest write", answer: "Document" },
  "docs.turbo_ingest": {
    summary: "Ingest NDJSON documents as a stream",
    body: "Lines",
    answer: "Ingested",
  },
  "search": { summary: "Search, with Elasticsearch's search body", body: "Search", answer: "Found" },
  "explain": { summary: "What a search does: plan, rows, blocks read and skipped, time", body: "Search" },
  "cluster.health": { summary: "Health of the cluster, which is this node" },
  "cluster.drain": { summary: "Clustered mode only: 409 on a single node" },
  "cluster.activate": { summary: "Clustered mode only: 409 on a single node" },
  "cluster.remove": { summary: "Clustered mode only: 409 on a single node" },
};

const SCHEMAS: Json = {
  Error: {
    type: "object",
    required: ["error", "status"],
    properties: {
      error: {
        type: "object",
        required: ["type", "reason"],
        properties: { type: { type: "string" }, reason: { type: "string" } },
      },
      status: { type: "integer" },
      request_id: { type: "string" },
    },
  },
  Object: { type: "object" },
  CreateIndex: {
    type: "object",
    additionalProperties: false,
    properties: {
      shards: { type: "integer", minimum: 1, maximum: 64 },
      schema: { type: "object" },
      settings: { type: "object" },
      mappings: { type: "object" },
    },
  },
  Snapshot: {
    type: "object",
    additionalProperties: false,
    required: ["name"],
    properties: { name: { type: "string", minLength: 1, maxLength: 128 } },
  },
  Update: {
    type: "object",
    required: ["doc"],
    properties: {
      doc: { type: "object" },
      upsert: { type: "object" },
      doc_as_upsert: { type: "boolean" },
      detect_noop: { type: "boolean" },
    },
  },
  Search: { type: "object" },
  Health: {
    type: "object",
    required: ["status", "uptime_s", "version", "warnings"],
    properties: {
      status: { enum: ["green", "yellow", "red"] },
      uptime_s: { type: "integer", minimum: 0 },
      version: { type: "string" },
      warnings: {
        type: "array",
        items: {
          type: "object",
          required: ["cause", "next"],
          properties: { cause: { type: "string" }, next: { type: "string" } },
        },
      },
    },
  },
  Readiness: {
    type: "object",
    required: ["status", "wal_replayed", "uptime_s"],
    properties: {
      status: { enum: ["ready", "starting"] },
      wal_replayed: { type: "boolean" },
      indices: { type: "integer" },
      uptime_s: { type: "integer", minimum: 0 },
    },
  },
  Flushed: {
    type: "object",
    required: ["flushed_indices", "segments_written", "wal_checkpoint"],
    additionalProperties: false,
    properties: {
      flushed_indices: { type: "integer", minimum: 0 },
      segments_written: { type: "integer", minimum: 0 },
      wal_checkpoint: { type: "integer", minimum: 0 },
    },
  },
  Written: {
    type: "object",
    required: ["_id", "result", "_version", "_seq_no", "_primary_term"],
    additionalProperties: false,
    properties: {
      _id: { type: "string" },
      result: { enum: ["created", "updated", "deleted", "not_found", "noop"] },
      _version: { type: "integer", minimum: 1 },
      _seq_no: { type: "integer", minimum: 0 },
      _primary_term: { type: "integer", minimum: 1 },
    },
  },
  Document: {
    type: "object",
    required: ["_id", "_version", "_seq_no", "_primary_term", "_source"],
    properties: { _id: { type: "string" }, _source: { type: "object" } },
  },
  Ingested: {
    type: "object",
    required: ["indexed", "errors", "took_ms"],
    properties: {
      indexed: { type: "integer", minimum: 0 },
      errors: {
        type: "array",
        items: {
          type: "object",
          required: ["line", "type", "reason"],
          properties: { line: { type: "integer", minimum: 1 } },
        },
      },
      took_ms: { type: "number", minimum: 0 },
    },
  },
  Found: {
    type: "object",
    required: ["took_ms", "timed_out", "request_id", "max_score", "hits"],
    properties: {
      took_ms: { type: "number", minimum: 0 },
      timed_out: { type: "boolean" },
      request_id: { type: "string" },
      total: { type: "integer", minimum: 0 },
      total_relation: { enum: ["eq", "gte"] },
      max_score: { type: ["number", "null"] },
      hits: { type: "array", items: { type: "object" } },
      aggs: { type: "object" },
    },
  },
};

const PARAMETERS: Readonly<Record<string, Json>> = {
  rename: { type: "string" },
  refresh: { type: "string", enum: ["", "true", "false", "wait_for"] },
  if_seq_no: { type: "integer", minimum: 0 },
  if_primary_term: { type: "integer", minimum: 1 },
  op_type: { type: "string", enum: ["index", "create"] },
  id_field: { type: "string" },
  pretty: { type: "string", enum: ["", "true", "false"] },
};

/** @param routes In the order of the route table. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const { method, pattern, meta, names } = route;
    const known: Operation = OPERATIONS[meta.name] ?? { summary: meta.name };
    const operations = paths[pattern] ??= {};
    operations[method.toLowerCase()] = {
      operationId: `${meta.name}.${method.toLowerCase()}${pattern.replaceAll(/[^a-z]+/g, "_")}`,
      summary: known.summary,
      security: meta.access === "public" ? [] : [{ key: [] }],
      parameters: [
        ...names.map((name) => ({
          name,
          in: "path",
          required: true,
          schema: { type: "string", minLength: 1 },
        })),
        ...(meta.parameters ?? []).map((name) => ({
          name,
          in: "query",
          schema: PARAMETERS[name] ?? { type: "string" },
        })),
      ],
      requestBody: known.body === undefined ? undefined : requestBody(known.body),
      responses: responses(meta.name, known),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "xerj", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        key: {
          type: "apiKey",
          in: "header",
          name: "Authorization",
          description: "ApiKey <key>, or Bearer <key>",
        },
      },
    },
  };
}

function requestBody(schema: string): Json {
  if (schema === "Lines") {
    return { content: { "application/x-ndjson": { schema: { type: "string" } } } };
  }
  return { content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } } };
}

function responses(name: string, { ok = 200, answer, also = {} }: Operation): Json {
  const success = name === "metrics"
    ? { description: "metrics", content: { "text/plain": { schema: { type: "string" } } } }
    : jsonResponse("done", answer);
  const error = jsonResponse("an error, with its type and reason", "Error");
  const further = Object.entries(also).map(([status, schema]) => [status, eitherResponse(schema)]);
  return {
    "200": success,
    ...(ok === 200 ? {} : { [ok]: success }),
    ...Object.fromEntries(further),
    "4XX": error,
    "5XX": error,
  };
}

function jsonResponse(description: string, schema: string | undefined): Json {
  return { description, content: { "application/json": { schema: schemaOf(schema) } } };
}

/** A status that an error may have, too. */
function eitherResponse(schema: string): Json {
  const anyOf = [schemaOf(schema), schemaOf("Error")];
  return { description: "not done, or an error", content: { "application/json": { schema: { anyOf } } } };
}

function schemaOf(name: string | undefined): Json {
  return name === undefined ? { type: "object" } : { $ref: `#/components/schemas/${name}` };
}
