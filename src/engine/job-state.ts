/**
 * Everything a running job remembers between steps, as plain data: with a machine's memory and files it is a checkpoint
 * (DESIGN §4), so nothing here may hide in a closure. `run-step.ts` and `run-job.ts` are its only writers.
 */
import type { ActionManifest } from "../action/manifest.ts";
import type { ExpressionTemplate, Value } from "../expression/template.ts";
import type { RunStep, UsesStep } from "../workflow/workflow.ts";
import type { StepResult } from "../store/run-event.ts";

export type JobStatus = "success" | "failure" | "cancelled";

export interface JobState {
  status: JobStatus;
  /** Workflow and job `env`, then every `GITHUB_ENV` pair, the latest last. */
  env: Record<string, string>;
  /** `GITHUB_PATH` entries, newest first. */
  path: string[];
  readonly scope: Scope;
  /** In order of registration; they run in the reverse one. */
  readonly posts: Post[];
}

/** Where a step stands: directly in its job, or inside a composite action, whose steps see their own `steps` and `inputs`. */
export interface Scope {
  readonly kind: "job" | "composite";
  /** 0 in the job, one more in each composite below. */
  readonly depth: number;
  readonly steps: Record<string, StepEntry>;
  readonly inputs: Readonly<Record<string, Value>>;
  /** `env` of the composite steps around: flows to the children and wins over the job's env. */
  readonly env: Readonly<Record<string, string>>;
  /** Directory of the composite action; empty in the job's own scope. */
  readonly actionPath: string;
  /** A composite's running result, which its children's success() and failure() ask; unused in the job's own scope. */
  status: JobStatus;
}

/** An entry of the `steps` context. */
export interface StepEntry {
  readonly outputs: Readonly<Record<string, string>>;
  readonly outcome: StepResult;
  readonly conclusion: StepResult;
}

/** What a step left to do after the job's last step. `with`, `env` and the rest of the step are evaluated again then. */
export type Post =
  | {
      readonly kind: "javascript";
      readonly step: RunStep | UsesStep;
      readonly scope: Scope;
      readonly name: string;
      readonly directory: string;
      readonly script: string;
      readonly condition: ExpressionTemplate;
      readonly manifest: ActionManifest;
      readonly state: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: "composite";
      readonly step: RunStep | UsesStep;
      readonly scope: Scope;
      readonly name: string;
      /** The children's posts, in order of registration. */
      readonly posts: readonly Post[];
    };
