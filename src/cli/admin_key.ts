/**
 * The administrator's key: the configured one, or one made on first start and kept in the data directory for ever after.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import { utf8, utf8Text } from "../base/bytes.ts";
import type { FileSystem, Random } from "../os/fs.ts";

export interface AdminKey {
  readonly key: string;
  /** Where the key is kept; undefined when the configuration brought it. */
  readonly path: string | undefined;
  /** Made just now. */
  readonly isNew: boolean;
}

const KEY_BYTES = 32;

/**
 * @param configured From the configuration, "" when none.
 * @throws {IoError} The key file cannot be read or written, or holds no key.
 */
export function adminKey(
  fs: FileSystem,
  { dataDir, configured, random }: {
    readonly dataDir: string;
    readonly configured: string;
    readonly random: Random;
  },
): AdminKey {
  if (configured !== "") return { key: configured, path: undefined, isNew: false };
  const path = `${dataDir}/admin.key`;
  if (fs.exists(path)) {
    const key = utf8Text(fs.readFile(path)).trim();
    if (key.length < 16) {
      throw new IoError(
        "use",
        path,
        new Error("it holds no key of 16 or more characters; remove it to have one made"),
      );
    }
    return { key, path, isNew: false };
  }
  const bytes = new Uint8Array(KEY_BYTES);
  random.fill(bytes);
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const staged = `${path}.staged`;
  if (fs.exists(staged)) fs.unlink(staged);
  const file = fs.create(staged, 0o600);
  try {
    file.write(utf8(`${key}\n`));
    file.sync();
  } finally {
    file.close();
  }
  fs.rename(staged, path);
  fs.syncDirectory(dataDir);
  return { key, path, isNew: true };
}
