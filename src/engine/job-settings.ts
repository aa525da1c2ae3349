/** What a job says of itself that may hold expressions, evaluated once when it starts (ACTIONS-CONTRACT §1.5). */
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { Template, Value } from "../expression/template.ts";
import { runnerLabels, unsupportedRunner } from "../plan/unsupported.ts";
import type { RunDefaults, StepsJob, Workflow } from "../workflow/workflow.ts";
import { booleanOf, numberOf, textMapping } from "./typed-value.ts";

export interface JobSettings {
  readonly timeoutMinutes: number;
  /** Job-level `continue-on-error`. */
  readonly tolerated: boolean;
  readonly defaults: { readonly shell?: string; readonly workingDirectory?: string };
  /** Workflow and job `env`, and what the command line laid over them. */
  readonly env: Record<string, string>;
}

const DEFAULT_TIMEOUT_MINUTES = 360;

/** A text instead of settings says why the job cannot start. */
export function jobSettings(
  workflow: Workflow,
  job: StepsJob,
  contexts: Readonly<Record<string, Value>>,
  environment: Readonly<Record<string, string>>,
): JobSettings | string {
  try {
    const scope: ExpressionScope = { contexts, functions: {} };
    const unsupported = unsupportedRunner(runnerLabels(evaluate(job.runsOn, scope)));
    if (unsupported !== undefined) return unsupported;
    const env = { ...environmentOf(workflow.env, scope), ...environmentOf(job.env, scope), ...environment };
    const withEnv: ExpressionScope = { contexts: { ...contexts, env }, functions: {} };
    return {
      timeoutMinutes:
        job.timeoutMinutes === undefined
          ? DEFAULT_TIMEOUT_MINUTES
          : numberOf(evaluate(job.timeoutMinutes, scope), "timeout-minutes"),
      tolerated:
        job.continueOnError !== undefined && booleanOf(evaluate(job.continueOnError, scope), "continue-on-error"),
      defaults: { ...defaultsOf(workflow.defaults, withEnv), ...defaultsOf(job.defaults, withEnv) },
      env,
    };
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}

function environmentOf(template: Template | undefined, scope: ExpressionScope): Record<string, string> {
  return template === undefined ? {} : textMapping(evaluate(template, scope), "env");
}

function defaultsOf(defaults: RunDefaults, scope: ExpressionScope): JobSettings["defaults"] {
  const { shell, workingDirectory } = defaults;
  return {
    ...(shell === undefined ? {} : { shell: toText(evaluate(shell, scope)) }),
    ...(workingDirectory === undefined ? {} : { workingDirectory: toText(evaluate(workingDirectory, scope)) }),
  };
}
