/**
 * All threads in one: the same classes over message channels, for tests and tools that want no workers.
 *
 * @module
 */
import type { Port } from "./rpc.ts";
import type { Thread, ThreadFactory, ThreadStart } from "./threads.ts";

/** @param serve What a worker's entry file does with its first message and its port. */
export function localThreads(serve: (start: ThreadStart, port: Port) => () => void): ThreadFactory {
  return (start): Thread => {
    const channel = new MessageChannel();
    const end = serve(start, channel.port2);
    return {
      port: channel.port1,
      terminate: () => {
        end();
        channel.port1.close();
        channel.port2.close();
      },
    };
  };
}
