/**
 * HTTP/1.1 as bytes on a connection, for proxies that have to get it wrong on purpose.
 *
 * @module
 */

const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

const MAX_HEAD_BYTES = 65536;

/** First line and headers; names in lower case. */
export interface Head {
  readonly line: string;
  readonly headers: Map<string, string>;
}

/** Reads heads and bodies from a connection. */
export class WireReader {
  #buffered = new Uint8Array(0);

  constructor(private readonly connection: Deno.Conn) {}

  /** undefined: the other side has ended the connection. */
  async head(): Promise<Head | undefined> {
    for (;;) {
      const text = decoder.decode(this.#buffered.subarray(0, MAX_HEAD_BYTES));
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#buffered = this.#buffered.subarray(end + 4);
        const [line = "", ...rest] = text.slice(0, end).split("\r\n");
        const headers = rest.map((each): [string, string] => {
          const colon = each.indexOf(":");
          return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
        });
        return { line, headers: new Map(headers) };
      }
      if (text.length >= MAX_HEAD_BYTES || !await this.#fill()) return undefined;
    }
  }

  /** A body of a known length, in pieces. Ends early where the other side does. */
  async *exactly(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      if (this.#buffered.length === 0 && !await this.#fill()) return;
      const piece = this.#buffered.subarray(0, left);
      this.#buffered = this.#buffered.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** A chunked body without its framing. */
  async chunked(): Promise<Uint8Array> {
    const pieces: number[] = [];
    for (;;) {
      const size = parseInt(await this.#line(), 16);
      for await (const piece of this.exactly(size)) pieces.push(...piece);
      await this.#line();
      if (!(size > 0)) return Uint8Array.from(pieces);
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#buffered.indexOf(10);
      if (end >= 0) {
        const line = decoder.decode(this.#buffered.subarray(0, end)).trim();
        this.#buffered = this.#buffered.subarray(end + 1);
        return line;
      }
      if (!await this.#fill()) return "";
    }
  }

  async #fill(): Promise<boolean> {
    const into = new Uint8Array(65536);
    const read = await this.connection.read(into);
    if (read === null) return false;
    const joined = new Uint8Array(this.#buffered.length + read);
    joined.set(this.#buffered);
    joined.set(into.subarray(0, read), this.#buffered.length);
    this.#buffered = joined;
    return true;
  }
}

export async function writeHead(connection: Deno.Conn, { line, headers }: Head): Promise<void> {
  const text = [line, ...[...headers].map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");
  await writeAll(connection, encoder.encode(text));
}

export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
