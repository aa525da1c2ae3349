/** Runs one planned workflow: machine, jobs in the order of their needs, conclusion. The main path of the product. */
import { evaluate, toText } from "../expression/evaluate.ts";
import { orRefused } from "../expression/or-refused.ts";
import { Masker } from "../joblog/masker.ts";
import { EngineError } from "../lib/engine-error.ts";
import { Semaphore } from "../lib/semaphore.ts";
import { originOf } from "../plan/plan-workflow.ts";
import type { Plan } from "../plan/plan.ts";
import type { RunEventBody } from "../store/run-event.ts";
import {
  concludeRun,
  countFates,
  countUnsupported,
  createFateLedger,
  findMissingFates,
  hasWorked,
} from "./conclude.ts";
import type { JobEnd } from "./conclude.ts";
import { workflowScope } from "./contexts.ts";
import { announce, endWithoutRunning } from "./end-without-running.ts";
import { enterGroup } from "./enter-group.ts";
import { unexpanded } from "./job-instances.ts";
import { createMachineSource } from "./machine-source.ts";
import { maskEvent } from "./mask-event.ts";
import type { RunContext } from "./run-context.ts";
import { runInMachine } from "./run-in-machine.ts";
import { runJobs } from "./run-jobs.ts";
import type { RunDependencies, RunOutcome, RunSettings, RunSignals } from "./run-settings.ts";
import { cancelRequested } from "./workflow-run.ts";
import type { WorkflowRun } from "./workflow-run.ts";

/** Never throws for anything that happens inside the run: every end is an outcome, and the machine is gone when it resolves. */
export async function runWorkflow(
  plan: Plan,
  settings: RunSettings,
  dependencies: RunDependencies,
  signals: RunSignals,
): Promise<RunOutcome> {
  const { provider, now } = dependencies;
  const startedAt = now();
  const ledger = createFateLedger();
  const { resumption } = settings;
  const masker = resumption === undefined ? new Masker() : Masker.restore(resumption.saved.masks);
  const emit = (event: RunEventBody): void => {
    ledger.note(event);
    dependencies.emit(maskEvent(event, masker));
  };
  const abandon = new AbortController();
  const kill = AbortSignal.any([signals.kill, abandon.signal]);
  masker.addSecrets(settings.secrets);
  const oneMachine = settings.machinePer === "workflow";
  const slots = new Semaphore(oneMachine ? 1 : settings.maxParallelJobs);
  const run: RunContext = {
    plan,
    settings,
    dependencies,
    emit,
    identity: { id: String(settings.runId), number: settings.runNumber, attempt: settings.earlier?.attempt ?? 1 },
    passedToken: `hearth_${dependencies.newId()}`,
    masker,
    ended: new Map(),
    oneMachine,
    slots,
    copies: oneMachine ? new Semaphore(settings.maxParallelJobs) : slots,
    trouble: { error: undefined },
    killed: () => kill.aborted,
    abandon: () => abandon.abort(),
  };
  const whole: WorkflowRun = {
    run,
    planned: plan,
    origin: originOf(plan.workflow, plan.event),
    inputs: plan.inputs,
    secrets: settings.secrets,
    caller: undefined,
    calls: [],
    heldGroups: new Set(),
    cancel: signals.cancel,
  };

  const { workflow, event, declaredSteps } = plan;
  emit({
    type: "run_started",
    run: settings.run,
    workflow: { path: workflow.path, name: workflow.name ?? workflow.path },
    event: { name: event.name, sha: event.sha, ref: event.ref },
    ...titleOf(whole),
    ...(settings.earlier === undefined
      ? {}
      : { attempt: settings.earlier.attempt, firstRun: settings.earlier.firstRun }),
    ...(resumption === undefined
      ? {}
      : { from: { run: resumption.run, job: resumption.saved.job, step: resumption.saved.step } }),
    provider: provider.name,
    declaredSteps,
  });
  const jobs = await runInTurn(whole, kill);

  const counts = countFates(ledger);
  const faults = findMissingFates(plan, ledger);
  const error =
    jobs.error === undefined && faults.length > 0
      ? { code: "FATES_DO_NOT_ADD_UP", message: faults.join("; ") }
      : jobs.error && { code: errorCode(jobs.error), message: masker.mask(jobs.error.message) };
  const conclusion =
    error === undefined ? concludeRun(jobs.ends, hasWorked(ledger), cancelRequested(whole)) : "failure";
  const durationMs = Math.round(now() - startedAt);
  const unsupportedJobs = countUnsupported(ledger);
  const leftOut = unsupportedJobs === 0 ? {} : { unsupportedJobs };
  emit({ type: "run_completed", conclusion, error, counts, ...leftOut, durationMs });
  return { conclusion, error, counts, unsupportedJobs, durationMs };
}

interface RunEnd {
  readonly ends: readonly JobEnd[];
  readonly error: Error | undefined;
}

/** When its concurrency group lets it. */
async function runInTurn(whole: WorkflowRun, kill: AbortSignal): Promise<RunEnd> {
  const { run, planned, cancel } = whole;
  const turn = await enterGroup(whole, {
    template: planned.workflow.concurrency,
    scope: workflowScope(whole),
    job: undefined,
    cancel,
  });
  if (turn.kind === "in") {
    using hold = turn.hold;
    return await runInMachines({ ...whole, cancel: turn.cancel, heldGroups: turn.heldGroups }, kill);
  }
  const ends = planned.jobs.map((job) => {
    const instance = unexpanded(whole, job);
    announce(whole, instance);
    return turn.kind === "cancelled"
      ? endWithoutRunning(run, instance, "cancelled", turn.reason)
      : endWithoutRunning(run, instance, "failure", turn.message);
  });
  return { ends, error: undefined };
}

/** Whatever is thrown in here is the run's error: the record has an end all the same. */
async function runInMachines(whole: WorkflowRun, kill: AbortSignal): Promise<RunEnd> {
  const { run } = whole;
  const { plan, settings, dependencies } = run;
  let ends: readonly JobEnd[] = [];
  try {
    await using machines = createMachineSource({
      provider: dependencies.provider,
      namedProvider: dependencies.namedProvider,
      services: dependencies.services,
      per: settings.machinePer,
      idPrefix: settings.run,
      repository: plan.event.repository,
      cpus: settings.cpus,
      memoryMib: settings.memoryMib,
      network: settings.network,
      certificateAuthorities: settings.certificateAuthorities,
      npmRegistry: settings.npmRegistry,
      emit: run.emit,
      now: dependencies.now,
      kill,
    });
    const jobs = await runJobs(whole, (workflow, instance, done, cancel, fork) =>
      runInMachine(workflow, instance, done, machines, { cancel, kill }, fork),
    );
    ends = jobs.ends;
  } catch (error) {
    return { ends, error: run.trouble.error ?? (error instanceof Error ? error : new Error(String(error))) };
  }
  return { ends, error: run.trouble.error };
}

/** A title that cannot be evaluated is none, as an empty one is. */
function titleOf(whole: WorkflowRun): { readonly title?: string } {
  const { runName } = whole.planned.workflow;
  if (runName === undefined) return {};
  const text = orRefused(() => toText(evaluate(runName, workflowScope(whole))).trim());
  return text.kind === "refused" || text.value === "" ? {} : { title: whole.run.masker.mask(text.value) };
}

/** What is no `EngineError` is a bug of ours, or a machine that does not go away. */
function errorCode(error: Error): string {
  return error instanceof EngineError ? error.code : "INTERNAL";
}
