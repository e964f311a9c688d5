import { assert, assertEquals } from "@std/assert";
import { utf8Text } from "../../src/base/bytes.ts";
import { FastParser } from "../../src/ingest/fast_document.ts";
import { NdjsonCutter } from "../../src/ingest/ndjson.ts";
import { parseDocument } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { stagedText } from "./staged_text.ts";

const LOGS = "../shared/data/logs/real_logs.ndjson.gz";
const STEP = 7;

Deno.test("real logs are staged alike by both parsers, under the mapping that they make", async () => {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(LOGS);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`  skipped: ${LOGS} is absent`);
    return;
  }
  let mapping = Mapping.empty({ maxFields: 1000 });
  let fast = new FastParser(mapping);
  const staged = new StagedDocument();
  const exact = new StagedDocument();
  const cutter = new NdjsonCutter({ lineBytesMax: 1 << 20 });
  let documents = 0;
  let taken = 0;
  const take = () => {
    while (cutter.next()) {
      const { bytes, start, end, line } = cutter;
      assert(!cutter.tooLong);
      if (line % STEP !== 0) continue;
      documents++;
      const isTaken = fast.parse(bytes, start, end, staged);
      let outcome = parseDocument(mapping, bytes, start, end, exact, { maxDepth: 20 });
      if (outcome.kind === "mapping") {
        assert(!isTaken);
        mapping = mapping.merge(outcome.update);
        fast = new FastParser(mapping);
        outcome = parseDocument(mapping, bytes, start, end, exact, { maxDepth: 20 });
      }
      assertEquals(outcome.kind, "ok", utf8Text(bytes.subarray(start, end)));
      if (!isTaken) continue;
      taken++;
      assertEquals(stagedText(staged), stagedText(exact), utf8Text(bytes.subarray(start, end)));
    }
  };
  for await (const piece of file.readable.pipeThrough(new DecompressionStream("gzip"))) {
    cutter.push(piece);
    take();
  }
  cutter.finish();
  take();
  assert(documents > 5_000);
  assert(taken >= documents - 30, `${documents - taken} of ${documents} were handed over`);
});
