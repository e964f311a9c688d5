/**
 * What the tests of backups share: documents, requests, a server and a bucket behind a proxy that can fail.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FaultProxy } from "../support/fault_proxy.ts";
import { type S3Server, s3ServerAvailable, startS3Server } from "../support/s3_server.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { withBinary } from "./support.ts";

export const ignore = !(await s3ServerAvailable());
if (ignore) console.log("skipped: no S3 server");

export interface Bucket {
  readonly s3: S3Server;
  readonly proxy: FaultProxy;
  /** Of the request's body. */
  readonly credentials: Readonly<Record<string, string>>;
  /** `destination` and `credentials` of a prefix of the bucket, through the proxy. */
  at(prefix: string): Readonly<Record<string, unknown>>;
}

/** Runs `test` with a bucket behind a proxy. */
export async function inBucket(test: (bucket: Bucket) => Promise<void>): Promise<void> {
  const s3 = await startS3Server();
  const proxy = new FaultProxy({ target: s3.endpoint, secretKey: s3.secretKey });
  const credentials = {
    endpoint: proxy.endpoint,
    access_key: s3.accessKey,
    secret_key: s3.secretKey,
    region: s3.region,
  };
  try {
    await test({
      s3,
      proxy,
      credentials,
      at: (prefix) => ({ destination: `s3://${s3.bucket}/${prefix}`, credentials }),
    });
  } finally {
    await proxy.stop();
    await s3.stop();
  }
}

/** Runs `test` with a server of its own. */
export async function withServer(
  toml: string,
  test: (server: ServerProcess) => Promise<void>,
): Promise<void> {
  const server = await startServer(withBinary({ toml }));
  try {
    await test(server);
  } finally {
    await server.kill();
    server.remove();
  }
}

/** Indexes documents `from` to `to` with numbers and incompressible text. */
export async function fill(server: ServerProcess, index: string, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 1000) {
    const lines: string[] = [];
    for (let i = at; i < Math.min(to, at + 1000); i++) {
      const text = Array.from({ length: 6 }, () => crypto.randomUUID()).join(" ");
      lines.push(`{"index":{"_id":"${i}"}}`, `{"n":${i},"text":"${text}"}`);
    }
    const headers = { "content-type": "application/x-ndjson" };
    const body = lines.join("\n") + "\n";
    const response = await fetch(`${server.es}/${index}/_bulk`, { method: "POST", headers, body });
    const { errors } = await response.json();
    assertEquals(errors, false);
  }
}

// deno-lint-ignore no-explicit-any
export type Answer = { readonly status: number; readonly body: any };

export function post(server: ServerProcess, path: string, json: unknown): Promise<Answer> {
  return server.json(path, { method: "POST", json });
}

/** Count and sum over an index, of all that searches see. */
export async function digest(server: ServerProcess, index: string): Promise<string> {
  await server.json(`${server.es}/${index}/_refresh`, { method: "POST" });
  const { body }: Answer = await post(server, `/v1/indices/${index}/search`, {
    size: 0,
    track_total_hits: true,
    aggs: { sum: { sum: { field: "n" } }, max: { max: { field: "n" } } },
  });
  assertEquals(typeof body["aggs"], "object");
  return JSON.stringify([body["total"], body["aggs"]]);
}

export function dataSize(directory: string): number {
  let bytes = 0;
  for (const { name, isFile, isDirectory } of Deno.readDirSync(directory)) {
    if (isFile) bytes += Deno.statSync(`${directory}/${name}`).size;
    else if (isDirectory) bytes += dataSize(`${directory}/${name}`);
  }
  return bytes;
}
