/** A workflow of a run with what it was given: the one that the event started, or one that a job of it called. */
import type { Value } from "../expression/template.ts";
import type { PlannedWorkflow, WorkflowOrigin } from "../plan/plan.ts";
import type { JobKey } from "../store/run-event.ts";
import type { PermissionsLink } from "../workflow/permissions.ts";
import type { RunContext } from "./run-context.ts";

export interface WorkflowRun {
  readonly run: RunContext;
  readonly planned: PlannedWorkflow;
  readonly origin: WorkflowOrigin;
  readonly inputs: { readonly [name: string]: Value };
  /** Those that its jobs may read, but for GITHUB_TOKEN. */
  readonly secrets: { readonly [name: string]: string };
  /** The job that called it; undefined for the run's own. */
  readonly caller: { readonly key: JobKey; readonly name: string } | undefined;
  /** The calling jobs that lead here, outermost first: permissions become fewer on the way. */
  readonly calls: readonly PermissionsLink[];
  /** Concurrency groups, in lower case, that are held on the way here: to wait for one of them is to wait for ever. */
  readonly heldGroups: ReadonlySet<string>;
  readonly cancel: AbortSignal;
}

export function cancelRequested({ cancel, run }: WorkflowRun): boolean {
  return cancel.aborted || run.killed();
}

/** How a job of the workflow is called in the record. */
export function keyBelow({ caller }: Pick<WorkflowRun, "caller">, name: string): JobKey {
  return caller === undefined ? name : `${caller.key} / ${name}`;
}

/** How a job of the workflow is shown. */
export function nameBelow({ caller }: Pick<WorkflowRun, "caller">, name: string): string {
  return caller === undefined ? name : `${caller.name} / ${name}`;
}

/** A text where another job or run, and not a person, aborted it. */
export function cancelReason({ reason }: AbortSignal): string {
  return typeof reason === "string" ? reason : "the run was cancelled";
}
