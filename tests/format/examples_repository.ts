/** Decoders of the examples in the section on backup repositories of the format's documentation. */
import { utf8Text } from "../../src/base/bytes.ts";
import { RepositoryCipher } from "../../src/backup/cipher.ts";
import { decodeStreamHead, jsonFromBytes } from "../../src/backup/continuous/head.ts";
import { deltaFromJson } from "../../src/backup/continuous/inventory.ts";
import { decodeHead } from "../../src/backup/head.ts";
import { decodeBackupManifest } from "../../src/backup/manifest.ts";
import { decompress } from "../../src/backup/zstd.ts";

/** What the encrypted example was made with. */
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const REPOSITORY = "11111111-1111-4111-8111-111111111111";
const CONTENT = "22".repeat(32);

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const bytes of stream) text += utf8Text(bytes);
  return text;
}

export const examples: Record<string, (bytes: Uint8Array) => unknown> = {
  "repository-head": decodeHead,
  "backup-manifest": (bytes) => {
    const { files, ...rest } = decodeBackupManifest(bytes);
    const shown = files.map(({ inline, ...file }) =>
      inline === undefined ? file : { ...file, inline: utf8Text(inline) }
    );
    return { ...rest, files: shown };
  },
  "compressed-object": (bytes) => textOf(decompress(only(bytes))),
  "encrypted-object": async (bytes) => {
    const cipher = new RepositoryCipher(KEY, REPOSITORY);
    const text = await textOf(cipher.decrypt(only(bytes), `object ${CONTENT}`));
    return { keyCheck: cipher.keyCheck, content: cipher.contentName("33".repeat(32)), text };
  },
  "stream-head": (bytes) => {
    const { inline, ...rest } = decodeStreamHead(bytes);
    return { ...rest, inline: inline.map(({ object, bytes }) => ({ ...object, text: utf8Text(bytes) })) };
  },
  "stream-state": (bytes) => deltaFromJson(jsonFromBytes(bytes)),
};
