/**
 * Where zstd frames end in compressed bytes. Deno's decoder takes a stream that breaks off for a whole one, and drops
 * what follows the first frame; a body must not lose its end unnoticed.
 *
 * Follows the frames' structure (RFC 8878, 3.1) without decoding: magic and header, blocks with their sizes, an
 * optional checksum; skippable frames between.
 *
 * @module
 */

/** What the next bytes are. */
type Expecting =
  | "magic"
  | "descriptor"
  | "header"
  | "block"
  | "content"
  | "checksum"
  | "skip size"
  | "skipped";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const RAW_OR_COMPRESSED_HEADER_BYTES = 3;
const RLE = 1;

export class ZstdFrames {
  #expecting: Expecting = "magic";
  /** Bytes of the current part that are still to come. */
  #missing = 4;
  /** The part's bytes so far, little-endian; parts whose value matters have at most four. */
  #value = 0;
  #shift = 0;
  #hasChecksum = false;
  #isLastBlock = false;
  #sawFrame = false;
  #broken = false;

  /** True when everything fed so far is whole frames, at least one. */
  get complete(): boolean {
    return !this.#broken && this.#sawFrame && this.#expecting === "magic" && this.#shift === 0;
  }

  /**
   * Takes bytes from `start` up to the end of the frame that they continue, or all of them.
   *
   * @returns The position behind the last byte taken; `complete` says whether a frame ended there.
   */
  feed(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length && !this.#broken) {
      const isLong = this.#expecting === "content" || this.#expecting === "skipped" ||
        this.#expecting === "header";
      if (isLong) {
        const taken = Math.min(this.#missing, bytes.length - at);
        this.#missing -= taken;
        at += taken;
      } else {
        this.#value += bytes[at++]! * 2 ** this.#shift;
        this.#shift += 8;
        this.#missing--;
      }
      while (this.#missing === 0 && !this.#broken) this.#advance();
      if (this.complete) return at;
    }
    return bytes.length;
  }

  #advance(): void {
    const value = this.#value;
    switch (this.#expecting) {
      case "magic":
        if (value === MAGIC) return this.#expect("descriptor", 1);
        if ((value & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) return this.#expect("skip size", 4);
        this.#broken = true;
        return;
      case "descriptor":
        this.#hasChecksum = (value & 4) !== 0;
        return this.#expect("header", headerBytes(value));
      case "header":
        return this.#expect("block", RAW_OR_COMPRESSED_HEADER_BYTES);
      case "block": {
        this.#isLastBlock = (value & 1) === 1;
        const isRepeated = ((value >> 1) & 3) === RLE;
        return this.#expect("content", isRepeated ? 1 : value >> 3);
      }
      case "content":
        if (!this.#isLastBlock) return this.#expect("block", RAW_OR_COMPRESSED_HEADER_BYTES);
        if (this.#hasChecksum) return this.#expect("checksum", 4);
        return this.#endFrame();
      case "skip size":
        return this.#expect("skipped", value);
      case "checksum":
      case "skipped":
        return this.#endFrame();
    }
  }

  #expect(part: Expecting, bytes: number): void {
    this.#expecting = part;
    this.#missing = bytes;
    this.#value = 0;
    this.#shift = 0;
  }

  #endFrame(): void {
    this.#sawFrame = true;
    this.#expect("magic", 4);
  }
}

/** Bytes between the frame header's descriptor and the first block: window, dictionary id, content size. */
function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const window = isSingleSegment ? 0 : 1;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  return window + dictionary + contentSize;
}
