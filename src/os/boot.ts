/**
 * Which machine this is, and which of its boots.
 *
 * @module
 */
import { readSystemFileIfThere } from "./system_file.ts";

/** The kernel's id of this boot, or "" where there is none: memory that was not synced is gone when it differs. */
export function bootId(): string {
  return firstLine("/proc/sys/kernel/random/boot_id");
}

/** The id that the operating system got when it was installed, or "" (minimal containers have none). */
export function machineId(): string {
  return firstLine("/etc/machine-id");
}

function firstLine(path: string): string {
  const [line = ""] = (readSystemFileIfThere(path) ?? "").split("\n", 1);
  return line.trim();
}
