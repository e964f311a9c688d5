/**
 * Named backup repositories: `[backup.repositories.<name>]`, any number of them, each with these keys.
 *
 * @module
 */
import { boolean, choice, integer, type Key, text, type Value, type ValueOf } from "./keys.ts";

/** What a repository's name may be: it stands in TOML headers and in requests. */
export const REPOSITORY_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export const REPOSITORY_KEYS = {
  destination: text({
    default: "",
    effect: 'Where the backups lie: "s3://bucket/prefix", or "file:///path" on a mounted disk.',
  }),
  endpoint: text({
    default: "",
    effect: "URL of the S3 service. Empty: Amazon's, by region.",
  }),
  region: text({ default: "us-east-1", effect: "Region of the bucket." }),
  pathStyle: choice(["auto", "yes", "no"], {
    default: "auto",
    effect: 'Whether the bucket stands in the path instead of the host name. "auto" finds out.',
  }),
  caCertificate: text({
    default: "",
    effect: "File of a certificate authority, PEM, that the endpoint's certificate is checked against, too.",
  }),
  storageClass: text({ default: "", effect: "Storage class of the objects. Empty: the bucket's own." }),
  accessKey: text({ default: "", isSecret: true, effect: "Access key. Better from file or environment." }),
  secretKey: text({ default: "", isSecret: true, effect: "Secret key. Better from file or environment." }),
  accessKeyEnv: text({ default: "", effect: "Environment variable that holds the access key." }),
  secretKeyEnv: text({ default: "", effect: "Environment variable that holds the secret key." }),
  accessKeyFile: text({ default: "", effect: "File that holds the access key." }),
  secretKeyFile: text({
    default: "",
    effect:
      "File that holds the secret key. Without any key the usual places are asked: environment, profile files, " +
      "the machine's role.",
  }),
  encryptionKeyFile: text({
    default: "",
    effect: "File with 32 bytes as 64 hex digits: everything is encrypted with it before it leaves. Keep a " +
      "copy elsewhere: without the key nothing can be restored.",
  }),
  encryptionKeyEnv: text({ default: "", effect: "Environment variable that holds the encryption key." }),
  compress: boolean({ default: true, effect: "Whether objects are compressed where it saves at least 5%." }),
  singleWriter: boolean({
    default: false,
    effect: "Only this server ever writes there: lets a store without conditional writes be used.",
  }),
  schedule: text({
    default: "",
    effect:
      'When to back up everything, as cron has it: "0 3 * * *" is 03:00 UTC daily. Empty: never by itself.',
  }),
  verifySchedule: text({
    default: "",
    effect:
      "When to look whether the backups are there, as cron has it: manifests, sizes, and 5% of the objects whole. " +
      "Empty: never by itself.",
  }),
  keepLast: integer({
    default: 0,
    min: 0,
    max: 100000,
    effect: "Scheduled backups to keep: the newest ones. All keep keys at 0: nothing is removed.",
  }),
  keepHourly: integer({ default: 0, min: 0, max: 100000, effect: "Hours of which the last backup is kept." }),
  keepDaily: integer({ default: 0, min: 0, max: 100000, effect: "Days of which the last backup is kept." }),
  keepWeekly: integer({ default: 0, min: 0, max: 100000, effect: "Weeks of which the last backup is kept." }),
  keepMonthly: integer({
    default: 0,
    min: 0,
    max: 100000,
    effect: "Months of which the last backup is kept.",
  }),
  objectLockDays: integer({
    default: 0,
    min: 0,
    max: 36500,
    effect:
      "Days after the last backup that uses an object during which nobody can delete it. The bucket must have " +
      "object lock. 0: objects are not locked.",
  }),
  objectLockMode: choice(["governance", "compliance"], {
    default: "governance",
    effect:
      'Who may lift a lock before its time: "governance": identities with a right of its own; "compliance": nobody.',
  }),
  heal: boolean({
    default: true,
    effect:
      "Whether a damaged file of a live segment is fetched back from there, and what verify_schedule finds " +
      "damaged there is stored again.",
  }),
  drillSchedule: text({
    default: "",
    effect:
      "When to prove that the newest backup can be restored, as cron has it: it is restored into scratch space, opened, " +
      "and compared with what was there at the time of the backup. Empty: never by itself.",
  }),
  maxDrillAgeHours: integer({
    default: 0,
    min: 0,
    max: 876000,
    unit: "hours",
    effect: "Health turns yellow when the last restore that was proven so is older. 0: it does not.",
  }),
} as const satisfies Readonly<Record<string, Key>>;

type Keys = typeof REPOSITORY_KEYS;

export type RepositoryConfig = { readonly [K in keyof Keys]: ValueOf<Keys[K]> };

/** Fills what `values` lacks with defaults. @param values By property ("accessKeyEnv"), checked already. */
export function resolveRepository(values: ReadonlyMap<string, Value>): RepositoryConfig {
  const resolved: Record<string, Value> = {};
  for (const [property, key] of Object.entries(REPOSITORY_KEYS)) {
    resolved[property] = values.get(property) ?? key.default;
  }
  return Object.freeze(resolved) as RepositoryConfig;
}
