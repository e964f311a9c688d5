/**
 * Tools that people copy directories with, run as people run them. What they answer proves nothing, and is not
 * looked at.
 *
 * @module
 */

export interface CopyTool {
  readonly name: string;
  /** Programs that it needs. */
  readonly needs: readonly string[];
  /** Shell command; `$FROM` and `$TO` are the directories, the second exists. */
  readonly command: string;
  /** Copies over the destination of the last copy, instead of into an empty one. */
  readonly keeps: boolean;
}

export const COPY_TOOLS: readonly CopyTool[] = [
  { name: "rsync", needs: ["rsync"], command: "rsync -a $FROM/ $TO/", keeps: false },
  { name: "rsync --delete", needs: ["rsync"], command: "rsync -aH --delete $FROM/ $TO/", keeps: true },
  { name: "rsync onto old", needs: ["rsync"], command: "rsync -aH $FROM/ $TO/", keeps: true },
  { name: "rsync, slow", needs: ["rsync"], command: "rsync -a --bwlimit=2m $FROM/ $TO/", keeps: true },
  { name: "tar", needs: ["tar"], command: "tar -cf - -C $FROM . | tar -xf - -C $TO", keeps: false },
  { name: "cp -a", needs: ["cp"], command: "cp -a $FROM/. $TO/", keeps: false },
];

/** Runs a tool to its end, whatever it answers. @returns Its exit status. */
export async function copy(tool: CopyTool, from: string, to: string): Promise<number> {
  if (!tool.keeps) remove(to);
  Deno.mkdirSync(to, { recursive: true });
  const { code } = await new Deno.Command("sh", {
    args: ["-c", tool.command],
    env: { FROM: from, TO: to },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return code;
}

export function hasCommand(name: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null", stderr: "null" })
    .outputSync().success;
}

/** Runs a shell command. @throws When it fails. */
export function run(command: string): string {
  const { success, stdout, stderr } = new Deno.Command("sh", { args: ["-c", command] }).outputSync();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command}: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

export function remove(path: string): void {
  run(`rm -rf ${path}`);
}
