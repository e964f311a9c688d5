/**
 * A reader that waits for a block.
 *
 * @module
 */
import { type HydratingFile, needBlocks } from "../../src/os/shared_blocks.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<HydratingFile>) => void;
  postMessage(message: string): void;
};
scope.onmessage = ({ data }) => {
  needBlocks(data, 2 * BLOCK, 100, "b");
  scope.postMessage("there");
};

const BLOCK = 1024 * 1024;
