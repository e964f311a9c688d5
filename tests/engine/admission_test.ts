import { assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { Gate, WriteBudget } from "../../src/engine/admission.ts";

interface Job {
  readonly started: boolean;
  readonly done: Promise<void>;
  finish(): void;
}

function enter(gate: Gate): Job {
  let finish!: () => void;
  const job = { started: false, done: Promise.resolve(), finish: () => finish() };
  job.done = gate.pass(() => {
    job.started = true;
    return new Promise<void>((resolve) => finish = resolve);
  });
  return job;
}

/** Lets everything run that can. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

async function refusal(work: () => Promise<unknown>): Promise<RequestError> {
  return await assertRejects(work, RequestError) as RequestError;
}

Deno.test("a gate lets so many in, lets so many wait in order, and refuses the rest", async () => {
  const gate = new Gate("searches", () => ({ limit: 2, queue: 1 }));
  const [a, b, c] = [enter(gate), enter(gate), enter(gate)];
  await settle();
  assertEquals([a.started, b.started, c.started], [true, true, false]);
  assertEquals([gate.active, gate.queued], [2, 1]);
  const refused = await refusal(() => gate.pass(() => Promise.resolve()));
  assertEquals([refused.status, refused.type], [429, "es_rejected_execution_exception"]);
  assertEquals(refused.message, "too many concurrent searches: 2 run and 1 wait");
  assertEquals(refused.headers["retry-after"], "1");
  b.finish();
  await b.done;
  await settle();
  assertEquals(c.started, true);
  assertEquals([gate.active, gate.queued], [2, 0]);
  a.finish();
  c.finish();
  await Promise.all([a.done, c.done]);
  assertEquals(gate.active, 0);
});

Deno.test("work that fails gives its place back", async () => {
  const gate = new Gate("searches", () => ({ limit: 1, queue: 0 }));
  await assertRejects(() => gate.pass(() => Promise.reject(new Error("broken"))), Error, "broken");
  assertEquals(gate.active, 0);
  assertEquals(await gate.pass(() => Promise.resolve(5)), 5);
});

Deno.test("the limits are asked for at each entry, so that a reload counts", async () => {
  let limit = 1;
  const gate = new Gate("searches", () => ({ limit, queue: 0 }));
  const a = enter(gate);
  await settle();
  await refusal(() => gate.pass(() => Promise.resolve()));
  limit = 2;
  assertEquals(await gate.pass(() => Promise.resolve(1)), 1);
  a.finish();
  await a.done;
});

Deno.test("write bytes are bounded, but a single body always fits an empty budget", async () => {
  const budget = new WriteBudget(() => 100);
  assertEquals(await budget.hold(1000, () => Promise.resolve(budget.bytes)), 1000);
  assertEquals(budget.bytes, 0);
  let finish!: () => void;
  const held = budget.hold(60, () => new Promise<void>((resolve) => finish = resolve));
  const refused = await refusal(() => budget.hold(41, () => Promise.resolve()));
  assertEquals([refused.status, refused.type], [429, "es_rejected_execution_exception"]);
  assertEquals(await budget.hold(40, () => Promise.resolve(budget.bytes)), 100);
  finish();
  await held;
  await assertRejects(() => budget.hold(60, () => Promise.reject(new Error("broken"))));
  assertEquals(budget.bytes, 0);
});
