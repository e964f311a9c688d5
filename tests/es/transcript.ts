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

/** Sends one request as it is, over a connection of its own: also GET with a body, which `fetch` does not. */
export async function send(origin: string, asked: Omit<Asked, "id" | "difference">): Promise<Answered> {
  const { hostname, port, host } = new URL(origin);
  const body = new TextEncoder().encode(asked.body ?? "");
  const headers: Record<string, string> = { host, connection: "close", ...asked.headers };
  if (asked.body !== undefined) headers["content-length"] = String(body.length);
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await writeAll(
    connection,
    new TextEncoder().encode(`${asked.method} ${asked.path} HTTP/1.1\r\n${head}\r\n`),
  );
  await writeAll(connection, body);
  return answered(
    new Uint8Array(await new Response(connection.readable).arrayBuffer()),
    asked.method === "HEAD",
  );
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function answered(bytes: Uint8Array, isHead: boolean): Answered {
  // Latin-1 keeps positions; the body is decoded from its bytes.
  const latin = new TextDecoder("latin1").decode(bytes);
  const end = latin.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = latin.slice(0, end).split("\r\n");
  const headers = new Map(lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const told: Record<string, string> = {};
  for (const name of TOLD_HEADERS) if (headers.has(name)) told[name] = headers.get(name)!;
  const sent = bytes.subarray(end + 4);
  const body = isHead
    ? new Uint8Array(0)
    : headers.get("transfer-encoding") === "chunked"
    ? unchunked(sent)
    : sent;
  return { status: Number(statusLine.split(" ")[1]), headers: told, body: new TextDecoder().decode(body) };
}

function unchunked(bytes: Uint8Array): Uint8Array {
  const parts: number[] = [];
  for (let at = 0;;) {
    const lineEnd = bytes.indexOf(0x0a, at);
    const size = parseInt(new TextDecoder().decode(bytes.subarray(at, lineEnd)), 16);
    if (!(size > 0)) return new Uint8Array(parts);
    for (const byte of bytes.subarray(lineEnd + 1, lineEnd + 1 + size)) parts.push(byte);
    at = lineEnd + 1 + size + 2;
  }
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
    await send(origin, {
      method: "DELETE",
      path: `/${encodeURIComponent(name)}`,
      headers: {},
      body: undefined,
    });
  }
}
