/**
 * The rules by which a data directory is written and believed, as far as a test can switch one off to see whether it is
 * missed. Production code never passes anything but `ALL_RULES`; `docs/simulation.md` says what each is for.
 *
 * @module
 */
export interface Rules {
  /** Files of two pasts in one folder are refused. */
  readonly oneHistory: boolean;
  /** Any manifest may be opened whose position the log covers; else only the newest, and its own generation. */
  readonly anyCoveredManifest: boolean;
  /** A record names the one before it in its shard; else LSNs may have no gaps. */
  readonly previousLsn: boolean;
  /** A mark covers what a sync was begun for; else what is there when it returns. */
  readonly marksOfSyncedRecords: boolean;
  /** A mapping that grew is in the log before the documents that need it. */
  readonly mappingInLog: boolean;
  /** A run begins a generation of its own; else it goes on in the one that it found. */
  readonly foundFilesUntouched: boolean;
  /** Manifests of a past that was left are moved away. */
  readonly aside: boolean;
  /** A generation is synced before the next one has its name. */
  readonly rollSyncs: boolean;
  /** A merge carries deletes that came while it ran over to its output. */
  readonly tombstonesRemapped: boolean;
  /** A merge carries its inputs' tombstones for segments that stay. */
  readonly tombstonesCarried: boolean;
  /** A merge bakes in only deletes that files hold. */
  readonly onlyDurableDeletesBakedIn: boolean;
  /** Segment files are compared with the uuid in the manifest. */
  readonly segmentUuids: boolean;
  /** What an opening finds superseded stays for the whole retention again. */
  readonly retentionAnew: boolean;
  /** Behind a bad record, later marks are looked for. */
  readonly laterMarks: boolean;
  /** The log is synced up to a manifest's checkpoint before the manifest. */
  readonly walBeforeManifest: boolean;
  /** The log stays for all manifests, not for the newest alone. */
  readonly walForEveryManifest: boolean;
}

export const ALL_RULES: Rules = {
  oneHistory: true,
  anyCoveredManifest: true,
  previousLsn: true,
  marksOfSyncedRecords: true,
  mappingInLog: true,
  foundFilesUntouched: true,
  aside: true,
  rollSyncs: true,
  tombstonesRemapped: true,
  tombstonesCarried: true,
  onlyDurableDeletesBakedIn: true,
  segmentUuids: true,
  retentionAnew: true,
  laterMarks: true,
  walBeforeManifest: true,
  walForEveryManifest: true,
};
