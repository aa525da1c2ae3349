/**
 * `success()`, `failure()`, `always()` and `cancelled()`, which mean one thing in the condition of a job, another in that of a
 * step, and a third inside a composite action. Source: ACTIONS-CONTRACT §3.3.
 */
import type { Scope } from "../expression/evaluate-expression.ts";
import { toText } from "../expression/coerce.ts";
import { ExpressionError } from "../expression/expression-error.ts";
import type { Value } from "../expression/template.ts";
import type { JobResult } from "./job-result.ts";

export type StatusFunctions = Scope["functions"];

/** What a job's condition looks at. Ids are spelled as the jobs are. */
export interface JobGraph {
  readonly needsOf: (id: string) => readonly string[];
  readonly resultOf: (id: string) => JobResult;
  readonly cancelled: boolean;
}

/**
 * Without arguments the whole graph of needs counts, so an ancestor that was skipped, however far away, makes `success()` false.
 * With arguments only the jobs named count. In a run that was cancelled neither holds: nothing starts but what asked for it.
 */
export function jobStatusFunctions(id: string, graph: JobGraph): StatusFunctions {
  const resultsFor = (args: readonly Value[]): readonly JobResult[] => {
    const ids = args.length === 0 ? ancestorsOf(id, graph) : args.map((name) => directNeed(toText(name), id, graph));
    return ids.map((ancestor) => graph.resultOf(ancestor));
  };
  return {
    success: (args) => !graph.cancelled && resultsFor(args).every((result) => result === "success"),
    failure: (args) => !graph.cancelled && resultsFor(args).includes("failure"),
    cancelled: () => graph.cancelled,
    always: () => true,
  };
}

export type RunningStatus = "success" | "failure" | "cancelled";

/** For steps of a job, and for `pre` and `post` wherever the action was used. */
export function stepStatusFunctions(jobStatus: RunningStatus): StatusFunctions {
  return {
    success: () => jobStatus === "success",
    failure: () => jobStatus === "failure",
    cancelled: () => jobStatus === "cancelled",
    always: () => true,
  };
}

/** For the main steps of a composite action: its own steps decide, only a cancellation is the job's. */
export function compositeStatusFunctions(actionStatus: RunningStatus, jobStatus: RunningStatus): StatusFunctions {
  return { ...stepStatusFunctions(actionStatus), cancelled: () => jobStatus === "cancelled" };
}

function directNeed(name: string, id: string, graph: JobGraph): string {
  const need = graph.needsOf(id).find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  if (need === undefined)
    throw new ExpressionError(`Job '${id}' asks for the result of '${name}', which is not among its needs`);
  return need;
}

function ancestorsOf(id: string, graph: JobGraph): readonly string[] {
  const ancestors = new Set(graph.needsOf(id));
  // A set that grows while it is walked is walked to its end.
  for (const ancestor of ancestors) for (const need of graph.needsOf(ancestor)) ancestors.add(need);
  return [...ancestors];
}
