/**
 * The four errors a user can meet. Each names who complains, what was expected and found, and how to mend it.
 * Everything else that is thrown is a bug and keeps its stack. Imports nothing, so that every folder may use it.
 */

/** What a user needs in order to act on an error. */
export interface ErrorFacts {
  /** Stable identifier for scripts and tests, for example "config/unknown-key". */
  code: string;
  /** One sentence: who, which argument, expected, got. */
  message: string;
  /** What the user can do about it. */
  fix?: string;
  /** File, line or key at fault, for example "configs/a.yaml:12". */
  where?: string;
}

/** Base of all errors that are the user's to mend; the command line prints them without a stack and exits with 1. */
export class LimberError extends Error {
  readonly code: string;
  readonly fix: string | undefined;
  readonly where: string | undefined;

  constructor(facts: ErrorFacts, options?: { cause?: unknown }) {
    super(facts.message, options);
    this.code = facts.code;
    this.fix = facts.fix;
    this.where = facts.where;
  }

  /** The message as the command line prints it: one or two lines, place first, remedy last. */
  toText(): string {
    const place = this.where ? `${this.where}: ` : "";
    return `${place}${this.message}${this.fix ? `\n  fix: ${this.fix}` : ""}`;
  }
}

/** Wrong shapes, types or attributes handed to an op. */
export class OpError extends LimberError {
  override readonly name = "OpError";
}

/** No usable driver, a limit exceeded, a shader that does not compile, a lost device. */
export class GpuError extends LimberError {
  override readonly name = "GpuError";
}

/** A key, value or flag of the configuration or the command line. */
export class ConfigError extends LimberError {
  override readonly name = "ConfigError";
}

/** A data set, image, annotation or checkpoint that cannot be read or written. */
export class DataError extends LimberError {
  override readonly name = "DataError";
}

/** The text of anything thrown: the clean form for a user's mistake, the message otherwise. */
export function errorText(error: unknown): string {
  if (error instanceof LimberError) return error.toText();
  return error instanceof Error ? error.message : String(error);
}
