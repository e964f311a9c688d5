/**
 * A store by the address that users write: `s3://bucket/prefix` or `file:///path`.
 *
 * @module
 */
import { type DirectoryStoreOptions, openDirectoryStore } from "./directory_store.ts";
import { isObjectName } from "./names.ts";
import { openS3Store, type S3StoreOptions } from "./s3_store.ts";
import { type ObjectStore, StoreError } from "./store.ts";

/** A destination, taken apart. */
export type Destination =
  | { readonly kind: "s3"; readonly bucket: string; readonly prefix: string }
  | { readonly kind: "directory"; readonly path: string };

export interface OpenStoreOptions {
  /** For `s3://`. */
  readonly s3?: Omit<S3StoreOptions, "bucket" | "prefix">;
  /** For `file://`. */
  readonly directory?: Omit<DirectoryStoreOptions, "path">;
}

const EXAMPLES = "A destination is s3://bucket/prefix, or file:///path/of/a/mounted/disk.";

/** Opens a store without touching it. @throws {StoreError} "unsupported", with what is right. */
export function openStore(destination: string, options: OpenStoreOptions = {}): ObjectStore {
  const parsed = parseDestination(destination);
  if (parsed.kind === "directory") return openDirectoryStore({ ...options.directory, path: parsed.path });
  return openS3Store({ ...options.s3, bucket: parsed.bucket, prefix: parsed.prefix });
}

/**
 * Takes a destination apart; a slash at its end does not matter.
 *
 * @throws {StoreError} "unsupported", with what is right. What was given is repeated only where it cannot hold a
 * password.
 */
export function parseDestination(destination: string): Destination {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(destination)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    const hint = destination.startsWith("/") && !destination.includes("@")
      ? `For a directory write file://${destination}.`
      : EXAMPLES;
    throw wrong("it does not begin with s3:// or file://", hint);
  }
  const rest = destination.slice(scheme.length + 3);
  if (/\p{Cc}/u.test(rest)) throw wrong("it has control characters", EXAMPLES);
  if (scheme === "s3") return parseBucket(rest);
  if (scheme === "file") return parsePath(rest);
  if (scheme === "http" || scheme === "https") {
    throw wrong(
      `it begins with ${scheme}://`,
      "Write s3://bucket/prefix, and give the server's address as the endpoint.",
    );
  }
  throw wrong(`there are no destinations of the kind ${scheme}://`, EXAMPLES);
}

function parseBucket(rest: string): Destination {
  const isSecretive = rest.includes("@");
  if (isSecretive) {
    throw wrong(
      "it holds a @",
      "Credentials do not belong into a destination: give them as access_key and secret_key.",
    );
  }
  if (/[?#]/.test(rest)) {
    throw wrong(
      "it has a query or a fragment",
      "Give region, endpoint and the like as options of their own.",
    );
  }
  const [bucket = "", ...parts] = rest.split("/");
  if (bucket === "") throw wrong("it names no bucket", EXAMPLES);
  const prefix = parts.join("/").replace(/\/+$/, "");
  if (prefix !== "" && !isObjectName(prefix)) {
    throw wrong(
      `${JSON.stringify(prefix.slice(0, 100))} cannot be a prefix`,
      "A prefix is like xerj/nightly: letters, digits, dots, hyphens and underscores between single slashes.",
    );
  }
  return { kind: "s3", bucket, prefix };
}

function parsePath(rest: string): Destination {
  if (!rest.startsWith("/")) {
    throw wrong(
      "a file:// destination has three slashes and an absolute path",
      rest === "" ? EXAMPLES : "Write file:///path.",
    );
  }
  let path: string;
  try {
    path = decodeURIComponent(rest).replaceAll(/\/+/g, "/").replace(/\/$/, "");
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw wrong("its path has a % that begins no character", "Write % itself as %25.");
  }
  if (path === "") {
    throw wrong("it is the root directory", "Name a directory of its own below the mounted disk.");
  }
  if (path.includes("\0")) throw wrong("its path has a zero byte", EXAMPLES);
  if (path.split("/").some((part) => part === "." || part === "..")) {
    throw wrong("its path has a part . or ..", "Write the whole path.");
  }
  return { kind: "directory", path };
}

function wrong(reason: string, hint: string): StoreError {
  return new StoreError(`Cannot use the destination: ${reason}`, { kind: "unsupported", hint });
}
