/**
 * Word breaks of pure ASCII text, over bytes: what the memtable's tight loop and the standard tokenizer agree on.
 *
 * The rules are those of UAX #29 as Lucene's StandardTokenizer applies them, cut down to ASCII:
 * - a token is a run of letters, digits and `_` that holds at least one letter or digit;
 * - `.` and `'` join two letters or two digits, `:` two letters, `,` and `;` two digits;
 * - a token ends after `MAX_TOKEN_LENGTH` bytes, wherever that falls, as if the text ended there.
 *
 * Terms are the tokens with A-Z lower-cased; positions count up by one.
 *
 * @module
 */

/** Bytes of a token before it is cut. */
export const MAX_TOKEN_LENGTH = 255;

/** Classes of `ASCII_CLASSES`. */
export const AsciiClass = {
  Other: 0,
  Letter: 1,
  Digit: 2,
  Underscore: 3,
  /** `:` */
  MidLetter: 4,
  /** `,` `;` */
  MidNumber: 5,
  /** `.` `'` */
  MidBoth: 6,
  /** 0x80 and above: not ASCII. */
  Beyond: 7,
} as const;

/** Class of each byte. */
export const ASCII_CLASSES: Uint8Array = buildClasses();

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    if (byte >= 0x80) classes[byte] = AsciiClass.Beyond;
    else if (/[A-Za-z]/.test(char)) classes[byte] = AsciiClass.Letter;
    else if (/[0-9]/.test(char)) classes[byte] = AsciiClass.Digit;
    else if (char === "_") classes[byte] = AsciiClass.Underscore;
    else if (char === ":") classes[byte] = AsciiClass.MidLetter;
    else if (char === "," || char === ";") classes[byte] = AsciiClass.MidNumber;
    else if (char === "." || char === "'") classes[byte] = AsciiClass.MidBoth;
  }
  return classes;
}

/**
 * Finds the tokens of bytes [start, end) by the rule "standard".
 *
 * Shapes: token i is bytes [outStarts[i], outEnds[i]); both arrays need room for `end - start` tokens.
 *
 * @returns How many tokens; -1 when a byte is not ASCII (the arrays are then rubbish).
 */
export function asciiTokens(
  bytes: Uint8Array,
  start: number,
  end: number,
  outStarts: Uint32Array,
  outEnds: Uint32Array,
): number {
  const classes = ASCII_CLASSES;
  let count = 0;
  let at = start;
  while (at < end) {
    let kind = classes[bytes[at]!]!;
    if (kind === 0 || (kind > 3 && kind < 7)) {
      at++;
      continue;
    }
    if (kind === 7) return -1;
    const limit = at + MAX_TOKEN_LENGTH < end ? at + MAX_TOKEN_LENGTH : end;
    let next = at;
    let previous = 3;
    let substance = 0;
    for (;;) {
      if (kind <= 3) {
        substance |= kind - 3;
        previous = kind;
        next++;
      } else {
        if (kind === 7) return -1;
        // A joiner: letters or digits of one kind on both sides.
        if (next + 1 >= limit) break;
        const joins = kind === 6 ? previous : kind === 4 ? 1 : 2;
        if (previous !== joins || joins === 3 || classes[bytes[next + 1]!]! !== joins) break;
        next += 2;
      }
      if (next >= limit) break;
      kind = classes[bytes[next]!]!;
      if (kind === 0) break;
    }
    if (substance !== 0) {
      outStarts[count] = at;
      outEnds[count++] = next;
      at = next;
    } else {
      // Underscores alone are no token; where the cut ended them, the next byte may still begin one.
      at = next < limit || limit === end ? next : at + 1;
    }
  }
  return count;
}

/** As `asciiTokens`, by the rule "simple": runs of letters, cut at the maximum length. */
export function asciiLetterTokens(
  bytes: Uint8Array,
  start: number,
  end: number,
  outStarts: Uint32Array,
  outEnds: Uint32Array,
): number {
  const classes = ASCII_CLASSES;
  let count = 0;
  let at = start;
  while (at < end) {
    const kind = classes[bytes[at]!]!;
    if (kind === 7) return -1;
    if (kind !== 1) {
      at++;
      continue;
    }
    const limit = at + MAX_TOKEN_LENGTH < end ? at + MAX_TOKEN_LENGTH : end;
    const from = at;
    while (at < limit && classes[bytes[at]!] === 1) at++;
    outStarts[count] = from;
    outEnds[count++] = at;
  }
  return count;
}

/** As `asciiTokens`, by the rule "whitespace": runs of anything but blanks (Java's `Character.isWhitespace`). */
export function asciiBlankTokens(
  bytes: Uint8Array,
  start: number,
  end: number,
  outStarts: Uint32Array,
  outEnds: Uint32Array,
): number {
  let count = 0;
  let at = start;
  while (at < end) {
    if (isBlank(bytes[at]!)) {
      at++;
      continue;
    }
    const limit = at + MAX_TOKEN_LENGTH < end ? at + MAX_TOKEN_LENGTH : end;
    const from = at;
    while (at < limit && !isBlank(bytes[at]!)) {
      if (bytes[at]! >= 0x80) return -1;
      at++;
    }
    outStarts[count] = from;
    outEnds[count++] = at;
  }
  return count;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13) || (byte >= 0x1c && byte <= 0x1f);
}
