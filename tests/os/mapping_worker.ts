/** Sums the bytes of a mapping whose address it is sent. */
import { viewMapping } from "../../src/os/mapping.ts";

self.onmessage = ({ data }: MessageEvent<{ address: bigint; sizeBytes: number }>) => {
  self.postMessage(viewMapping(data.address, data.sizeBytes).reduce((a, b) => a + b, 0));
};
