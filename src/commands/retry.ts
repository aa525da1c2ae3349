/**
 * `hearth retry`: runs on from a checkpoint of a kept run, with the workflow as it is now. What was before stays as it ran then; a
 * change to it is named, and refused unless it is said to be right.
 */
import { textsOf } from "../engine/saved-job.ts";
import type { JobTexts } from "../engine/saved-job.ts";
import type { EarlierAttempt } from "../engine/run-settings.ts";
import { EngineError } from "../lib/engine-error.ts";
import { overlay } from "../lib/overlay.ts";
import type { Plan, PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import type { JobKey } from "../store/run-event.ts";
import type { RunRecord } from "../store/run-record.ts";
import { plainText } from "./display-text.ts";
import type { ExitCode } from "./exit-code.ts";
import { failedJobs } from "./failed-jobs.ts";
import type { Hearth } from "./hearth.ts";
import { openMoment, placeOf } from "./open-moment.ts";
import { reportRefused } from "./report-refused.ts";
import { readEnv, readSecrets, selectRequest } from "./request.ts";
import type { EnvOptions, SecretOptions } from "./request.ts";
import { selectionOfRun } from "./rerun-failed.ts";
import { exitCodeOfRefused, sortResults } from "./sort-results.ts";
import { startRuns } from "./start-runs.ts";
import type { ViewOptions } from "./start-runs.ts";
import type { Terminal } from "./terminal.ts";

export interface RetryOptions extends SecretOptions, EnvOptions, ViewOptions {
  /** A step as people name it; undefined: the first that failed. */
  readonly from?: string;
  readonly job?: string;
  /** What changed before the checkpoint is to be left as it ran. */
  readonly stale?: boolean;
  readonly checkpoint?: "auto" | "steps" | "off";
}

/** `prefix`: of a run's id; undefined: the latest. */
export async function retry(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  options: RetryOptions,
): Promise<ExitCode> {
  const secrets = await readSecrets(options, terminal);
  try {
    return await goOn(hearth, terminal, prefix, { options, secrets });
  } finally {
    await hearth.close();
  }
}

interface RetryWish {
  readonly options: RetryOptions;
  readonly secrets: { readonly [name: string]: string };
}

async function goOn(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  { options, secrets }: RetryWish,
): Promise<ExitCode> {
  const say = (text: string): void => terminal.err.write(`${plainText(text)}\n`);
  await using opened = await openMoment(hearth, prefix, { step: options.from, job: options.job });
  const { stored, record, moment, checkpoint, saved, directory } = opened;

  const { path, event } = await selectionOfRun(hearth.store, stored.run);
  const wished = await selectRequest(path, { event });
  const request = { ...wished, fetch: true, secrets: Object.values(secrets), onProgress: say };
  const selection = await hearth.select({ ...request, githubToken: secrets["GITHUB_TOKEN"] });
  const sorted = sortResults(selection.results);
  reportRefused(terminal, sorted, options.json === true);
  const [plan] = sorted.startable;
  if (plan === undefined) return exitCodeOfRefused(sorted.refused);

  const changes = changesBefore(saved.texts, textsNow(plan, record, moment.job), checkpoint.step);
  if (changes.length > 0 && options.stale !== true) {
    throw new EngineError(
      "BAD_USAGE",
      `Cannot go on from step ${checkpoint.step}: changed since it ran: ${changes.join(", ")}`,
      {
        hint: "Go back further with --from, run it anew, or leave what ran as it is with --stale",
      },
    );
  }
  for (const change of changes) say(`${change} has changed and stays as it ran (--stale)`);
  say(`Goes on from ${placeOf(opened)}`);

  const env = await readEnv(options);
  const chosen = await hearth.chooseProvider(checkpoint.provider);
  const when = options.checkpoint ?? (terminal.live ? "auto" : "off");
  return await startRuns(hearth, terminal, {
    selection,
    sorted: { ...sorted, startable: [plan] },
    chosen,
    view: options,
    again: false,
    optionsOf: () => ({
      secrets: overlay(selection.secrets, secrets),
      env,
      machinePer: "workflow",
      skipUnsupported: false,
      earlier: earlierOf(plan, record, stored.run, moment.job),
      resumption: { run: checkpoint.run, saved, machine: { ...saved.machine, directory } },
      ...(when === "off" ? {} : { checkpoints: { when, keep: options.checkpoint !== undefined } }),
    }),
  });
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
