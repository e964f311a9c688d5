/**
 * Which files of a backup a restore brings back, and under which names.
 *
 * @module
 */
import { RepositoryError } from "./error.ts";
import type { BackupEntry, BackupManifest } from "./manifest.ts";
import { isSafePath } from "./names.ts";

/** `logs-(.*)` = `old-$1`: the pattern must match a whole name; `$1` to `$9` stand for its groups, `$0` for all of it. */
export interface Rename {
  readonly pattern: string;
  readonly replacement: string;
}

export interface Selection {
  /** Names, or patterns with `*`; undefined: everything, the server's own files too. */
  readonly indices?: readonly string[];
  readonly rename?: Rename;
  /** Whether the server's own files (`index: null`) come along; default: when `indices` is undefined. */
  readonly includeServerFiles?: boolean;
}

export interface SelectedFile {
  readonly entry: BackupEntry;
  /** Where it goes, relative to the target. */
  readonly path: string;
}

export interface SelectedIndex {
  readonly name: string;
  /** Its new name; the same without a rename. */
  readonly as: string;
}

export interface Selected {
  readonly files: readonly SelectedFile[];
  readonly indices: readonly SelectedIndex[];
}

/** @throws {RepositoryError} "selection": a name matches nothing, or two indices would get one name. */
export function select(manifest: BackupManifest, selection: Selection): Selected {
  const { indices: patterns, rename, includeServerFiles = patterns === undefined } = selection;
  const names = indexNames(manifest);
  const chosen = patterns === undefined
    ? names
    : names.filter((name) => patterns.some((pattern) => wildcard(pattern).test(name)));
  for (const pattern of patterns ?? []) {
    if (names.some((name) => wildcard(pattern).test(name))) continue;
    throw refused(
      `Backup ${manifest.backupId} holds no index ${pattern}`,
      names.length === 0 ? "it holds none at all" : `it holds ${shortened(names)}`,
    );
  }
  const renamed = new Map(chosen.map((name) => [name, rename ? applyRename(name, rename) : name]));
  const taken = new Map<string, string>();
  for (const [name, as] of renamed) {
    const other = taken.get(as);
    if (other !== undefined) {
      throw refused(`Cannot restore both ${other} and ${name} as ${as}`, "choose another replacement");
    }
    if (as.includes("/") || !isSafePath(as)) {
      throw refused(`Cannot restore ${name} as ${JSON.stringify(as)}`, "");
    }
    taken.set(as, name);
  }
  const files: SelectedFile[] = [];
  for (const entry of manifest.files) {
    if (entry.index === null) {
      if (includeServerFiles) files.push({ entry, path: entry.path });
      continue;
    }
    const as = renamed.get(entry.index);
    if (as !== undefined) files.push({ entry, path: movedTo(entry, entry.index, as) });
  }
  return { files, indices: [...renamed].map(([name, as]) => ({ name, as })) };
}

function indexNames(manifest: BackupManifest): string[] {
  const names = new Set(manifest.indices.map(({ name }) => name));
  for (const { index } of manifest.files) if (index !== null) names.add(index);
  return [...names].sort();
}

/** A file of an index lies in the folder of its name. */
function movedTo(entry: BackupEntry, index: string, as: string): string {
  if (index === as) return entry.path;
  if (entry.path.startsWith(`${index}/`)) return `${as}${entry.path.slice(index.length)}`;
  throw refused(
    `Cannot restore ${index} under another name: its file ${entry.path} lies outside of its folder`,
    "",
  );
}

function wildcard(pattern: string): RegExp {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

function applyRename(name: string, { pattern, replacement }: Rename): string {
  let compiled: RegExp;
  try {
    compiled = new RegExp(`^(?:${pattern})$`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refused(`Cannot use ${pattern} to rename: ${error.message}`, "it must be a regular expression");
  }
  const match = compiled.exec(name);
  return match ? replacement.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? "") : name;
}

function shortened(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(", ");
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}

function refused(message: string, hint: string): RepositoryError {
  return new RepositoryError(message, { kind: "selection", hint });
}
