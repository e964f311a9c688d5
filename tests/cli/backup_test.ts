import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { parseRepositoryKey } from "../../src/backup/cipher.ts";
import { Repository } from "../../src/backup/repository.ts";
import { parseArguments, UsageError } from "../../src/cli/arguments.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { openStore } from "../../src/objectstore/open.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { command } from "./command_world.ts";

const KEY = "5a".repeat(32);
const HOUR_MS = 3_600_000;

/** A repository with backups of files of random bytes: one that is in all of them, and one of each. */
async function withBackups(
  { ids, key, kind = "manual" }: {
    readonly ids: readonly string[];
    readonly key?: string;
    readonly kind?: string;
  },
  test: (to: string, directory: string) => Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "xerj-cli-" });
  try {
    const store = openStore(`file://${root}/repository`);
    const repository = await Repository.create(store, {
      random: systemRandom(),
      clock: systemClock(),
      ...(key === undefined ? {} : { key: parseRepositoryKey(key) }),
    });
    const write = (name: string) => {
      const bytes = crypto.getRandomValues(new Uint8Array(30_000));
      Deno.writeFileSync(`${root}/${name}`, bytes);
      return { source: `${root}/${name}`, sizeBytes: bytes.length };
    };
    const shared = write("shared");
    for (const [at, id] of ids.entries()) {
      await backUp(repository, {
        id,
        createdMs: Date.UTC(2026, 0, 1) + at * HOUR_MS,
        lsn: at,
        server: { version: "0.1.0", instanceId: "me" },
        indices: [{ name: "logs", incarnation: "i", shards: 1, docs: 12 }],
        files: [{ path: "logs/own", index: "logs", ...write(id) }, {
          path: "logs/shared",
          index: "logs",
          ...shared,
        }],
        kind,
        series: kind === "scheduled" ? "scheduled" : "",
      }, { fs: realFileSystem(), journalPath: `${root}/journal-${id}` });
    }
    store.close();
    await test(`file://${root}/repository`, `${root}/repository`);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

async function listed(to: string): Promise<string[]> {
  const { code, stdout } = await command(["backup", "list", "--to", to, "--json"]);
  assertEquals(code, 0, stdout);
  return (json(stdout)["backups"] as { backup_id: string }[]).map(({ backup_id }) => backup_id);
}

Deno.test("backups are listed and shown, for people and for programs", () =>
  withBackups({ ids: ["bk-1", "bk-2"] }, async (to) => {
    assertEquals(await listed(to), ["bk-2", "bk-1"], "the newest first");
    const { stdout } = await command(["backup", "list", "--to", to]);
    assertEquals(stdout.split("\n").slice(0, 2), [
      "ID    CREATED                   SIZE    FILES  KIND",
      "bk-2  2026-01-01T01:00:00.000Z  0.1 MB  2      manual",
    ]);
    const shown = await command(["backup", "show", "latest", "--to", to, "--json"]);
    const { backup_id, objects, indices } = json(shown.stdout);
    assertEquals([backup_id, objects], ["bk-2", 2]);
    assertEquals(indices, [{
      index: "logs",
      incarnation: "i",
      shards: 1,
      docs: 12,
      files: 2,
      bytes: 60_000,
    }]);
    const missing = await command(["backup", "show", "bk-3", "--to", to]);
    assertEquals([missing.code, missing.stderr], [
      2,
      `xerj backup show: There is no backup bk-3 at ${to}; the newest are bk-2, bk-1\n`,
    ]);
  }));

Deno.test("pinned backups stay, others go by the policy that was asked for", () =>
  withBackups({ ids: ["bk-1", "bk-2", "bk-3", "bk-4"] }, async (to) => {
    assertEquals((await command(["backup", "pin", "bk-1", "--to", to])).code, 0);
    const dry = await command(["backup", "prune", "--to", to, "--keep-last", "1", "--dry-run", "--json"]);
    assertEquals(json(dry.stdout), { dry_run: true, removed: ["bk-2", "bk-3"], kept: 2 });
    assertEquals(await listed(to), ["bk-4", "bk-3", "bk-2", "bk-1"], "nothing has changed");
    const pruned = await command(["backup", "prune", "--to", to, "--keep-last", "1"]);
    assertEquals([pruned.code, pruned.stdout.split("\n").slice(0, 2)], [0, ["removed bk-2", "removed bk-3"]]);
    assertEquals(await listed(to), ["bk-4", "bk-1"]);
    assertEquals((await command(["backup", "unpin", "bk-1", "--to", to])).code, 0);
    assertEquals((await command(["backup", "delete", "bk-1", "--to", to])).code, 0);
    assertEquals(await listed(to), ["bk-4"]);
    const sound = await command(["backup", "verify", "--full", "--to", to]);
    assertEquals(sound.code, 0, sound.stdout + sound.stderr);
    const latest = await command(["backup", "delete", "latest", "--to", to]);
    assertEquals([latest.code, latest.stderr.includes("name the backup")], [64, true]);
    const nothing = await command(["backup", "prune", "--to", to, "--keep-last", "0"]);
    assertEquals([nothing.code, nothing.stderr.includes("nothing would be removed")], [64, true]);
  }));

Deno.test("a prune of a named repository goes by its policy, which is for scheduled backups", async () => {
  const toml = (to: string) => `[backup.repositories.nightly]\ndestination = "${to}"\nkeep_last = 1\n`;
  const prune = ["backup", "prune", "--to", "nightly", "--dry-run", "--json"];
  for (const [kind, removed] of [["scheduled", ["bk-1"]], ["manual", []]] as const) {
    await withBackups({ ids: ["bk-1", "bk-2"], kind }, async (to) => {
      const { stdout, stderr } = await command(prune, { toml: toml(to) });
      assertEquals(json(stdout)["removed"], removed, stderr);
    });
  }
});

Deno.test("verify names the damaged object, and every backup and file that it affects", () =>
  withBackups({ ids: ["bk-1", "bk-2"] }, async (to, directory) => {
    const verify = (...flags: string[]) => command(["backup", "verify", "--to", to, ...flags]);
    assertEquals((await verify()).code, 0);
    assertEquals((await verify("--sample", "50%")).code, 0);
    const shown = await command(["backup", "show", "bk-1", "--to", to, "--json"]);
    const name = json(shown.stdout)["manifest"] as string;
    const manifest = JSON.parse(Deno.readTextFileSync(`${directory}/${name}`)) as {
      backup: { files: { path: string; pieces: { object: string }[] }[] };
    };
    const { object } = manifest.backup.files.find(({ path }) => path === "logs/shared")!.pieces[0]!;
    const path = `${directory}/${object}`;
    const bytes = Deno.readFileSync(path);
    bytes[100]! ^= 1;
    Deno.chmodSync(path, 0o644);
    Deno.writeFileSync(path, bytes);
    assertEquals((await verify("--quick")).code, 0, "its size is right");
    const full = await verify("--full", "--json");
    assertEquals(full.code, 1);
    const [found] = json(full.stdout)["damaged"] as Record<string, unknown>[];
    assertEquals([found?.["object"], found?.["problem"], found?.["backups"], found?.["paths"]], [
      object,
      "damaged",
      ["bk-1", "bk-2"],
      ["logs/shared"],
    ]);
    const text = await verify("--full");
    assertEquals(text.stdout.includes(`DAMAGED: ${object}: damaged`), true, text.stdout);
    assertEquals(text.stdout.includes("affects backups: bk-1, bk-2"), true, text.stdout);
    const both = await verify("--full", "--quick");
    assertEquals([both.code, both.stderr.includes("do not go together")], [64, true]);
    for (const share of ["0%", "101%", "five"]) {
      assertEquals((await verify("--sample", share)).code, 64, share);
    }
  }));

Deno.test("an encrypted repository asks for its key, and never says it", () =>
  withBackups({ ids: ["bk-1"], key: KEY }, async (to) => {
    const list = ["backup", "list", "--to", to];
    const none = await command(list);
    assertEquals(
      [none.code, none.stderr.includes("is encrypted, and no key was given")],
      [2, true],
      none.stderr,
    );
    const wrong = await command(list, { env: { XERJ_BACKUP_KEY: "6b".repeat(32) } });
    assertEquals([wrong.code, wrong.stderr.includes("6b6b")], [2, false], wrong.stderr);
    const malformed = await command(list, { env: { XERJ_BACKUP_KEY: "a-password" } });
    assertEquals([malformed.code, malformed.stderr.includes("a-password")], [2, false], malformed.stderr);
    assertEquals((await command(list, { env: { XERJ_BACKUP_KEY: KEY } })).code, 0);
    const file = Deno.makeTempFileSync();
    try {
      Deno.writeTextFileSync(file, `${KEY}\n`);
      assertEquals((await command([...list, "--key-file", file])).code, 0);
    } finally {
      Deno.removeSync(file);
    }
  }));

Deno.test("probe says what a store does", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-cli-" });
  try {
    const probe = await command(["backup", "probe", "--to", `file://${directory}`]);
    assertEquals(probe.code, 0, probe.stdout + probe.stderr);
    assertEquals(probe.stdout.includes("ok     put if match, raced: "), true, probe.stdout);
    assertEquals(probe.stdout.endsWith("fit for backups of any number of servers\n"), true, probe.stdout);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("what is wrong with the place is said, without repeating what may be secret", async () => {
  const ended = async (to: string, code: number, words: string) => {
    const { code: found, stderr } = await command(["backup", "list", "--to", to]);
    assertEquals([found, stderr.includes(words)], [code, true], `${to}: ${stderr}`);
    return stderr;
  };
  await ended("nightly", 2, "there is no repository [nightly]");
  await ended("/backup", 2, "For a directory write file:///backup");
  const secretive = await ended("s3://key:hush@bucket/x", 2, "Credentials do not belong into a destination");
  assertEquals(secretive.includes("hush"), false);
  await ended("file:///nowhere/at/all", 2, "");
  assertEquals((await command(["backup", "list"])).code, 64);
});

Deno.test("sub-commands are found by name, or by what is near", () => {
  const problem = (...args: string[]) =>
    (assertThrows(() => parseArguments(args, COMMANDS), UsageError) as UsageError).message;
  assertEquals(parseArguments(["backup", "show", "bk-1", "--to", "x"], COMMANDS).operands, ["bk-1"]);
  assertEquals(problem("backup", "lst"), "there is no command backup lst; did you mean backup list?");
  assertEquals(problem("backup", "xyzzy"), "there is no command backup xyzzy; see backup --help");
  assertEquals(
    problem("backup"),
    "after backup comes one of list, show, verify, drill, prune, delete, pin, unpin, undelete, probe, adopt; see backup " +
      "--help",
  );
  assertEquals(problem("backup", "--to", "x"), problem("backup"));
  assertEquals(problem("backup", "delete"), "backup delete needs ID; see backup delete --help");
  assertEquals(problem("backup", "list", "--tto", "x"), "there is no flag --tto; did you mean --to?");
  assertEquals(parseArguments(["backup", "--help"], COMMANDS).command.name, "backup");
});

Deno.test("a mistake of ours is thrown on", async () => {
  const broken = {
    env: {
      get XERJ_BACKUP_KEY(): string {
        throw new TypeError("ours");
      },
    },
  };
  await assertRejects(
    () => command(["backup", "list", "--to", "file:///nowhere"], broken),
    TypeError,
    "ours",
  );
});
