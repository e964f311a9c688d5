/**
 * The few C library calls that Deno has no own form of: mapped files, early writeback, the
 * kernel's clock, unix datagrams.
 *
 * Needs `--allow-ffi`; without it, only a call fails, not the import. Linux with glibc only.
 *
 * @module
 */

const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  mmap: { parameters: ["u64", "usize", "i32", "i32", "i32", "i64"], result: "u64" },
  munmap: { parameters: ["u64", "usize"], result: "i32" },
  madvise: { parameters: ["u64", "usize", "i32"], result: "i32" },
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  sync_file_range: { parameters: ["i32", "i64", "i64", "u32"], result: "i32" },
  syncfs: { parameters: ["i32"], result: "i32", nonblocking: true },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Values from Linux's headers; the same on x86-64 and aarch64. */
export const O_RDONLY = 0;
export const O_CLOEXEC = 0o2000000;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MADV_DONTNEED = 4;
export const PRIO_PROCESS = 0;
export const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
export const SYNC_FILE_RANGE_WRITE = 2;
export const CLOCK_MONOTONIC = 1;
export const AF_UNIX = 1;
export const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0o2000000;

/** Loaded with the module, so that it belongs to the thread and not to whoever happens to call first. */
const loaded = load();

function load(): Libc | Error {
  try {
    return Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** @throws When the C library could not be loaded: another system, or no permission for FFI. */
export function libc(): Libc {
  if (loaded instanceof Error) throw loaded;
  return loaded;
}

/** The reason of the call that failed last on this thread, in the form that `IoError` takes an errno from. */
export function lastError(): Error {
  const at = libc().__errno_location();
  const number = at === null ? 0 : new Deno.UnsafePointerView(at).getInt32();
  return new Error(`system call failed (os error ${number})`);
}

/** A path or name as C wants it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
