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
  /** For programs with a screen of their own. */
  readonly screen: Screen;
  /** Ctrl-C, SIGTERM and a closed window go to the listener instead of ending the process, until the returned function is called. */
  onInterrupt(listener: () => void): () => void;
}

export interface Output {
  readonly colors: Colors;
  readonly write: (text: string) => void;
}

/** The terminal as a program in a machine is given it: bytes, unread. */
export interface Screen {
  /** Standard input is a terminal. */
  readonly hasKeyboard: boolean;
  /**
   * Every key goes to `onKeys` and nothing is shown of it, until the returned function is called, which is safe to call again; the end of
   * the process does so too. A promise holds further keys back. `onEnd`: there is no keyboard any more.
   */
  takeKeyboard(onKeys: (bytes: Buffer) => Promise<void>, onEnd: () => void): () => void;
  /** Called for each new size of the terminal, until the returned function is called. */
  onResize(listener: () => void): () => void;
  /** Bytes as they are; a promise is to be waited for before there is room for more. */
  write(stream: "stdout" | "stderr", bytes: Buffer): Promise<void> | undefined;
}
