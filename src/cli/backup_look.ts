/**
 * `xerj backup list` and `xerj backup show`.
 *
 * @module
 */
import type { ListedBackup } from "../backup/head.ts";
import type { BackupManifest } from "../backup/manifest.ts";
import { findBackup, type Repository } from "../backup/repository.ts";
import type { BackupWork } from "./backup_work.ts";
import { EXIT_DONE } from "./command_failure.ts";
import { megabytes } from "./verify_render.ts";

export async function listBackups(
  { environment, print }: BackupWork,
  repository: Repository,
): Promise<number> {
  const { head } = await repository.readHead(environment.signal);
  const backups = head.backups.toReversed();
  const rows = [
    ["ID", "CREATED", "SIZE", "FILES", "KIND", ""],
    ...backups.map((backup) => [
      backup.id,
      timeOf(backup.createdMs),
      megabytes(backup.bytesTotal),
      String(backup.files),
      backup.kind,
      backup.pinned ? "pinned" : "",
    ]),
  ];
  print({
    place: repository.place,
    repository_id: repository.id,
    encrypted: head.encryption !== null,
    backups: backups.map(listedToJson),
    warnings: repository.warnings,
  }, [
    ...(backups.length === 0 ? [`there is no backup at ${repository.place} yet`] : table(rows)),
    ...repository.warnings.map((warning) => `warning: ${warning}`),
  ]);
  return EXIT_DONE;
}

export async function showBackup(
  { environment, operands, print }: BackupWork,
  repository: Repository,
): Promise<number> {
  const { head } = await repository.readHead(environment.signal);
  const listed = findBackup(head, operands[0]!, repository.place);
  const manifest = await repository.readManifest(listed, environment.signal);
  const indices = manifest.indices.map((index) => ({ ...index, ...sizeOf(manifest, index.name) }));
  const stored = storedBytes(manifest);
  print({
    ...listedToJson(listed),
    place: repository.place,
    manifest: listed.manifest,
    manifest_sha256: listed.sha256,
    made_by: { version: manifest.server.version, instance_id: manifest.server.instanceId },
    objects: stored.objects,
    bytes_stored: stored.bytes,
    indices: indices.map(({ name, incarnation, shards, docs, files, bytes }) => ({
      index: name,
      incarnation,
      shards,
      docs,
      files,
      bytes,
    })),
  }, [
    `backup ${listed.id} of ${timeOf(listed.createdMs)}, ${listed.kind}${listed.pinned ? ", pinned" : ""}`,
    `  made by xerj ${manifest.server.version}, instance ${manifest.server.instanceId}, at LSN ${manifest.lsn}`,
    `  ${listed.files} files, ${megabytes(listed.bytesTotal)}; stored in ${stored.objects} objects, ` +
    `${megabytes(stored.bytes)}, which other backups may share`,
    `  ${listed.manifest}, SHA-256 ${listed.sha256}`,
    ...table([
      ["INDEX", "DOCUMENTS", "SHARDS", "FILES", "SIZE"],
      ...indices.map(({ name, docs, shards, files, bytes }) => [
        name,
        String(docs),
        String(shards),
        String(files),
        megabytes(bytes),
      ]),
    ]),
  ]);
  return EXIT_DONE;
}

export function listedToJson(backup: ListedBackup) {
  return {
    backup_id: backup.id,
    created: timeOf(backup.createdMs),
    bytes_total: backup.bytesTotal,
    files: backup.files,
    lsn: backup.lsn,
    kind: backup.kind,
    series: backup.series,
    pinned: backup.pinned,
  };
}

export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** Rows in columns, the first row being their heads. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}

function sizeOf({ files }: BackupManifest, name: string): { readonly files: number; readonly bytes: number } {
  const own = files.filter(({ index }) => index === name);
  return { files: own.length, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function storedBytes({ files }: BackupManifest): { readonly objects: number; readonly bytes: number } {
  const sizes = new Map(
    files.flatMap(({ pieces }) => pieces.map(({ object, bytes }) => [object, bytes] as const)),
  );
  return { objects: sizes.size, bytes: sizes.values().reduce((sum, bytes) => sum + bytes, 0) };
}
