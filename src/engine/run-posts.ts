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
import { runBody } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { evaluateIn } from "./step-run.ts";
import type { Execution, StepPlace, StepRun } from "./step-run.ts";
import { textMapping } from "./typed-value.ts";

const NEVER = new AbortController().signal;

/** Runs one post. A composite's is a block of its children's, and concluded as one. */
export async function runPost(job: JobRun, post: Post, ref: string, timeout: AbortSignal): Promise<StepEnd> {
  const place: StepPlace = { ref, phase: "post", scope: post.scope, timeout, stop: NEVER, posts: [] };
  switch (post.kind) {
    case "javascript":
      return runBody(job, post.step, place, {
        condition: post.condition,
        state: post.state,
        execute: async (run) => {
          const given =
            run.step.kind === "uses" && run.step.with !== undefined ? await evaluateIn(run, run.step.with) : {};
          const { values } = await actionInputs(run, post.manifest, textMapping(given, "with"));
          return runNode(run, `${post.directory}/${post.script}`, values);
        },
      });
    case "composite":
      return runBody(job, post.step, place, {
        condition: always(post),
        state: {},
        execute: (run) => runBlock(run, post.posts),
      });
    default:
      return unreachable(post);
  }
}

/** In reverse order, all of them whatever becomes of one; the block's step concludes for the job. */
async function runBlock(run: StepRun, posts: readonly Post[]): Promise<Execution> {
  const { job } = run;
  const { status } = job.state;
  let worst: Execution = { outcome: "success" };
  for (const post of posts.toReversed()) {
    if (job.kill.aborted) break;
    const end = await runPost(job, post, run.ref, run.timeout);
    if (end.kind === "ran" && end.conclusion !== "success" && worst.outcome === "success") worst = end;
  }
  job.state.status = status;
  return { outcome: worst.outcome, exitCode: worst.exitCode, message: worst.message };
}

function always({ step }: Post): ExpressionTemplate {
  return { kind: "expression", expression: "always()", source: "always()", at: step.at };
}
