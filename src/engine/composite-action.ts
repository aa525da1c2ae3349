/** What the phases of a composite action have in common: the scope its steps stand in, and the block that its posts are. */
import type { KnownAction } from "./known-action.ts";
import { addressOf } from "./job-state.ts";
import type { Post, Scope } from "./job-state.ts";
import { stepName } from "./step-name.ts";
import type { StepPlace, StepRun } from "./step-run.ts";
import type { UsesStep } from "../workflow/workflow.ts";

/** GitHub's depth: nine composites below the first (ACTIONS-CONTRACT §4.1). */
export const MAX_COMPOSITE_DEPTH = 10;

export function compositeScope(
  run: StepRun,
  step: UsesStep,
  { directory, action }: Pick<KnownAction, "directory" | "action">,
  inputs: Scope["inputs"],
): Scope {
  return {
    kind: "composite",
    depth: run.scope.depth + 1,
    address: addressOf(run.scope, step),
    steps: {},
    inputs,
    env: run.env,
    actionPath: directory,
    action,
    status: "success",
  };
}

/** Where the children stand. They leave their posts in `posts`. */
export function childPlace({ ref, phase, timeout, stop }: StepRun, scope: Scope, posts: Post[]): StepPlace {
  return { ref, phase, scope, timeout, stop, posts };
}

export function postBlock(run: StepRun, step: UsesStep, posts: readonly Post[]): Post {
  return { kind: "composite", posts, ...postBase(run, step) };
}

/** What every post says of the step that registers it. */
export function postBase(
  run: StepRun,
  step: UsesStep,
): Pick<Post, "step" | "address" | "scope" | "name" | "registeredIn"> {
  return {
    step,
    address: addressOf(run.scope, step),
    scope: run.scope,
    name: run.scope.kind === "job" ? stepName(run.job, step) : step.uses,
    registeredIn: run.phase === "pre" ? "pre" : "main",
  };
}
