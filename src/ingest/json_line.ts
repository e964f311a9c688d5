/**
 * The tokens of one line of JSON, read from its bytes as far as the caller wants: what stands behind is not looked at.
 *
 * @module
 */
import { EMPTY_BYTES, utf8Text } from "../base/bytes.ts";
import { RequestError } from "../base/errors.ts";
import { scanUtf8Sequence, STRING_BYTES, StringByte } from "./scan.ts";

export type ScalarKind = "string" | "number" | "boolean" | "null";

/** Reused from line to line, so that a line allocates nothing but the strings asked for. */
export class JsonLine {
  bytes: Uint8Array = EMPTY_BYTES;
  /** Where the next token begins, or the white space before it. */
  at = 0;
  #start = 0;
  #end = 0;
  /** The name, string or scalar read last: bytes [tokenStart, tokenEnd), without quotes. */
  tokenStart = 0;
  tokenEnd = 0;
  /** Whether it holds escapes. */
  escaped = false;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.#start = this.at = start;
    this.#end = end;
  }

  /** The next byte that is no white space, without passing it; -1 at the end of the line. */
  next(): number {
    const { bytes } = this;
    const end = this.#end;
    let at = this.at;
    while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0d)) at++;
    this.at = at;
    return at < end ? bytes[at]! : -1;
  }

  /** Passes the colon behind a name; returns the byte that its value begins with. */
  afterColon(): number {
    const byte = this.next();
    if (byte !== 0x3a) throw this.unexpected(byte, "a colon to separate field name and value");
    this.at++;
    const first = this.next();
    if (first < 0) throw this.#endOfInput();
    return first;
  }

  /** Reads the name that begins with `byte`. */
  name(byte: number): void {
    if (byte !== 0x22) throw this.unexpected(byte, "double-quote to start field name");
    this.#string();
  }

  /** Reads the scalar that begins with `byte`. */
  scalar(byte: number): ScalarKind {
    if (byte === 0x22) {
      this.#string();
      return "string";
    }
    const { bytes } = this;
    const from = this.at;
    let at = from;
    while (at < this.#end && isWordByte(bytes[at]!)) at++;
    this.tokenStart = from;
    this.tokenEnd = this.at = at;
    this.escaped = false;
    if (this.is("null")) return "null";
    if (this.is("true") || this.is("false")) return "boolean";
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(this.text())) return "number";
    }
    if (at === from) throw this.unexpected(byte, "a valid value");
    throw this.error(
      `Unrecognized token '${this.text()}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')`,
    );
  }

  /** Reads the object or array that begins here, and parses it. */
  structure(): unknown {
    const { bytes } = this;
    const from = this.at;
    let depth = 0;
    while (this.at < this.#end) {
      const byte = bytes[this.at]!;
      if (byte === 0x22) {
        this.#string();
        continue;
      }
      this.at++;
      if (byte === 0x7b || byte === 0x5b) depth++;
      else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) {
        try {
          return JSON.parse(utf8Text(bytes.subarray(from, this.at)));
        } catch (error) {
          throw this.error(error instanceof Error ? error.message : String(error));
        }
      }
    }
    throw this.#endOfInput();
  }

  /** Whether the token read last is this text (ASCII), spelt without escapes. */
  is(text: string): boolean {
    const { bytes, tokenStart } = this;
    if (this.tokenEnd - tokenStart !== text.length || this.escaped) return false;
    for (let i = 0; i < text.length; i++) if (bytes[tokenStart + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  /** The token read last. */
  text(): string {
    const text = utf8Text(this.bytes.subarray(this.tokenStart, this.tokenEnd));
    if (!this.escaped) return text;
    try {
      return JSON.parse(`"${text}"`) as string;
    } catch {
      throw this.error("Unrecognized character escape in a string");
    }
  }

  /**
   * An error at the present place: 400. Columns count from 1 and within the line, as Elasticsearch parses each line
   * of a bulk body by itself.
   */
  error(reason: string): RequestError {
    return new RequestError(`[1:${this.#column()}] ${reason}`, {
      status: 400,
      type: "x_content_parse_exception",
      causedBy: { type: "json_parse_exception", reason },
    });
  }

  unexpected(byte: number, expected: string): RequestError {
    if (byte < 0) return this.#endOfInput();
    const sign = String.fromCharCode(byte);
    return this.error(`Unexpected character ('${sign}' (code ${byte})): was expecting ${expected}`);
  }

  #string(): void {
    const { bytes } = this;
    const end = this.#end;
    let at = this.at + 1;
    this.tokenStart = at;
    this.escaped = false;
    while (at < end) {
      const stop = STRING_BYTES[bytes[at]!];
      if (stop === StringByte.Plain) {
        at++;
      } else if (stop === StringByte.Quote) {
        this.tokenEnd = at;
        this.at = at + 1;
        return;
      } else if (stop === StringByte.Backslash) {
        this.escaped = true;
        at += 2;
      } else if (stop === StringByte.NonAscii) {
        const next = scanUtf8Sequence(bytes, at);
        this.at = at;
        if (next < 0) throw this.error(`Invalid UTF-8 start byte 0x${bytes[at]!.toString(16)}`);
        at = next;
      } else {
        this.at = at;
        throw this.error(
          `Illegal unquoted character ((CTRL-CHAR, code ${
            bytes[at]
          })): has to be escaped using backslash to be included in string value`,
        );
      }
    }
    this.at = end;
    throw this.#endOfInput();
  }

  #endOfInput(): RequestError {
    return new RequestError(`[1:${this.#column()}] Unexpected end-of-input`, {
      status: 400,
      type: "x_content_e_o_f_exception",
      causedBy: { type: "json_e_o_f_exception", reason: "Unexpected end-of-input" },
    });
  }

  #column(): number {
    return this.at - this.#start + 1;
  }
}

/** Bytes that a number or a literal may be made of, right or wrong. */
function isWordByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x2b || byte === 0x2e || byte === 0x5f || byte >= 0x80;
}
