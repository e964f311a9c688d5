/** Decoders of the examples in the sections on WAL, manifest and catalogue of the format's documentation. */
import { utf8Text } from "../../src/base/bytes.ts";
import { assert } from "../../src/base/errors.ts";
import { decodeCatalog, decodeCleanStop, decodeDeleted, decodeInstance } from "../../src/format/catalog.ts";
import { historyFromJson, historyHash, historyLength } from "../../src/format/history.ts";
import { decodeManifest } from "../../src/format/manifest.ts";
import { OperationsReader } from "../../src/format/operations.ts";
import { decodeSealed } from "../../src/format/sealed_json.ts";
import { decodeRecordHead, generationSeed, RECORD_HEADER_BYTES, recordCrc } from "../../src/format/wal.ts";
import { decodeWalHead, decodeWalHeader } from "../../src/format/wal_header.ts";
import { uuidToBytes } from "../../src/format/uuid_bytes.ts";

/** The record example's place. */
const RECORD_UUID = "0f0e0d0c-0b0a-4908-8706-050403020100";
const RECORD_OFFSET = 320;

function operationsOf(payload: Uint8Array): unknown {
  const reader = new OperationsReader(payload);
  const list: unknown[] = [];
  while (reader.next()) {
    const { kind, flags, seqNoDelta, version, idStart, idEnd, sourceStart, sourceEnd } = reader;
    const id = utf8Text(payload.subarray(idStart, idEnd));
    list.push({
      kind,
      flags,
      seqNoDelta,
      version,
      id,
      source: utf8Text(payload.subarray(sourceStart, sourceEnd)),
    });
  }
  return list;
}

/** As JSON shows it: `undefined` members left out. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

export const examples: Record<string, (bytes: Uint8Array) => unknown> = {
  "wal-stub": (bytes) => decodeWalHead(bytes, bytes.length),
  "wal-header": (bytes) => plain(decodeWalHeader(bytes, bytes.length)),
  "wal-record": (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const seed = generationSeed(uuidToBytes(RECORD_UUID));
    assert(recordCrc(seed, RECORD_OFFSET, bytes) === view.getUint32(0, true), "crc is that of this place");
    return { ...decodeRecordHead(view, 0), payloadBytes: bytes.length - RECORD_HEADER_BYTES };
  },
  "wal-operations": operationsOf,
  "sealed-json": (bytes) => decodeSealed("greeting", bytes),
  "history": (bytes) => {
    const history = historyFromJson(JSON.parse(utf8Text(bytes)));
    return { runs: historyLength(history), hash: historyHash(history, historyLength(history)) };
  },
  "manifest": (bytes) => plain(decodeManifest(bytes)),
  "catalogue": (bytes) => plain(decodeCatalog(bytes)),
  "catalogue-stub": decodeCatalog,
  "deleted-incarnations": decodeDeleted,
  "instance": decodeInstance,
  "clean-stop": decodeCleanStop,
};
