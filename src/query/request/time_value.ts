/**
 * Durations as requests write them: `500ms`, `2s`, `1.5m` is not one.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";

const UNITS: readonly (readonly [string, number])[] = [
  ["nanos", 1e-6],
  ["micros", 1e-3],
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
];

/** Milliseconds; -1 for "-1", which means none. */
export function parseTimeMs(value: unknown, setting: string): number {
  const text = String(value);
  const normal = text.trim().toLowerCase();
  for (const [unit, ms] of UNITS) {
    if (!normal.endsWith(unit) || (unit === "s" && /(ms|nanos|micros)$/.test(normal))) continue;
    const digits = normal.slice(0, -unit.length).trim();
    if (/^-\d+$/.test(digits)) throw failed(setting, text, "negative durations are not supported");
    if (/^\d*\.\d+$/.test(digits)) {
      throw failed(setting, text, "fractional time values are not supported");
    }
    if (!/^\d+$/.test(digits)) throw illegalArgument(`failed to parse [${text}]`);
    return Number(digits) * ms;
  }
  if (normal === "0" || normal === "-1") return Number(normal);
  throw failed(setting, text, "unit is missing or unrecognized");
}

function failed(setting: string, text: string, reason: string): Error {
  return illegalArgument(
    `failed to parse setting [${setting}] with value [${text}] as a time value: ${reason}`,
  );
}
