/**
 * The log: lines on the standard error stream, JSON for machines or coloured for people.
 *
 * @module
 */
import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";
import { getPrettyFormatter } from "@logtape/pretty";
import type { Logger } from "../base/log.ts";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  /** "auto": pretty on a terminal, else json. */
  readonly format: "auto" | "json" | "pretty";
  readonly isTerminal: boolean;
  /** Gets whole lines. */
  readonly write: (text: string) => void;
}

type Fields = Readonly<Record<string, unknown>>;

const ROOT = "xerj";

/** Names of fields whose values never reach the log, should a caller slip. */
const SECRET = /authorization|api_?key|secret|password|token|credential|cookie/i;

/**
 * Sets up this thread's log; called again after a reload of the configuration, it changes the loggers there are.
 * Each thread calls it for itself.
 */
export function configureLog({ level, format, isTerminal, write }: LogOptions): void {
  const pretty = format === "pretty" || (format === "auto" && isTerminal);
  const formatter = pretty ? prettyFormatter(isTerminal) : jsonFormatter();
  configureSync({
    reset: true,
    sinks: { lines: (record) => write(formatter(record)) },
    loggers: [
      { category: ROOT, sinks: ["lines"], lowestLevel: level === "warn" ? "warning" : level },
      // The library's own notices.
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
}

/** @param part Whose lines they are, such as "http"; silent until `configureLog` was called. */
export function partLogger(part: string): Logger {
  const logger = getLogger([ROOT, part]);
  return {
    debug: (message, fields) => logger.debug(literal(message), withoutSecrets(fields)),
    info: (message, fields) => logger.info(literal(message), withoutSecrets(fields)),
    warn: (message, fields) => logger.warn(literal(message), withoutSecrets(fields)),
    error: (message, fields) => logger.error(literal(message), withoutSecrets(fields)),
  };
}

/** `{"@timestamp", "level", "message", "logger", ...fields}`, one object a line. */
function jsonFormatter(): TextFormatter {
  const format = getJsonLinesFormatter({ properties: "flatten" });
  return (record: LogRecord) => format(record);
}

function prettyFormatter(colors: boolean): TextFormatter {
  return getPrettyFormatter({
    colors,
    icons: false,
    timestamp: "date-time",
    properties: true,
    wordWrap: false,
  });
}

/** The library replaces `{name}` in messages; ours are plain text. */
function literal(message: string): string {
  return message.replaceAll("{", "{{").replaceAll("}", "}}");
}

function withoutSecrets(fields: Fields | undefined): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields ?? {})) {
    clean[name] = SECRET.test(name) && value !== "" && value !== undefined ? "***" : cleaned(value);
  }
  return clean;
}

function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned);
  const isPlain = typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? withoutSecrets(value as Fields) : value;
}
