/**
 * What an object may be called.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

const NAME = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;
const PREFIX = /^([A-Za-z0-9._-]+\/)*[A-Za-z0-9._-]*$/;

/** Longest key that S3 takes, prefix included. */
export const MAX_KEY_BYTES = 1024;

/** Whether this may name an object: no empty part, no `.` or `..`, so that it is a relative path as well. */
export function isObjectName(name: string): boolean {
  return NAME.test(name) && name.length <= MAX_KEY_BYTES && !hasDots(name);
}

/** Callers make names up themselves: a bad one is our own bug. */
export function assertName(name: string): void {
  assert(isObjectName(name), `${JSON.stringify(name)} is no object name`);
}

/** "" or the beginning of a name. */
export function assertPrefix(prefix: string): void {
  assert(PREFIX.test(prefix) && !hasDots(prefix), `${JSON.stringify(prefix)} begins no object name`);
}

function hasDots(name: string): boolean {
  return name.split("/").some((part) => part === "." || part === "..");
}
