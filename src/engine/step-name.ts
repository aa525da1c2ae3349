/** What a step is called where people read it: its `name:`, else GitHub's `Run …`. */
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { ControlStep, Step } from "../workflow/workflow.ts";
import { jobScope } from "./contexts.ts";
import type { JobRun } from "./job-run.ts";

/** GitHub's, but for `parallel`, which it shows only as its steps and a wait. */
const CONTROL_NAMES: Readonly<Record<ControlStep["control"], string>> = {
  wait: "Wait",
  "wait-all": "Wait for all",
  cancel: "Cancel",
  parallel: "Parallel",
};

/** Evaluated when the step's turn has come; one that cannot be evaluated is shown as written. Masked. */
export function stepName(job: JobRun, step: Step): string {
  const template = step.name ?? (step.kind === "run" ? step.run : undefined);
  if (template === undefined) return plainStepName(step);
  try {
    const text = toText(evaluate(template, jobScope(job)));
    return job.masker.mask(step.name === undefined ? `Run ${firstLine(text)}` : text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return plainStepName(step);
  }
}

/** Without evaluating anything: for the plan, and for steps whose turn never comes. */
export function plainStepName(step: Step): string {
  if (step.name !== undefined) return sourceOf(step.name);
  switch (step.kind) {
    case "run":
      return `Run ${firstLine(sourceOf(step.run))}`;
    case "uses":
      return `Run ${step.uses}`;
    case "control":
      return CONTROL_NAMES[step.control];
    default:
      return unreachable(step);
  }
}

function firstLine(script: string): string {
  return script.trimStart().split("\n", 1)[0] ?? "";
}

function sourceOf(template: NonNullable<Step["name"]>): string {
  if (template.kind === "expression") return template.source;
  return template.kind === "literal" ? String(template.value ?? "") : "";
}
