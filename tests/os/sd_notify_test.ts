import { assertEquals, assertThrows } from "@std/assert";
import { IoError } from "../../src/base/errors.ts";
import { sendNotification, serviceNotifier } from "../../src/os/sd_notify.ts";

Deno.test("notifications arrive at a unix datagram socket", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-sd-" });
  const path = `${directory}/notify`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  const next = async (): Promise<string> => new TextDecoder().decode((await socket.receive())[0]);
  try {
    const service = serviceNotifier(path);
    service.ready();
    assertEquals(await next(), "READY=1");
    service.reloading(12.5);
    assertEquals(await next(), "RELOADING=1\nMONOTONIC_USEC=12500");
    service.status("replaying\n40%");
    assertEquals(await next(), "STATUS=replaying 40%");
    service.extendTimeout(1000);
    assertEquals(await next(), "EXTEND_TIMEOUT_USEC=1000000");
    service.stopping();
    assertEquals(await next(), "STOPPING=1");
  } finally {
    socket.close();
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("without a socket nothing is sent; with a dead one the error names it", () => {
  serviceNotifier(undefined).ready();
  serviceNotifier("").stopping();
  const error = assertThrows(() => sendNotification("/no/such/socket", ["READY=1"]), IoError) as IoError;
  assertEquals([error.code, error.path], ["ENOENT", "/no/such/socket"]);
  assertThrows(() => sendNotification("/" + "x".repeat(200), ["READY=1"]), IoError, "not a socket's path");
});

Deno.test("a name in the abstract name space is one with @ in front", () => {
  assertEquals(
    (assertThrows(() => sendNotification("@xerj-nobody-listens", ["READY=1"]), IoError) as IoError).code,
    "E111",
  );
});
