/**
 * The OpenAPI 3.1 document of the native API, made from its route table, so that neither can drift.
 *
 * @module
 */
import type { Json } from "../base/json.ts";
import type { Route } from "../http/router.ts";

/** What a route's documentation adds to its table entry, by route name. */
const OPERATIONS: Readonly<
  Record<string, { readonly summary: string; readonly body?: string; readonly ok?: number }>
> = {
  "health": { summary: "Is the server up, and is anything wrong" },
  "health.ready": { summary: "200 once every log is replayed, 503 with progress until then" },
  "metrics": { summary: "Metrics in Prometheus's text form" },
  "openapi": { summary: "This document" },
  "admin.flush": { summary: "Put everything written so far into segments on disk" },
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
  "indices.flush": { summary: "Put one index's writes into segments on disk" },
  "indices.refresh": { summary: "Make one index's writes visible to searches" },
  "docs.add": { summary: "Add a document under an id that the server draws", body: "Object", ok: 201 },
  "docs.put": { summary: "Write a document under an id", body: "Object" },
  "docs.update": { summary: "Replace some fields of a document", body: "Update" },
  "docs.delete": { summary: "Delete a document" },
  "docs.get": { summary: "Read a document by id; sees the latest write" },
  "docs.turbo_ingest": { summary: "Ingest NDJSON documents as a stream", body: "Lines" },
  "search": { summary: "Search, with Elasticsearch's search body", body: "Search" },
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
    const known = OPERATIONS[meta.name] ?? { summary: meta.name };
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
      responses: responses(meta.name, known.ok ?? 200),
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
    return { required: true, content: { "application/x-ndjson": { schema: { type: "string" } } } };
  }
  return { content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } } };
}

function responses(name: string, ok: number): Json {
  const success = name === "metrics"
    ? { description: "metrics", content: { "text/plain": { schema: { type: "string" } } } }
    : { description: "done", content: { "application/json": { schema: { type: "object" } } } };
  const error = {
    description: "an error, with its type and reason",
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  };
  return { "200": success, ...(ok === 200 ? {} : { [ok]: success }), "4XX": error, "5XX": error };
}
