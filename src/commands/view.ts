/** Who watches runs while they go on: the live view, the plain view, or `--json`. */
import type { RunEvent } from "../store/run-event.ts";
import type { RunWatch } from "./run-watch.ts";

export interface View {
  /** `watch` has applied `event` already. */
  event(watch: RunWatch, event: RunEvent): void;
  /** What is still to be started, by label; told once more whenever it changes. */
  waiting(labels: readonly string[]): void;
  started(watch: RunWatch): void;
  ended(watch: RunWatch): void;
  /** What takes long while a machine is made, for whichever run. */
  progress(line: string): void;
  /** Ctrl-C was pressed: says what happens now. */
  cancelling(message: string): void;
  /** Nothing is drawn or written afterwards. Safe to call twice. */
  close(): void;
}
