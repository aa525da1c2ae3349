/**
 * A workflow file as Hearth understands it: GitHub's schema applied, positions kept, expressions not yet evaluated.
 * Plain data, complete: every declared step is held (`declaredSteps` is counted in the raw YAML, and `read-workflow.ts`
 * refuses a file where the two differ). Source of the shapes: ACTIONS-CONTRACT §1.5, §3, §7.
 */
import type { ExpressionTemplate, MappingTemplate, Template } from "../expression/template.ts";
import type { Position } from "../lib/diagnostic.ts";
import type { Permissions } from "./permissions.ts";

export interface Workflow {
  /** Relative to the repository's root, `/` as separator. */
  readonly path: string;
  /** `name:`, else undefined; GitHub shows the path then. */
  readonly name: string | undefined;
  readonly runName: Template | undefined;
  readonly triggers: readonly Trigger[];
  readonly env: Template | undefined;
  readonly defaults: RunDefaults;
  readonly permissions: Permissions | undefined;
  readonly concurrency: Template | undefined;
  /** In the order of the file. */
  readonly jobs: readonly Job[];
  /** Steps counted in the raw YAML, independently of the reader. */
  readonly declaredSteps: number;
  /** What the file comes to in memory, as GitHub weighs it: `CallTree` adds up the files of a run. */
  readonly sizeBytes: number;
}

/** One entry of `on:`. Filters that were not given are undefined, which is not the same as an empty list. */
export interface Trigger {
  readonly event: string;
  readonly at: Position;
  readonly types: readonly string[] | undefined;
  readonly branches: readonly string[] | undefined;
  readonly branchesIgnore: readonly string[] | undefined;
  readonly tags: readonly string[] | undefined;
  readonly tagsIgnore: readonly string[] | undefined;
  readonly paths: readonly string[] | undefined;
  readonly pathsIgnore: readonly string[] | undefined;
  /** `workflow_run` only: names of the workflows it follows. */
  readonly workflows: readonly string[] | undefined;
  /** `schedule` only. */
  readonly schedules: readonly { readonly cron: string; readonly timezone: string | undefined }[] | undefined;
  /** `workflow_dispatch` and `workflow_call` only. */
  readonly inputs: readonly InputDefinition[] | undefined;
  /** `workflow_call` only. */
  readonly outputs: readonly { readonly name: string; readonly value: Template }[] | undefined;
  /** `workflow_call` only. */
  readonly secrets: readonly { readonly name: string; readonly required: boolean }[] | undefined;
}

export interface InputDefinition {
  readonly name: string;
  readonly at: Position;
  readonly type: "string" | "boolean" | "number" | "choice" | "environment";
  readonly description: string | undefined;
  readonly required: boolean;
  readonly default: Template | undefined;
  /** `choice` only. */
  readonly options: readonly string[];
}

export interface RunDefaults {
  readonly shell: Template | undefined;
  readonly workingDirectory: Template | undefined;
}

export type Job = StepsJob | CallJob;

interface JobBase {
  readonly id: string;
  readonly at: Position;
  readonly name: Template | undefined;
  /** Spelled as the jobs they name are spelled, whatever case the file used. */
  readonly needs: readonly string[];
  /** Where the file names each of `needs`. */
  readonly needsAt: readonly Position[];
  /** Always there: `success()` when not given, wrapped in `success() && (…)` where it calls no status function. */
  readonly condition: ExpressionTemplate;
  readonly strategy: Strategy | undefined;
  readonly permissions: Permissions | undefined;
  readonly concurrency: Template | undefined;
}

export interface StepsJob extends JobBase {
  readonly kind: "steps";
  readonly runsOn: Template;
  readonly env: Template | undefined;
  readonly defaults: RunDefaults;
  readonly environment: Template | undefined;
  readonly container: Template | undefined;
  readonly services: Template | undefined;
  readonly outputs: MappingTemplate | undefined;
  readonly timeoutMinutes: Template | undefined;
  readonly continueOnError: Template | undefined;
  /** How long a cancelled job may go on; `snapshot` names an image that GitHub would keep, and has no effect here. */
  readonly cancelTimeoutMinutes?: Template | undefined;
  readonly snapshot?: Template | undefined;
  readonly steps: readonly Step[];
}

/** A job that calls a reusable workflow. */
export interface CallJob extends JobBase {
  readonly kind: "call";
  readonly uses: string;
  readonly usesAt: Position;
  readonly with: Template | undefined;
  readonly secrets: Template | "inherit" | undefined;
}

export interface Strategy {
  /** All of it as the file has it, with the places of its keys. */
  readonly template: Template;
  readonly matrix: Template | undefined;
  readonly failFast: Template | undefined;
  readonly maxParallel: Template | undefined;
}

export type Step = RunStep | UsesStep | ControlStep;

interface StepBase {
  /** The author's id, else GitHub's generated one: `__run`, `__actions_checkout`, `__run_2`. Unique in the job. */
  readonly id: string;
  /** Only steps whose id the author gave appear in the `steps` context. */
  readonly idGiven: boolean;
  /** 1-based place among the job's declared steps. */
  readonly number: number;
  readonly at: Position;
  readonly name: Template | undefined;
  /** As for jobs: always there. */
  readonly condition: ExpressionTemplate;
  readonly env: Template | undefined;
  readonly continueOnError: Template | undefined;
  readonly timeoutMinutes: Template | undefined;
  /** `background: true`: the step runs beside those after it. */
  readonly background: boolean;
}

export interface RunStep extends StepBase {
  readonly kind: "run";
  readonly run: Template;
  readonly shell: Template | undefined;
  readonly workingDirectory: Template | undefined;
}

export interface UsesStep extends StepBase {
  readonly kind: "uses";
  readonly uses: string;
  readonly usesAt: Position;
  readonly with: Template | undefined;
}

/** GitHub's background-step keywords (ACTIONS-CONTRACT §3.4). */
export interface ControlStep extends StepBase {
  readonly kind: "control";
  readonly control: "wait" | "wait-all" | "cancel" | "parallel";
  /** Ids waited for or cancelled; empty for `wait-all` and `parallel`. */
  readonly targets: readonly string[];
  /** Only for `parallel`. These count as declared steps too and carry numbers of their own. */
  readonly steps: readonly Step[];
}
