/**
 * What is wrong with a configuration.
 *
 * @module
 */

export interface ConfigProblem {
  /** Line in the file, from 1; 0 when it is not one line's fault. */
  readonly line: number;
  readonly reason: string;
}

/** The configuration cannot be used. The message lists every problem that was found, with its line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  /** @param source The file, or where else the values came from. */
  constructor(readonly source: string, readonly problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ line, reason }) =>
      `${source}${line > 0 ? `, line ${line}` : ""}: ${reason}`
    );
    super(lines.join("\n"));
  }
}
