/**
 * What steps left to do after the last one, in reverse order of registration. A post inherits its step's `env`, `with`,
 * `continue-on-error` and time limit, evaluated again now; a failing post fails the job (ACTIONS-CONTRACT §3.4).
 */
import { unreachable } from "../lib/unreachable.ts";
import { actionInputs } from "./action-inputs.ts";
import { runNode } from "./execute-javascript.ts";
import { runOwnScript } from "./execute-checkout.ts";
import type { JobRun } from "./job-run.ts";
import type { Post } from "./job-state.ts";
import { runBody } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { evaluateIn } from "./step-run.ts";
import type { StepPlace } from "./step-run.ts";
import { textMapping } from "./typed-value.ts";

/** Runs one post. A composite's is a block: its children's posts in reverse order, all of them whatever becomes of one. */
export async function runPost(job: JobRun, post: Post, ref: string, timeout: AbortSignal): Promise<StepEnd> {
  const place: StepPlace = { ref, phase: "post", scope: post.scope, timeout, posts: [] };
  switch (post.kind) {
    case "script":
      return runBody(job, post.step, place, {
        condition: { kind: "expression", expression: "always()", source: "always()", at: post.step.at },
        state: {},
        execute: (run) => runOwnScript(run, post.script, post.env),
      });
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
    case "composite": {
      let worst: StepEnd = { kind: "skipped", reason: "none of its steps has anything to do" };
      for (const child of post.posts.toReversed()) {
        const end = await runPost(job, child, ref, timeout);
        if (worst.kind === "skipped" || (end.kind === "ran" && worst.conclusion === "success")) worst = end;
      }
      return worst;
    }
    default:
      return unreachable(post);
  }
}
