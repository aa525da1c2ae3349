/**
 * The workflow of a kept run as it is now, and what of it goes on from a moment of that run: what was before the moment is compared with what
 * is written now. Shared by `hearth retry` and `hearth flake`.
 */
import type { Resumption } from "../engine/resumption.ts";
import { textsOf } from "../engine/saved-job.ts";
import type { JobTexts } from "../engine/saved-job.ts";
import type { EarlierAttempt } from "../engine/run-settings.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Plan, PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { JobKey } from "../store/run-event.ts";
import type { RunRecord } from "../store/run-record.ts";
import { plainText } from "./display-text.ts";
import { failedJobs } from "./failed-jobs.ts";
import type { Hearth } from "./hearth.ts";
import { placeOf } from "./open-moment.ts";
import type { OpenMoment } from "./open-moment.ts";
import { reportRefused } from "./report-refused.ts";
import { selectRequest } from "./request.ts";
import { selectionOfRun } from "./rerun-failed.ts";
import { sortResults } from "./sort-results.ts";
import type { SortedResults } from "./sort-results.ts";
import type { Terminal } from "./terminal.ts";

export interface PlanWish {
  readonly secrets: { readonly [name: string]: string };
  /** What changed before the moment is to be left as it ran. */
  readonly stale: boolean;
  readonly json: boolean;
}

export interface PlanFromMoment {
  readonly selection: Selection;
  readonly sorted: SortedResults;
  /** Undefined where the workflow cannot run any more; why has been said. */
  readonly going:
    | { readonly plan: Plan; readonly earlier: EarlierAttempt; readonly resumption: Resumption }
    | undefined;
}

/** Throws BAD_USAGE for a workflow that has changed before the moment, unless that is to be left. */
export async function planFromMoment(
  hearth: Hearth,
  terminal: Terminal,
  opened: OpenMoment,
  { secrets, stale, json }: PlanWish,
): Promise<PlanFromMoment> {
  const { stored, record, moment, checkpoint, saved, directory } = opened;
  const say = (text: string): void => terminal.err.write(`${plainText(text)}\n`);
  const { path, event } = await selectionOfRun(hearth.store, stored.run);
  const wished = await selectRequest(path, { event });
  const request = { ...wished, fetch: true, secrets: Object.values(secrets), onProgress: say };
  const selection = await hearth.select({ ...request, githubToken: secrets["GITHUB_TOKEN"] });
  const sorted = sortResults(selection.results);
  reportRefused(terminal, sorted, json);
  const [plan] = sorted.startable;
  if (plan === undefined) return { selection, sorted, going: undefined };

  const changes = changesBefore(saved.texts, textsNow(plan, record, moment.job), checkpoint.step);
  if (changes.length > 0 && !stale) {
    const what = changes.join(", ");
    throw new EngineError("BAD_USAGE", `Cannot go on from step ${checkpoint.step}: changed since it ran: ${what}`, {
      hint: "Go back further, run it anew, or leave what ran as it is with --stale",
    });
  }
  for (const change of changes) say(`${change} has changed and stays as it ran (--stale)`);
  say(`Goes on from ${placeOf(opened)}`);
  const earlier = earlierOf(plan, record, stored.run, moment.job);
  const kept = new Set([...earlier.succeeded.keys(), ...saved.ended.keys()]);
  const again = new Set(record.jobs.map(({ job }) => job).filter((job) => !kept.has(job)));
  for (const line of opened.effects.linesFrom({ job: moment.job, step: checkpoint.step, again })) say(line);
  const going = {
    plan,
    earlier,
    resumption: { run: checkpoint.run, saved, machine: { ...saved.machine, directory } },
  };
  return { selection, sorted: { ...sorted, startable: [plan] }, going };
}

/** What of the job is as it was then, and is not the same now; in words. */
function changesBefore(then: JobTexts, now: JobTexts | undefined, step: number): readonly string[] {
  if (now === undefined) return ["the job, which is gone"];
  const surroundings = then.surroundings === now.surroundings ? [] : ["env or defaults"];
  const steps = then.steps.slice(0, step - 1).flatMap((text, index) => {
    return text === now.steps[index] ? [] : [`step ${index + 1}`];
  });
  return [...surroundings, ...steps];
}

function textsNow(plan: Plan, record: RunRecord, key: JobKey): JobTexts | undefined {
  const found = findJob(plan, record, key);
  return found && textsOf(found.workflow.workflow, found.planned);
}

/** Undefined where the workflow has no such job any more. */
function findJob(
  plan: Plan,
  record: RunRecord,
  key: JobKey,
): { readonly workflow: PlannedWorkflow; readonly planned: PlannedJob } | undefined {
  const job = record.jobs.find((one) => one.job === key);
  if (job === undefined) return undefined;
  const caller = job.caller === undefined ? undefined : findJob(plan, record, job.caller);
  const called = caller?.planned.called;
  const workflow = job.caller === undefined ? plan : called?.kind === "called" ? called.plan : undefined;
  const planned = workflow?.jobs.find((one) => one.job.id === job.id);
  return workflow === undefined || planned === undefined ? undefined : { workflow, planned };
}

/** Those that ended well and need nothing that runs again; those that had ended at the checkpoint are in it. */
function earlierOf(plan: Plan, record: RunRecord, run: string, job: JobKey): EarlierAttempt {
  const { succeeded } = failedJobs(plan, record, job);
  return { run, firstRun: record.firstRun ?? run, attempt: record.attempt + 1, succeeded };
}
