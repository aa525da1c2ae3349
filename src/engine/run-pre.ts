/**
 * `pre` of the actions of other repositories, in the order of their steps and before the first of them runs, whatever the
 * step's own condition will say (ACTIONS-CONTRACT §3.4). In a composite action those of its children are one block. A `pre` that
 * fails fails the job. Whoever has one and a `post` registers the `post` here, so it runs after those of all other steps.
 */
import type { ExpressionTemplate } from "../expression/template.ts";
import type { PlannedStep, Way } from "../plan/plan.ts";
import type { UsesStep } from "../workflow/workflow.ts";
import { actionInputs } from "./action-inputs.ts";
import { childPlace, compositeScope, postBlock } from "./composite-action.ts";
import { executeJavascript } from "./execute-javascript.ts";
import { logHead } from "./find-action.ts";
import type { JobRun } from "./job-run.ts";
import { registerPost } from "./job-state.ts";
import type { Post } from "./job-state.ts";
import { hasPre, mayHavePost, remoteActionOf } from "./known-action.ts";
import type { KnownAction } from "./known-action.ts";
import { reportStep } from "./report-step.ts";
import { runBody } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { stepName } from "./step-name.ts";
import { givenInputs } from "./step-run.ts";
import type { Execution, StepPlace, StepRun } from "./step-run.ts";

const NEVER = new AbortController().signal;

export async function runPres(job: JobRun, steps: readonly PlannedStep[]): Promise<void> {
  const { scope, posts } = job.state;
  for (const { step, way } of steps) {
    if (job.kill.aborted) return;
    if (step.kind !== "uses" || !hasPre(job, way)) continue;
    const ref = `pre-${step.number}`;
    const place: StepPlace = { ref, phase: "pre", scope, timeout: NEVER, stop: NEVER, posts };
    await reportStep(job, { ref, phase: "pre", name: `Pre ${stepName(job, step)}` }, () =>
      runPre(job, step, way, place),
    );
  }
}

async function runPre(job: JobRun, step: UsesStep, way: Way, place: StepPlace): Promise<StepEnd> {
  const known = remoteActionOf(job, way);
  if (known === undefined) throw new Error(`'${step.uses}' has no pre`);
  const { runs } = known.manifest;
  return runBody(job, step, place, {
    condition: runs.kind === "javascript" ? runs.preIf : always(step),
    execute: async (before) => {
      const run = { ...before, action: known.action };
      const { values: inputs } = await actionInputs(run, known.manifest, await givenInputs(run, step));
      logHead(run, step.uses, inputs);
      return runs.kind === "javascript"
        ? executeJavascript(run, step, { ...known, runs, inputs })
        : runBlock(run, step, way, known, inputs);
    },
  });
}

/** All of them whatever becomes of one; the block's step concludes for the job. */
async function runBlock(
  run: StepRun,
  step: UsesStep,
  way: Way,
  known: KnownAction,
  inputs: Readonly<Record<string, string>>,
): Promise<Execution> {
  const { job } = run;
  const { runs } = known.manifest;
  if (runs.kind !== "composite" || way.kind !== "composite") throw new Error(`'${step.uses}' is no composite action`);
  const scope = compositeScope(run, step, known, inputs);
  const posts: Post[] = [];
  const place = childPlace(run, scope, posts);
  let firstFailure: Execution | undefined;
  for (const [index, child] of runs.steps.entries()) {
    if (job.kill.aborted) break;
    const childWay = way.steps[index]?.way;
    if (child.kind !== "uses" || childWay === undefined || !hasPre(job, childWay)) continue;
    const end = await runPre(job, child, childWay, place);
    if (end.kind === "ran" && end.conclusion !== "success") firstFailure ??= end;
  }
  // Its turn is decided here, even where no child has a post to do yet.
  if (mayHavePost(job, way)) registerPost(run.posts, postBlock(run, step, posts));
  return { outcome: scope.status, exitCode: firstFailure?.exitCode, message: firstFailure?.message };
}

function always({ at }: UsesStep): ExpressionTemplate {
  return { kind: "expression", expression: "always()", source: "always()", at };
}
