import { assert, assertEquals, assertRejects } from "@std/assert";
import { CorruptionError, IoError, RequestError } from "../../src/base/errors.ts";
import { type Handler, Moved, Rpc } from "../../src/engine/rpc.ts";

/** Runs `test` with both ends of a connection; `there` answers. */
async function connected(
  handlers: Record<string, Handler>,
  test: (here: Rpc, there: Rpc) => Promise<void>,
  own: Record<string, Handler> = {},
): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  try {
    await test(new Rpc(port1, own), new Rpc(port2, handlers));
  } finally {
    port1.close();
    port2.close();
  }
}

Deno.test("a call gets the answer of its own handler, whatever order answers come in", async () => {
  let first!: () => void;
  const opened = new Promise<void>((resolve) => first = resolve);
  await connected({
    slow: async (n: number) => {
      await opened;
      return n + 1;
    },
    fast: (n: number) => n * 2,
  }, async (here) => {
    const slow = here.call<number>("slow", 1);
    assertEquals(await here.call<number>("fast", 21), 42);
    assertEquals(here.pending, 1);
    first();
    assertEquals(await slow, 2);
    assertEquals(here.pending, 0);
  });
});

Deno.test("both ends may call, and a notice is not answered", async () => {
  const heard: string[] = [];
  await connected(
    { ask: (what: string) => `no ${what}` },
    async (here, there) => {
      here.notify("ask", "notice");
      assertEquals(await there.call("own", 7), 8);
      assertEquals(await here.call("ask", "milk"), "no milk");
      assertEquals(heard, ["own 7"]);
    },
    {
      own: (n: number) => {
        heard.push(`own ${n}`);
        return n + 1;
      },
    },
  );
});

Deno.test("errors keep their kind on the way", async () => {
  const request = new RequestError("no such index [x]", {
    status: 404,
    type: "index_not_found_exception",
    details: { index: "x" },
    headers: { "retry-after": "1" },
    causedBy: { type: "t", reason: "r" },
  });
  await connected({
    request: () => {
      throw request;
    },
    corruption: () => {
      throw new CorruptionError("Cannot decode", { file: "/data/seg", offset: 12 });
    },
    io: () => {
      throw new IoError("write", "/data/wal", new Error("No space left on device (os error 28)"));
    },
    ours: () => {
      throw new TypeError("our mistake");
    },
  }, async (here) => {
    const thrown = await assertRejects(() => here.call("request", 0));
    assert(thrown instanceof RequestError);
    const { status, type, details, headers, causedBy, message } = thrown as RequestError;
    assertEquals({ status, type, details, headers, causedBy, message }, {
      status: 404,
      type: "index_not_found_exception",
      details: { index: "x" },
      headers: { "retry-after": "1" },
      causedBy: { type: "t", reason: "r" },
      message: request.message,
    });
    const corruption = await assertRejects(() => here.call("corruption", 0)) as CorruptionError;
    assert(corruption instanceof CorruptionError);
    assertEquals([corruption.file, corruption.offset], ["/data/seg", 12]);
    assertEquals(corruption.message, "Cannot decode (file /data/seg, offset 12)");
    const io = await assertRejects(() => here.call("io", 0)) as IoError;
    assert(io instanceof IoError);
    assertEquals([io.operation, io.path, io.code], ["write", "/data/wal", "ENOSPC"]);
    const ours = await assertRejects(() => here.call("ours", 0)) as Error;
    assertEquals(ours.message, "our mistake");
    const unknown = await assertRejects(() => here.call("nothing", 0)) as Error;
    assertEquals(unknown.message, "no handler for nothing");
  });
});

Deno.test("moved buffers are moved, not copied", async () => {
  let kept: Uint8Array | undefined;
  await connected({
    bytes: () => {
      const bytes = kept = Uint8Array.of(1, 2, 3);
      return new Moved(bytes, [bytes.buffer]);
    },
  }, async (here) => {
    assertEquals(await here.call("bytes", 0), Uint8Array.of(1, 2, 3));
    assertEquals(kept!.byteLength, 0);
  });
});

Deno.test("when the other thread dies, every call that waits fails", async () => {
  await connected({ never: () => new Promise(() => {}) }, async (here) => {
    const waiting = [here.call("never", 0), here.call("never", 0)];
    here.failAll(new Error("writer thread 0 died"));
    for (const one of waiting) {
      assertEquals((await assertRejects(() => one) as Error).message, "writer thread 0 died");
    }
    assertEquals(here.pending, 0);
  });
});
