/**
 * Which of some ids does the log speak of?
 *
 * @module
 */
import { utf8Text } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";
import { OperationsReader } from "../../format/operations.ts";
import { RecordKind } from "../../format/wal.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { FoundGeneration } from "../../wal/generation_file.ts";
import { RecordReader } from "../../wal/record_reader.ts";
import type { Progress } from "../verify/finding.ts";

/**
 * Reads the generations on disk for operations with a sequence number of (from, to]. A generation whose base lies behind
 * is not read.
 *
 * @throws {CorruptionError | IoError}
 */
export async function idsOfLog(
  fs: FileSystem,
  generations: readonly FoundGeneration[],
  { from, to, wanted, progress }: {
    readonly from: number;
    readonly to: number;
    readonly wanted: ReadonlySet<string>;
    readonly progress: Progress;
  },
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const generation of generations) {
    if (generation.kind !== "body" || generation.head.baseSeqNo < from) continue;
    const file = fs.openRead(generation.path);
    try {
      const reader = new RecordReader(file, generation.head, generation.sizeBytes);
      while (reader.next()) {
        if (reader.kind !== RecordKind.Operations) continue;
        const operations = new OperationsReader(reader.payload);
        while (operations.next()) {
          const seqNo = reader.seqNo + operations.seqNoDelta;
          if (seqNo <= from || seqNo > to) continue;
          const id = utf8Text(reader.payload.subarray(operations.idStart, operations.idEnd));
          if (wanted.has(id)) found.add(id);
        }
        await progress.pause();
      }
    } catch (error) {
      // What does not follow is behind the end that counts.
      if (!(error instanceof CorruptionError)) throw error;
    } finally {
      file.close();
    }
  }
  return found;
}
