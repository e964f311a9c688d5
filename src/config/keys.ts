/**
 * How one key of the configuration is declared: its type, default, range, unit and effect, in one place.
 *
 * @module
 */

/** What holds for every key. */
interface KeyCommon {
  /** What changing it does, in sentences for the operator. */
  readonly effect: string;
  /** "live": taken over on SIGHUP; "restart": only at the next start. */
  readonly reload: "live" | "restart";
}

export interface IntegerKey extends KeyCommon {
  readonly type: "integer";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** "" for plain counts. */
  readonly unit: string;
}

export interface BooleanKey extends KeyCommon {
  readonly type: "boolean";
  readonly default: boolean;
}

export interface TextKey extends KeyCommon {
  readonly type: "text";
  readonly default: string;
  /** The value never appears in logs or answers. */
  readonly isSecret: boolean;
}

export interface ChoiceKey<Choice extends string = string> extends KeyCommon {
  readonly type: "choice";
  readonly default: Choice;
  readonly choices: readonly Choice[];
}

export type Key = IntegerKey | BooleanKey | TextKey | ChoiceKey;

export type Value = number | boolean | string;

/** The type of the values that a key takes. */
export type ValueOf<K extends Key> = K extends IntegerKey ? number
  : K extends BooleanKey ? boolean
  : K extends ChoiceKey<infer Choice> ? Choice
  : string;

type Options<K extends KeyCommon> = Omit<K, "type" | "reload"> & { readonly reload?: "restart" };

export function integer(
  options: Omit<Options<IntegerKey>, "unit"> & { readonly unit?: string },
): IntegerKey {
  return { type: "integer", unit: "", ...options, reload: options.reload ?? "live" };
}

export function boolean(options: Options<BooleanKey>): BooleanKey {
  return { type: "boolean", ...options, reload: options.reload ?? "live" };
}

export function text(
  options: Omit<Options<TextKey>, "isSecret"> & { readonly isSecret?: boolean },
): TextKey {
  return { type: "text", isSecret: false, ...options, reload: options.reload ?? "live" };
}

export function choice<const Choice extends string>(
  choices: readonly Choice[],
  options: Omit<Options<ChoiceKey<NoInfer<Choice>>>, "choices">,
): ChoiceKey<Choice> {
  return { type: "choice", choices, ...options, reload: options.reload ?? "live" };
}

/** `walBatchMs` as it is written in TOML: `wal_batch_ms`. */
export function tomlName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `backupContinuous` as it is written in TOML: `backup.continuous`. */
export function tomlSection(section: string): string {
  return section.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`);
}

/** What a key takes, in words: "an integer from 1 to 10000 (ms)". */
export function describeRange(key: Key): string {
  switch (key.type) {
    case "integer":
      return `an integer from ${key.min} to ${key.max}${key.unit === "" ? "" : ` (${key.unit})`}`;
    case "boolean":
      return "true or false";
    case "text":
      return "a string";
    case "choice":
      return `one of ${key.choices.map((name) => `"${name}"`).join(", ")}`;
  }
}
