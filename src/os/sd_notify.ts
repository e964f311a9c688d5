/**
 * Tells systemd, or whatever started the process with `NOTIFY_SOCKET`, how far it is (sd_notify(3)).
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import { AF_UNIX, lastError, libc, SOCK_CLOEXEC, SOCK_DGRAM } from "./libc.ts";

/** `sockaddr_un.sun_path` holds this many bytes on Linux. */
const MAX_SOCKET_PATH_BYTES = 108;

/**
 * Sends one datagram, such as `READY=1`, `STOPPING=1`, `RELOADING=1` or `STATUS=replaying, 40%`; lines are joined by
 * newlines.
 *
 * @param socketPath The value of `NOTIFY_SOCKET`; a first `@` means the abstract name space.
 * @throws {IoError} Nobody listens there.
 */
export function sendNotification(socketPath: string, lines: readonly string[]): void {
  const path = new TextEncoder().encode(socketPath);
  if (path.length === 0 || path.length >= MAX_SOCKET_PATH_BYTES) {
    throw new IoError("notify", socketPath, "not a socket's path");
  }
  const address = new Uint8Array(2 + MAX_SOCKET_PATH_BYTES);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(path, 2);
  const isAbstract = socketPath.startsWith("@");
  if (isAbstract) address[2] = 0;
  const message = new TextEncoder().encode(lines.join("\n"));
  const c = libc();
  const socket = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) throw new IoError("open a socket for", socketPath, lastError());
  const addressBytes = 2 + path.length + (isAbstract ? 0 : 1);
  const sent = c.sendto(socket, message, BigInt(message.length), 0, address, addressBytes);
  const failure = Number(sent) < 0 ? lastError() : undefined;
  c.close(socket);
  if (failure) throw new IoError("notify", socketPath, failure);
}

/**
 * The notifier for this process.
 *
 * @param socketPath `NOTIFY_SOCKET`, undefined or "" when nobody asked: then every call does nothing.
 */
export function serviceNotifier(socketPath: string | undefined): ServiceNotifier {
  const send = (...lines: string[]): void => {
    if (socketPath) sendNotification(socketPath, lines);
  };
  return {
    ready: () => send("READY=1"),
    stopping: () => send("STOPPING=1"),
    reloading: (monotonicMs) => send("RELOADING=1", `MONOTONIC_USEC=${Math.floor(monotonicMs * 1000)}`),
    status: (text) => send(`STATUS=${text.replaceAll("\n", " ")}`),
    extendTimeout: (ms) => send(`EXTEND_TIMEOUT_USEC=${Math.floor(ms * 1000)}`),
  };
}

export interface ServiceNotifier {
  ready(): void;
  stopping(): void;
  /** Followed by `ready()`. @param monotonicMs The kernel's monotonic clock, as `systemClock` reads it. */
  reloading(monotonicMs: number): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** Asks for this much more time from now to start or stop, for instance while the log is replayed. */
  extendTimeout(ms: number): void;
}
