/**
 * Requests as text, the way people write them down: a line with method and path, headers, a body, a blank line.
 *
 *     # A comment.
 *     ! json-words           (answers may differ as `differences.ts` says under this name)
 *     POST /logs/_doc?refresh
 *     X-Opaque-Id: 7
 *     {"message": "hello"}
 *
 * `Body: "text\n"` gives a body as a JSON string, for those that are no text of whole lines.
 *
 * @module
 */
import { request as httpRequest } from "node:http";

export interface Asked {
  /** File and count in it, such as "documents 12". */
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Name in `DIFFERENCES`, or undefined. */
  readonly difference: string | undefined;
}

export interface Answered {
  readonly status: number;
  /** Those that clients rely on, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const REQUEST_LINE = /^(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) (\/\S*)$/;
const HEADER_LINE = /^([A-Za-z][A-Za-z-]*): (.*)$/;
const TOLD_HEADERS = ["allow", "content-type", "location", "x-elastic-product", "x-opaque-id"];

export function parseTranscript(name: string, text: string): Asked[] {
  const asked: Asked[] = [];
  for (const block of text.split(/\n\s*\n/)) {
    const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    if (lines.length === 0) continue;
    const difference = lines[0]!.startsWith("! ") ? lines.shift()!.slice(2).trim() : undefined;
    const id = `${name} ${asked.length + 1}`;
    const first = REQUEST_LINE.exec(lines.shift() ?? "");
    if (!first) throw new Error(`${id}: no request line in\n${block}`);
    const headers: Record<string, string> = {};
    let body: string | undefined;
    for (let header; lines.length > 0 && (header = HEADER_LINE.exec(lines[0]!)); lines.shift()) {
      if (header[1] === "Body") body = JSON.parse(header[2]!);
      else headers[header[1]!.toLowerCase()] = header[2]!;
    }
    const [, method, path] = first as unknown as [string, string, string];
    const isLines = path.split("?")[0]!.endsWith("_bulk");
    if (lines.length > 0) body = lines.join("\n") + (isLines ? "\n" : "");
    if (body !== undefined) headers["content-type"] ??= isLines ? "application/x-ndjson" : "application/json";
    if (headers["content-type"] === "-") delete headers["content-type"];
    asked.push({ id, method, path, headers, body, difference });
  }
  return asked;
}

/** All of `requests/`, in the order of their names. */
export function readTranscripts(): Map<string, Asked[]> {
  const folder = new URL("./requests/", import.meta.url);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  return new Map(
    names.map((file) => {
      const name = file.replace(/\.txt$/, "");
      return [name, parseTranscript(name, Deno.readTextFileSync(new URL(file, folder)))];
    }),
  );
}

/** Sends one request as it is: also GET with a body, which `fetch` does not. */
export function send(origin: string, asked: Omit<Asked, "id" | "difference">): Promise<Answered> {
  const { hostname, port } = new URL(origin);
  const bytes = asked.body === undefined ? undefined : new TextEncoder().encode(asked.body);
  const headers = { ...asked.headers, ...(bytes ? { "content-length": String(bytes.length) } : {}) };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method: asked.method, path: asked.path, headers }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const told: Record<string, string> = {};
        for (const name of TOLD_HEADERS) {
          const value = response.headers[name];
          if (value !== undefined) told[name] = String(value);
        }
        resolve({ status: response.statusCode ?? 0, headers: told, body: textOf(chunks) });
      });
    });
    request.on("error", reject);
    request.end(bytes);
  });
}

function textOf(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}

/** Removes every index that a transcript made. */
export async function clear(origin: string): Promise<void> {
  const { body } = await send(origin, {
    method: "GET",
    path: "/_cat/indices?h=index&expand_wildcards=all",
    headers: {},
    body: undefined,
  });
  for (const name of body.split("\n").map((line) => line.trim()).filter((line) => line !== "")) {
    await send(origin, { method: "DELETE", path: `/${encodeURIComponent(name)}`, headers: {}, body: undefined });
  }
}
