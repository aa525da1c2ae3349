/**
 * From a queued run to one that goes on: its commit checked out in a directory of its own, selected as `hearth run` does, and
 * started with what its trust allows (SECURITY-RELIABILITY A24, A25). What the repository's `hearth.yml` says of secrets does not
 * count here: the file is the repository's, and the environment it would read is the server's.
 */
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { ProviderName } from "./provider/provider.ts";
import { failedJobs } from "./commands/failed-jobs.ts";
import type { RunHandle, RunOptions } from "./commands/hearth.ts";
import { readRecord } from "./commands/read-record.ts";
import { sortResults } from "./commands/sort-results.ts";
import type { EarlierAttempt, EnvironmentSettings } from "./engine/run-settings.ts";
import { parseJson } from "./expression/json.ts";
import { isMapping } from "./context/mapping.ts";
import { claimDirectory, removeOwned } from "./lib/owned-directory.ts";
import { formatDiagnostic } from "./lib/diagnostic.ts";
import { overlay } from "./lib/overlay.ts";
import { EngineError } from "./lib/engine-error.ts";
import { jobsOf } from "./plan/jobs-of.ts";
import type { Plan } from "./plan/plan.ts";
import type { ChosenProvider } from "./provider/choose-provider.ts";
import type { Selection, SelectionParts, SelectRequest } from "./select/select-workflows.ts";
import type { Checkout } from "./server/checkout.ts";
import type { RunHost, StartedRun } from "./server/run-worker.ts";
import type { ServerRun, ServerStore } from "./server/server-store.ts";
import type { RunEvent } from "./store/run-event.ts";
import type { RunStore, StoredRun } from "./store/run-store.ts";

export interface ServerHostParts {
  readonly store: Pick<ServerStore, "deliveries">;
  readonly stored: RunStore;
  /** For checkouts; made when it is missing. */
  readonly scratch: string;
  /** The run's commit, in a directory below the one that is named. */
  readonly checkout: (run: ServerRun, scratch: string, signal: AbortSignal) => Promise<Checkout>;
  readonly select: (request: SelectRequest, place: SelectPlace) => Promise<Selection & SelectionParts>;
  readonly chooseProvider: () => Promise<ChosenProvider>;
  readonly startRun: (plan: Plan, options: RunOptions, parts: SelectionParts) => Promise<RunHandle>;
  /** Of a trusted run: nobody asks for another's. */
  readonly secretsOf: (run: ServerRun) => Promise<RunSecrets>;
}

export interface SelectPlace {
  /** A directory of its own, which goes with the run. */
  readonly scratch: string;
  readonly actor: string;
  readonly trusted: boolean;
}

export interface RunSecrets extends EnvironmentSettings {
  /** By name in lower case. */
  readonly environments: { readonly [name: string]: EnvironmentSettings };
}

/** Begins the names of directories of runs, for who sweeps up what a killed server left. */
const RUN_PREFIX = "run-";

const NO_SECRETS: RunSecrets = { secrets: {}, vars: {}, environments: {} };

export function createServerHost(parts: ServerHostParts): RunHost {
  return {
    async start(run, wish) {
      await mkdir(parts.scratch, { recursive: true, mode: 0o700 });
      const directory = await mkdtemp(join(parts.scratch, RUN_PREFIX));
      claimDirectory(directory);
      let checkout: Checkout | undefined;
      const remove = async (): Promise<void> => {
        await checkout?.[Symbol.asyncDispose]();
        await removeOwned(directory);
      };
      try {
        checkout = await parts.checkout(run, directory, wish.signal);
        const handle = await begin(run, { directory, root: checkout.directory }, wish);
        return started(handle, remove);
      } catch (error) {
        await remove();
        throw error;
      }
    },
  };

  async function begin(
    run: ServerRun,
    { directory, root }: { readonly directory: string; readonly root: string },
    wish: Parameters<RunHost["start"]>[1],
  ): Promise<RunHandle> {
    const { signal } = wish;
    const payload = payloadOf(run, parts.store);
    signal.throwIfAborted();
    const trusted = run.trust === "trusted";
    const place = { scratch: join(directory, "scratch"), actor: run.actor, trusted };
    const { secrets, vars, environments } = trusted ? await parts.secretsOf(run) : NO_SECRETS;
    const hidden = [secrets, ...Object.values(environments).map((one) => one.secrets)].flatMap(Object.values);
    // What an outsider's files say goes to no model, and costs nothing.
    const asking: Partial<SelectRequest> = trusted ? { translate: "models", secrets: hidden } : {};
    const selection = await parts.select({ ...requestOf(run, root, payload), ...asking }, place);
    const plan = planOf(run, selection);
    signal.throwIfAborted();
    const chosen = await parts.chooseProvider();
    requireIsolation(run, chosen.provider.name, chosen.provider.capabilities.isolation);
    const attempt = await earlierAttempt(run, plan);
    signal.throwIfAborted();
    return await parts.startRun(
      attempt.plan,
      {
        provider: chosen.provider,
        repository: selection.repository,
        recordedAs: run.repository,
        delivery: parts.store.deliveries.get(run.delivery)?.guid,
        trusted,
        secrets,
        vars: overlay(selection.vars, vars),
        env: {},
        machinePer: "workflow",
        runners: selection.runners,
        environments: withSecrets(selection.environments, environments),
        network: selection.network,
        skipUnsupported: false,
        earlier: attempt.earlier,
        onEvent: watchDeploys(plan, wish),
      },
      { snapshot: selection.snapshot, actions: selection.actions },
    );
  }

  /** The same `github.run_id` for all attempts; jobs that ended well are kept where only failed ones were asked for. */
  async function earlierAttempt(
    run: ServerRun,
    plan: Plan,
  ): Promise<{ readonly plan: Plan; readonly earlier: EarlierAttempt | undefined }> {
    const { firstRun, attempt } = run;
    if (firstRun === undefined || attempt < 2) return { plan, earlier: undefined };
    const last = await lastAttempt(parts.stored, firstRun);
    const earlier = { run: last?.run ?? firstRun, firstRun, attempt, succeeded: new Map() };
    if (!run.failedOnly || last === undefined) return { plan, earlier };
    const { succeeded, plan: known } = failedJobs(plan, await readRecord(parts.stored, last));
    return { plan: known, earlier: { ...earlier, succeeded } };
  }
}

function started(handle: RunHandle, remove: () => Promise<void>): StartedRun {
  return {
    run: handle.run,
    outcome: handle.outcome,
    cancel: () => handle.cancel(),
    kill: () => handle.kill(),
    [Symbol.asyncDispose]: remove,
  };
}

function payloadOf(
  run: ServerRun,
  { deliveries }: Pick<ServerStore, "deliveries">,
): NonNullable<SelectRequest["payload"]> {
  const body = deliveries.get(run.delivery)?.body ?? "";
  const payload = body === "" ? undefined : parseJson(body);
  if (isMapping(payload)) return payload;
  throw new EngineError(
    "STATE_UNREADABLE",
    `Cannot start run ${run.id}: the event that caused it is not kept any more`,
  );
}

function requestOf(run: ServerRun, root: string, payload: NonNullable<SelectRequest["payload"]>): SelectRequest {
  return {
    path: join(root, run.workflow),
    event: run.event,
    payload,
    job: undefined,
    matrix: [],
    inputs: run.inputs,
    vars: {},
    skipUnsupported: false,
    fetch: true,
  };
}

/** Throws BAD_CONFIG for what cannot run, and where the plan would be of another commit than was asked for. */
function planOf(run: ServerRun, selection: Selection): Plan {
  const { startable, refused, passedOver } = sortResults(selection.results);
  const [plan] = startable;
  if (plan === undefined) {
    const why = [
      ...refused.flatMap(({ blockers }) => blockers.map(formatDiagnostic)),
      ...passedOver.map(({ path, reason }) => `${path}: ${reason}`),
    ];
    throw new EngineError("BAD_CONFIG", `Cannot run ${run.workflow}: ${why.join("; ") || "it is not there"}`);
  }
  if (plan.event.sha !== run.sha) {
    throw new EngineError(
      "BAD_CONFIG",
      `Cannot run ${run.workflow}: its plan is of ${plan.event.sha}, not of ${run.sha}`,
    );
  }
  return plan;
}

/** Whoever names the provider `host` trusts those who may write to the repository, and nobody else. */
function requireIsolation(run: ServerRun, name: ProviderName, isolation: string): void {
  if (run.trust === "trusted" || isolation !== "none") return;
  throw new EngineError("PROVIDER_UNAVAILABLE", `Cannot run what an outsider sent: provider ${name} isolates nothing`, {
    hint: "hearth setup installs a provider that does.",
  });
}

async function lastAttempt(stored: RunStore, firstRun: string): Promise<StoredRun | undefined> {
  const attempts = (await stored.list()).filter((one) => one.run === firstRun || one.firstRun === firstRun);
  return attempts.find(({ state }) => state.status === "completed");
}

/** Variables of the file, and over them what the operator keeps for the environment. */
function withSecrets(
  environments: Selection["environments"],
  kept: RunSecrets["environments"],
): { readonly [name: string]: EnvironmentSettings } {
  const names = new Set([...Object.keys(environments), ...Object.keys(kept)]);
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      { vars: overlay(environments[name]?.vars ?? {}, kept[name]?.vars), secrets: kept[name]?.secrets ?? {} },
    ]),
  );
}

/** Says when a job with `environment:` is about to start, in whatever called workflow it stands. */
function watchDeploys(
  plan: Plan,
  { onEvent, onDeploy }: { readonly onEvent: (event: RunEvent) => void; readonly onDeploy: () => void },
): (event: RunEvent) => void {
  const deploying = new Set(
    jobsOf(plan).flatMap(({ job }) => (job.kind === "steps" && job.environment !== undefined ? [job.id] : [])),
  );
  const ids = new Map<string, string>();
  return (event) => {
    if (event.type === "job_planned") ids.set(event.job, event.id);
    if (event.type === "job_started" && deploying.has(ids.get(event.job) ?? event.job)) onDeploy();
    onEvent(event);
  };
}
