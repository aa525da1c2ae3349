/**
 * The person at the other end, as the commands see them: two streams, a size, a clock, a way to ask for a secret and to hear
 * Ctrl-C. `process-terminal.ts` is the real one; tests have a fake of 80 by 24.
 */
import type { Colors } from "picocolors/types.js";

export interface Terminal {
  /** What was asked for: results, logs, the live view. */
  readonly out: Output;
  /** What went wrong or needs attention. */
  readonly err: Output;
  /** `out` can be redrawn: it is a terminal, not one of CI's, and not `dumb`. */
  readonly live: boolean;
  size(): { readonly columns: number; readonly rows: number };
  now(): number;
  /** Calls `tick` until the returned function is called. */
  every(intervalMs: number, tick: () => void): () => void;
  /** Reads a line without showing it; undefined when nobody can be asked. */
  askSecret(question: string): Promise<string | undefined>;
  /** All of standard input as text; undefined where a person would have to type it. Throws BAD_USAGE for more than 1 MiB. */
  readInput(): Promise<string | undefined>;
  /** A variable of the caller's environment, for `--secret NAME`. */
  environment(name: string): string | undefined;
  /** Ctrl-C, SIGTERM and a closed window go to the listener instead of ending the process, until the returned function is called. */
  onInterrupt(listener: () => void): () => void;
}

export interface Output {
  readonly colors: Colors;
  readonly write: (text: string) => void;
}
