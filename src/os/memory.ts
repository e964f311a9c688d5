/**
 * How much memory there is, and how much of it this process holds.
 *
 * @module
 */
import { readSystemFile, readSystemFileIfThere } from "./system_file.ts";

export interface ProcessMemory {
  /** Memory that only this process's end or the garbage collector gives back: what limits are held against. */
  readonly anonymousBytes: number;
  /** All resident pages, those of mapped files included, which the kernel takes back when it needs them. */
  readonly residentBytes: number;
}

/** @throws {IoError} Where there is no `/proc`. */
export function processMemory(): ProcessMemory {
  const status = readSystemFile("/proc/self/status");
  return { anonymousBytes: kilobytes(status, "RssAnon"), residentBytes: kilobytes(status, "VmRSS") };
}

/** Memory that this process may use: the machine's, or its control group's limit where that is lower. */
export function totalMemoryBytes(): number {
  const machine = kilobytes(readSystemFile("/proc/meminfo"), "MemTotal");
  return Math.min(machine, ...CGROUP_LIMITS.map(limitBytes));
}

/** The limit's file under control groups 2 and 1, as seen from within a container. */
const CGROUP_LIMITS = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** Infinity where there is no such file, or it says "max". */
function limitBytes(path: string): number {
  const value = Number(readSystemFileIfThere(path) ?? "max");
  return Number.isFinite(value) && value > 0 ? value : Infinity;
}

/** Finds `key:   123 kB` in a file of `/proc`; 0 when it is not there. */
function kilobytes(text: string, key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text);
  return match ? Number(match[1]) * 1024 : 0;
}
