/**
 * What a restored directory holds, read as an opening reads it, without an engine.
 *
 * @module
 */
import { utf8Text } from "../../../src/base/bytes.ts";
import { decodeCatalog } from "../../../src/format/catalog.ts";
import { decodeManifest } from "../../../src/format/manifest.ts";
import { segmentName } from "../../../src/format/file_names.ts";
import { decodeWalHeader } from "../../../src/format/wal_header.ts";
import { RecordReader } from "../../../src/wal/record_reader.ts";
import type { MemoryDisk } from "../memory_disk.ts";
import type { SimRecord } from "./sim_box.ts";

/** Values by index. @throws When files are missing, or do not follow each other. */
export function readRestored(disk: MemoryDisk, folder: string): Map<string, string[]> {
  const catalogs = disk.list(`${folder}/_meta`);
  if (catalogs.length !== 1) throw new Error(`${catalogs.length} catalogues`);
  const catalog = decodeCatalog(disk.readFile(`${folder}/_meta/${catalogs[0]!.name}`));
  if (catalog === "stub") throw new Error("a stub");
  return new Map(catalog.indices.map(({ name, incarnation }) => {
    const records = readLog(disk, `${folder}/${name}`, incarnation);
    return [name, records.map(({ value }) => value)];
  }));
}

function readLog(disk: MemoryDisk, folder: string, incarnation: string): SimRecord[] {
  const manifests = disk.list(`${folder}/manifests`);
  if (manifests.length !== 1) throw new Error(`${manifests.length} manifests`);
  const manifest = decodeManifest(disk.readFile(`${folder}/manifests/${manifests[0]!.name}`));
  if (manifest.incarnation !== incarnation) throw new Error("a manifest of another life");
  const records: SimRecord[] = manifest.segments.flatMap(({ number }) =>
    JSON.parse(utf8Text(disk.readFile(`${folder}/${segmentName(number)}/segment.seg`))) as SimRecord[]
  );
  const generations = disk.list(`${folder}/wal`).map(({ name }) => {
    const bytes = disk.readFile(`${folder}/wal/${name}`);
    return { name, bytes, header: decodeWalHeader(bytes, bytes.length) };
  });
  if (generations.length === 0) throw new Error("no log");
  if (generations[0]!.header.baseLsn > manifest.checkpoint.lsn) throw new Error("the log begins too late");
  let reached = manifest.checkpoint.lsn;
  for (const [i, { name, bytes, header }] of generations.entries()) {
    const next = generations[i + 1]?.header;
    if (next && (next.previousUuid !== header.uuid || next.previousEnd > bytes.length)) {
      throw new Error("a gap");
    }
    const file = disk.openRead(`${folder}/wal/${name}`);
    const reader = new RecordReader(file, header, next?.previousEnd ?? bytes.length);
    while (reader.next()) {
      if (reader.lsn <= reached) continue;
      reached = reader.lsn;
      records.push({ lsn: reader.lsn, timeMs: reader.timeMs, value: utf8Text(reader.payload) });
    }
    if (reader.bad !== undefined) throw new Error(`${name} of ${folder}: ${reader.bad}`);
    file.close();
  }
  return records;
}
