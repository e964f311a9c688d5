/**
 * Rendering of answers: JSON in which a double prints as `1.0`, a float with its own few digits, a 64-bit
 * integer exactly, and stored sources go through as the bytes they are.
 *
 * @module
 */

/** A number that prints as Java's `double`: never without a fraction or exponent. */
export class Double {
  constructor(readonly value: number) {}
}

/** A number that prints as Java's `float`: the shortest text that reads back as the same float. */
export class Float {
  constructor(readonly value: number) {}
}

/** Bytes that are JSON already. */
export class RawJson {
  constructor(readonly bytes: Uint8Array) {}
}

export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | Double
  | Float
  | RawJson
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

const encoder = new TextEncoder();

/** Renders `value` in UTF-8. Keys whose value is `undefined` are left out; infinities and NaN print as strings, as Elasticsearch does. */
export function renderJson(value: Json): Uint8Array {
  const writer = new JsonWriter();
  writer.value(value);
  return writer.finish();
}

/** The same as text; not for values that hold `RawJson` that is not UTF-8. */
export function renderJsonText(value: Json): string {
  return new TextDecoder().decode(renderJson(value));
}

/** Text of a double as Java prints it: `1.0`, `1.0E10`, `1.5E-4`. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? '"NaN"' : value > 0 ? '"Infinity"' : '"-Infinity"';
  }
  return javaNumber(value, String(Math.abs(value)));
}

/** Text of a float as Java prints it. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return doubleText(value);
  const target = Math.fround(value);
  const size = Math.abs(target);
  let text = String(size);
  for (let digits = 1; digits <= 9; digits++) {
    const attempt = Number(size.toPrecision(digits));
    if (Math.fround(attempt) === size) {
      text = String(tieToEven(size, digits, attempt));
      break;
    }
  }
  return javaNumber(target, text);
}

/** Of two decimals equally near, JavaScript takes the larger, Java the one whose last digit is even. */
function tieToEven(size: number, digits: number, larger: number): number {
  if (larger <= size) return larger;
  // A float has at most 112 significant decimal digits; ties end far earlier.
  const [mantissa, exponent] = size.toExponential(60).split("e") as [string, string];
  const exact = mantissa.replace(".", "");
  const isTie = exact[digits] === "5" && /^0*$/.test(exact.slice(digits + 1));
  if (!isTie || Number(exact[digits - 1]) % 2 !== 0) return larger;
  const smaller = Number(`${exact.slice(0, digits)}e${Number(exponent) - digits + 1}`);
  return Math.fround(smaller) === size ? smaller : larger;
}

/** Puts shortest decimal digits into Java's form: plain from 1e-3 to 1e7, else computerized scientific. */
function javaNumber(value: number, positiveText: string): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const size = Math.abs(value);
  if (size === 0) return `${sign}0.0`;
  let mantissa = positiveText;
  let exponent = 0;
  const at = positiveText.indexOf("e");
  if (at >= 0) {
    mantissa = positiveText.slice(0, at);
    exponent = Number(positiveText.slice(at + 1));
  }
  if (size >= 1e-3 && size < 1e7) {
    return sign + (mantissa.includes(".") ? mantissa : `${mantissa}.0`);
  }
  const dot = mantissa.indexOf(".");
  const whole = dot < 0 ? mantissa : mantissa.slice(0, dot);
  const fraction = dot < 0 ? "" : mantissa.slice(dot + 1);
  const digits = whole + fraction;
  const first = digits.search(/[1-9]/);
  exponent += whole.length - 1 - first;
  const rest = digits.slice(first + 1).replace(/0+$/, "");
  return `${sign}${digits[first]}.${rest === "" ? "0" : rest}E${exponent}`;
}

/** Appends JSON tokens to text pieces and raw byte pieces; joined once at the end. */
export class JsonWriter {
  #text = "";
  readonly #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  /** Appends text that is JSON already. */
  raw(text: string): void {
    this.#text += text;
  }

  /** Appends bytes that are JSON already. */
  rawBytes(bytes: Uint8Array): void {
    this.#flushText();
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }

  value(value: Json): void {
    if (value === null) this.#text += "null";
    else if (typeof value === "string") this.#text += JSON.stringify(value);
    else if (typeof value === "number") {
      this.#text += Number.isFinite(value) ? String(value) : doubleText(value);
    } else if (typeof value === "boolean" || typeof value === "bigint") this.#text += String(value);
    else if (value instanceof Double) this.#text += doubleText(value.value);
    else if (value instanceof Float) this.#text += floatText(value.value);
    else if (value instanceof RawJson) this.rawBytes(value.bytes);
    else if (Array.isArray(value)) this.#array(value);
    else this.#object(value as { readonly [key: string]: Json | undefined });
  }

  finish(): Uint8Array {
    this.#flushText();
    if (this.#pieces.length === 1) return this.#pieces[0]!;
    const out = new Uint8Array(this.#pieceBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  #flushText(): void {
    if (this.#text === "") return;
    const bytes = encoder.encode(this.#text);
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    this.#text = "";
  }

  #array(items: readonly Json[]): void {
    this.#text += "[";
    for (let i = 0; i < items.length; i++) {
      if (i > 0) this.#text += ",";
      this.value(items[i]!);
    }
    this.#text += "]";
  }

  #object(object: { readonly [key: string]: Json | undefined }): void {
    this.#text += "{";
    let first = true;
    for (const key in object) {
      const value = object[key];
      if (value === undefined) continue;
      this.#text += (first ? "" : ",") + JSON.stringify(key) + ":";
      first = false;
      this.value(value);
    }
    this.#text += "}";
  }
}
