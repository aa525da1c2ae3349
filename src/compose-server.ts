/** The composition root of `hearth serve`, and of the commands that ask a server: loaded when one of them is called. */
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, stat } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import type { ServedHearth, ServerDoor } from "./commands/server-door.ts";
import type { Config } from "./config.ts";
import type { RepositoryName } from "./git/remote-url.ts";
import { EngineError } from "./lib/engine-error.ts";
import { claimDirectory, removeOwned, sweepAbandoned } from "./lib/owned-directory.ts";
import { makeRunDirectory } from "./lib/run-directory.ts";
import type { PoolMetrics } from "./pool/warm-pool.ts";
import type { SelectRequest } from "./select/select-workflows.ts";
import { loadServerConfig } from "./server-config.ts";
import type { ServerConfig } from "./server-config.ts";
import { factsOf, missingOf } from "./server-facts.ts";
import { openGithubSide } from "./server-github.ts";
import { createServerHost } from "./server-host.ts";
import type { RunSecrets, ServerHostParts } from "./server-host.ts";
import type { RunArtifacts } from "./server/api-parts.ts";
import { openApiTokens } from "./server/api-tokens.ts";
import { checkOut } from "./server/checkout.ts";
import type { Checkout } from "./server/checkout.ts";
import { lockState } from "./server/database.ts";
import { createMirrors } from "./server/mirror.ts";
import type { Mirrors } from "./server/mirror.ts";
import { modelNumbers } from "./server/model-numbers.ts";
import { poolHistograms, poolNumbers } from "./server/pool-numbers.ts";
import type { ModelUse } from "./translate/model/model-translator.ts";
import { findLocalRepositories } from "./server/repository-path.ts";
import type { LocalRepository } from "./server/repository-path.ts";
import { isOneOf, isServed } from "./server/served-repositories.ts";
import { logProgress } from "./server/log-progress.ts";
import { createServerLog } from "./server/server-log.ts";
import type { ServerLog } from "./server/server-log.ts";
import type { ServerStore } from "./server/server-store.ts";
import { openServerStore } from "./server/sqlite-server-store.ts";
import { watchStore } from "./server/watched-store.ts";
import type { RunChanges } from "./server/watched-store.ts";
import type { RunStore } from "./store/run-store.ts";

export interface ServerFoundation extends Pick<ServerHostParts, "select" | "chooseProvider" | "startRun"> {
  readonly config: Config;
  /** The process's own: what is secret in it is taken out of it when the server starts. */
  readonly environment: NodeJS.ProcessEnv;
  readonly stored: RunStore;
  readonly concurrency: number;
  readonly artifacts: {
    list(run: string): ReturnType<RunArtifacts["list"]>;
    open: RunArtifacts["open"];
  };
  /** Of the machines that are made ahead, by provider. */
  readonly poolMetrics: () => readonly PoolMetrics[];
  readonly modelUse: () => ModelUse | undefined;
  /** Machines may be made ahead for runs to come. */
  readonly expectRuns: (runs: number | undefined) => void;
  /** From now on `hear` is told what stops no run, a line each. */
  readonly onWarning: (hear: (line: string) => void) => void;
  /** Of what takes long while machines are made, a line each, until the returned function is called. */
  readonly onMachineProgress: (hear: (line: string) => void) => () => void;
  readonly close: () => Promise<void>;
}

/** Nothing that a step on the host inherits. */
const SECRET_VARIABLES = [
  "GITHUB_WEBHOOK_SECRET",
  "GITHUB_TOKEN",
  "HEARTH_SERVER_TOKEN",
  "HEARTH_SECRET_KEY",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
];

export function createServerDoor(foundation: ServerFoundation): ServerDoor {
  const { config, environment } = foundation;
  const { stateDir } = config;
  const directory = join(stateDir, "server");
  const socket = socketOf(config);
  const offline = async () => {
    const { openOffline } = await import("./server-offline.ts");
    const { stored, artifacts } = foundation;
    return openOffline({ stateDir, directory, stored, artifacts, clock, version: manifest.version });
  };
  return {
    serve: () => serve(foundation, { directory, socket }),
    ask: async (request) => {
      const { openServerWay } = await import("./server-way.ts");
      const way = await openServerWay({ config, socket, offline });
      return await way(request);
    },
    received: (repository, stdin, pusher) => received({ config, environment, socket }, repository, { stdin, pusher }),
    describe: async () => (await import("./server-way.ts")).describeWay({ config, socket }),
    tokens: async () => openApiTokens(stateDir),
    settings: async () => loadServerConfig(environment, process.cwd()).settings,
    backup: async (file) => (await import("./server-backup.ts")).backUp({ stateDir, directory }, file),
    restore: async (file, force) => (await import("./server-backup.ts")).restore({ stateDir, directory }, file, force),
  };
}

/** One for each state directory, in a directory that only this user enters. */
function socketOf({ stateDir, runDir }: Config): string {
  return join(runDir, `server-${createHash("sha256").update(stateDir).digest("hex").slice(0, 12)}.sock`);
}

const clock = { now: Date.now, monotonicMs: () => performance.now() };

async function serve(
  foundation: ServerFoundation,
  { directory, socket }: { readonly directory: string; readonly socket: string },
): Promise<ServedHearth> {
  const { config, environment, stored } = foundation;
  const settings = loadServerConfig(environment, process.cwd());
  const chosen = await foundation.chooseProvider();
  const lock = await lockState(directory);
  const broken = Promise.withResolvers<EngineError>();
  let opened: ServerStore | undefined;
  try {
    opened = openServerStore(directory, clock, { onBroken: broken.resolve });
    for (const name of SECRET_VARIABLES) delete environment[name];
    const log = await createServerLog(settings.logLevel, (line) => process.stderr.write(line));
    foundation.onWarning((why) => log.warn("traces not sent", { why }));
    const stopLogging = foundation.onMachineProgress(logProgress(log, clock.monotonicMs));
    const { store, changes } = watchStore(opened);
    await makeRunDirectory(config.runDir);
    const local = await localRepositories(settings);
    const built = await buildParts(foundation, { settings, store, changes, log, local });
    const { startServer } = await import("./server/serve.ts");
    const running = await startServer({
      store,
      changes,
      log,
      socket,
      stored,
      ...built,
      version: manifest.version,
      stateDir: config.stateDir,
      owner: `${process.pid}`,
      artifacts: foundation.artifacts,
      tokens: openApiTokens(config.stateDir),
      newId: randomUUID,
      settings: { ...settings, concurrency: foundation.concurrency },
    });
    foundation.expectRuns(undefined);
    const end = async (reason: string, hurry: AbortSignal): Promise<void> => {
      await running.drain(reason, hurry);
      await foundation.close();
      stopLogging();
      opened?.[Symbol.dispose]();
      opened = undefined;
      await lock[Symbol.asyncDispose]();
    };
    let ended: Promise<void> | undefined;
    const isolation = `${chosen.provider.name}, ${chosen.isolation}`;
    const served = { settings, config, local, isolation, url: running.url };
    return {
      url: running.url,
      facts: factsOf(served),
      missing: missingOf(served),
      broken: broken.promise,
      drain: (reason, hurry) => (ended ??= end(reason, hurry)),
    };
  } catch (error) {
    opened?.[Symbol.dispose]();
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

interface Building {
  readonly settings: ServerConfig;
  readonly store: ServerStore;
  readonly changes: RunChanges;
  readonly log: ServerLog;
  readonly local: readonly LocalRepository[];
}

async function buildParts(foundation: ServerFoundation, building: Building) {
  const { config, stored } = foundation;
  const { settings, store, changes, log, local } = building;
  const { stateDir, serverUrl } = config;
  const scratch = join(config.runDir, "server");
  await sweepAbandoned(scratch);
  const isLocal = (repository: string): boolean => isOneOf(local, repository);
  const serves = (repository: string): boolean => isServed({ ...settings, local }, repository);
  const github = await openGithubSide({ config, settings, store, log, isLocal });
  const { reporter } = github;
  const token = (repository: RepositoryName): Promise<string | undefined> => github.token(repository);
  const mirrorsDirectory = join(stateDir, "server", "mirrors");
  const mirrors = createMirrors({ directory: mirrorsDirectory, serverUrl, token, local });
  const host = createServerHost({
    store,
    stored,
    scratch,
    checkout: (run, below, signal) => checkOutRun(mirrors, run, serverUrl, { scratch: below, signal }),
    select: foundation.select,
    chooseProvider: foundation.chooseProvider,
    startRun: foundation.startRun,
    secretsOf: (run) => secretsOf(stateDir, settings, run.repository),
  });
  const parts = await loadParts();
  const telling = parts.startChangeTeller({ store, stored, changes, reporter, log });
  const planner = parts.startDeliveryPlanner({
    store,
    mirrors,
    scratch,
    serverUrl,
    token,
    log,
    serves,
    rehearse: parts.rehearse,
    askedEnvironments: settings.askedEnvironments,
    select: (request) => selectApart(foundation, scratch, request),
    takeOver: parts.createTakeOver({ store, serves, appId: settings.app?.id }),
    reportsOf: (run) => reporter.standing(run),
    now: () => performance.now(),
  });
  const onAccepted = (): void => planner.wake();
  const repositories = (): readonly string[] => [
    ...new Set([
      ...local.map(({ owner, name }) => `${owner}/${name}`),
      ...store.runs.list({ limit: KNOWN_FROM_RUNS }).map(({ repository }) => repository),
    ]),
  ];
  const schedules = parts.startSchedules({
    store,
    log,
    onAccepted,
    now: Date.now,
    entries: parts.createScheduleSource({ mirrors, repositories, scratch, serverUrl, rehearse: parts.rehearse }),
  });
  const upkeep = {
    mirrors,
    directory: mirrorsDirectory,
    commitsOf: (repository: string) => commitsOf(store, repository, Date.now() - settings.keepMs),
    ageMs: settings.keepMs,
    now: Date.now,
  };
  const retention = parts.startRetention({
    stored,
    store,
    log,
    limits: { runs: settings.keepRuns, ageMs: settings.keepMs, sizeBytes: settings.keepBytes },
    sizeOf: (run) => sizeOfRun(foundation, run),
    forgetCaches: () => forgetCaches(config),
    tidyMirrors: (signal) => parts.tidyMirrors(upkeep, signal),
    now: Date.now,
  });
  const missed = await github.startMissed(repositories, onAccepted);
  const senders = await github.startSender();
  return {
    host,
    reporter,
    onAccepted,
    takers: [planner, schedules, retention, ...missed],
    // What is to be told is in the outbox before the last of it is sent.
    tellers: [telling, ...senders],
    numbers: [...poolNumbers(foundation.poolMetrics), ...modelNumbers(foundation.modelUse)],
    histograms: poolHistograms(foundation.poolMetrics),
  };
}

async function loadParts() {
  const [
    { startDeliveryPlanner },
    { rehearse },
    { createTakeOver },
    { startChangeTeller },
    { startRetention },
    { tidyMirrors },
    { createScheduleSource },
    { startSchedules },
  ] = await Promise.all([
    import("./server/plan-deliveries.ts"),
    import("./server/rehearse.ts"),
    import("./server/take-over.ts"),
    import("./server/tell-of-changes.ts"),
    import("./server/retention.ts"),
    import("./server/mirror-upkeep.ts"),
    import("./server/schedule-entries.ts"),
    import("./server/schedule-runs.ts"),
  ]);
  const working = { startDeliveryPlanner, rehearse, createTakeOver, startChangeTeller };
  return { ...working, startRetention, tidyMirrors, createScheduleSource, startSchedules };
}

/** Repositories that had a run among so many have their schedules looked at, and their webhooks for what was missed. */
const KNOWN_FROM_RUNS = 2_000;

/** Of runs that can still run, or run again. The mirror's name is in lower case. */
function commitsOf({ runs }: ServerStore, repository: string, sinceMs: number): readonly string[] {
  const open = (["waiting", "queued", "running"] as const).flatMap((state) => runs.list({ state, limit: MOST_OPEN }));
  const ended = runs.list({ state: "completed", limit: MOST_ENDED });
  return [...open, ...ended.filter(({ completedAtMs }) => (completedAtMs ?? sinceMs) >= sinceMs)]
    .filter((run) => run.repository.toLowerCase() === repository)
    .map(({ sha }) => sha);
}

const MOST_OPEN = 100_000;
/** What is older is fetched by its id when somebody runs it again. */
const MOST_ENDED = 10_000;

/** Its commit, where it makes one, goes when it is planned. Planning needs no network of the repository's. */
async function selectApart(foundation: ServerFoundation, scratch: string, request: SelectRequest) {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(scratch, "plan-"));
  try {
    claimDirectory(directory);
    return await foundation.select(request, { scratch: join(directory, "scratch"), actor: "", trusted: false });
  } finally {
    await removeOwned(directory);
  }
}

async function secretsOf(stateDir: string, settings: ServerConfig, repository: string): Promise<RunSecrets> {
  const { openSecretStore } = await import("./secret/secret-store.ts");
  const { secretKeyFile: keyFile, credentialsDir } = settings;
  using kept = openSecretStore({ stateDir, keyFile, credentialsDir, now: Date.now });
  return {
    secrets: kept.secretsFor(repository),
    vars: kept.variablesFor(repository),
    environments: kept.environmentsOf(repository),
  };
}

/** The mirror may be another than the run was planned on: after `hearth restore` there is none. */
async function checkOutRun(
  mirrors: Mirrors,
  run: { readonly repository: string; readonly sha: string; readonly ref: string },
  serverUrl: string,
  { scratch, signal }: { readonly scratch: string; readonly signal: AbortSignal },
): Promise<Checkout> {
  const [owner = "", name = ""] = run.repository.split("/");
  const mirror = await mirrors.withCommit({ owner, name }, run.sha, signal);
  try {
    const checkout = await checkOut(mirror, { sha: run.sha, ref: run.ref, serverUrl }, scratch);
    return {
      directory: checkout.directory,
      async [Symbol.asyncDispose]() {
        await checkout[Symbol.asyncDispose]();
        mirror[Symbol.dispose]();
      },
    };
  } catch (error) {
    mirror[Symbol.dispose]();
    throw error;
  }
}

async function sizeOfRun({ config, artifacts }: ServerFoundation, run: string): Promise<number> {
  const log = await stat(join(config.stateDir, "runs", run, "events.jsonl")).catch(() => undefined);
  const uploaded = await artifacts.list(run);
  return (log?.size ?? 0) + uploaded.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

async function forgetCaches({ stateDir, cacheLimits }: Config): Promise<void> {
  const { listCaches, removeCaches } = await import("./service/kept-caches.ts");
  const kept = { stateDir, now: Date.now, limits: cacheLimits };
  const old = (await listCaches(kept)).filter(({ usedAtMs }) => Date.now() - usedAtMs > cacheLimits.ageMs);
  if (old.length > 0)
    await removeCaches(
      kept,
      old.map(({ id }) => id),
    );
}

async function localRepositories({ repositoryPath }: ServerConfig): Promise<readonly LocalRepository[]> {
  if (repositoryPath === undefined) return [];
  if (!existsSync(repositoryPath)) {
    throw new EngineError("BAD_CONFIG", `Cannot serve $REPOSITORY_PATH ${repositoryPath}: it is not there`);
  }
  return findLocalRepositories(repositoryPath);
}

/** By the socket, which needs no secret; to a server that was named, signed. */
async function received(
  { config, environment, socket }: Pick<ServerFoundation, "config" | "environment"> & { readonly socket: string },
  repository: RepositoryName,
  { stdin, pusher }: { readonly stdin: string; readonly pusher: string },
): Promise<number> {
  const { parseReceived, sendReceived } = await import("./server/receive-hook.ts");
  const pushes = parseReceived(stdin);
  const { server } = config;
  await sendReceived({ ...repository, gitDir: process.cwd() }, pushes, {
    url: `${server?.url ?? "http://localhost"}/webhook`,
    socketPath: server === undefined ? socket : undefined,
    secret: server === undefined ? "" : (loadServerConfig(environment, process.cwd()).webhookSecret ?? ""),
    pusher,
    nowMs: Date.now(),
  });
  return pushes.length;
}
