import { assertEquals } from "@std/assert";
import { cutElf, WORKER_ENTRIES } from "../../scripts/compile.ts";
import { ROOT } from "./project.ts";

const decoder = new TextDecoder();

async function sh(args: readonly string[], env: Record<string, string> = {}) {
  const command = new Deno.Command("sh", { args: [...args], env, cwd: ROOT, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "xerj-scripts-" });
  try {
    await run(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

function writeProgram(path: string, text: string): void {
  Deno.writeTextFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

function filesBelow(path: string, prefix = ""): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${path}/${name}`, `${prefix}${name}/`) : [prefix + name]
  ).sort();
}

Deno.test("the installer puts everything into place, twice, and keeps what was configured", () =>
  withDirectory(async (root) => {
    const binary = `${root}-binary`;
    writeProgram(binary, 'echo "xerj 1.2.3"');
    try {
      const install = () => sh(["scripts/install.sh", "--root", root, "--binary", binary]);
      const first = await install();
      assertEquals([first.code, first.output.includes("installed xerj 1.2.3 as")], [0, true], first.output);
      assertEquals(filesBelow(root), [
        "etc/systemd/system/xerj.service",
        "etc/xerj/xerj.toml",
        "usr/local/bin/xerj",
      ]);
      const config = `${root}/etc/xerj/xerj.toml`;
      assertEquals(Deno.readTextFileSync(config).includes('\ndata_dir = "/var/lib/xerj"\n'), true);
      assertEquals((Deno.statSync(config).mode ?? 0) & 0o777, 0o640);
      assertEquals((Deno.statSync(`${root}/var/lib/xerj`).mode ?? 0) & 0o777, 0o700);
      Deno.writeTextFileSync(config, "# mine\n");
      writeProgram(binary, 'echo "xerj 1.2.4"');
      const second = await install();
      assertEquals([second.code, second.output.includes("xerj 1.2.4")], [0, true], second.output);
      assertEquals(Deno.readTextFileSync(config), "# mine\n");
      Deno.writeTextFileSync(`${root}/var/lib/xerj/admin.key`, "k");
      const removed = await sh(["scripts/install.sh", "--root", root, "--uninstall"]);
      assertEquals(removed.code, 0, removed.output);
      assertEquals(filesBelow(root), ["etc/xerj/xerj.toml", "var/lib/xerj/admin.key"]);
      const purged = await sh(["scripts/install.sh", "--root", root, "--uninstall", "--purge"]);
      assertEquals([purged.code, filesBelow(root)], [0, []]);
    } finally {
      Deno.removeSync(binary);
    }
  }));

Deno.test("the installer refuses what cannot work, before it changes anything", () =>
  withDirectory(async (root) => {
    const missing = await sh(["scripts/install.sh", "--root", root, "--binary", `${root}/none`]);
    assertEquals([missing.code, missing.output.includes("there is no")], [1, true]);
    writeProgram(`${root}/broken`, "exit 1");
    const broken = await sh(["scripts/install.sh", "--root", root, "--binary", `${root}/broken`]);
    assertEquals([broken.code, broken.output.includes("does not run on this machine")], [1, true]);
    assertEquals(
      (await sh(["scripts/install.sh", "--nope"])).output.includes("there is no option --nope"),
      true,
    );
    assertEquals(filesBelow(root), ["broken"]);
  }));

Deno.test("the launcher takes a Deno of the right version, else npx, else says what is missing", () =>
  withDirectory(async (path) => {
    const basics = `${path}/basics`;
    Deno.mkdirSync(basics);
    for (const name of ["sh", "sed"]) Deno.symlinkSync(await whereIs(name), `${basics}/${name}`);
    const launch = () => sh(["scripts/deno", "task", "demo"], { PATH: `${path}:${basics}` });
    const none = await launch();
    assertEquals([none.code, none.output.includes("needs Deno 2.7.11")], [127, true]);
    writeProgram(`${path}/npx`, 'echo "npx $*"');
    assertEquals((await launch()).output, "npx --yes deno@2.7.11 task demo\n");
    const deno = (version: string) =>
      writeProgram(
        `${path}/deno`,
        `if [ "$1" = --version ]; then echo "deno ${version} (stable)"; else echo "deno $* $DENO_TLS_CA_STORE"; fi`,
      );
    deno("2.7.10");
    assertEquals((await launch()).output, "npx --yes deno@2.7.11 task demo\n");
    deno("2.7.11");
    assertEquals((await launch()).output, "deno task demo system\n");
  }));

Deno.test("an executable is cut where its section headers end", () => {
  const elf = new Uint8Array(400);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  const view = new DataView(elf.buffer);
  view.setBigUint64(0x28, 200n, true);
  view.setUint16(0x3a, 64, true);
  view.setUint16(0x3c, 2, true);
  assertEquals(cutElf(elf)?.length, 328);
  view.setUint16(0x3c, 4, true);
  assertEquals(cutElf(elf), undefined);
  assertEquals(cutElf(new Uint8Array(400)), undefined);
});

Deno.test("the threads' first modules, which compile must be told, are those that there are", () => {
  const found = [...Deno.readDirSync(new URL("src/workers/", ROOT))].map(({ name }) => `src/workers/${name}`);
  for (const entry of WORKER_ENTRIES) assertEquals(found.includes(entry), true, entry);
});

async function whereIs(name: string): Promise<string> {
  return (await sh(["-c", `command -v ${name}`])).output.trim();
}
