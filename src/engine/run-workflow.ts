/** Runs one planned workflow: machine, jobs in order, conclusion. */
import type { Plan } from "../plan/plan.ts";
import type { Provider } from "../provider/provider.ts";
import type { NetworkPolicy, Services } from "../service/services.ts";
import type { Conclusion, FateCounts, RunEventBody } from "../store/run-event.ts";

export interface RunSettings {
  /** Unique on this host; names the run in the store. */
  readonly run: string;
  readonly runNumber: number;
  readonly secrets: { readonly [name: string]: string };
  readonly vars: { readonly [name: string]: string };
  /** From `--env`: laid over the workflow's `env`. */
  readonly env: { readonly [name: string]: string };
  readonly machinePer: "workflow" | "job";
  /** Machines at work at the same time within this run; only with a machine for each job. */
  readonly maxParallelJobs: number;
  readonly network: NetworkPolicy;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly certificateAuthorities: string | undefined;
  /** `ACTIONS_STEP_DEBUG`. */
  readonly debug: boolean;
}

export interface RunDependencies {
  readonly provider: Provider;
  readonly services: Services;
  readonly emit: (event: RunEventBody) => void;
  readonly now: () => number;
  readonly newId: () => string;
}

/** `cancel` asks (the contract's ladder, `always()` steps still run); `kill` ends everything at once. */
export interface RunSignals {
  readonly cancel: AbortSignal;
  readonly kill: AbortSignal;
}

export interface RunOutcome {
  readonly conclusion: Conclusion;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly counts: FateCounts;
  readonly durationMs: number;
}

/** Never throws for anything that happens inside the run: every end is an outcome, and the machine is gone when it resolves. */
export async function runWorkflow(
  plan: Plan,
  settings: RunSettings,
  dependencies: RunDependencies,
  signals: RunSignals,
): Promise<RunOutcome> {
  throw new Error(`not written yet: ${[plan, settings, dependencies, signals].length}`);
}
