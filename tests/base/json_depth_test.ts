import { assertThrows } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { RequestError } from "../../src/base/errors.ts";
import { checkJsonDepth } from "../../src/base/json_depth.ts";

const options = { maxDepth: 3, what: "the body", type: "parsing_exception" };

Deno.test("brackets count, those in texts do not", () => {
  checkJsonDepth(utf8('{"a":[{"b":"[[[[{{{{\\"[[["}],"c":[[]],"\\\\":[[1]]}'), options);
  checkJsonDepth(utf8("[[[]]][[[]]]"), options);
  const tooDeep = () => checkJsonDepth(utf8('{"a":[{"b":[]}]}'), options);
  assertThrows(tooDeep, RequestError, "the body is nested deeper than 3 levels at byte 11");
});
