/** A job while its machine is its own, as somebody who comes from outside the run needs it: a port of the engine's, types only. */
import type { AgentClient } from "../protocol/agent-client.ts";

export interface LiveJob {
  /** Its key in the record: `build (22)`. */
  readonly job: string;
  /** As the workflow spells it: `build`. */
  readonly id: string;
  readonly machine: string;
  readonly isolation: string;
  /** The machine's agent now: a machine that is saved has another one afterwards. */
  agent(): AgentClient;
  /** Where a step that came now would stand. */
  place(): { readonly cwd: string; readonly env: Readonly<Record<string, string>> };
  /** Number of the failed step that it waits at; undefined: it runs. */
  pausedAt(): number | undefined;
  /** False where it does not wait. */
  decide(decision: "retry" | "continue" | "abort"): boolean;
}

export interface JobDoor {
  /** From here on the job can be entered, until the answer is disposed of; who is inside then is put out. */
  admit(job: LiveJob): Disposable;
  /** Commands and shells that run in the job's machine for visitors now: a save of the machine would end them. */
  visitors(job: string): number;
}
