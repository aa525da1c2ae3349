/** What is the same for every job of a run, and for every workflow that a job of it calls. */
import type { Masker } from "../joblog/masker.ts";
import type { EngineError } from "../lib/engine-error.ts";
import type { Semaphore } from "../lib/semaphore.ts";
import type { Plan } from "../plan/plan.ts";
import type { JobKey, RunEventBody } from "../store/run-event.ts";
import type { RunIdentity } from "./job-run.ts";
import type { EndedJob } from "./saved-job.ts";
import type { RunDependencies, RunSettings } from "./run-settings.ts";

export interface RunContext {
  readonly plan: Plan;
  readonly settings: RunSettings;
  readonly dependencies: RunDependencies;
  readonly emit: (event: RunEventBody) => void;
  readonly identity: RunIdentity;
  /** Stands for the token of whichever job reads it, in secrets that a calling job passes on. Opens nothing. */
  readonly passedToken: string;
  readonly masker: Masker;
  /** How the jobs ended that have ended, but for those that were skipped. */
  readonly ended: Map<JobKey, EndedJob>;
  readonly oneMachine: boolean;
  /** Jobs that may be in machines at the same time. */
  readonly slots: Semaphore;
  /** Jobs that may at the same time be in machines that were copied for them. */
  readonly copies: Semaphore;
  /** The first trouble with a machine; set once, by the job that met it. */
  readonly trouble: { error: EngineError | undefined };
  readonly killed: () => boolean;
  /** Ends everything at once, for a fault of ours. */
  readonly abandon: () => void;
}
