/**
 * `hearth run --failed`: for each selected workflow its latest run for the same event, or the run that was named, and what of it
 * is to run again. What runs is the working tree as it is now, with the inputs and secrets that are given now.
 */
import { resolve } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import type { EarlierAttempt } from "../engine/run-settings.ts";
import type { Plan } from "../plan/plan.ts";
import type { RunStore, StoredRun } from "../store/run-store.ts";
import { plainText } from "./display-text.ts";
import { failedJobs } from "./failed-jobs.ts";
import { readRecord } from "./read-record.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface Rerun {
  readonly plan: Plan;
  readonly earlier: EarlierAttempt;
}

/** The file and the event of the run that was named. Throws RUN_NOT_FOUND. */
export async function selectionOfRun(
  store: RunStore,
  prefix: string,
): Promise<{ readonly path: string; readonly event: string }> {
  const { repository, workflow, event } = await store.find(prefix);
  return { path: resolve(repository, workflow), event };
}

/** Says on stderr what of which run goes on, and why nothing of another. `named` is a run's id or its beginning. */
export async function rerunFailed(
  store: RunStore,
  { err }: Terminal,
  plans: readonly Plan[],
  { repository }: Pick<Selection, "repository">,
  named: string | undefined,
): Promise<readonly Rerun[]> {
  const kept = named === undefined ? await store.list() : [await store.find(named)];
  const reruns: Rerun[] = [];
  const say = (plan: Plan, text: string): void =>
    err.write(`${plainText(`${workflowLabel(plan.workflow.path)}: ${text}`)}\n`);
  for (const plan of plans) {
    const stored = kept.find((run) => isEarlierRun(run, repository, plan));
    if (stored === undefined) {
      if (named !== undefined) throw notOf(kept, plan);
      say(plan, `no run for ${plan.event.name} is kept, nothing to run again`);
      continue;
    }
    if (stored.state.status === "in_progress") {
      say(plan, `its run ${stored.run} is going on`);
      continue;
    }
    const record = await readRecord(store, stored);
    const { succeeded, again, differences, plan: known } = failedJobs(plan, record);
    for (const difference of differences) say(plan, difference);
    if (again.length === 0) {
      say(plan, `no job of run ${stored.run} failed, nothing to run again`);
      continue;
    }
    say(plan, `goes on from run ${stored.run} with ${again.join(", ")}`);
    reruns.push({
      plan: known,
      earlier: { run: stored.run, firstRun: record.firstRun ?? stored.run, attempt: record.attempt + 1, succeeded },
    });
  }
  return reruns;
}

function isEarlierRun(run: StoredRun, repository: string, { workflow, event }: Plan): boolean {
  return run.repository === repository && run.workflow === workflow.path && run.event === event.name;
}

function notOf([stored]: readonly StoredRun[], { workflow, event }: Plan): EngineError {
  const of = stored === undefined ? "" : `: it is of ${stored.workflow} for ${stored.event}, in ${stored.repository}`;
  return new EngineError("BAD_USAGE", `Run ${stored?.run ?? ""} is not of ${workflow.path} for ${event.name}${of}`);
}
