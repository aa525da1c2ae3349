/**
 * What one job works with while it runs. Fixed for the whole job, but for `state`, `masker`, `matchers` and `deliveries`, which
 * steps change and which are values of their own.
 */
import type { ActionSource } from "../action/action-source.ts";
import type { Value } from "../expression/template.ts";
import type { Masker } from "../joblog/masker.ts";
import type { MatcherSet } from "../joblog/problem-matcher.ts";
import type { CalledPlan, Plan, PlannedStep, WorkflowOrigin } from "../plan/plan.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import type { BulkInput, Isolation } from "../provider/provider.ts";
import type { Layout } from "../provider/provider.ts";
import type { JobServices, ServedJob } from "../service/services.ts";
import type { JobKey, RunEventBody } from "../store/run-event.ts";
import type { Permissions } from "../workflow/permissions.ts";
import type { Job, StepsJob, Workflow } from "../workflow/workflow.ts";
import type { SavedMachine } from "../checkpoint/checkpoints.ts";
import type { EgressLedger } from "./egress-ledger.ts";
import type { CancelLadder } from "./exec-process.ts";
import type { ServiceVariables } from "./job-services.ts";
import type { JobPause } from "./job-pause.ts";
import type { JobState } from "./job-state.ts";
import type { Resumption } from "./resumption.ts";

/** What `github.run_id`, `run_number` and `run_attempt` say. */
export interface RunIdentity {
  /** In decimal and within JavaScript's safe integers: actions parse it. */
  readonly id: string;
  readonly number: number;
  readonly attempt: number;
}

/** A job of the plan or one cell of its matrix. */
export interface JobInstance<J extends Job = StepsJob> {
  readonly key: JobKey;
  readonly job: J;
  readonly name: string;
  /** Empty for a job that calls a workflow. */
  readonly steps: readonly PlannedStep[];
  readonly called: CalledPlan | undefined;
  /** Why it is left out (`--skip-unsupported`). */
  readonly unsupported?: string | undefined;
  readonly matrix: Readonly<Record<string, Value>>;
  readonly index: number;
  readonly total: number;
  readonly failFast: boolean;
  readonly maxParallel: number;
}

export interface JobLayout extends Layout {
  /** Of every job of the run: GitHub's `<work>/<name>/<name>`. */
  readonly workspace: string;
}

/** A provisioned machine, talked to. */
export interface JobMachine {
  readonly id: string;
  readonly isolation: Isolation;
  /** What it is to be made with again. */
  readonly made: SavedMachine;
  /** Another one after each save: never kept by anybody. */
  readonly agent: AgentClient;
  readonly bulk: BulkInput | undefined;
  /** What it was given. */
  readonly memoryMib: number;
  /** Its processes that the host's kernel killed for want of memory. */
  readonly oomKills: () => Promise<number>;
  /** Open connections of its processes, to the services and outside. */
  readonly connections: () => number;
  /**
   * As `Machine.save`, with all that hangs on the machine's streams set right: `agent` is another one then. Resolves with why nothing was
   * saved, or undefined. Absent where the provider cannot.
   */
  readonly save?: (directory: string, signal: AbortSignal) => Promise<string | undefined>;
  /** As the `runner` context spells it. */
  readonly arch: "X64" | "ARM64";
  readonly layout: JobLayout;
  /** Layer 1 of a step's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where steps reach the services; no trailing slash. Starts them where nothing has asked for them yet. */
  readonly servicesUrl: () => Promise<string>;
  /** Opens the services to a job, and starts them as `servicesUrl` does. */
  readonly openJob: (job: ServedJob) => Promise<JobServices>;
  /** What the machine asked to reach outside since a step last looked. */
  readonly egress: EgressLedger;
  /** What the API had to say since a step last looked, one line each; the step that drains it logs it. */
  readonly apiNotes: Set<string>;
}

/** Keeps the job's moments, where that is asked for. */
export interface StepSaver {
  /** Before the step, if one is due. Throws MACHINE_LOST, or the reason of `job.kill`. */
  before(job: JobRun, next: PlannedStep): Promise<void>;
  /** Resolves when nothing is being put away any more. */
  settled(): Promise<void>;
}

/** What became of bringing an action into the machine. */
export type Delivery =
  | { readonly kind: "delivered" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "stopped" };

/** What a cell of a matrix has to do with others of it (`matrix-fork.ts`). */
export interface JobFork {
  /** The job has been set up: its actions are known, and no step has started. */
  settle(job: JobRun): void;
  /**
   * Before the step; undefined: after the last one, before the posts. With steps in the background nothing is due. Throws MACHINE_LOST, or
   * the reason of `job.kill`.
   */
  before(job: JobRun, next: PlannedStep | undefined): Promise<void>;
}

export interface JobRun {
  readonly plan: Plan;
  /** The file that the job stands in: the plan's own, or a called one. */
  readonly workflow: Workflow;
  readonly origin: WorkflowOrigin;
  readonly identity: RunIdentity;
  /** Value of `github.token`. */
  readonly token: string;
  /** Value of `github.api_url`, where it is not GitHub's own. */
  readonly apiUrl: string | undefined;
  readonly permissions: Permissions;
  readonly instance: JobInstance;
  readonly machine: JobMachine;
  /** Contexts that stay the same for the whole job: github, needs, matrix, strategy, inputs, vars, secrets. */
  readonly contexts: Readonly<Record<string, Value>>;
  /** `defaults.run` of workflow and job, evaluated. */
  readonly defaults: { readonly shell?: string; readonly workingDirectory?: string };
  /** Value of RUNNER_TRACKING_ID in every process of the job, by which the left-over ones are found. */
  readonly trackingId: string;
  readonly actions: ActionSource;
  /** Those on their way into the machine, by what they are called there; what has arrived is in `state`. */
  readonly deliveries: Map<string, Promise<Delivery>>;
  readonly state: JobState;
  /** Absent where failed steps are not waited at. */
  readonly pause?: JobPause | undefined;
  /** Absent where no checkpoints are taken. */
  readonly saver?: StepSaver | undefined;
  /** Absent where it shares no step with another cell of its matrix. */
  readonly fork?: JobFork | undefined;
  /** It goes on from a checkpoint of another run, or from another cell of its matrix. */
  readonly resumed?: Resumption | undefined;
  readonly masker: Masker;
  readonly matchers: MatcherSet;
  readonly services: ServiceVariables;
  readonly emit: (event: RunEventBody) => void;
  readonly newId: () => string;
  readonly now: () => number;
  readonly ladder: CancelLadder;
  /** The run was cancelled, a sibling failed fast, or the job's time is up. */
  readonly cancel: AbortSignal;
  readonly kill: AbortSignal;
  readonly debug: boolean;
}
