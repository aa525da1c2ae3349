/** Runs one planned workflow: machine, jobs in the order of their needs, conclusion. The main path of the product. */
import { EngineError } from "../lib/engine-error.ts";
import { Masker } from "../joblog/masker.ts";
import { MatcherSet } from "../joblog/problem-matcher.ts";
import type { Plan } from "../plan/plan.ts";
import type { RunEventBody } from "../store/run-event.ts";
import { concludeRun, countFates, createFateLedger, findMissingFates } from "./conclude.ts";
import type { JobsEnd } from "./run-jobs.ts";
import { jobContexts } from "./contexts.ts";
import type { JobRecord } from "./contexts.ts";
import type { JobInstance, JobRun } from "./job-run.ts";
import { jobSettings } from "./job-settings.ts";
import { createMachineSource } from "./machine-source.ts";
import type { MachineSource } from "./machine-source.ts";
import type { RunContext } from "./run-context.ts";
import { notReached, runJob } from "./run-job.ts";
import { runJobs } from "./run-jobs.ts";
import type { InstanceEnd } from "./run-jobs.ts";
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
  const emit = (event: RunEventBody): void => {
    ledger.note(event);
    dependencies.emit(event);
  };
  const masker = new Masker();
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
    cancelRequested: () => signals.cancel.aborted || signals.kill.aborted,
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
  const jobs = await runInMachines(run, signals);

  const counts = countFates(ledger);
  const faults = findMissingFates(plan, ledger);
  const error =
    faults.length > 0
      ? { code: "FATES_DO_NOT_ADD_UP", message: faults.join("; ") }
      : jobs.error && { code: jobs.error.code, message: jobs.error.message };
  const conclusion = error === undefined ? concludeRun(jobs.ends, counts, run.cancelRequested()) : "failure";
  const durationMs = Math.round(now() - startedAt);
  emit({ type: "run_completed", conclusion, error, counts, durationMs });
  return { conclusion, error, counts, durationMs };
}

async function runInMachines(run: RunContext, signals: RunSignals): Promise<JobsEnd> {
  const { plan, settings, dependencies } = run;
  const kill = withCancelLimit(signals);
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
    kill: kill.signal,
  });
  try {
    const slots = run.oneMachine ? 1 : settings.maxParallelJobs;
    return await runJobs(run, slots, (instance, needs, failFast) =>
      runInstance(run, instance, needs, machines, {
        cancel: AbortSignal.any([signals.cancel, failFast]),
        kill: kill.signal,
      }),
    );
  } finally {
    kill.disarm();
  }
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
    if (!(error instanceof EngineError) && !signals.kill.aborted) throw error;
    const lost = error instanceof EngineError ? error : undefined;
    const reason = lost?.message ?? "the run was cancelled while its machine was being made";
    notReached(emit, instance.key, instance.steps, reason);
    return { conclusion: lost === undefined ? "cancelled" : "failure", reason, outputs: {}, lost, tolerated: false };
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

  const timer = new AbortController();
  const timing = setTimeout(() => timer.abort(), timeoutMinutes * 60_000);
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
    cancel: AbortSignal.any([signals.cancel, timer.signal]),
    kill: signals.kill,
    debug: run.settings.debug,
  };
  const result = await runJob(job, { timeoutMinutes, timedOut: timer.signal });
  clearTimeout(timing);
  const lost = result.lost && (await held.explain(result.lost));
  return ended({ ...result, lost, reason: lost?.message ?? result.reason, tolerated });
}

/** A cancelled run that does not come to its end is killed. */
function withCancelLimit(signals: RunSignals): { readonly signal: AbortSignal; disarm(): void } {
  const limit = new AbortController();
  let timing: NodeJS.Timeout | undefined;
  const arm = (): void => {
    timing = setTimeout(() => limit.abort(), CANCEL_LIMIT_MS);
  };
  if (signals.cancel.aborted) arm();
  else signals.cancel.addEventListener("abort", arm, { once: true });
  return {
    signal: AbortSignal.any([signals.kill, limit.signal]),
    disarm() {
      signals.cancel.removeEventListener("abort", arm);
      clearTimeout(timing);
    },
  };
}
