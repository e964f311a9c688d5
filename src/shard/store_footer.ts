/**
 * Which segment does a file belong to? Reads its footer alone, so that opening a shard costs one small read a file.
 *
 * @module
 */
import { ByteReader, equalBytes } from "../base/bytes.ts";
import { crc32, hex32 } from "../base/crc.ts";
import { CorruptionError, IoError } from "../base/errors.ts";
import { FOOTER_BYTES, SEGMENT_MAGIC } from "../format/container.ts";
import { uuidFromBytes } from "../format/uuid_bytes.ts";
import type { FileSystem } from "../os/fs.ts";

/** Layout: `docs/FORMAT.md`, "Segment footer". */
const UUID_AT = 24;
const MAGIC_AT = 52;
const CRC_AT = 60;

/**
 * @returns What is wrong with a segment's file, undefined: it is the one that the manifest names.
 * @throws {IoError}
 */
export function segmentFileProblem(
  fs: FileSystem,
  path: string,
  expected: { readonly sizeBytes: number; readonly uuid: string | undefined },
): string | undefined {
  let file;
  try {
    file = fs.openRead(path);
  } catch (error) {
    if (error instanceof IoError && error.code === "ENOENT") return "a segment file is missing";
    throw error;
  }
  try {
    const sizeBytes = file.size();
    if (sizeBytes !== expected.sizeBytes) {
      return `a segment file has ${sizeBytes} bytes instead of ${expected.sizeBytes}`;
    }
    const footer = new Uint8Array(FOOTER_BYTES);
    if (sizeBytes < FOOTER_BYTES || file.readAt(footer, sizeBytes - FOOTER_BYTES) < FOOTER_BYTES) {
      return "a segment file is shorter than a footer";
    }
    const uuid = footerUuid(footer);
    return expected.uuid === undefined || uuid === expected.uuid
      ? undefined
      : `a segment file is of segment ${uuid} instead of ${expected.uuid}`;
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    return `a segment file is damaged (${error.message})`;
  } finally {
    file.close();
  }
}

function footerUuid(footer: Uint8Array): string {
  if (!equalBytes(footer.subarray(MAGIC_AT, CRC_AT), SEGMENT_MAGIC)) {
    throw new CorruptionError("Cannot decode segment footer: magic is wrong");
  }
  const stored = new ByteReader(footer, CRC_AT).u32();
  const crc = crc32(footer.subarray(0, CRC_AT));
  if (crc !== stored) {
    throw new CorruptionError(`Cannot decode segment footer: crc is ${hex32(crc)}, stored ${hex32(stored)}`);
  }
  return uuidFromBytes(footer.subarray(UUID_AT, UUID_AT + 16));
}
