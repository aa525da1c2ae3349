/**
 * What steps left to do after the last one, in reverse order of registration. A post inherits its step's `env`, `with`,
 * `continue-on-error` and time limit, evaluated again now; a failing post fails the job (ACTIONS-CONTRACT §3.4).
 */
import type { ExpressionTemplate } from "../expression/template.ts";
import { unreachable } from "../lib/unreachable.ts";
import { actionInputs } from "./action-inputs.ts";
import { runNode } from "./execute-javascript.ts";
import type { JobRun } from "./job-run.ts";
import type { Post } from "./job-state.ts";
import { inTurn, inTurnOfSteps } from "./post-order.ts";
import { reportStep } from "./report-step.ts";
import { runBody } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { givenInputs } from "./step-run.ts";
import type { Execution, StepPlace, StepRun } from "./step-run.ts";

const NEVER = new AbortController().signal;

export async function runPosts(job: JobRun): Promise<void> {
  for (const post of inTurn(job.state.posts)) {
    if (job.kill.aborted) return;
    const ref = `post-${post.step.number}`;
    await reportStep(job, { ref, phase: "post", name: `Post ${post.name}` }, () => runPost(job, post, ref, NEVER));
  }
}

/** Runs one post. A composite's is a block of its children's, and concluded as one. */
async function runPost(job: JobRun, post: Post, ref: string, timeout: AbortSignal): Promise<StepEnd> {
  const place: StepPlace = { ref, phase: "post", scope: post.scope, timeout, stop: NEVER, posts: [] };
  switch (post.kind) {
    case "javascript":
      return runBody(job, post.step, place, {
        condition: post.condition,
        execute: async (before) => {
          const run = { ...before, action: post.action };
          run.log.line("Post job cleanup.");
          const { values } = await actionInputs(run, post.manifest, await givenInputs(run, post.step));
          return runNode(run, post, post.script, values);
        },
      });
    case "composite":
      return runBody(job, post.step, place, { condition: always(post), execute: (run) => runBlock(run, post.posts) });
    default:
      return unreachable(post);
  }
}

/** All of them whatever becomes of one; the block's step concludes for the job. */
async function runBlock(run: StepRun, posts: readonly Post[]): Promise<Execution> {
  const { job } = run;
  let worst: Execution = { outcome: "success" };
  for (const post of inTurnOfSteps(posts)) {
    if (job.kill.aborted) break;
    const end = await runPost(job, post, run.ref, run.timeout);
    if (end.kind === "ran" && end.conclusion !== "success" && worst.outcome === "success") worst = end;
  }
  return { outcome: worst.outcome, exitCode: worst.exitCode, message: worst.message };
}

function always({ step }: Post): ExpressionTemplate {
  return { kind: "expression", expression: "always()", source: "always()", at: step.at };
}
