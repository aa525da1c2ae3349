/** One job in a machine: its settings, environment, token and time limit are decided, and then `run-job.ts` has it. */
import { orRefused } from "../expression/or-refused.ts";
import { MatcherSet } from "../joblog/problem-matcher.ts";
import { EngineError } from "../lib/engine-error.ts";
import { overlay } from "../lib/overlay.ts";
import { mayAskApi } from "./asks-api.ts";
import { completeJob } from "./complete-job.ts";
import { contextsInMachine, jobContexts } from "./contexts.ts";
import { leaveOut } from "./end-without-running.ts";
import { endedAs } from "./job-end.ts";
import type { InstanceEnd, JobRecord } from "./job-end.ts";
import type { JobInstance, JobMachine, JobRun } from "./job-run.ts";
import { JobPause } from "./job-pause.ts";
import { JobSaver } from "./job-saver.ts";
import { deployedTo, environmentName } from "./job-environment.ts";
import { newJobState } from "./job-state.ts";
import { jobSettings, jobSurroundings } from "./job-settings.ts";
import type { JobSettings } from "./job-settings.ts";
import { jobClaims } from "./job-claims.ts";
import { serveJob } from "./job-services.ts";
import { jobToken, ownTokenFor } from "./job-token.ts";
import type { JobToken } from "./job-token.ts";
import { liveJob } from "./live-job.ts";
import type { MachineLease, MachineSource } from "./machine-source.ts";
import { concludeWithoutRunning, notReached } from "./report-step.ts";
import { admitFormerTokens, keepingTokens, resumptionOfCopy, takeOwnTokens } from "./matrix-fork-copy.ts";
import type { Resumption } from "./resumption.ts";
import { stateOf } from "./saved-job.ts";
import type { RunContext } from "./run-context.ts";
import { runJob } from "./run-job.ts";
import type { ForkStart } from "./run-jobs.ts";
import { timeLimit } from "./time-limit.ts";
import type { TimeLimit } from "./time-limit.ts";
import type { WorkflowRun } from "./workflow-run.ts";

/** After a cancel, steps that insist on running (`always()`) have this long (ACTIONS-CONTRACT §3.2). */
const CANCEL_LIMIT_MS = 5 * 60_000;

/** Undefined: no machine could be made of the copy in `fork`. Throws only for faults of ours. */
export async function runInMachine(
  workflow: WorkflowRun,
  instance: JobInstance,
  done: ReadonlyMap<string, JobRecord>,
  machines: MachineSource,
  signals: { readonly cancel: AbortSignal; readonly kill: AbortSignal },
  fork: ForkStart | undefined,
): Promise<InstanceEnd | undefined> {
  const { run } = workflow;
  const { dependencies } = run;
  const emit = fork === undefined ? run.emit : fork.cell.listening(run.emit);
  const startedAt = dependencies.now();
  const moment = fork?.copy?.moment;
  const resumption = moment === undefined ? resumptionOf(run, instance) : resumptionOfCopy(moment);
  const ended = (end: InstanceEnd): InstanceEnd => completeJob(run, instance, end, { startedAt });
  const cannotStart = (reason: string): InstanceEnd => {
    notReached(emit, instance.key, instance.steps, reason);
    return endedAs("failure", reason);
  };

  const wanted = orRefused(() => decide(workflow, instance, jobContexts(workflow, instance, done)));
  if (wanted.kind === "refused") return ended(cannotStart(wanted.message));
  const { settings, environment, token } = wanted.value;
  if (settings.kind === "unsupported") {
    if (run.settings.skipUnsupported) return leaveOut(run, instance, settings.message);
    return ended(cannotStart(settings.message));
  }

  let lease: MachineLease;
  try {
    lease = await machines.lease(settings.machine, resumption?.machine);
  } catch (error) {
    // A provider that was interrupted may call it what it likes.
    if (signals.kill.aborted) {
      const reason = "the run was ended while its machine was being made";
      concludeWithoutRunning(emit, instance.key, instance.steps, { kind: "cancelled", reason });
      return ended(endedAs("cancelled", reason));
    }
    if (!(error instanceof EngineError)) throw error;
    if (moment !== undefined) return fork?.cell.couldNotStart(error.message);
    return ended({ ...cannotStart(error.message), lost: error });
  } finally {
    await fork?.copy?.[Symbol.asyncDispose]();
  }
  await using held = lease;
  fork?.cell.started(moment);
  emit({ type: "job_started", job: instance.key, machine: held.machine.id });
  const { timeoutMinutes, tolerated } = settings;
  using limit = timeLimit(timeoutMinutes, moment?.usedMs);
  const pause = run.settings.pauseOnFailure === true ? new JobPause() : undefined;
  const cancel = AbortSignal.any([signals.cancel, limit.signal, ...(pause === undefined ? [] : [pause.aborted])]);
  using cancelLimit = limitAfter(cancel);
  const claims = jobClaims(workflow, instance, {
    trusted: run.settings.trusted,
    environment,
    timeoutMinutes,
    ...token,
  });
  const masker = fork?.cell.isParent === true ? keepingTokens(run.masker) : run.masker;
  await using services = serveJob(held.machine, claims, masker);
  using former = await admitFormerTokens(held.machine, claims, run.masker, moment?.formerTokens);
  const isServed = held.machine.layout.servicesUrl !== undefined || mayAskApi(workflow.planned.workflow, instance);
  const apiUrl = isServed ? await services.apiUrl() : undefined;
  const inMachine = { instance, machine: held.machine, token: token.token, apiUrl };
  const contexts = contextsInMachine(workflow, wanted.value.contexts, inMachine);
  const found = orRefused(() => jobSurroundings(workflow.planned.workflow, instance.job, contexts, run.settings));
  if (found.kind === "refused") return ended(cannotStart(found.message));
  const { env, defaults } = found.value;
  if (moment !== undefined && resumption !== undefined) {
    if (moment.tokens.services.length > 0) await services.forAction();
    takeOwnTokens(resumption.saved.state, moment.tokens, { job: token.token, services: await services.tokens() });
  }
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
    trackingId: resumption?.saved.trackingId ?? `github_${dependencies.newId()}`,
    actions: dependencies.actions,
    deliveries: new Map(),
    state: resumption === undefined ? newJobState(env, workflow.inputs) : stateOf(resumption.saved),
    pause,
    saver: saverFor(run, held.machine),
    fork: fork?.cell,
    resumed: resumption,
    masker: run.masker,
    matchers: resumption === undefined ? new MatcherSet() : MatcherSet.restore(resumption.saved.matchers),
    services,
    emit,
    newId: dependencies.newId,
    now: dependencies.now,
    ladder: dependencies.ladder,
    cancel,
    kill: AbortSignal.any([signals.kill, cancelLimit.signal]),
    debug: run.settings.debug,
  };
  using admission = dependencies.door?.admit(liveJob(job));
  const result = await runJob(job, { timeoutMinutes, timedOut: limit.signal });
  await job.saver?.settled();
  const lost = result.lost && (await held.explain(result.lost));
  const taken = result.conclusion === "cancelled" && typeof cancel.reason === "string" ? cancel.reason : undefined;
  const end: InstanceEnd = { ...result, lost, reason: lost?.message ?? result.reason ?? taken, tolerated };
  return completeJob(run, instance, end, { startedAt, environment: deployedTo(job, environment) });
}

function resumptionOf({ settings }: RunContext, { key }: JobInstance): Resumption | undefined {
  return settings.resumption?.saved.job === key ? settings.resumption : undefined;
}

function saverFor({ settings, dependencies, ended }: RunContext, machine: JobMachine): JobSaver | undefined {
  const { checkpoints, now, door } = dependencies;
  if (checkpoints === undefined || machine.save === undefined) return undefined;
  return new JobSaver({ run: settings.run, checkpoints, machine: machine.made, ended, door, now });
}

interface Decided {
  readonly settings: JobSettings;
  readonly contexts: JobRun["contexts"];
  /** Empty for none. */
  readonly environment: string;
  readonly token: JobToken;
}

/** What the job says of itself, with the secrets and variables of its environment over the others. Throws ExpressionError. */
function decide(workflow: WorkflowRun, instance: JobInstance, known: JobRun["contexts"]): Decided {
  const { run, secrets } = workflow;
  const { job } = instance;
  const environment = environmentName(job, known);
  const own = environment === "" ? undefined : run.settings.environments[environment.toLowerCase()];
  run.masker.addSecrets(own?.secrets ?? {});
  const token = jobToken(workflow, job);
  const contexts = {
    ...known,
    vars: overlay(run.settings.vars, own?.vars),
    secrets: { ...overlay(ownTokenFor(secrets, workflow, token), own?.secrets), GITHUB_TOKEN: token.token },
  };
  return { settings: jobSettings(job, contexts, run.settings), contexts, environment, token };
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
