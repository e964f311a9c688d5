/**
 * `deno task check`: formatting, lint, types, and the rules of the house (`tests/tidy`). Prints each check's outcome; ends
 * with status 1 when one failed.
 *
 * @module
 */
const ROOT = new URL("..", import.meta.url);

const CHECKS: readonly { readonly name: string; readonly args: readonly string[] }[] = [
  { name: "formatting", args: ["fmt", "--check", "--quiet"] },
  { name: "lint", args: ["lint", "--quiet"] },
  { name: "types", args: ["check", "--quiet", "."] },
  { name: "tidy", args: ["test", "--quiet", "--no-check", "-A", "tests/tidy/"] },
];

let failed = 0;
for (const { name, args } of CHECKS) {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd: ROOT, stdin: "null" });
  const { success } = await command.spawn().status;
  console.log(`${success ? "fine" : "NOT fine"}: ${name}`);
  if (!success) failed++;
}
Deno.exit(failed === 0 ? 0 : 1);
