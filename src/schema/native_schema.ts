/**
 * The native API's short schema, `{"@timestamp": "date", "message": {"type": "text"}}`, as a mapping.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { parametersOf } from "./field_parameters.ts";
import { isObject, javaText } from "./mapping_error.ts";

/** Names of types that people coming from other systems use. */
const SYNONYMS: Readonly<Record<string, string>> = {
  string: "text",
  int: "integer",
  bool: "boolean",
  timestamp: "date",
  datetime: "date",
};

/**
 * @returns Elasticsearch's shape; a full mapping (with `properties`) goes through as it is.
 * @throws {RequestError} 400 `mapper_parsing_exception` naming the field.
 */
export function nativeSchema(schema: unknown): { readonly properties: Readonly<Record<string, unknown>> } {
  if (!isObject(schema)) throw wrong("schema must be an object of field names and types");
  if (isObject(schema["properties"]) && !("type" in schema["properties"])) {
    return schema as { properties: Record<string, unknown> };
  }
  const properties: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (typeof value === "string") properties[name] = { type: typeOf(name, value) };
    else if (isObject(value)) {
      properties[name] = typeof value["type"] === "string"
        ? { ...value, type: typeOf(name, value["type"]) }
        : value;
    } else throw wrong(`field [${name}] must be a type name or an object, got [${javaText(value)}]`);
  }
  return { properties };
}

function typeOf(name: string, given: string): string {
  const type = given.trim().toLowerCase();
  if (parametersOf(type) || type === "object" || type === "alias" || type === "nested") return type;
  const synonym = Object.hasOwn(SYNONYMS, type) ? SYNONYMS[type] : undefined;
  if (synonym === undefined) throw wrong(`No handler for type [${given}] declared on field [${name}]`);
  return synonym;
}

function wrong(reason: string): RequestError {
  return new RequestError(`Failed to parse schema: ${reason}`, {
    status: 400,
    type: "mapper_parsing_exception",
  });
}
