/** What a job says of itself that may hold expressions, evaluated once when it starts (ACTIONS-CONTRACT §1.5). */
import { evaluate, toText } from "../expression/evaluate.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { Template, Value } from "../expression/template.ts";
import type { MachineChoice } from "../plan/runner-map.ts";
import { runnerLabels } from "../plan/runner-map.ts";
import type { RunDefaults, StepsJob, Workflow } from "../workflow/workflow.ts";
import type { RunSettings } from "./run-settings.ts";
import { booleanOf, numberOf, textMapping } from "./typed-value.ts";

/** What is needed to make its machine, and to end it. */
export type JobSettings =
  | {
      readonly kind: "settings";
      readonly timeoutMinutes: number;
      /** Job-level `continue-on-error`. */
      readonly tolerated: boolean;
      /** What `runs-on` came to. */
      readonly machine: MachineChoice;
    }
  /** No machine of that kind can be made here; known only now, because `runs-on` reads what was not known before. */
  | { readonly kind: "unsupported"; readonly message: string };

/** What its steps start from. */
export interface JobSurroundings {
  /** Workflow and job `env`, and what the command line laid over them. */
  readonly env: Record<string, string>;
  readonly defaults: { readonly shell?: string; readonly workingDirectory?: string };
}

type Contexts = Readonly<Record<string, Value>>;

const DEFAULT_TIMEOUT_MINUTES = 360;

/** Throws ExpressionError. */
export function jobSettings(job: StepsJob, contexts: Contexts, { runners }: Pick<RunSettings, "runners">): JobSettings {
  const scope: ExpressionScope = { contexts, functions: {} };
  const runner = runners(runnerLabels(evaluate(job.runsOn, scope)));
  if (runner.kind === "unsupported") return runner;
  return {
    kind: "settings",
    timeoutMinutes:
      job.timeoutMinutes === undefined
        ? DEFAULT_TIMEOUT_MINUTES
        : numberOf(evaluate(job.timeoutMinutes, scope), "timeout-minutes"),
    tolerated:
      job.continueOnError !== undefined && booleanOf(evaluate(job.continueOnError, scope), "continue-on-error"),
    machine: runner.machine,
  };
}

/** `contexts` are those of the machine: `env` may read `github.token` and `github.workspace`. Throws ExpressionError. */
export function jobSurroundings(
  workflow: Workflow,
  job: StepsJob,
  contexts: Contexts,
  run: Pick<RunSettings, "env">,
): JobSurroundings {
  const scope: ExpressionScope = { contexts, functions: {} };
  const env = { ...environmentOf(workflow.env, scope), ...environmentOf(job.env, scope), ...run.env };
  const withEnv: ExpressionScope = { contexts: { ...contexts, env }, functions: {} };
  return { env, defaults: { ...defaultsOf(workflow.defaults, withEnv), ...defaultsOf(job.defaults, withEnv) } };
}

function environmentOf(template: Template | undefined, scope: ExpressionScope): Record<string, string> {
  return template === undefined ? {} : textMapping(evaluate(template, scope), "env");
}

function defaultsOf(defaults: RunDefaults, scope: ExpressionScope): JobSurroundings["defaults"] {
  const { shell, workingDirectory } = defaults;
  return {
    ...(shell === undefined ? {} : { shell: toText(evaluate(shell, scope)) }),
    ...(workingDirectory === undefined ? {} : { workingDirectory: toText(evaluate(workingDirectory, scope)) }),
  };
}
