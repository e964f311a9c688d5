/**
 * All examples of the format's documentation, by name: bytes into the JSON that stands beside them. Each area has a
 * file of its own; add new ones here.
 *
 * @module
 */
import { examples as repository } from "./examples_repository.ts";
import { examples as segment } from "./examples_segment.ts";
import { examples as terms } from "./examples_terms.ts";
import { examples as wal } from "./examples_wal.ts";

export const examples: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  ...repository,
  ...segment,
  ...terms,
  ...wal,
};
