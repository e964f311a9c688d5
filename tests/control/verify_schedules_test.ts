import { assert, assertEquals } from "@std/assert";
import { resolveRepository } from "../../src/config/repositories.ts";
import type { VerificationRequest, Verifications } from "../../src/control/verifications.ts";
import { VerifySchedules } from "../../src/control/verify_schedules.ts";

Deno.test("repositories with a verify_schedule are looked at by the clock; a reload changes which", async () => {
  let schedules = { main: "* * * * * *", other: "" };
  const asked: VerificationRequest[] = [];
  const begun = Promise.withResolvers<void>();
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (message: string) => void lines.push(message) };
  const verify = new VerifySchedules({
    verifications: {
      start: ((request: VerificationRequest) => {
        asked.push(request);
        begun.resolve();
        return { run: {}, done: Promise.reject(new Error("told elsewhere")) };
      }) as unknown as Verifications["start"],
    },
    log,
    repositories: () =>
      Object.fromEntries(
        Object.entries(schedules).map(([name, schedule]) => [
          name,
          resolveRepository(
            new Map<string, string | boolean>([["verifySchedule", schedule], ["heal", false]]),
          ),
        ]),
      ),
    named: (name) => {
      if (name === "gone") throw new Error("a secret is not there");
      return { url: `file:///${name}`, compress: true, singleWriter: false };
    },
  });
  verify.reconfigured();
  try {
    assertEquals([...verify.next.keys()], ["main"]);
    await begun.promise;
    const { destination, mode, heal } = asked[0]!;
    assertEquals([destination.url, mode, heal], ["file:///main", "sample", false]);
    schedules = { main: "0 4 * * *", other: "30 4 * * *" };
    verify.reconfigured();
    assertEquals([...verify.next.keys()].sort(), ["main", "other"]);
    assert(
      verify.next.get("main")! - Date.now() > 1000 || new Date(verify.next.get("main")!).getUTCHours() === 4,
    );
    schedules = { main: "", other: "" };
    verify.reconfigured();
    assertEquals(verify.next.size, 0);
    await verify.run("nowhere");
    assertEquals(lines, []);
    schedules = { gone: "" } as unknown as typeof schedules;
    await verify.run("gone");
    assertEquals(lines, ["a scheduled verification was not begun"]);
  } finally {
    verify.stop();
  }
});
