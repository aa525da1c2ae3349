/** What is the same for every job of a run. */
import type { Masker } from "../joblog/masker.ts";
import type { Plan } from "../plan/plan.ts";
import type { RunEventBody } from "../store/run-event.ts";
import type { RunIdentity } from "./job-run.ts";
import type { RunDependencies, RunSettings } from "./run-settings.ts";

export interface RunContext {
  readonly plan: Plan;
  readonly settings: RunSettings;
  readonly dependencies: RunDependencies;
  readonly emit: (event: RunEventBody) => void;
  readonly identity: RunIdentity;
  readonly token: string;
  readonly masker: Masker;
  readonly oneMachine: boolean;
  readonly cancelRequested: () => boolean;
  readonly killed: () => boolean;
  /** Ends everything at once, for a fault of ours. */
  readonly abandon: () => void;
}
