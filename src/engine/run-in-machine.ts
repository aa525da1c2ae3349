/** One job in a machine: its settings, environment, token and time limit are decided, and then `run-job.ts` has it. */
import { ExpressionError } from "../expression/evaluate.ts";
import { MatcherSet } from "../joblog/problem-matcher.ts";
import { EngineError } from "../lib/engine-error.ts";
import { overlay } from "../lib/overlay.ts";
import { mayAskApi } from "./asks-api.ts";
import { contextsInMachine, jobContexts } from "./contexts.ts";
import { leaveOut } from "./end-without-running.ts";
import { endedAs } from "./job-end.ts";
import type { InstanceEnd, JobRecord } from "./job-end.ts";
import type { JobInstance, JobRun } from "./job-run.ts";
import { deployedTo, environmentName } from "./job-environment.ts";
import type { DeploymentEnvironment } from "./job-environment.ts";
import { newJobState } from "./job-state.ts";
import { jobEnvironment, jobSettings } from "./job-settings.ts";
import type { JobSettings, JobSettingsResult } from "./job-settings.ts";
import { jobClaims } from "./job-claims.ts";
import { serveJob } from "./job-services.ts";
import { jobToken } from "./job-token.ts";
import type { MachineLease, MachineSource } from "./machine-source.ts";
import { concludeWithoutRunning, notReached } from "./report-step.ts";
import { runJob } from "./run-job.ts";
import { timeLimit } from "./time-limit.ts";
import type { TimeLimit } from "./time-limit.ts";
import type { WorkflowRun } from "./workflow-run.ts";

/** After a cancel, steps that insist on running (`always()`) have this long (ACTIONS-CONTRACT §3.2). */
const CANCEL_LIMIT_MS = 5 * 60_000;

/** Throws only for faults of ours. */
export async function runInMachine(
  workflow: WorkflowRun,
  instance: JobInstance,
  done: ReadonlyMap<string, JobRecord>,
  machines: MachineSource,
  signals: { readonly cancel: AbortSignal; readonly kill: AbortSignal },
): Promise<InstanceEnd> {
  const { run } = workflow;
  const { emit, dependencies } = run;
  const startedAt = dependencies.now();
  const ended = (end: InstanceEnd, environment?: DeploymentEnvironment): InstanceEnd => {
    const { conclusion, reason, outputs } = end;
    const durationMs = Math.round(dependencies.now() - startedAt);
    const shown = environment === undefined ? {} : { environment };
    emit({ type: "job_completed", job: instance.key, conclusion, reason, outputs, ...shown, durationMs });
    return end;
  };
  const cannotStart = (reason: string): InstanceEnd => {
    notReached(emit, instance.key, instance.steps, reason);
    return endedAs("failure", reason);
  };

  const wanted = decide(workflow, instance, jobContexts(workflow, instance, done));
  if (wanted.kind === "refused" && wanted.unsupported && run.settings.skipUnsupported) {
    return leaveOut(run, instance, wanted.message);
  }
  if (wanted.kind === "refused") return ended(cannotStart(wanted.message));
  const { settings, environment } = wanted;

  let lease: MachineLease;
  try {
    lease = await machines.lease(settings.machine);
  } catch (error) {
    // A provider that was interrupted may call it what it likes.
    if (signals.kill.aborted) {
      const reason = "the run was ended while its machine was being made";
      concludeWithoutRunning(emit, instance.key, instance.steps, { kind: "cancelled", reason });
      return ended(endedAs("cancelled", reason));
    }
    if (!(error instanceof EngineError)) throw error;
    return ended({ ...cannotStart(error.message), lost: error });
  }
  await using held = lease;
  emit({ type: "job_started", job: instance.key, machine: held.machine.id });
  const { timeoutMinutes, tolerated, defaults } = settings;
  using limit = timeLimit(timeoutMinutes);
  const cancel = AbortSignal.any([signals.cancel, limit.signal]);
  using cancelLimit = limitAfter(cancel);
  const token = jobToken(workflow, instance.job);
  const claims = jobClaims(workflow, instance, { environment, timeoutMinutes, ...token });
  await using services = serveJob(held.machine, claims, run.masker);
  const isServed = held.machine.layout.servicesUrl !== undefined || mayAskApi(workflow.planned.workflow, instance);
  const apiUrl = isServed ? await services.apiUrl() : undefined;
  const inMachine = { instance, machine: held.machine, token: token.token, apiUrl };
  const contexts = contextsInMachine(workflow, wanted.contexts, inMachine);
  const env = jobEnvironment(workflow.planned.workflow, instance.job, contexts, run.settings);
  const job: JobRun = {
    plan: run.plan,
    workflow: workflow.planned.workflow,
    origin: workflow.origin,
    identity: run.identity,
    ...token,
    apiUrl,
    instance,
    machine: held.machine,
    contexts,
    defaults,
    trackingId: `github_${dependencies.newId()}`,
    actions: dependencies.actions,
    deliveries: new Map(),
    state: newJobState(env, workflow.inputs),
    masker: run.masker,
    matchers: new MatcherSet(),
    services,
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
  const taken = result.conclusion === "cancelled" && typeof cancel.reason === "string" ? cancel.reason : undefined;
  const end: InstanceEnd = { ...result, lost, reason: lost?.message ?? result.reason ?? taken, tolerated };
  return ended(end, deployedTo(job, environment));
}

type Decided =
  | {
      readonly kind: "decided";
      readonly settings: JobSettings;
      readonly contexts: JobRun["contexts"];
      readonly environment: string;
    }
  | Extract<JobSettingsResult, { kind: "refused" }>;

/** What the job says of itself, with the secrets and variables of its environment over the others. */
function decide(workflow: WorkflowRun, instance: JobInstance, known: JobRun["contexts"]): Decided {
  const { run, secrets } = workflow;
  const { job } = instance;
  try {
    const environment = environmentName(job, known);
    const own = environment === "" ? undefined : run.settings.environments[environment.toLowerCase()];
    run.masker.addSecrets(own?.secrets ?? {});
    const contexts = {
      ...known,
      vars: overlay(run.settings.vars, own?.vars),
      secrets: { ...overlay(secrets, own?.secrets), GITHUB_TOKEN: jobToken(workflow, job).token },
    };
    const settings = jobSettings(workflow.planned.workflow, job, contexts, run.settings);
    return settings.kind === "refused" ? settings : { kind: "decided", settings, contexts, environment };
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: "refused", message: error.message, unsupported: false };
    throw error;
  }
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
