/** What every rule looks at: a workflow's or an action's steps in one list, each with what it can read. */
import type { Template } from "../expression/template.ts";
import type { Position } from "../lib/diagnostic.ts";
import type { RunStep, Step, UsesStep, Workflow } from "../workflow/workflow.ts";
import type { Finding } from "./finding.ts";
import type { LintScope } from "./lint-scope.ts";

export interface LintedStep {
  readonly step: RunStep | UsesStep;
  /** `jobs.build.steps[2]` */
  readonly key: string;
  readonly scope: LintScope;
}

/** `near` is where the text around a finding begins, whose line may hold the comment that silences it. */
export interface Draft extends Omit<Finding, "file"> {
  readonly near?: Position;
}

/** A text that is run as a program after its expressions were filled in. */
export interface Script {
  readonly template: Template;
  readonly key: string;
}

/** In the order of the file, those within `parallel` after it. */
export function stepsOfWorkflow(workflow: Workflow): readonly LintedStep[] {
  const textInputs = textInputsOf(workflow);
  return workflow.jobs.flatMap((job) => {
    if (job.kind === "call") return [];
    const outer = { env: [job.env, workflow.env], matrix: job.strategy?.matrix, textInputs };
    return job.steps.flatMap(flatten).flatMap((step) => {
      if (step.kind === "control") return [];
      const key = `jobs.${job.id}.steps[${step.number - 1}]`;
      return [{ step, key, scope: { ...outer, env: [step.env, ...outer.env] } }];
    });
  });
}

/** All inputs of an action are text. */
export function stepsOfAction(
  steps: readonly (RunStep | UsesStep)[],
  inputs: readonly string[],
): readonly LintedStep[] {
  const textInputs = new Map(inputs.map((name) => [name.toLowerCase(), "caller" as const]));
  return steps.map((step, index) => ({
    step,
    key: `runs.steps[${index}]`,
    scope: { env: [step.env], matrix: undefined, textInputs },
  }));
}

export function scriptsOf({ step, key }: LintedStep): readonly Script[] {
  if (step.kind === "run") return [{ template: step.run, key: `${key}.run` }];
  if (!/^actions\/github-script@/i.test(step.uses)) return [];
  const template = inputOf(step, "script");
  return template === undefined ? [] : [{ template, key: `${key}.with.script` }];
}

/** Names of inputs have no case. */
export function inputOf(step: UsesStep, name: string): Template | undefined {
  if (step.with?.kind !== "mapping") return undefined;
  return step.with.entries.find(({ key }) => key.kind === "literal" && String(key.value).toLowerCase() === name)?.value;
}

/** A choice, a number or a boolean leaves no room for commands, and an environment's name is the repository's own. */
function textInputsOf({ triggers }: Workflow): LintScope["textInputs"] {
  const inputsOf = (event: string, giver: "starter" | "caller") =>
    triggers
      .filter((trigger) => trigger.event === event)
      .flatMap(({ inputs }) => inputs ?? [])
      .filter(({ type }) => type === "string")
      .map(({ name }) => [name.toLowerCase(), giver] as const);
  return new Map([...inputsOf("workflow_call", "caller"), ...inputsOf("workflow_dispatch", "starter")]);
}

function flatten(step: Step): readonly Step[] {
  return step.kind === "control" ? [step, ...step.steps.flatMap(flatten)] : [step];
}
