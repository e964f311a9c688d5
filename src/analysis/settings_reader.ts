/**
 * Reads the parameters of one analyzer, tokenizer or filter out of index settings, where everything may be text.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";

export class SettingsReader {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: unknown, readonly name: string) {
    this.#values = typeof values === "object" && values !== null && !Array.isArray(values)
      ? values as Record<string, unknown>
      : {};
  }

  raw(key: string): unknown {
    return this.#values[key];
  }

  text(key: string, otherwise: string): string {
    const value = this.#values[key];
    return value === undefined || value === null ? otherwise : String(value);
  }

  whole(key: string, otherwise: number): number {
    const value = this.#values[key];
    if (value === undefined || value === null) return otherwise;
    const number = typeof value === "number"
      ? value
      : /^[+-]?\d+$/.test(String(value).trim())
      ? Number(value)
      : NaN;
    if (!Number.isInteger(number)) {
      throw illegalArgument(
        `Failed to parse value [${String(value)}] for setting [${key}] of [${this.name}]`,
      );
    }
    return number;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.#values[key];
    if (value === undefined || value === null) return otherwise;
    if (value === true || value === "true") return true;
    if (value === false || value === "false") return false;
    throw illegalArgument(`Failed to parse value [${String(value)}] as only [true] or [false] are allowed.`);
  }

  /** A list, or a comma-separated text; undefined when absent. */
  list(key: string): string[] | undefined {
    const value = this.#values[key];
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value)) return value.map(String);
    const text = String(value);
    return text === "" ? [] : text.split(",").map((item) => item.trim());
  }

  /** A Java regular expression with flags such as `CASE_INSENSITIVE|COMMENTS`. */
  pattern(key: string, otherwise: string, extraFlags = ""): RegExp {
    const source = this.text(key, otherwise);
    let flags = `u${extraFlags}`;
    for (
      const flag of this.text("flags", "").split("|").map((one) => one.trim()).filter((one) => one !== "")
    ) {
      if (flag === "CASE_INSENSITIVE") flags += "i";
      else if (flag === "MULTILINE") flags += "m";
      else if (flag === "DOTALL") flags += "s";
      else if (flag !== "UNICODE_CASE" && flag !== "UNICODE_CHARACTER_CLASS" && flag !== "CANON_EQ") {
        throw illegalArgument(`Unknown regex flag [${flag}]`);
      }
    }
    try {
      return new RegExp(source, flags);
    } catch {
      // Java takes escapes that a Unicode-aware expression refuses.
    }
    try {
      return new RegExp(source, flags.replace("u", ""));
    } catch (error) {
      throw illegalArgument(`Cannot read pattern [${source}] of [${this.name}]: ${(error as Error).message}`);
    }
  }
}
