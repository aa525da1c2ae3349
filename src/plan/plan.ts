/**
 * The decision before anything runs: which jobs, in which order, and how each step will run. Pure data.
 * A plan with a step whose way is `unsupported` is shown by `hearth plan` and refused by `hearth run`.
 */
import type { Value } from "../expression/template.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { ControlStep, Job, Step, Workflow } from "../workflow/workflow.ts";
import type { Event } from "./event.ts";

/** What planning one file came to. A broken file is `refused`, never missing. Among the warnings is what is `unsupported`. */
export type PlanResult =
  | { readonly kind: "planned"; readonly plan: Plan; readonly warnings: readonly Diagnostic[] }
  | {
      readonly kind: "not_triggered";
      readonly plan: Plan;
      readonly warnings: readonly Diagnostic[];
      readonly reason: string;
    }
  | {
      readonly kind: "refused";
      readonly path: string;
      readonly diagnostics: readonly Diagnostic[];
      /** Not the file is at fault but what was asked of it: a job or cell that it does not have, inputs it does not take. */
      readonly fault?: "selection" | "inputs";
    };

/** A workflow that an event starts. */
export interface Plan extends PlannedWorkflow {
  readonly event: Event;
  /** Typed `inputs` of workflow_dispatch, defaults filled in; empty for other events. */
  readonly inputs: { readonly [name: string]: Value };
}

/** A workflow with its jobs: the one that the event starts, or one that a job calls. */
export interface PlannedWorkflow {
  readonly workflow: Workflow;
  /** As far as they are known while planning; undefined: known when the call starts. */
  readonly inputs: { readonly [name: string]: Value } | undefined;
  /** A job stands after all its needs; otherwise in the order of the file. */
  readonly jobs: readonly PlannedJob[];
  /** Those of called workflows are counted in, once for each call. */
  readonly declaredSteps: number;
  /** Steps this plan holds; always equal to `declaredSteps` (checked where the plan is made). */
  readonly heldSteps: number;
}

export interface PlannedJob {
  readonly job: Job;
  /** `dynamic`: the matrix reads what is known only later (`needs`, the inputs of a call). A job without a matrix has one empty cell. */
  readonly cells: readonly MatrixCell[] | "dynamic";
  /** As long as the job's declared steps, in their order. Empty for a job that calls a reusable workflow. */
  readonly steps: readonly PlannedStep[];
  /** Set for a job that calls a workflow. */
  readonly called: CalledPlan | undefined;
  /** Why the whole job is left out (`--skip-unsupported`); of a job with known cells, each cell says it. */
  readonly unsupported?: string;
}

/** What a job calls. `missing`: the file cannot be had or read, and nothing of the caller is started. */
export type CalledPlan =
  | { readonly kind: "called"; readonly plan: PlannedWorkflow; readonly origin: WorkflowOrigin }
  | { readonly kind: "missing"; readonly diagnostics: readonly Diagnostic[] };

/** Where a workflow file is from: `./` in a `uses:` of a job means the same repository at the same commit. */
export interface WorkflowOrigin {
  /** `owner/name`. */
  readonly repository: string;
  /** In that repository. */
  readonly path: string;
  /** As it was asked for: `v1`, `refs/heads/main`. */
  readonly ref: string;
  readonly sha: string;
}

export interface MatrixCell {
  /** The `matrix` context. */
  readonly values: { readonly [key: string]: Value };
  /** What GitHub puts in brackets after the job's name: `ubuntu-latest, 20`; empty without a matrix. */
  readonly label: string;
  /** Why this cell is left out (`--skip-unsupported`). */
  readonly unsupported?: string;
}

export interface PlannedStep {
  readonly step: Step;
  readonly way: Way;
}

/** How a step will run. Closed set, shown by `hearth plan` and kept in the record. */
export type Way =
  | { readonly kind: "run" }
  /** `wait`, `wait-all`, `cancel` and `parallel`: the engine's own work. */
  | { readonly kind: "control"; readonly control: ControlStep["control"] }
  /** Hearth's own equivalent of an action, which needs neither a download nor Node. */
  | { readonly kind: "builtin"; readonly builtin: Builtin }
  /** `path` is the action's directory: in the repository of `action`, empty for its root; without one in the workspace, `.` for it. */
  | {
      readonly kind: "javascript";
      readonly using: string;
      readonly path: string;
      readonly action: RemoteAction | undefined;
    }
  | {
      readonly kind: "composite";
      readonly path: string;
      readonly action: RemoteAction | undefined;
      /** As many as the manifest has, in their order. */
      readonly steps: readonly { readonly name: string; readonly way: Way }[];
    }
  /** Steps that stand for an action that cannot run here. */
  | {
      readonly kind: "translated";
      readonly by: TranslatedBy;
      /** Text of a composite action that has only `run` steps. */
      readonly manifest: string;
      /** What it stands for; an empty `sha` where nobody knows what the reference means. */
      readonly action: RemoteAction;
      /** As many as the manifest has, in their order. */
      readonly steps: readonly { readonly name: string; readonly way: Way }[];
    }
  /** A `./` action that is not in the repository now (a step may write it, or check it out): read when it is reached. */
  | { readonly kind: "local"; readonly path: string }
  /** `what` completes the sentence "… is unsupported"; `fix` is what the author can do. */
  | { readonly kind: "unsupported"; readonly what: string; readonly fix: string };

/** Who wrote a translation: kept in the lock file and the record. */
export type TranslatedBy =
  /** `rule`: the name of a file of `translate/rules`, `owner/name`. */
  | { readonly kind: "rule"; readonly rule: string }
  /** `prompt`: the version of what the model was asked. */
  | { readonly kind: "model"; readonly model: string; readonly prompt: string };

/** By the names of the actions they stand for, which are GitHub's own below `actions/`. Closed set, kept in the record. */
export type Builtin =
  | "checkout"
  | "cache"
  | "cache/restore"
  | "cache/save"
  | "upload-artifact"
  | "upload-artifact/merge"
  | "download-artifact"
  | "setup-node"
  | "setup-python"
  | "setup-go";

/** An action of another repository, found: every reference to it in a run means this commit (SECURITY-RELIABILITY A23). */
export interface RemoteAction {
  /** `owner/name`, spelled as the reference has it. */
  readonly repository: string;
  /** Its directory in the repository, without slashes at the ends; empty for the root. */
  readonly path: string;
  /** As it was asked for: `v4`. */
  readonly ref: string;
  /** 40 digits. */
  readonly sha: string;
}
