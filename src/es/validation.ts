/**
 * 400 `action_request_validation_exception`, as Elasticsearch numbers what is wrong.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

export function validations(problems: readonly string[]): RequestError {
  const list = problems.map((problem, i) => `${i + 1}: ${problem};`).join("");
  return new RequestError(`Validation Failed: ${list}`, {
    status: 400,
    type: "action_request_validation_exception",
  });
}

export function validation(problem: string): RequestError {
  return validations([problem]);
}
