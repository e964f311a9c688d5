/**
 * Addresses as 16 bytes in network order, IPv4 mapped into IPv6 (`::ffff:a.b.c.d`): their byte order is their order.
 *
 * @module
 */
import { badArgument } from "./numbers.ts";

/** @throws {ValueError} "'x' is not an IP string literal." */
export function parseIp(text: string): Uint8Array {
  const bytes = tryParseIp(text);
  if (!bytes) throw badArgument(`'${text}' is not an IP string literal.`);
  return bytes;
}

/** Undefined when `text` is no address. Zones (`%eth0`) and leading zeros are refused. */
export function tryParseIp(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  if (!text.includes(":")) {
    if (!parseFour(text, bytes, 12)) return undefined;
    bytes[10] = 0xff;
    bytes[11] = 0xff;
    return bytes;
  }
  return parseSixteen(text, bytes) ? bytes : undefined;
}

function parseFour(text: string, into: Uint8Array, at: number): boolean {
  const parts = text.split(".");
  if (parts.length !== 4) return false;
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return false;
    const value = Number(part);
    if (value > 255) return false;
    into[at + i] = value;
  }
  return true;
}

function parseSixteen(text: string, into: Uint8Array): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const head = groups(halves[0]!);
  const tail = halves.length === 2 ? groups(halves[1]!) : [];
  if (!head || !tail) return false;
  const given = head.length + tail.length;
  if (halves.length === 2 ? given > 14 : given !== 16) return false;
  into.set(head, 0);
  into.set(tail, 16 - tail.length);
  return true;
}

/** Bytes of colon-separated groups, the last of which may be dotted; undefined when malformed. */
function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const out: number[] = [];
  const parts = text.split(":");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (i === parts.length - 1 && part.includes(".")) {
      const four = new Uint8Array(4);
      if (!parseFour(part, four, 0)) return undefined;
      out.push(...four);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      const value = parseInt(part, 16);
      out.push(value >> 8, value & 0xff);
    }
  }
  return out;
}

function isMappedFour(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** Text of 16 bytes: dotted for mapped IPv4, else RFC 5952 (longest run of zeros as `::`, lower case). */
export function formatIp(bytes: Uint8Array): string {
  if (isMappedFour(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const parts: number[] = [];
  for (let i = 0; i < 16; i += 2) parts.push((bytes[i]! << 8) | bytes[i + 1]!);
  let bestAt = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && parts[i + length] === 0) length++;
    if (length > bestLength) {
      bestAt = i;
      bestLength = length;
    }
    if (length > 0) i += length - 1;
  }
  if (bestAt < 0) return parts.map((part) => part.toString(16)).join(":");
  const head = parts.slice(0, bestAt).map((part) => part.toString(16)).join(":");
  const tail = parts.slice(bestAt + bestLength).map((part) => part.toString(16)).join(":");
  return `${head}::${tail}`;
}

/** First and last address of a CIDR block such as `10.0.0.0/8`. */
export interface IpRange {
  readonly low: Uint8Array;
  readonly high: Uint8Array;
}

/** @throws {ValueError} Not `address/prefix`, or the prefix does not fit. */
export function parseCidr(text: string): IpRange {
  const slash = text.indexOf("/");
  const wrong = () => badArgument(`Expected [ip/prefix] but was [${text}]`);
  if (slash < 0 || text.indexOf("/", slash + 1) >= 0) throw wrong();
  const address = parseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits)) throw wrong();
  const four = isMappedFour(address) && !text.includes(":");
  const prefix = Number(digits);
  if (prefix > (four ? 32 : 128)) {
    throw badArgument(
      `Illegal prefix length [${prefix}] in [${text}]. Must be 0-32 for IPv4 ranges, 0-128 for IPv6 ranges`,
    );
  }
  const bits = four ? 96 + prefix : prefix;
  const low = address.slice();
  const high = address.slice();
  for (let i = 0; i < 16; i++) {
    const kept = Math.max(0, Math.min(8, bits - i * 8));
    const mask = (0xff << (8 - kept)) & 0xff;
    low[i] = low[i]! & mask;
    high[i] = high[i]! | (~mask & 0xff);
  }
  return { low, high };
}
