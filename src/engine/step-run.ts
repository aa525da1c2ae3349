/** A step as its executor sees it, and what execution comes to. `run-step.ts` makes the one and judges the other. */
import { evaluateWithFiles } from "../expression/evaluate.ts";
import type { Template, Value } from "../expression/template.ts";
import type { StepLog } from "../joblog/step-log.ts";
import type { RemoteAction } from "../plan/plan.ts";
import type { StepResult, StepTrouble } from "../store/run-event.ts";
import type { Step, UsesStep } from "../workflow/workflow.ts";
import { stepScope } from "./contexts.ts";
import type { StepPosition } from "./contexts.ts";
import type { JobRun } from "./job-run.ts";
import type { Post, Scope } from "./job-state.ts";
import { textMapping } from "./typed-value.ts";

/** Where a step runs. */
export interface StepPlace {
  /** Names the step in events; the children of a composite carry the name of the step that stands in the job. */
  readonly ref: string;
  /** `pre` and `post` ask the job's status, main steps that of the composite around them. */
  readonly phase: "pre" | "main" | "post";
  readonly scope: Scope;
  /** Aborted when the time of a composite around is up. */
  readonly timeout: AbortSignal;
  /** Aborted when a background step is to end: by `cancel:`, or by the job's cancel, which it does not outlive. */
  readonly stop: AbortSignal;
  /** Where the step leaves what it has to do after the job's last step. */
  readonly posts: Post[];
}

export interface StepRun extends StepPlace {
  readonly job: JobRun;
  readonly step: Step;
  readonly log: StepLog;
  /** Its condition holds in a cancelled job too, so the job's cancel does not end it. */
  readonly insists: boolean;
  /** What `github.action_repository` and `action_ref` name: the action itself while it runs, before that the composite around it. */
  readonly action: RemoteAction | undefined;
  /** The step's own `env`, evaluated, over that of the composites around it. */
  readonly env: Readonly<Record<string, string>>;
  /** Grow while the step runs: deprecated stdout commands and command files write them. */
  readonly outputs: Record<string, string>;
  readonly state: Record<string, string>;
}

/** Before `continue-on-error`. */
export interface Execution {
  readonly outcome: Exclude<StepResult, "skipped">;
  readonly exitCode?: number | undefined;
  /** Why it failed, for the record; the log has it already. */
  readonly message?: string | undefined;
  readonly trouble?: StepTrouble | undefined;
}

/** Evaluates in the step's contexts. Throws `ExpressionError`. */
export function evaluateIn(run: StepPosition, template: Template): Promise<Value> {
  const { agent, layout } = run.job.machine;
  return evaluateWithFiles(template, stepScope(run), (patterns) =>
    agent.hashFiles({ workspace: layout.workspace, ...splitPatterns(patterns) }),
  );
}

/** `with:` of the step, evaluated. Throws `ExpressionError`. */
export async function givenInputs(run: StepPosition, step: UsesStep): Promise<Readonly<Record<string, string>>> {
  return step.with === undefined ? {} : textMapping(await evaluateIn(run, step.with), "with");
}

/** Says in the step's log what is wrong and fails it. */
export function fail(run: Pick<StepRun, "log">, message: string): Execution {
  run.log.error(message);
  return { outcome: "failure", message };
}

/** `--follow-symbolic-links` is the one option that GitHub's hashFiles knows. */
function splitPatterns(patterns: readonly string[]): { patterns: string[]; followSymbolicLinks: boolean } {
  const followSymbolicLinks = patterns[0] === "--follow-symbolic-links";
  return { patterns: followSymbolicLinks ? patterns.slice(1) : [...patterns], followSymbolicLinks };
}
