/** The native API against its own OpenAPI document, by a tool that makes up requests: schemathesis. */
import { assert, assertEquals } from "@std/assert";
import { type ServerProcess, startServer } from "../support/server.ts";

const VERSION = "4.32.5";
const VENV = new URL(`../../.cache/schemathesis-${VERSION}/`, import.meta.url).pathname;
const TOOL = `${VENV}bin/schemathesis`;
/** How long it may make up requests: a short while in the suite; `XERJ_OPENAPI_SECONDS=600` for a long one. */
const BUDGET_S = Number(Deno.env.get("XERJ_OPENAPI_SECONDS") ?? 20);
/** Random mappings and queries are rarely good ones: that valid requests succeed is for other tests. */
const CHECKS = [
  "allow_header_conformance",
  "content_type_conformance",
  "ignored_auth",
  "negative_data_rejection",
  "not_a_server_error",
  "response_headers_conformance",
  "response_schema_conformance",
  "status_code_conformance",
  "unsupported_method",
];

async function run(command: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return { ok: success, output };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { ok: false, output: `${command}: not found` };
    throw error;
  }
}

/** Why the tool cannot be had; undefined when it is there. */
async function install(): Promise<string | undefined> {
  if ((await run(TOOL, ["--version"])).ok) return undefined;
  const made = await run("python3", ["-m", "venv", VENV]);
  if (!made.ok) return made.output;
  const installed = await run(`${VENV}bin/pip`, ["install", "--quiet", `schemathesis==${VERSION}`]);
  return installed.ok ? undefined : installed.output;
}

async function withServer(run: (server: ServerProcess) => Promise<void>): Promise<void> {
  const server = await startServer({ auth: true });
  try {
    await run(server);
  } finally {
    assertEquals(await server.stop(), 0);
  }
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: Record<string, unknown> }>>>>;
}

Deno.test("the document names every operation, with a way to succeed and one to fail", () =>
  withServer(async (server) => {
    const { body } = await server.json("/v1/openapi.json", {
      headers: { authorization: `ApiKey ${server.key()}` },
    });
    const document = body as unknown as Document;
    assertEquals(document.openapi, "3.1.0");
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    assert(operations.length > 30);
    for (const { responses } of operations) {
      assert("200" in responses && "4XX" in responses && "5XX" in responses);
    }
  }));

Deno.test("made-up requests find no answer that the document does not promise", async () => {
  const missing = await install();
  if (missing !== undefined) {
    console.log(`skipped: schemathesis ${VERSION} cannot be installed: ${missing.trim().split("\n").at(-1)}`);
    return;
  }
  await withServer(async (server) => {
    const { ok, output } = await run(TOOL, [
      "run",
      `${server.native}/v1/openapi.json`,
      ...["--header", `Authorization: ApiKey ${server.key()}`],
      ...["--checks", CHECKS.join(",")],
      ...["--phases", "coverage,fuzzing"],
      ...["--max-examples", "10"],
      ...["--max-time", String(BUDGET_S)],
      // It cannot write lines of JSON.
      ...["--exclude-path", "/v1/indices/{name}/turbo-ingest"],
      "--continue-on-failure",
      "--no-color",
    ]);
    assert(ok, output);
  });
});
