/**
 * Configuration and signals of a real process: starting without a file, with a wrong one, reloading, stopping.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { freePort, serverCommand, startServer } from "../support/server.ts";
import { BINARY, delay, inDirectory, inServer, logged, logLines, withBinary, within } from "./support.ts";

const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;

async function runToEnd(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [command, ...rest] = [...serverCommand(BINARY), ...args];
  const child = new Deno.Command(command!, { args: rest, stdout: "piped", stderr: "piped", ...options })
    .spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const output = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

Deno.test("it starts without a configuration file, on defaults", async () => {
  await inDirectory(async (cwd) => {
    const [rest, es] = [freePort(), freePort()];
    const [command, ...args] = [
      ...serverCommand(BINARY),
      "--data-dir",
      "data",
      "--rest-port",
      String(rest),
      "--es-port",
      String(es),
    ];
    const child = new Deno.Command(command!, { args, cwd, stdout: "null", stderr: "piped" }).spawn();
    const log = new Response(child.stderr).text();
    let ended = false;
    child.status.then(() => ended = true);
    try {
      for (const until = performance.now() + 20_000; performance.now() < until; await delay(20)) {
        const response = await fetch(`http://127.0.0.1:${rest}/v1/health/ready`).catch((error) => {
          if (error instanceof TypeError) return undefined;
          throw error;
        });
        await response?.body?.cancel();
        if (response?.status === 200) break;
      }
      // Keys are on by default: the first start has made one, for its owner's eyes only.
      const { mode } = Deno.statSync(`${cwd}/data/admin.key`);
      assertEquals(mode! & 0o777, 0o600);
      const key = Deno.readTextFileSync(`${cwd}/data/admin.key`).trim();
      assertEquals((await fetch(`http://127.0.0.1:${es}/`).then((r) => r.json())).status, 401);
      const headers = { authorization: `ApiKey ${key}` };
      const body = await fetch(`http://127.0.0.1:${es}/`, { headers }).then((r) => r.json());
      assertEquals(body.tagline, "You Know, for Search");
      child.kill("SIGTERM");
      assertEquals((await child.status).code, 0);
      const text = await log;
      const made = logLines(text).find(({ message }) => message.includes("administrator's key"));
      assertEquals(made?.["file"], "data/admin.key");
      assert(!text.includes(key), "where it is, not what it is");
    } finally {
      if (!ended) child.kill("SIGKILL");
      await child.status;
    }
  });
});

Deno.test("unknown keys and values out of range are errors that name key, line and nearest name", async () => {
  await inDirectory(async (cwd) => {
    const path = `${cwd}/xerj.toml`;
    const cases = [
      ['[storage]\nwal_snyc = "sync"\n', [
        "[storage] has no key wal_snyc",
        "line 2",
        "did you mean wal_sync",
      ]],
      ["[storage]\n\nwal_batch_ms = 0\n", ["wal_batch_ms", "line 3", "1 to 10000"]],
      ["[strage]\n", ["strage", "line 1", "storage"]],
      ['[server]\nrest_port = "x"\n', ["rest_port", "line 2", "integer"]],
      ["[storage\n", ["line 1"]],
    ] as const;
    for (const [toml, wanted] of cases) {
      Deno.writeTextFileSync(path, toml);
      const { code, stderr } = await runToEnd(["--config", path, "--data-dir", `${cwd}/data`]);
      console.log(stderr.trim());
      assertEquals(code, EXIT_CONFIG, stderr);
      for (const words of [path, ...wanted]) assert(stderr.includes(words), `${words} in ${stderr}`);
    }
    const missing = await runToEnd(["--config", `${cwd}/nowhere.toml`]);
    assertEquals(missing.code, EXIT_CONFIG);
    assert(missing.stderr.includes(`${cwd}/nowhere.toml`), missing.stderr);
    const flag = await runToEnd(["--frobnicate"]);
    assertEquals(flag.code, EXIT_USAGE);
    const insecure = await runToEnd(["--insecure", "--data-dir", `${cwd}/data`, "--config", path]);
    assertEquals(insecure.code, EXIT_CONFIG);
    Deno.writeTextFileSync(path, '[server]\nbind_address = "0.0.0.0"\n');
    const open = await runToEnd(["--insecure", "--data-dir", `${cwd}/data`, "--config", path]);
    console.log(open.stderr.trim());
    assertEquals(open.code, EXIT_CONFIG);
    assert(open.stderr.includes("0.0.0.0"), open.stderr);
    assertEquals([...Deno.readDirSync(cwd)].map(({ name }) => name), ["xerj.toml"], "nothing was made");
  });
});

Deno.test("SIGHUP reloads: each change is logged, keys that need a restart are refused by name", async () => {
  const toml = "[limits]\nmax_result_window = 100\n";
  await inServer({ toml }, async (server) => {
    await server.json("/v1/indices/logs/docs/1", { method: "PUT", json: { n: 1 } });
    const search = (size: number) =>
      server.json("/v1/indices/logs/search", { method: "POST", json: { size } });
    assertEquals((await search(500)).status, 400);
    Deno.writeTextFileSync(
      server.configPath,
      '[limits]\nmax_result_window = 1000\n[storage]\nwal_sync = "sync"\n[threads]\nwriters = 3\n',
    );
    server.child.kill("SIGHUP");
    const changed = (key: string) => logged(server, (line) => line["key"] === key);
    const window = await changed("limits.max_result_window");
    assertEquals([window.message, window["old"], window["new"]], ["configuration changed", 100, 1000]);
    const sync = await changed("storage.wal_sync");
    assertEquals([sync["old"], sync["new"]], ["batched", "sync"]);
    const threads = await changed("threads.writers");
    assertEquals([threads.message, threads["old"], threads["new"]], [
      "this key needs a restart to change",
      0,
      3,
    ]);
    for (const until = performance.now() + 10_000; (await search(500)).status !== 200;) {
      assert(performance.now() < until, "the new limit is in force");
    }
    assertEquals(
      (await server.json("/v1/indices/logs/docs/2", { method: "PUT", json: { n: 2 } })).status,
      201,
    );

    Deno.writeTextFileSync(server.configPath, "[limits]\nmax_result_windw = 7\n");
    server.child.kill("SIGHUP");
    const refused = await logged(server, ({ message }) => message === "the configuration was not reloaded");
    assert(
      String(refused["reason"]).includes("[limits] has no key max_result_windw"),
      String(refused["reason"]),
    );
    assertEquals((await search(500)).status, 200, "the old configuration stays in force");
  });
});

Deno.test("SIGTERM with requests running: those that end in time are answered, the rest are cut off, exit 0 in the bound", async () => {
  await inDirectory(async (dataDir) => {
    const toml = "[server]\nshutdown_timeout_secs = 2\n[storage]\nflush_interval_secs = 3600\n";
    const server = await startServer(withBinary({ dataDir, toml }));
    try {
      // A client that never finishes its stream.
      let feed!: ReadableStreamDefaultController<Uint8Array>;
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) });
      const stuck = fetch(`${server.native}/v1/indices/logs/turbo-ingest`, {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body,
      }).then(async (response) => `answered ${response.status} ${await response.text()}`, () => "cut off");
      feed.enqueue(new TextEncoder().encode('{"n":0}\n'));
      let acknowledged = 0;
      let stopping = false;
      const clients = Array.from({ length: 4 }, async () => {
        while (!stopping) {
          const response = await fetch(`${server.native}/v1/indices/logs/docs`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: '{"n":1}',
          }).catch((error) => {
            if (error instanceof TypeError) return undefined; // No longer listening.
            throw error;
          });
          if (!response) return;
          const text = await response.text();
          if (response.status === 201) acknowledged++;
          else assertEquals(response.status, 503, text);
        }
      });
      while (acknowledged < 50) await delay(5);
      const started = performance.now();
      server.child.kill("SIGTERM");
      const { code } = await within(server.exited, 15_000, "SIGTERM ends the server");
      const tookMs = performance.now() - started;
      stopping = true;
      await Promise.all(clients);
      console.log(
        `exit ${code} after ${
          Math.round(tookMs)
        } ms, ${acknowledged} acknowledged; the stream was ${await stuck}`,
      );
      assertEquals(code, 0, server.log);
      assert(tookMs < 8000, `${tookMs} ms`);
      await logged(server, ({ message }) => message === "stopped");
      const again = await startServer(withBinary({ dataDir, toml }));
      try {
        const { body: found } = await again.json("/v1/indices/logs/search", {
          method: "POST",
          json: { size: 0, track_total_hits: true, query: { term: { n: 1 } } },
        });
        assert(
          Number(found["total"]) >= acknowledged,
          `${found["total"]} found, ${acknowledged} acknowledged`,
        );
      } finally {
        await again.kill();
        again.remove();
      }
    } finally {
      await server.kill();
      server.remove();
    }
  });
});

Deno.test("SIGTERM while logs are replayed ends at once, and the next start replays them", async () => {
  await inDirectory(async (dataDir) => {
    const toml = "[storage]\nflush_interval_secs = 3600\n";
    const documents = 60_000;
    const first = await startServer(withBinary({ dataDir, toml }));
    try {
      const body = Array.from(
        { length: documents },
        (_, n) => `{"n":${n},"message":"line ${n} of many words to replay"}`,
      );
      const response = await fetch(`${first.native}/v1/indices/logs/turbo-ingest`, {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body: body.join("\n"),
      });
      assertEquals((await response.json()).indexed, documents);
    } finally {
      await first.kill();
      first.remove();
    }
    const second = await startServer(withBinary({ dataDir, toml, waitReady: false }));
    try {
      await logged(second, ({ message }) => message === "listening");
      const answer = await second.json("/v1/indices");
      const ready = await second.json("/v1/health/ready");
      console.log(`while it starts: ${answer.status}, ${JSON.stringify(ready.body)}`);
      const started = performance.now();
      second.child.kill("SIGTERM");
      const { code } = await within(second.exited, 5000, "SIGTERM ends a server that replays");
      console.log(`exit ${code} after ${Math.round(performance.now() - started)} ms`);
      assertEquals(code, 0, second.log);
    } finally {
      await second.kill();
      second.remove();
    }
    const third = await startServer(withBinary({ dataDir, toml }));
    try {
      assertEquals((await third.json(`${third.es}/logs/_count`)).body["count"], documents);
    } finally {
      await third.kill();
      third.remove();
    }
  });
});
