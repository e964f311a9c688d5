/**
 * Letting other work of a thread run.
 *
 * @module
 */

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()!();
// The channel alone must not keep a process alive that has nothing else to do.
const unref = (port: MessagePort) => (port as unknown as { unref?: () => void }).unref?.();
unref(channel.port1);

/** Resolves after about `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves in a later task of the event loop, after messages that wait already: about 10 us, no timer's 1 ms. */
export function pause(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
