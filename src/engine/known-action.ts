/**
 * An action whose manifest is known, and what can be said of it before it runs: of another repository's from the moment it was
 * delivered, of the workspace's own when its step is reached.
 */
import { deliveredAction } from "../action/builtin-action.ts";
import { parseActionReference, repositoryText } from "../action/reference.ts";
import { readTranslation } from "../action/read-translation.ts";
import type { ActionManifest } from "../action/manifest.ts";
import type { RemoteAction, Way } from "../plan/plan.ts";
import type { Step } from "../workflow/workflow.ts";
import { actionDirectory, deliveredManifest } from "./deliver-actions.ts";
import type { JobRun } from "./job-run.ts";

export interface KnownAction {
  readonly manifest: ActionManifest;
  /** In the machine. */
  readonly directory: string;
  /** Undefined for one of the workspace. */
  readonly action: RemoteAction | undefined;
}

/** What a way of another repository leads to; undefined for every other way. */
export function remoteActionOf(job: JobRun, way: Way): KnownAction | undefined {
  if (way.kind === "translated") return translatedAction(job, way);
  const action = deliveredAction(way);
  if (action === undefined) return undefined;
  return { manifest: deliveredManifest(job, action), directory: actionDirectory(job, action), action };
}

/** What `github.action_repository` and `action_ref` name: of a built-in the action that it stands for. */
export function remoteOf(way: Way, step: Step): RemoteAction | undefined {
  if (way.kind === "builtin" && step.kind === "uses") {
    const reference = parseActionReference(step.uses);
    if (reference.kind !== "remote") return undefined;
    const { path, ref } = reference;
    return { repository: repositoryText(reference), path, ref, sha: deliveredAction(way)?.sha ?? "" };
  }
  return way.kind === "javascript" || way.kind === "composite" || way.kind === "translated" ? way.action : undefined;
}

/** Nothing of it is in the machine: `directory` is where the action would be, and is not there. */
function translatedAction(job: JobRun, way: Way & { readonly kind: "translated" }): KnownAction {
  const read = readTranslation(way.manifest);
  if (read.kind === "refused")
    throw new Error(`A translation was planned that cannot be read: ${way.action.repository}`);
  return { manifest: read.manifest, directory: actionDirectory(job, way.action), action: way.action };
}

/** Whether anything of it is to run before the first step. An action of the workspace is read too late for that. */
export function hasPre(job: JobRun, way: Way): boolean {
  const runs = remoteActionOf(job, way)?.manifest.runs;
  if (runs?.kind === "javascript") return runs.pre !== undefined;
  return runs?.kind === "composite" && way.kind === "composite" && way.steps.some((step) => hasPre(job, step.way));
}

/** Whether anything of it may run after the last step. What an action of the workspace will want is not known: it may. */
export function mayHavePost(job: JobRun, way: Way): boolean {
  if (way.kind === "local") return true;
  const known = remoteActionOf(job, way);
  if (known === undefined) return way.kind === "javascript" || way.kind === "composite";
  const { runs } = known.manifest;
  if (runs.kind === "javascript") return runs.post !== undefined;
  return way.kind === "composite" && way.steps.some((step) => mayHavePost(job, step.way));
}
