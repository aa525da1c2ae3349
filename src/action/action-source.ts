/**
 * What the engine needs of actions in other repositories: a port, so that it knows neither git nor caches. What a `uses:` means
 * was decided while planning; the exception is a step that only the run can see (ACTIONS-CONTRACT §4.1).
 */
import type { Readable } from "node:stream";
import type { RemoteAction, Way } from "../plan/plan.ts";
import type { Step } from "../workflow/workflow.ts";
import { wayWithoutManifest } from "./choose-way.ts";

export interface ActionSource {
  /**
   * The action's repository at its commit as a tar stream, in the way of `git archive`: no directory around it, what is
   * `export-ignore` left out, no submodules. Entries are checked: only files, directories, and links that lead inside. Safe to call
   * concurrently and again. Rejects with ACTION_UNAVAILABLE when it is no longer there; the stream fails when it cannot be read.
   */
  open(action: RemoteAction): Promise<Readable>;
  /**
   * The way of a step in a composite action that was not there while planning; by the same rules, lock and policy, and a
   * reference that was met while planning means the same commit. `action`: where the composite action is from; undefined for
   * one of the workspace. Never rejects for what the step says: what cannot run is a way too.
   */
  chooseWay(step: Step, action: RemoteAction | undefined): Promise<Way>;
}

/** For runs without actions of other repositories. */
export const NO_ACTION_SOURCE: ActionSource = {
  open: (action) => Promise.reject(new Error(`Nothing was planned with ${action.repository}`)),
  chooseWay: async (step) => wayWithoutManifest(step),
};
