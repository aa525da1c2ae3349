/** What a job says of itself that may hold expressions, evaluated once when it starts (ACTIONS-CONTRACT §1.5). */
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { Template, Value } from "../expression/template.ts";
import type { MachineChoice } from "../plan/runner-map.ts";
import { runnerLabels } from "../plan/runner-map.ts";
import type { RunDefaults, StepsJob, Workflow } from "../workflow/workflow.ts";
import type { RunSettings } from "./run-settings.ts";
import { booleanOf, numberOf, textMapping } from "./typed-value.ts";

export interface JobSettings {
  readonly timeoutMinutes: number;
  /** Job-level `continue-on-error`. */
  readonly tolerated: boolean;
  readonly defaults: { readonly shell?: string; readonly workingDirectory?: string };
  /** Workflow and job `env`, and what the command line laid over them. */
  readonly env: Record<string, string>;
  /** What `runs-on` came to. */
  readonly machine: MachineChoice;
}

export type JobSettingsResult =
  | ({ readonly kind: "settings" } & JobSettings)
  /** `unsupported`: no machine of that kind can be made here; known only now, because `runs-on` reads what was not known before. */
  | { readonly kind: "refused"; readonly message: string; readonly unsupported: boolean };

const DEFAULT_TIMEOUT_MINUTES = 360;

export function jobSettings(
  workflow: Workflow,
  job: StepsJob,
  contexts: Readonly<Record<string, Value>>,
  run: Pick<RunSettings, "env" | "runners">,
): JobSettingsResult {
  try {
    const scope: ExpressionScope = { contexts, functions: {} };
    const runner = run.runners(runnerLabels(evaluate(job.runsOn, scope)));
    if (runner.kind === "unsupported") return { kind: "refused", message: runner.message, unsupported: true };
    const env = jobEnvironment(workflow, job, contexts, run);
    const withEnv: ExpressionScope = { contexts: { ...contexts, env }, functions: {} };
    return {
      kind: "settings",
      timeoutMinutes:
        job.timeoutMinutes === undefined
          ? DEFAULT_TIMEOUT_MINUTES
          : numberOf(evaluate(job.timeoutMinutes, scope), "timeout-minutes"),
      tolerated:
        job.continueOnError !== undefined && booleanOf(evaluate(job.continueOnError, scope), "continue-on-error"),
      defaults: { ...defaultsOf(workflow.defaults, withEnv), ...defaultsOf(job.defaults, withEnv) },
      env,
      machine: runner.machine,
    };
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: "refused", message: error.message, unsupported: false };
    throw error;
  }
}

/** Workflow and job `env`, and what the command line laid over them. Throws ExpressionError. */
export function jobEnvironment(
  workflow: Workflow,
  job: StepsJob,
  contexts: Readonly<Record<string, Value>>,
  run: Pick<RunSettings, "env">,
): Record<string, string> {
  const scope: ExpressionScope = { contexts, functions: {} };
  return { ...environmentOf(workflow.env, scope), ...environmentOf(job.env, scope), ...run.env };
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
