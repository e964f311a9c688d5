/**
 * JSON over bytes, a token at a time, without recursion: exact positions, exact digits, checked UTF-8.
 *
 * @module
 */
import { doubleText } from "../base/json.ts";
import { asciiText, decodeString } from "./json_text.ts";

export const JsonToken = {
  ObjectStart: 1,
  ObjectEnd: 2,
  ArrayStart: 3,
  ArrayEnd: 4,
  Name: 5,
  String: 6,
  Number: 7,
  True: 8,
  False: 9,
  Null: 10,
  End: 11,
} as const;

/** What Jackson calls them, for error texts. */
export const TOKEN_NAMES: Readonly<Record<number, string>> = {
  1: "START_OBJECT",
  2: "END_OBJECT",
  3: "START_ARRAY",
  4: "END_ARRAY",
  5: "FIELD_NAME",
  6: "VALUE_STRING",
  7: "VALUE_NUMBER",
  8: "VALUE_BOOLEAN",
  9: "VALUE_BOOLEAN",
  10: "VALUE_NULL",
};

/** The bytes are not JSON. */
export class JsonFault extends Error {
  override readonly name = "JsonFault";

  /**
   * @param at Offset behind the byte that is wrong, as Jackson counts columns.
   * @param eof The text ended too early.
   * @param after Offset of the last good token, where that is not the scanner's current one.
   */
  constructor(reason: string, readonly at: number, readonly eof = false, readonly after = -1) {
    super(reason);
  }
}

/** What comes next within the container on top of the stack. */
const Expect = { Value: 0, NameOrEnd: 1, Name: 2, ValueOrEnd: 3, CommaOrEnd: 4, Nothing: 5 } as const;

const decoder = new TextDecoder();

export class JsonScanner {
  readonly #bytes: Uint8Array;
  readonly #from: number;
  readonly #end: number;
  #at: number;
  #expect: number = Expect.Value;
  /** 1: object, 0: array. */
  readonly #stack: Uint8Array;
  readonly #opened: Uint32Array;
  #depth = 0;

  /** Kind of the current token. */
  token = 0;
  /** Offset of the current token's first byte. */
  start = 0;
  /** Offset behind the current token. */
  end = 0;
  /** Offset of the token before the current one. */
  before = 0;
  /** Of a string or name: whether it has escapes. Its content is bytes [start + 1, end - 1). */
  escaped = false;
  /** Of a number: no fraction and no exponent. */
  integer = false;

  /** @param maxDepth Deepest nesting taken. */
  constructor(bytes: Uint8Array, start: number, end: number, maxDepth: number) {
    this.#bytes = bytes;
    this.#from = start;
    this.start = start;
    this.#at = start;
    this.#end = end;
    this.#stack = new Uint8Array(maxDepth);
    this.#opened = new Uint32Array(maxDepth);
  }

  /** Open containers. */
  get depth(): number {
    return this.#depth;
  }

  /** Moves to the next token. `End` comes after the outermost value. */
  next(): number {
    this.#skipBlanks();
    if (this.#expect === Expect.CommaOrEnd) this.#separator();
    const byte = this.#at < this.#end ? this.#bytes[this.#at]! : -1;
    switch (this.#expect) {
      case Expect.Nothing:
        if (byte >= 0) return this.#trailing(byte);
        return this.#emit(JsonToken.End, this.#at);
      case Expect.NameOrEnd:
        if (byte === 0x7d) return this.#close(JsonToken.ObjectEnd);
        return this.#name(byte);
      case Expect.Name:
        return this.#name(byte);
      case Expect.ValueOrEnd:
        if (byte === 0x5d) return this.#close(JsonToken.ArrayEnd);
        return this.#value(byte);
      case Expect.CommaOrEnd:
        return this.#close(this.#stack[this.#depth - 1] === 1 ? JsonToken.ObjectEnd : JsonToken.ArrayEnd);
      default:
        return this.#value(byte);
    }
  }

  /** Passes over the container that the current token opened, or does nothing at a scalar. */
  skip(): void {
    if (this.token !== JsonToken.ObjectStart && this.token !== JsonToken.ArrayStart) return;
    const depth = this.#depth - 1;
    while (this.#depth > depth) this.next();
  }

  /** Text of the current string or name, escapes resolved; of any other scalar its bytes as they are. */
  text(): string {
    const quoted = this.token === JsonToken.String || this.token === JsonToken.Name;
    if (!quoted) return asciiText(this.#bytes, this.start, this.end);
    return decodeString(this.#bytes, this.start + 1, this.end - 1, this.escaped);
  }

  /**
   * The current value as JavaScript values, to be quoted in an error: numbers as the text that Java would show.
   * Ends on the value's last token.
   */
  readPreview(): unknown {
    switch (this.token) {
      case JsonToken.String:
        return this.text();
      case JsonToken.Number:
        return this.integer ? this.text() : javaDouble(Number(this.text()));
      case JsonToken.True:
        return true;
      case JsonToken.False:
        return false;
      case JsonToken.Null:
        return null;
    }
    const stack: { list: unknown[] | undefined; map: Record<string, unknown> | undefined; name: string }[] =
      [];
    let result: unknown;
    for (;;) {
      let done: unknown;
      if (this.token === JsonToken.ObjectStart) stack.push({ list: undefined, map: {}, name: "" });
      else if (this.token === JsonToken.ArrayStart) stack.push({ list: [], map: undefined, name: "" });
      else if (this.token === JsonToken.Name) stack[stack.length - 1]!.name = this.text();
      else {
        if (this.token === JsonToken.ObjectEnd || this.token === JsonToken.ArrayEnd) {
          const closed = stack.pop()!;
          done = closed.map ?? closed.list;
        } else done = this.readPreview();
        const top = stack[stack.length - 1];
        if (!top) {
          result = done;
          break;
        }
        if (top.list) top.list.push(done);
        else {
          Object.defineProperty(top.map, top.name, {
            value: done,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        }
      }
      this.next();
    }
    return result;
  }

  #skipBlanks(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < this.#end) {
      const byte = bytes[at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      at++;
    }
    this.#at = at;
  }

  #emit(token: number, end: number): number {
    this.token = token;
    this.before = this.start;
    this.start = this.#at;
    this.end = end;
    this.#at = end;
    return token;
  }

  /** After a value within a container: its end, or a comma and then what may follow. */
  #separator(): void {
    const inObject = this.#stack[this.#depth - 1] === 1;
    const byte = this.#at < this.#end ? this.#bytes[this.#at]! : -1;
    if (byte === (inObject ? 0x7d : 0x5d)) return;
    if (byte === 0x2c) {
      this.#at++;
      this.#skipBlanks();
      this.#expect = inObject ? Expect.Name : Expect.Value;
      return;
    }
    if (byte < 0) throw this.#endOfInput();
    const where = inObject ? "Object" : "Array";
    throw this.#unexpected(byte, `was expecting comma to separate ${where} entries`);
  }

  #endOfInput(): JsonFault {
    if (this.#depth === 0) return new JsonFault("Unexpected end-of-input: expected a value", this.#end, true);
    const kind = this.#stack[this.#depth - 1] === 1 ? "Object" : "Array";
    const opened = this.#opened[this.#depth - 1]!;
    const { line, column } = this.position(opened);
    return new JsonFault(
      `Unexpected end-of-input: expected close marker for ${kind} (start marker at [line: ${line}, column: ${column}])`,
      this.#end,
      true,
    );
  }

  #unexpected(byte: number, expected: string): JsonFault {
    return new JsonFault(
      `Unexpected character (${charName(this.#bytes, this.#at, byte)}): ${expected}`,
      this.#at + 1,
    );
  }

  #trailing(byte: number): number {
    if (byte === 0x7d || byte === 0x5d) {
      throw new JsonFault(
        `Unexpected close marker '${String.fromCharCode(byte)}': expected '${byte === 0x7d ? "]" : "}"}'`,
        this.#at + 1,
      );
    }
    return this.#value(byte);
  }

  #name(byte: number): number {
    if (byte !== 0x22) {
      if (byte < 0) throw this.#endOfInput();
      throw this.#unexpected(byte, "was expecting double-quote to start field name");
    }
    const end = this.#stringEnd();
    this.#emit(JsonToken.Name, end);
    this.#skipBlanks();
    if (this.#at >= this.#end) throw this.#endOfInput();
    const colon = this.#bytes[this.#at]!;
    if (colon !== 0x3a) {
      throw this.#unexpected(colon, "was expecting a colon to separate field name and value");
    }
    this.#at++;
    this.#expect = Expect.Value;
    return this.token;
  }

  #close(token: number): number {
    this.#depth--;
    this.#emit(token, this.#at + 1);
    this.#afterValue();
    return token;
  }

  #afterValue(): void {
    this.#expect = this.#depth === 0 ? Expect.Nothing : Expect.CommaOrEnd;
  }

  #value(byte: number): number {
    switch (byte) {
      case 0x7b:
      case 0x5b: {
        if (this.#depth === this.#stack.length) {
          throw new JsonFault(
            `Document nesting depth (${this.#depth + 1}) exceeds the maximum allowed (${this.#stack.length})`,
            this.#at + 1,
          );
        }
        const isObject = byte === 0x7b;
        this.#opened[this.#depth] = this.#at;
        this.#stack[this.#depth++] = isObject ? 1 : 0;
        this.#expect = isObject ? Expect.NameOrEnd : Expect.ValueOrEnd;
        return this.#emit(isObject ? JsonToken.ObjectStart : JsonToken.ArrayStart, this.#at + 1);
      }
      case 0x22: {
        const end = this.#stringEnd();
        this.#emit(JsonToken.String, end);
        break;
      }
      case 0x74:
        this.#word("true", JsonToken.True);
        break;
      case 0x66:
        this.#word("false", JsonToken.False);
        break;
      case 0x6e:
        this.#word("null", JsonToken.Null);
        break;
      case -1:
        throw this.#endOfInput();
      default:
        if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) this.#number();
        else if (isLetter(byte)) this.#word("", 0);
        else throw this.#unexpected(byte, "expected a value");
    }
    this.#afterValue();
    return this.token;
  }

  #word(word: string, token: number): void {
    let end = this.#at;
    while (end < this.#end && (isLetter(this.#bytes[end]!) || isDigit(this.#bytes[end]!))) end++;
    const found = asciiText(this.#bytes, this.#at, end);
    if (word === "" || found !== word) {
      if (found === "NaN" || found === "Infinity") {
        throw new JsonFault(
          `Non-standard token '${found}': enable \`JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS\` to allow`,
          end,
        );
      }
      throw new JsonFault(
        `Unrecognized token '${found}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')`,
        Math.min(end + 1, this.#end),
      );
    }
    this.#emit(token, end);
  }

  #number(): void {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    if (bytes[at] === 0x2d) at++;
    const first = at;
    while (at < end && isDigit(bytes[at]!)) at++;
    if (at === first) {
      throw at < end
        ? new JsonFault(
          `Unexpected character (${
            charName(bytes, at, bytes[at]!)
          }) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value`,
          at + 1,
        )
        : new JsonFault("Unexpected end-of-input in a Number value", end, true);
    }
    if (bytes[first] === 0x30 && at > first + 1) {
      throw new JsonFault("Invalid numeric value: Leading zeroes not allowed", first + 1);
    }
    let integer = true;
    if (at < end && bytes[at] === 0x2e) {
      integer = false;
      const from = ++at;
      while (at < end && isDigit(bytes[at]!)) at++;
      if (at === from) throw this.#badNumber(at, "Decimal point not followed by a digit");
    }
    if (at < end && (bytes[at]! | 0x20) === 0x65) {
      integer = false;
      at++;
      if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
      const from = at;
      while (at < end && isDigit(bytes[at]!)) at++;
      if (at === from) throw this.#badNumber(at, "Exponent indicator not followed by a digit");
    }
    if (at < end && !isAfterNumber(bytes[at]!)) {
      this.#at = at;
      throw this.#unexpected(bytes[at]!, "expected space separating values");
    }
    this.integer = integer;
    this.#emit(JsonToken.Number, at);
  }

  #badNumber(at: number, reason: string): JsonFault {
    if (at >= this.#end) return new JsonFault("Unexpected end-of-input in a Number value", this.#end, true);
    return new JsonFault(
      `Unexpected character (${charName(this.#bytes, at, this.#bytes[at]!)}) in numeric value: ${reason}`,
      at + 1,
    );
  }

  /** Offset behind the closing quote of the string that starts here; checks escapes and control characters. */
  #stringEnd(): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at + 1;
    let escaped = false;
    for (;;) {
      if (at >= end) {
        throw new JsonFault(
          "Unexpected end-of-input: was expecting closing quote for a string value",
          end,
          true,
        );
      }
      const byte = bytes[at]!;
      if (byte === 0x22) break;
      if (byte === 0x5c) {
        escaped = true;
        at = this.#escapeEnd(at);
      } else if (byte < 0x20) {
        throw new JsonFault(
          `Illegal unquoted character ((CTRL-CHAR, code ${byte})): has to be escaped using backslash to be included in string value`,
          at + 1,
        );
      } else at++;
    }
    this.escaped = escaped;
    return at + 1;
  }

  #escapeEnd(at: number): number {
    const bytes = this.#bytes;
    const letter = at + 1 < this.#end ? bytes[at + 1]! : -1;
    switch (letter) {
      case 0x22:
      case 0x5c:
      case 0x2f:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        return at + 2;
      case 0x75:
        for (let i = at + 2; i < at + 6; i++) {
          if (i >= this.#end) {
            throw new JsonFault("Unexpected end-of-input in character escape sequence", this.#end, true);
          }
          if (!isHex(bytes[i]!)) {
            throw new JsonFault(
              `Unexpected character (${
                charName(bytes, i, bytes[i]!)
              }): expected a hex-digit for character escape sequence`,
              i + 1,
            );
          }
        }
        return at + 6;
      case -1:
        throw new JsonFault("Unexpected end-of-input in character escape sequence", this.#end, true);
    }
    throw new JsonFault(`Unrecognized character escape ${charName(bytes, at + 1, letter)}`, at + 2);
  }

  /** Line and column of an offset within the document, both from 1, columns in bytes. */
  position(offset: number): { line: number; column: number } {
    let line = 1;
    let lineStart = this.#from;
    for (let i = this.#from; i < offset; i++) {
      if (this.#bytes[i] === 0x0a) {
        line++;
        lineStart = i + 1;
      }
    }
    return { line, column: offset - lineStart + 1 };
  }
}

/** A double as Java prints it, infinities without quotes. */
export function javaDouble(value: number): string {
  return doubleText(value).replaceAll('"', "");
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x5f || byte === 0x24 || byte >= 0x80;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}

function isAfterNumber(byte: number): boolean {
  return byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x20 || byte === 0x0a || byte === 0x0d ||
    byte === 0x09;
}

function charName(bytes: Uint8Array, at: number, byte: number): string {
  if (byte < 0x20) return `(CTRL-CHAR, code ${byte})`;
  if (byte < 0x80) return `'${String.fromCharCode(byte)}' (code ${byte})`;
  const text = decoder.decode(bytes.slice(at, at + 4));
  const code = text.codePointAt(0) ?? 0xfffd;
  return `'${String.fromCodePoint(code)}' (code ${code} / 0x${code.toString(16)})`;
}
