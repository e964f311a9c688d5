import { assert, assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import {
  bell,
  BLOCK_BYTES,
  BlockState,
  blockState,
  FileState,
  type HydratingFile,
  needBlocks,
  setAway,
  setBlockState,
  setFileState,
  shareBlocks,
} from "../../src/os/shared_blocks.ts";

function file(waitMs = 30): HydratingFile {
  return shareBlocks(
    [{ path: "/a", sizeBytes: 10 }, { path: "/b", sizeBytes: 3 * BLOCK_BYTES + 1 }],
    waitMs,
  )[1]!;
}

function refusal(blocks: HydratingFile): string {
  const error = assertThrows(() => needBlocks(blocks, BLOCK_BYTES, 5, "b"), RequestError) as RequestError;
  assertEquals([error.status, error.type], [503, "still_restoring_exception"]);
  return error.message;
}

Deno.test("what is there is had without waiting", () => {
  const blocks = file();
  setBlockState(blocks, 1, BlockState.Present);
  needBlocks(blocks, BLOCK_BYTES, BLOCK_BYTES, "b");
  setFileState(blocks, FileState.Whole);
  needBlocks(blocks, 0, 3 * BLOCK_BYTES, "b");
  assertEquals(bell(blocks.control), 0);
});

Deno.test("what does not come in time is refused, and stays wanted", () => {
  const blocks = file();
  assert(refusal(blocks).includes("within 30 ms"));
  assertEquals(blockState(blocks, 1), BlockState.Wanted);
  assertEquals(bell(blocks.control), 1);
});

Deno.test("while nothing can be fetched nobody waits", () => {
  const blocks = file(60_000);
  setAway(blocks.control, true);
  assert(refusal(blocks).includes("cannot be fetched now"));
  assertEquals(blockState(blocks, 1), BlockState.Wanted);
});

Deno.test("what is damaged in the repository, or not needed any more, is refused at once", () => {
  const blocks = file(60_000);
  setBlockState(blocks, 1, BlockState.Failed);
  assert(refusal(blocks).includes("does not give it"));
  setFileState(blocks, FileState.Gone);
  assert(refusal(blocks).includes("deleted"));
});

Deno.test("a reader in another thread goes on when the block is there", async () => {
  const blocks = file(20_000);
  const url = new URL("./shared_blocks_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const answered = new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
  worker.postMessage(blocks);
  const { async, value } = Atomics.waitAsync(blocks.control, 0, 0);
  if (async) await value;
  assertEquals(blockState(blocks, 2), BlockState.Wanted);
  setBlockState(blocks, 2, BlockState.Present);
  assertEquals(await answered, "there");
  worker.terminate();
});
