/** What a run is told, and what it needs of the world. Chosen by the edges, read by the engine. */
import type { ActionSource } from "../action/action-source.ts";
import type { JobDoor } from "../door/live-job.ts";
import type { RunnerMap } from "../plan/runner-map.ts";
import type { Provider, ProviderName } from "../provider/provider.ts";
import type { NetworkPolicy, Services } from "../service/services.ts";
import type { ConcurrencyGroups } from "./concurrency-groups.ts";
import type { Checkpoints } from "../checkpoint/checkpoints.ts";
import type { CancelLadder } from "./exec-process.ts";
import type { ForkDirectories } from "./matrix-fork-directories.ts";
import type { Resumption } from "./resumption.ts";
import type { Conclusion, FateCounts, RunEventBody } from "../store/run-event.ts";

export interface RunSettings {
  /** Unique on this host; names the run in the store. */
  readonly run: string;
  /** For `github.run_id`: a positive safe integer. */
  readonly runId: number;
  /** Counts the runs of this workflow from 1. */
  readonly runNumber: number;
  readonly secrets: { readonly [name: string]: string };
  /** False: somebody caused it who may not write to the repository. Its jobs read only, and get no identity (A24). */
  readonly trusted: boolean;
  readonly vars: { readonly [name: string]: string };
  /** By name, in lower case: what a job with `environment:` sees over the rest. */
  readonly environments: { readonly [name: string]: EnvironmentSettings };
  readonly runners: RunnerMap;
  /** A job whose `runs-on` proves to be unsupported only when it starts is left out, rather than failed. */
  readonly skipUnsupported: boolean;
  /** Jobs that ended well in an earlier attempt, by key: not run again, and their outputs are there for those that need them. */
  readonly earlier: EarlierAttempt | undefined;
  /** A job that goes on from a checkpoint; `earlier` says how the others ended in that run. */
  readonly resumption?: Resumption | undefined;
  /** From `--env`: laid over the workflow's `env`. */
  readonly env: { readonly [name: string]: string };
  readonly machinePer: "workflow" | "job";
  /** A job whose step fails waits there until somebody decides. */
  readonly pauseOnFailure?: boolean | undefined;
  /** Machines at work at the same time within this run; only with a machine for each job. */
  readonly maxParallelJobs: number;
  readonly network: NetworkPolicy;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly certificateAuthorities: string | undefined;
  /** The host's npm registry, for package managers in the machine; undefined for npm's own default. */
  readonly npmRegistry: string | undefined;
  /** `ACTIONS_STEP_DEBUG`. */
  readonly debug: boolean;
}

export interface EnvironmentSettings {
  readonly secrets: { readonly [name: string]: string };
  readonly vars: { readonly [name: string]: string };
}

export interface EarlierAttempt {
  readonly run: string;
  /** The first attempt: `run`, unless that goes on from an earlier one itself. */
  readonly firstRun: string;
  /** This run's number among the attempts: 2 and more. */
  readonly attempt: number;
  /** By job key. */
  readonly succeeded: ReadonlyMap<string, { readonly outputs: { readonly [name: string]: string } }>;
}

export interface RunDependencies {
  readonly provider: Provider;
  /** For jobs whose `runs-on` names a provider in `hearth.yml`. Throws PROVIDER_UNAVAILABLE with the fix. */
  readonly namedProvider: (name: ProviderName) => Promise<Provider>;
  readonly concurrency: ConcurrencyGroups;
  readonly services: Services;
  readonly actions: ActionSource;
  /** Undefined: none are taken. */
  readonly checkpoints?: Checkpoints | undefined;
  /** Where machines are copied for the cells of a matrix; undefined: each cell runs all of its steps itself. */
  readonly forks?: ForkDirectories | undefined;
  readonly emit: (event: RunEventBody) => void;
  /** Monotonic, in ms. */
  readonly now: () => number;
  /** Unique and unguessable, `[0-9a-f-]`. */
  readonly newId: () => string;
  readonly ladder: CancelLadder;
  /** Told of each job while its machine is its own. */
  readonly door?: JobDoor | undefined;
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
  /** Jobs left out with `--skip-unsupported`, cells counted. */
  readonly unsupportedJobs: number;
  readonly durationMs: number;
}
