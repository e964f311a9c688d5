/**
 * What dialects need of a shard's operations: they know the engine, not the shard.
 *
 * @module
 */
export {
  PRIMARY_TERM,
  type VersionType,
  type WriteOperation,
  type WriteOutcome,
} from "../shard/operation.ts";
