import { assertEquals, assertThrows } from "@std/assert";
import { IoError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/log.ts";
import { listen, type ListenOptions, type TlsFiles } from "../../src/http/listener.ts";

const plain = (options: Partial<ListenOptions> = {}) =>
  listen({
    address: "127.0.0.1",
    port: 0,
    handle: () => new Response("ok"),
    logger: silentLogger,
    ...options,
  });

Deno.test("a taken port is an error that names it, with TLS too", async () => {
  const first = plain();
  const error = assertThrows(() => plain({ port: first.port }), IoError) as IoError;
  assertEquals([error.code, error.path], ["EADDRINUSE", `127.0.0.1:${first.port}`]);
  assertEquals(await first.stop(1000), true);
  const tls = await makeCertificate("one");
  if (tls === undefined) return;
  const second = plain({ tls });
  assertEquals(
    (assertThrows(() => plain({ port: second.port, tls }), IoError) as IoError).code,
    "EADDRINUSE",
  );
  await second.stop(1000);
});

Deno.test("an address that is not this machine's is an error", () => {
  assertThrows(() => plain({ address: "192.0.2.1" }), IoError, "192.0.2.1");
});

Deno.test("stopping waits for running requests, but not for ever", async () => {
  let finish = (): void => {};
  const started = Promise.withResolvers<void>();
  const listener = plain({
    handle: () =>
      new Promise((resolve) => {
        finish = () => resolve(new Response("late"));
        started.resolve();
      }),
  });
  const answer = fetch(listener.origin);
  await started.promise;
  assertEquals(await listener.stop(50), false);
  finish();
  assertEquals(await (await answer).text(), "late");
});

Deno.test("a new certificate serves new connections, a bad one changes nothing", async () => {
  const one = await makeCertificate("one");
  const two = await makeCertificate("two");
  if (one === undefined || two === undefined) return;
  const listener = plain({ tls: one });
  const get = async (trusted: TlsFiles): Promise<string> => {
    const client = Deno.createHttpClient({ caCerts: [trusted.certificate] });
    try {
      return await (await fetch(`https://localhost:${listener.port}`, { client })).text();
    } catch (error) {
      return error instanceof TypeError ? "refused" : String(error);
    } finally {
      client.close();
    }
  };
  assertEquals([await get(one), await get(two)], ["ok", "refused"]);
  const bad = await listener.replaceTls({ certificate: "x", key: "y" }, 100).catch((error) => error);
  assertEquals(bad instanceof IoError, true);
  assertEquals(await get(one), "ok");
  await listener.replaceTls(two, 1000);
  assertEquals([await get(one), await get(two)], ["refused", "ok"]);
  await listener.stop(1000);
});

/** A self-signed certificate for localhost; undefined where there is no openssl to make one. */
async function makeCertificate(name: string): Promise<TlsFiles | undefined> {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-tls-" });
  try {
    const options = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name} ` +
      `-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout ${directory}/key -out ${directory}/cert`;
    const command = new Deno.Command("openssl", { args: options.split(" "), stderr: "null", stdout: "null" });
    if (!(await command.output()).success) return undefined;
    return {
      certificate: Deno.readTextFileSync(`${directory}/cert`),
      key: Deno.readTextFileSync(`${directory}/key`),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
