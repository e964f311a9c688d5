/**
 * `_meta/hydrating.json`: which segment files of a lazily restored directory may be there in part only, and where the
 * rest of them is. Sealed JSON of kind `hydrating`. Never changes; goes when the last of its files has its name.
 * Spec: `docs/FORMAT.md`, "Files that are still being restored".
 *
 * Holds no secret: credentials and keys come from the configuration, or the environment.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { BodyReader, decodeSealed, encodeSealed } from "./sealed_json.ts";

const HYDRATION_VERSION = 1;

/** Where the repository is; of the configuration where it has a name, else as the restore was told. */
export interface HydrationPlace {
  /** `s3://bucket/prefix` or `file:///path`. */
  readonly url: string;
  /** Of `[backup.repositories.<name>]`. */
  readonly name?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: "auto" | boolean;
  readonly singleWriter: boolean;
}

export interface HydrationFile {
  /** Relative to the data directory: the final name. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the whole file. */
  readonly sha256: string;
  /** As the backup's manifest has them; opaque here. */
  readonly pieces: readonly unknown[];
}

export interface Hydration {
  readonly place: HydrationPlace;
  readonly repositoryId: string;
  readonly backupId: string;
  readonly files: readonly HydrationFile[];
}

export function encodeHydration(hydration: Hydration): Uint8Array {
  return encodeSealed("hydrating", { version: HYDRATION_VERSION, ...hydration });
}

/** @throws {CorruptionError} */
export function decodeHydration(bytes: Uint8Array): Hydration {
  const body = new BodyReader("hydrating", decodeSealed("hydrating", bytes));
  const version = body.integer("version", 1);
  if (version > HYDRATION_VERSION) {
    throw new CorruptionError(
      `Cannot decode hydrating: version ${version} is newer than ${HYDRATION_VERSION}`,
    );
  }
  const place = new BodyReader("hydrating's place", body.member("place"));
  const optional = (name: "name" | "endpoint" | "region") =>
    place.has(name) ? { [name]: place.text(name) } : {};
  const pathStyle = place.member("pathStyle");
  return {
    place: {
      url: place.text("url"),
      ...optional("name"),
      ...optional("endpoint"),
      ...optional("region"),
      ...(pathStyle === "auto" || typeof pathStyle === "boolean" ? { pathStyle } : {}),
      singleWriter: place.flag("singleWriter"),
    },
    repositoryId: body.text("repositoryId"),
    backupId: body.text("backupId"),
    files: body.list("files").map((json) => {
      const file = new BodyReader("hydrating file", json);
      return {
        path: file.text("path"),
        sizeBytes: file.integer("sizeBytes", 1),
        sha256: file.text("sha256"),
        pieces: file.list("pieces"),
      };
    }),
  };
}
