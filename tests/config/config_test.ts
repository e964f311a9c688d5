import { assertEquals, assertThrows } from "@std/assert";
import { defaultConfig, KEYS } from "../../src/config/config.ts";
import { diffConfig, reloadedConfig } from "../../src/config/diff.ts";
import { ConfigError } from "../../src/config/error.ts";
import { loadConfig, type LoadOptions } from "../../src/config/load.ts";
import { renderDefaults } from "../../src/config/render.ts";
import { parseToml } from "../../src/config/toml.ts";

function load(toml: string, options: Partial<LoadOptions> = {}) {
  return loadConfig({
    args: {},
    env: () => undefined,
    readFile: (path) => path === "./xerj.toml" ? toml : undefined,
    ...options,
  }).config;
}

function problem(toml: string, options: Partial<LoadOptions> = {}): string {
  return (assertThrows(() => load(toml, options), ConfigError) as ConfigError).message;
}

Deno.test("config.toml in the project is the table of keys, in both directions", () => {
  const file = Deno.readTextFileSync(new URL("../../config.toml", import.meta.url));
  assertEquals(file, renderDefaults(), "run `deno task config`");
  const written = parseToml(file, "config.toml");
  assertEquals(written.map((setting) => setting.name), KEYS.map((place) => place.name));
  assertEquals(written.map((setting) => setting.value), KEYS.map((place) => place.key.default));
  assertEquals(load(file), defaultConfig());
});

Deno.test("every default lies in its range and every key says what it does", () => {
  for (const { name, key } of KEYS) {
    if (key.type === "integer") assertEquals(key.min <= key.default && key.default <= key.max, true, name);
    if (key.type === "choice") assertEquals(key.choices.includes(key.default), true, name);
    assertEquals(key.effect.endsWith("."), true, name);
    if (key.type === "integer" && /_(ms|secs|bytes|mb)$|_mb_per_sec$/.test(name)) {
      assertEquals(key.unit !== "", true, `${name} has a unit`);
    }
  }
});

Deno.test("values are read, the rest stays at its default, nothing can be changed", () => {
  const config = load('[storage]\nwal_sync = "sync"\nwal_batch_ms = 7\n[limits]\nmax_buckets = 10\n');
  assertEquals(config.storage.walSync, "sync");
  assertEquals(config.storage.walBatchMs, 7);
  assertEquals(config.limits.maxBuckets, 10);
  assertEquals(config.server.restPort, 8080);
  assertThrows(() => ((config.storage as { walBatchMs: number }).walBatchMs = 1), TypeError);
});

Deno.test("a wrong key is named with its file, line and nearest name", () => {
  assertEquals(
    problem("[storage]\n\nwal_batch = 1\n"),
    "./xerj.toml, line 3: [storage] has no key wal_batch; did you mean wal_batch_ms " +
      "(an integer from 1 to 10000 (ms))?",
  );
  assertEquals(
    problem("[storge]\nwal_batch_ms = 1\n"),
    "./xerj.toml, line 2: there is no section [storge]; did you mean [storage]?",
  );
  assertEquals(
    problem("[merge]\nrest_port = 1\n"),
    "./xerj.toml, line 2: [merge] has no key rest_port; it belongs under [server]",
  );
  assertEquals(
    problem("rest_port = 1\n"),
    "./xerj.toml, line 1: rest_port stands outside of any section; did you mean rest_port under [server]?",
  );
  assertEquals(
    problem("[fts]\nxyzzy = 1\n"),
    "./xerj.toml, line 2: [fts] has no key xyzzy; it has default_analyzer",
  );
});

Deno.test("a wrong value is named with its range", () => {
  const cases: [string, string][] = [
    ["wal_batch_ms = 0", "wal_batch_ms cannot be 0; it must be an integer from 1 to 10000 (ms)"],
    ["wal_batch_ms = 10001", "wal_batch_ms cannot be 10001; it must be an integer from 1 to 10000 (ms)"],
    ["wal_batch_ms = 1.5", "wal_batch_ms cannot be 1.5; it must be an integer from 1 to 10000 (ms)"],
    ['wal_batch_ms = "1"', 'wal_batch_ms cannot be "1"; it must be an integer from 1 to 10000 (ms)'],
    ["wal_batch_ms = [1]", "wal_batch_ms cannot be [1]; it must be an integer from 1 to 10000 (ms)"],
    [
      'wal_sync = "maybe"',
      'wal_sync cannot be "maybe"; it must be one of "sync", "batched", "async", "replicated"',
    ],
    [
      "wal_sync = true",
      'wal_sync cannot be true; it must be one of "sync", "batched", "async", "replicated"',
    ],
  ];
  for (const [line, reason] of cases) {
    assertEquals(problem(`[storage]\n${line}\n`), `./xerj.toml, line 2: [storage] ${reason}`);
  }
  assertEquals(
    problem('[auth]\nenabled = "yes"\n'),
    './xerj.toml, line 2: [auth] enabled cannot be "yes"; it must be true or false',
  );
});

Deno.test("a secret of the wrong type is not printed", () => {
  assertEquals(
    problem("[auth]\nadmin_api_key = 1234567\n"),
    "./xerj.toml, line 2: [auth] admin_api_key cannot be what it is; it must be a string",
  );
  assertEquals(problem('[auth]\nadmin_api_key = "a b"\n').includes("a b"), false);
});

Deno.test("all problems are told at once, each with its line", () => {
  assertEquals(
    problem("[server]\nrest_port = -1\n[merge]\nmin_segments = 1\nfoo = 2\n").split("\n").length,
    3,
  );
});

Deno.test("what is not TOML, or set twice, names its line", () => {
  assertEquals(problem("[server]\nrest_port = \n").startsWith("./xerj.toml, line 2: not TOML: "), true);
  assertEquals(
    problem("[server]\nrest_port = 1\nrest_port = 2\n"),
    "./xerj.toml, line 3: rest_port is set twice; the first is on line 2",
  );
  assertEquals(problem("[server]\nrest_port = 1\n[server]\n").includes("line 3"), true);
});

Deno.test("dotted keys and inline tables are the same settings", () => {
  assertEquals(load("server.rest_port = 81\n").server.restPort, 81);
  assertEquals(load("server = { rest_port = 82 }\n").server.restPort, 82);
  assertEquals(
    problem("x = 1\nserver.rest_prt = 81\n").includes("line 2: [server] has no key rest_prt"),
    true,
  );
});

Deno.test("keys that contradict each other are refused", () => {
  assertEquals(problem("[server]\nes_compat_port = 8080\n").includes("line 2: [server] rest_port and"), true);
  assertEquals(load("[server]\nes_compat_port = 0\nrest_port = 0\n").server.restPort, 0);
  assertEquals(problem("[tls]\nenabled = true\n").includes("needs cert_path"), true);
  assertEquals(problem('[tls]\nenabled = true\ncert_path = "c"\n').includes("needs key_path"), true);
  assertEquals(problem("[limits]\nmax_inflight_body_mb = 99\n").includes("max_body_bytes"), true);
});

Deno.test("files are looked for in order, and a named one must be there", () => {
  const files: Record<string, string> = {
    "a.toml": "[server]\nrest_port = 1\n",
    "b.toml": "[server]\nrest_port = 2\n",
    "/etc/xerj/xerj.toml": "[server]\nrest_port = 3\n",
    "./xerj.toml": "[server]\nrest_port = 4\n",
  };
  const port = (configPath: string | undefined, fromEnv: string | undefined): number => {
    const { config, path } = loadConfig({
      args: configPath === undefined ? {} : { configPath },
      env: (name) => name === "XERJ_CONFIG" ? fromEnv : undefined,
      readFile: (path) => files[path],
    });
    assertEquals(path === undefined, config.server.restPort === 8080);
    return config.server.restPort;
  };
  assertEquals(port("a.toml", "b.toml"), 1);
  assertEquals(port(undefined, "b.toml"), 2);
  assertEquals(port(undefined, ""), 3);
  delete files["/etc/xerj/xerj.toml"];
  assertEquals(port(undefined, undefined), 4);
  delete files["./xerj.toml"];
  assertEquals(port(undefined, undefined), 8080);
  assertThrows(
    () => port("none.toml", undefined),
    ConfigError,
    "none.toml: there is no such file, though --config",
  );
  assertThrows(() => port(undefined, "none.toml"), ConfigError, "XERJ_CONFIG");
});

Deno.test("the command line wins over the file", () => {
  const args = { dataDir: "/d", restPort: 1, esPort: 2, insecure: true };
  const { server, auth, tls } = load(
    '[server]\nrest_port = 99999\n[tls]\nenabled = true\ncert_path = "c"\nkey_path = "k"\n',
    { args },
  );
  assertEquals([server.dataDir, server.restPort, server.esCompatPort], ["/d", 1, 2]);
  assertEquals([auth.enabled, tls.enabled], [false, false]);
});

Deno.test("--insecure is refused on an address that others can reach", () => {
  const args = { insecure: true };
  for (const address of ["0.0.0.0", "::", "10.0.0.1", "127.example.com", "example.com"]) {
    assertEquals(problem(`[server]\nbind_address = "${address}"\n`, { args }).includes("--insecure"), true);
  }
  for (const address of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    assertEquals(load(`[server]\nbind_address = "${address}"\n`, { args }).auth.enabled, false);
  }
});

Deno.test("a reload tells what changed, what must wait for a restart, and no secret", () => {
  const before = load('[auth]\nadmin_api_key = "old-key"\n');
  const after = load(
    '[server]\nrest_port = 1\n[auth]\nadmin_api_key = "new-key"\nmetrics_token = "m"\n[storage]\nwal_sync = "sync"\n',
  );
  assertEquals(diffConfig(before, after), [
    { key: "server.rest_port", old: 8080, new: 1, reloadable: false },
    { key: "auth.admin_api_key", old: "***", new: "***", reloadable: true },
    { key: "auth.metrics_token", old: "", new: "***", reloadable: true },
    { key: "storage.wal_sync", old: "batched", new: "sync", reloadable: true },
  ]);
  assertEquals(diffConfig(after, after), []);
  const running = reloadedConfig(before, after);
  assertEquals([running.server.restPort, running.storage.walSync], [8080, "sync"]);
  assertEquals(Object.isFrozen(running.storage), true);
});

Deno.test("only ports, addresses, the data directory, the switches of auth and TLS, shipping and threads need a restart", () => {
  assertEquals(KEYS.filter(({ key }) => key.reload === "restart").map(({ name }) => name), [
    "server.rest_port",
    "server.es_compat_port",
    "server.bind_address",
    "server.data_dir",
    "auth.enabled",
    "tls.enabled",
    "backup.continuous.enabled",
    "backup.continuous.repository",
    "backup.continuous.stream",
    "threads.writers",
    "threads.searchers",
  ]);
});

Deno.test("a section without keys must be one that there is", () => {
  assertEquals(load("[storage]\n").storage.walBatchMs, 100);
  assertEquals(
    problem("[strage]\n"),
    "./xerj.toml, line 1: there is no section [strage]; did you mean [storage]?",
  );
});

Deno.test("repositories are sections of their own, with names, defaults and nearest keys", () => {
  const config = load(
    '[backup.repositories.main]\ndestination = "s3://b/p"\nkeep_last = 3\n' +
      '[backup.repositories.disk]\ndestination = "file:///mnt/backup"\n' +
      '[backup.continuous]\nenabled = true\nrepository = "main"\n',
  );
  assertEquals(Object.keys(config.repositories), ["main", "disk"]);
  assertEquals([config.repositories["main"]!.keepLast, config.repositories["main"]!.region], [
    3,
    "us-east-1",
  ]);
  assertEquals([config.backupContinuous.enabled, config.backupContinuous.intervalMs], [true, 1000]);
  assertEquals(
    problem('[backup.repositories.main]\ndestination = "s3://b/p"\nregin = "x"\n'),
    "./xerj.toml, line 3: [backup.repositories.main] has no key regin; did you mean region?",
  );
  assertEquals(
    problem('[backup.repositories.main]\nregion = "x"\n'),
    './xerj.toml, line 2: [backup.repositories.main] destination must be "s3://bucket/prefix" or "file:///path"',
  );
  const cron = problem('[backup.repositories.main]\ndestination = "s3://b/p"\nschedule = "daily"\n');
  assertEquals(
    cron.startsWith("./xerj.toml, line 2: [backup.repositories.main] schedule cannot be used: "),
    true,
    cron,
  );
  const verify = problem('[backup.repositories.main]\ndestination = "s3://b/p"\nverify_schedule = "often"\n');
  assertEquals(verify.includes("[backup.repositories.main] verify_schedule cannot be used: "), true, verify);
  assertEquals(
    problem('[backup.repositories.Main]\ndestination = "s3://b/p"\n'),
    "./xerj.toml, line 2: [backup.repositories.Main]: the name must be 1 to 64 of a-z, 0-9, '_', '-', and begin with " +
      "a letter or digit",
  );
  assertEquals(
    problem('[backup.continuous]\nenabled = true\nrepository = "mian"\n'),
    "./xerj.toml, line 3: [backup.continuous] repository names mian, but there is no [backup.repositories.mian]",
  );
  assertEquals(
    problem("[backup.continuous]\nenabld = true\n"),
    "./xerj.toml, line 2: [backup.continuous] has no key enabld; did you mean enabled (true or false)?",
  );
  assertEquals(
    problem('[backup.repositories.main]\ndestination = "s3://b/p"\nsecret_key = 5\n').includes("what it is"),
    true,
  );
});

Deno.test("writes that wait for the repository need one that is shipped to", () => {
  assertEquals(
    problem('[storage]\nwal_sync = "replicated"\n'),
    './xerj.toml, line 2: [storage] wal_sync = "replicated" needs [backup.continuous] enabled = true',
  );
});

Deno.test("a repository that changes is told by its destination, never by its keys", () => {
  const before = load('[backup.repositories.main]\ndestination = "s3://b/p"\nsecret_key = "geheim"\n');
  const after = load('[backup.repositories.main]\ndestination = "s3://b/p"\nsecret_key = "anders"\n');
  const changes = diffConfig(before, after);
  assertEquals(changes.map(({ key, reloadable }) => [key, reloadable]), [["backup.repositories.main", true]]);
  assertEquals(JSON.stringify(changes).includes("anders"), false);
  assertEquals(reloadedConfig(before, after).repositories["main"]!.secretKey, "anders");
});
