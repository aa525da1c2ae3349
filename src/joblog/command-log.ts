/** What commands say in the log of the step that printed them. */
import { plainAnnotation } from "./annotation.ts";
import type { AnnotationLevel } from "./annotation.ts";
import type { LogWriter } from "./log-writer.ts";

/** A command that cannot be obeyed; the message is for the job's author. */
export class CommandProblem extends Error {}

export class CommandLog {
  readonly #writer: LogWriter;
  readonly #debug: boolean;
  readonly #warned = new Set<string>();

  constructor(writer: LogWriter, debug: boolean) {
    this.#writer = writer;
    this.#debug = debug;
  }

  issue(level: AnnotationLevel, message: string): void {
    this.#writer.annotation(plainAnnotation(level, message));
    this.#writer.tagged(`##[${level}]`, message);
  }

  warn(message: string): void {
    this.issue("warning", message);
  }

  /** A step that repeats itself is told once. */
  warnOnce(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.warn(message);
  }

  debug(message: string): void {
    if (this.#debug) this.#writer.tagged("##[debug]", message);
  }
}
