/** Answers each number with its double, after a first "hello"; a negative one ends it with an error. */
import { parentThread } from "../../src/os/threads.ts";

const parent = parentThread<number, number | string>();
await new Promise((resolve) => setTimeout(resolve, 20));
parent.post("hello");
parent.receive((n) => {
  if (n < 0) throw new Error("minus");
  parent.post(n * 2);
});
