/** Runs one planned workflow: machine, jobs in the order of their needs, conclusion. The main path of the product. */
import { EngineError } from "../lib/engine-error.ts";
import { Masker } from "../joblog/masker.ts";
import { MatcherSet } from "../joblog/problem-matcher.ts";
import type { Plan } from "../plan/plan.ts";
import type { RunEventBody } from "../store/run-event.ts";
import { concludeRun, countFates, createFateLedger, findMissingFates } from "./conclude.ts";
import type { JobEnd } from "./conclude.ts";
import { jobContexts } from "./contexts.ts";
import type { JobRecord } from "./contexts.ts";
import type { JobInstance, JobRun } from "./job-run.ts";
import { jobSettings } from "./job-settings.ts";
import { maskEvent } from "./mask-event.ts";
import { createMachineSource } from "./machine-source.ts";
import type { MachineSource } from "./machine-source.ts";
import type { RunContext } from "./run-context.ts";
import { concludeWithoutRunning, notReached, runJob } from "./run-job.ts";
import { runJobs } from "./run-jobs.ts";
import type { InstanceEnd, JobsEnd } from "./run-jobs.ts";
import { timeLimit } from "./time-limit.ts";
import type { TimeLimit } from "./time-limit.ts";
import type { RunDependencies, RunOutcome, RunSettings, RunSignals } from "./run-settings.ts";

/** After a cancel, steps that insist on running (`always()`) have this long (ACTIONS-CONTRACT §3.2). */
const CANCEL_LIMIT_MS = 5 * 60_000;

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
  const masker = new Masker();
  const emit = (event: RunEventBody): void => {
    ledger.note(event);
    dependencies.emit(maskEvent(event, masker));
  };
  const abandon = new AbortController();
  const kill = AbortSignal.any([signals.kill, abandon.signal]);
  for (const secret of Object.values(settings.secrets)) masker.add(secret);
  const oneMachine = settings.machinePer === "workflow";
  const run: RunContext = {
    plan,
    settings,
    dependencies,
    emit,
    identity: { id: String(settings.runId), number: settings.runNumber, attempt: 1 },
    token: settings.secrets["GITHUB_TOKEN"] ?? `hearth_${dependencies.newId()}`,
    masker,
    oneMachine,
    cancelRequested: () => signals.cancel.aborted || kill.aborted,
    killed: () => kill.aborted,
    abandon: () => abandon.abort(),
  };

  masker.add(run.token);

  const { workflow, event, declaredSteps } = plan;
  emit({
    type: "run_started",
    run: settings.run,
    workflow: { path: workflow.path, name: workflow.name ?? workflow.path },
    event: { name: event.name, sha: event.sha, ref: event.ref },
    provider: provider.name,
    declaredSteps,
  });
  const jobs = await runInMachines(run, { cancel: signals.cancel, kill });

  const counts = countFates(ledger);
  const faults = findMissingFates(plan, ledger);
  const error =
    jobs.error === undefined && faults.length > 0
      ? { code: "FATES_DO_NOT_ADD_UP", message: faults.join("; ") }
      : jobs.error && { code: errorCode(jobs.error), message: masker.mask(jobs.error.message) };
  const conclusion = error === undefined ? concludeRun(jobs.ends, counts, run.cancelRequested()) : "failure";
  const durationMs = Math.round(now() - startedAt);
  emit({ type: "run_completed", conclusion, error, counts, durationMs });
  return { conclusion, error, counts, durationMs };
}

/** Whatever is thrown in here is the run's error: the record has an end all the same. */
async function runInMachines(
  run: RunContext,
  signals: RunSignals,
): Promise<{ readonly ends: readonly JobEnd[]; readonly error: Error | undefined }> {
  const { plan, settings, dependencies } = run;
  let jobs: JobsEnd = { ends: [], error: undefined };
  try {
    await using machines = createMachineSource({
      provider: dependencies.provider,
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
      kill: signals.kill,
    });
    const slots = run.oneMachine ? 1 : settings.maxParallelJobs;
    jobs = await runJobs(run, slots, (instance, needs, failFast) =>
      runInstance(run, instance, needs, machines, { ...signals, cancel: AbortSignal.any([signals.cancel, failFast]) }),
    );
  } catch (error) {
    return { ends: jobs.ends, error: jobs.error ?? (error instanceof Error ? error : new Error(String(error))) };
  }
  return jobs;
}

/** What is no `EngineError` is a bug of ours, or a machine that does not go away. */
function errorCode(error: Error): string {
  return error instanceof EngineError ? error.code : "INTERNAL";
}

async function runInstance(
  run: RunContext,
  instance: JobInstance,
  needs: ReadonlyMap<string, JobRecord>,
  machines: MachineSource,
  signals: RunSignals,
): Promise<InstanceEnd> {
  const { emit, dependencies } = run;
  const startedAt = dependencies.now();
  const ended = (end: InstanceEnd): InstanceEnd => {
    const { conclusion, reason, outputs } = end;
    const durationMs = Math.round(dependencies.now() - startedAt);
    emit({ type: "job_completed", job: instance.key, conclusion, reason, outputs, durationMs });
    return end;
  };
  const withoutMachine = (error: unknown): InstanceEnd => {
    // A provider that was interrupted may call it what it likes.
    if (signals.kill.aborted) {
      const reason = "the run was ended while its machine was being made";
      concludeWithoutRunning(emit, instance.key, instance.steps, { kind: "cancelled", reason });
      return { conclusion: "cancelled", reason, outputs: {}, lost: undefined, tolerated: false };
    }
    if (!(error instanceof EngineError)) throw error;
    notReached(emit, instance.key, instance.steps, error.message);
    return { conclusion: "failure", reason: error.message, outputs: {}, lost: error, tolerated: false };
  };

  let lease;
  try {
    lease = await machines.lease();
  } catch (error) {
    return ended(withoutMachine(error));
  }
  await using held = lease;
  emit({ type: "job_started", job: instance.key, machine: held.machine.id });
  const contexts = jobContexts(run, instance, needs);
  const settings = jobSettings(run.plan.workflow, instance.job, contexts, run.settings.env);
  if (typeof settings === "string") {
    notReached(emit, instance.key, instance.steps, settings);
    return ended({ conclusion: "failure", reason: settings, outputs: {}, lost: undefined, tolerated: false });
  }
  const { timeoutMinutes, tolerated, defaults, env } = settings;

  using limit = timeLimit(timeoutMinutes);
  const cancel = AbortSignal.any([signals.cancel, limit.signal]);
  using cancelLimit = limitAfter(cancel);
  const job: JobRun = {
    plan: run.plan,
    identity: run.identity,
    token: run.token,
    instance,
    machine: held.machine,
    contexts,
    defaults,
    trackingId: `github_${dependencies.newId()}`,
    state: {
      status: "success",
      env,
      path: [],
      scope: { kind: "job", depth: 0, steps: {}, inputs: run.plan.inputs, env: {}, actionPath: "", status: "success" },
      posts: [],
    },
    masker: run.masker,
    matchers: new MatcherSet(),
    emit,
    newId: dependencies.newId,
    now: dependencies.now,
    ladder: dependencies.ladder,
    cancel,
    kill: AbortSignal.any([signals.kill, cancelLimit.signal]),
    debug: run.settings.debug,
  };
  const result = await runJob(job, { timeoutMinutes, timedOut: limit.signal });
  const lost = result.lost && (await held.explain(result.lost));
  return ended({ ...result, lost, reason: lost?.message ?? result.reason, tolerated });
}

/** A cancelled job that does not come to its end is killed, whatever cancelled it. */
function limitAfter(cancel: AbortSignal): TimeLimit {
  const limit = new AbortController();
  let timing: NodeJS.Timeout | undefined;
  const arm = (): void => {
    timing = setTimeout(() => limit.abort(), CANCEL_LIMIT_MS);
  };
  if (cancel.aborted) arm();
  else cancel.addEventListener("abort", arm, { once: true });
  return {
    signal: limit.signal,
    [Symbol.dispose]: () => {
      cancel.removeEventListener("abort", arm);
      clearTimeout(timing);
    },
  };
}
