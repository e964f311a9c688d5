/**
 * Bytes of JSON strings into text, and whether bytes are UTF-8 at all.
 *
 * @module
 */

/** Bytes as text, one unit a byte. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

const SHORT_STRING = 64;

/** Text of a string's content. */
export function decodeString(bytes: Uint8Array, start: number, end: number, escaped: boolean): string {
  if (!escaped) {
    if (end - start <= SHORT_STRING) {
      let text = "";
      let i = start;
      for (; i < end; i++) {
        const byte = bytes[i]!;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (i === end) return text;
    }
    return decodeUtf8(bytes, start, end);
  }
  let text = "";
  let from = start;
  for (let i = start; i < end;) {
    if (bytes[i] !== 0x5c) {
      i++;
      continue;
    }
    if (i > from) text += decodeUtf8(bytes, from, i);
    const letter = bytes[i + 1]!;
    if (letter === 0x75) {
      text += String.fromCharCode(parseInt(asciiText(bytes, i + 2, i + 6), 16));
      i += 6;
    } else {
      text += ESCAPES[String.fromCharCode(letter)]!;
      i += 2;
    }
    from = i;
  }
  if (end > from) text += decodeUtf8(bytes, from, end);
  return text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  // Decoders refuse views of shared memory, and drop a leading byte order mark unless told otherwise.
  const view = bytes.buffer instanceof SharedArrayBuffer
    ? bytes.slice(start, end)
    : bytes.subarray(start, end);
  return keepBom.decode(view);
}

const keepBom = new TextDecoder("utf-8", { ignoreBOM: true });

/** Offset of the first byte in [start, end) that is not part of valid UTF-8, or -1. */
export function invalidUtf8(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const first = bytes[at]!;
    if (first < 0x80) {
      at++;
      continue;
    }
    let more: number;
    let low = 0x80;
    let high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) more = 1;
    else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first === 0xe0) low = 0xa0;
      if (first === 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first === 0xf0) low = 0x90;
      if (first === 0xf4) high = 0x8f;
    } else return at;
    for (let i = 1; i <= more; i++) {
      const byte = at + i < end ? bytes[at + i]! : 0;
      if (byte < low || byte > high) return at;
      low = 0x80;
      high = 0xbf;
    }
    at += more + 1;
  }
  return -1;
}
