/**
 * Keeps credentials out of words.
 *
 * Whatever a store or a library says may quote what it was sent, so every text that goes into a message passes here.
 *
 * @module
 */

/** Longest part of a foreign text that a message repeats. */
const MAX_WORDS = 300;

/** Shorter ones would strike out common words. */
const MIN_SECRET_LENGTH = 4;

const SIGNED =
  /((?:X-Amz-(?:Credential|Signature|Security-Token)|Signature|Credential|AWSAccessKeyId)=)[^&\s,"<]+/gi;
const AUTHORIZATION = /(authorization\s*[:=]\s*)\S+(\s+Credential=\S+)?/gi;
const USER_INFO = /(\w+:\/\/)[^/\s@]+@/g;

/** The credentials in use, and texts without them. */
export class Secrets {
  readonly #known = new Set<string>();

  add(...secrets: readonly (string | undefined)[]): void {
    for (const secret of secrets) {
      if (secret !== undefined && secret.length >= MIN_SECRET_LENGTH) this.#known.add(secret);
    }
  }

  /** One line of bounded length in which nothing secret is left. */
  strike(text: string): string {
    let clean = text;
    for (const secret of this.#known) {
      clean = clean.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
    }
    clean = clean.replaceAll(SIGNED, "$1***").replaceAll(AUTHORIZATION, "$1***").replaceAll(
      USER_INFO,
      "$1***@",
    );
    // deno-lint-ignore no-control-regex
    clean = clean.replaceAll(/[\x00-\x1f\x7f]+/g, " ").trim();
    return clean.length <= MAX_WORDS ? clean : `${clean.slice(0, MAX_WORDS)}...`;
  }
}
