import { assertEquals } from "@std/assert";
import { bootId, machineId } from "../../src/os/boot.ts";
import { systemClock } from "../../src/os/clock.ts";
import { processMemory, totalMemoryBytes } from "../../src/os/memory.ts";
import { systemRandom } from "../../src/os/random.ts";
import { onSignal } from "../../src/os/signals.ts";
import { availableCores, spawnWorker } from "../../src/os/threads.ts";

Deno.test("the monotonic clock is the kernel's and does not go back", () => {
  const clock = systemClock();
  const uptimeMs = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1000;
  assertEquals(Math.abs(clock.monotonicMs() - uptimeMs) < 5000, true);
  let last = 0;
  for (let i = 0; i < 1000; i++) {
    const now = clock.monotonicMs();
    assertEquals(now >= last, true);
    last = now;
  }
  assertEquals(Math.abs(clock.nowMs() - Date.now()) < 1000, true);
});

Deno.test("random fills more than one draw of the system, shared memory too", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(200_001));
  systemRandom().fill(bytes);
  for (let at = 0; at + 1000 <= bytes.length; at += 1000) {
    assertEquals(bytes.subarray(at, at + 1000).some((byte) => byte !== 0), true);
  }
});

Deno.test("memory counts what was just allocated", () => {
  const before = processMemory();
  const block = new Uint8Array(64 << 20).fill(1);
  const after = processMemory();
  assertEquals(after.anonymousBytes - before.anonymousBytes > 32 << 20, true);
  assertEquals(after.residentBytes >= after.anonymousBytes, true);
  assertEquals(totalMemoryBytes() > after.residentBytes, true);
  assertEquals(block[5], 1);
});

Deno.test("the boot has an id of the kernel's form, the machine one or none", () => {
  assertEquals(/^[0-9a-f-]{36}$/.test(bootId()), true);
  assertEquals(/^([0-9a-f]{32})?$/.test(machineId()), true);
  assertEquals(bootId(), bootId());
  assertEquals(availableCores() >= 1, true);
});

Deno.test("a signal reaches its handler until it is taken away", async () => {
  const arrived = Promise.withResolvers<void>();
  const remove = onSignal("SIGUSR2", arrived.resolve);
  const alive = setTimeout(() => arrived.reject(new Error("no signal came")), 5000);
  Deno.kill(Deno.pid, "SIGUSR2");
  await arrived.promise;
  clearTimeout(alive);
  remove();
});

Deno.test("messages to and from a thread keep their order, and its failure is told once", async () => {
  const thread = spawnWorker<number | string, number>(new URL("./echo_worker.ts", import.meta.url), "echo");
  const failure = Promise.withResolvers<string>();
  thread.onFailure(failure.resolve);
  for (const n of [1, 2, 3]) thread.post(n);
  const received: (number | string)[] = [];
  await new Promise<void>((resolve) =>
    thread.receive((message) => {
      received.push(message);
      if (received.length === 4) resolve();
    })
  );
  assertEquals(received, ["hello", 2, 4, 6]);
  thread.post(-1);
  assertEquals((await failure.promise).includes("minus"), true);
  thread.terminate();
});

Deno.test("a thread whose entry file is missing fails instead of ending the process", async () => {
  const thread = spawnWorker<string, string>(new URL("./no_such_worker.ts", import.meta.url), "none");
  const reason = await new Promise<string>((resolve) => thread.onFailure(resolve));
  assertEquals(reason.startsWith("thread none failed: "), true);
  thread.terminate();
});
