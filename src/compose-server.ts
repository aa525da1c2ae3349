/** The composition root of `hearth serve`, and of the commands that ask a server: loaded when one of them is called. */
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import manifest from "../package.json" with { type: "json" };
import type { ServedHearth, ServerDoor, ServerRequest } from "./commands/server-door.ts";
import type { Config } from "./config.ts";
import { createServerHost } from "./server-host.ts";
import type { RunSecrets, ServerHostParts } from "./server-host.ts";
import type { GithubClient } from "./github/client.ts";
import type { RunReporter } from "./github/reporter.ts";
import type { SelectRequest } from "./select/select-workflows.ts";
import type { ServerLoop } from "./server/serve.ts";
import { loadServerConfig } from "./server-config.ts";
import type { ServerConfig } from "./server-config.ts";
import { EngineError } from "./lib/engine-error.ts";
import { claimDirectory, sweepAbandoned } from "./lib/owned-directory.ts";
import { openApiTokens } from "./server/api-tokens.ts";
import type { RunArtifacts } from "./server/api-parts.ts";
import { checkOut } from "./server/checkout.ts";
import { lockState } from "./server/database.ts";
import { createMirrors } from "./server/mirror.ts";
import type { Mirrors } from "./server/mirror.ts";
import { findLocalRepositories } from "./server/repository-path.ts";
import type { LocalRepository } from "./server/repository-path.ts";
import type { RepositoryName } from "./git/remote-url.ts";
import { createServerLog } from "./server/server-log.ts";
import type { ServerLog } from "./server/server-log.ts";
import type { ServerStore } from "./server/server-store.ts";
import { openServerStore, SERVER_DATABASE } from "./server/sqlite-server-store.ts";
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
  /** Machines may be made ahead for runs to come. */
  readonly expectRuns: (runs: number | undefined) => void;
  readonly close: () => Promise<void>;
}

/** Nothing that a step on the host inherits. */
const SECRET_VARIABLES = ["GITHUB_WEBHOOK_SECRET", "GITHUB_TOKEN", "HEARTH_SERVER_TOKEN", "HEARTH_SECRET_KEY"];

export function createServerDoor(foundation: ServerFoundation): ServerDoor {
  const { config, environment } = foundation;
  const { stateDir } = config;
  const directory = join(stateDir, "server");
  const socket = socketOf(config);
  return {
    serve: () => serve(foundation, { directory, socket }),
    ask: async (request) => {
      const { openServerWay } = await import("./server-way.ts");
      const way = await openServerWay({ config, socket, offline: () => askOffline(foundation, directory) });
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
    const { store, changes } = watchStore(opened);
    await mkdir(config.runDir, { recursive: true, mode: 0o700 });
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
      opened?.[Symbol.dispose]();
      opened = undefined;
      await lock[Symbol.asyncDispose]();
    };
    let ended: Promise<void> | undefined;
    return {
      url: running.url,
      facts: factsOf(settings, running.url, {
        local,
        isolation: `${chosen.provider.name}, ${chosen.isolation}`,
        config,
      }),
      missing: missingOf(settings, config, local),
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
  const { settings, store, log, local } = building;
  const { stateDir, serverUrl } = config;
  const scratch = join(config.runDir, "server");
  await sweepAbandoned(scratch);
  const client = await githubClient(config, settings);
  const fetchToken = await fetchTokens(client, settings);
  const token = async (repository: RepositoryName): Promise<string | undefined> =>
    fetchToken === undefined ? config.githubToken : fetchToken(repository);
  const mirrors = createMirrors({ directory: join(stateDir, "server", "mirrors"), serverUrl, token, local });
  const isTold = (repository: string): boolean =>
    client !== undefined && !local.some((one) => isNamed(one, repository));
  const { createRunReporter } = await import("./github/reporter.ts");
  const reporter = onlyFor(
    createRunReporter(
      {
        kind: settings.app === undefined ? "statuses" : "checks",
        comment: true,
        detailsUrl: (run) =>
          settings.publicUrl === undefined ? undefined : `${settings.publicUrl}/api/v1/runs/${run}`,
      },
      (report) => {
        if (isTold(report.repository)) store.outbox.put(report);
      },
    ),
    isTold,
  );
  tellOfChanges(building, reporter);
  const host = createServerHost({
    store,
    stored,
    scratch,
    checkout: (run, below) => checkOutRun(mirrors, run, serverUrl, below),
    select: foundation.select,
    chooseProvider: foundation.chooseProvider,
    startRun: foundation.startRun,
    secretsOf: (run) => secretsOf(stateDir, settings, run.repository),
  });
  const [{ startDeliveryPlanner }, { rehearse }, { startRetention }] = await Promise.all([
    import("./server/plan-deliveries.ts"),
    import("./server/rehearse.ts"),
    import("./server/retention.ts"),
  ]);
  const planner = startDeliveryPlanner({
    store,
    mirrors,
    scratch,
    serverUrl,
    rehearse,
    token,
    log,
    select: (request) => selectApart(foundation, scratch, request),
    serves: (repository) => serves(building, repository),
    reportsOf: (run) => reporter.standing(run),
    now: () => performance.now(),
  });
  const retention = startRetention({
    stored,
    store,
    log,
    limits: { runs: settings.keepRuns, ageMs: settings.keepMs, sizeBytes: settings.keepBytes },
    sizeOf: (run) => sizeOfRun(foundation, run),
    forgetCaches: () => forgetCaches(config),
    now: Date.now,
  });
  const [{ createScheduleSource }, { startSchedules }] = await Promise.all([
    import("./server/schedule-entries.ts"),
    import("./server/schedule-runs.ts"),
  ]);
  const repositories = (): readonly string[] => [
    ...new Set([
      ...local.map(({ owner, name }) => `${owner}/${name}`),
      ...store.runs.list({ limit: KNOWN_FROM_RUNS }).map(({ repository }) => repository),
    ]),
  ];
  const schedules = startSchedules({
    store,
    log,
    now: Date.now,
    onAccepted: () => planner.wake(),
    entries: createScheduleSource({ mirrors, repositories, rehearse, scratch, serverUrl }),
  });
  const missed =
    client === undefined || settings.app === undefined
      ? []
      : [await findMissed(client, building, () => planner.wake())];
  const tellers = client === undefined ? [] : [await startSender(client, building)];
  return {
    host,
    reporter,
    onAccepted: () => planner.wake(),
    takers: [planner, schedules, retention, ...missed],
    tellers,
  };
}

async function githubClient(config: Config, { app }: ServerConfig): Promise<GithubClient | undefined> {
  const { githubToken, apiUrl, upstreamProxy } = config;
  if (app === undefined && githubToken === undefined) return undefined;
  const [{ createGithubClient }, { readAppCredentials }, { dialTcp, parseUpstreamProxy, resolveBySystem }] =
    await Promise.all([import("./github/client.ts"), import("./github/app-tokens.ts"), import("./service/dial.ts")]);
  const upstream = upstreamProxy === undefined ? undefined : parseUpstreamProxy(upstreamProxy);
  const credentials =
    app === undefined
      ? ({ kind: "token", token: githubToken ?? "" } as const)
      : ({ kind: "app", ...readAppCredentials(app.id, app.keyFile) } as const);
  return createGithubClient({
    apiUrl,
    credentials,
    now: Date.now,
    way: { resolve: resolveBySystem, dial: dialTcp, upstream },
  });
}

/** Repositories that had a run among so many have their schedules looked at. */
const KNOWN_FROM_RUNS = 2_000;

async function fetchTokens(client: GithubClient | undefined, { app }: ServerConfig) {
  if (client === undefined || app === undefined) return undefined;
  const { createFetchTokens } = await import("./server/fetch-token.ts");
  return createFetchTokens(client, () => performance.now());
}

/** Of the App: a webhook of a repository would have to be named, and its token would need to administrate. */
async function findMissed(client: GithubClient, { store, log }: Building, onAccepted: () => void): Promise<ServerLoop> {
  const { startMissedDeliveries } = await import("./server/missed-deliveries.ts");
  return startMissedDeliveries({
    store,
    log,
    onAccepted,
    now: Date.now,
    sources: [{ kind: "app" }],
    async get(path) {
      const { data, headers } = await client.request({ route: `GET ${path}`, parameters: {}, repository: undefined });
      const next = /<(?<url>[^>]+)>; rel="next"/u.exec(String(headers["link"] ?? ""))?.groups?.["url"];
      if (next === undefined) return { body: data, next: undefined };
      const { pathname, search } = new URL(next);
      return { body: data, next: `${pathname}${search}` };
    },
  });
}

async function startSender(client: GithubClient, { store, log }: Building): Promise<ServerLoop> {
  const { sendReports } = await import("./github/send-reports.ts");
  const stop = new AbortController();
  const sending = sendReports(
    {
      outbox: store.outbox,
      notes: store.notes,
      client,
      now: Date.now,
      random: Math.random,
      newId: randomUUID,
      onFault: (error) =>
        log.error("reports not sent", { error: error instanceof Error ? error.message : String(error) }),
      onAbandoned: ({ key, repository }, error) => log.error("report given up", { report: key, repository, error }),
    },
    stop.signal,
  );
  return {
    async stop() {
      // What a run said at its end is worth a moment; the rest is the next server's.
      const deadlineMs = performance.now() + LAST_REPORTS_MS;
      while (store.outbox.due(Date.now(), 1).length > 0 && performance.now() < deadlineMs) await delay(100);
      stop.abort();
      await sending;
    },
  };
}

const LAST_REPORTS_MS = 5_000;

/** What no worker tells of: runs that wait again, or end without having been worked on. */
function tellOfChanges({ store, changes, log }: Building, reporter: RunReporter): void {
  changes.subscribe((run, by) => {
    if (by === "settle" || by === "claim" || by === "started" || by === "complete") return;
    if (run.state === "running") return;
    try {
      for (const report of reporter.standing(run)) store.outbox.put(report);
    } catch (error) {
      log.warn("report not kept", { run: run.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
}

/** GitHub is told of its own repositories alone. */
function onlyFor(reporter: RunReporter, isTold: (repository: string) => boolean): RunReporter {
  return {
    onEvent(run, event) {
      if (isTold(run.repository)) reporter.onEvent(run, event);
    },
    atEnd: (run, conclusion, reason) => (isTold(run.repository) ? reporter.atEnd(run, conclusion, reason) : []),
    standing: (run) => (isTold(run.repository) ? reporter.standing(run) : []),
  };
}

function serves({ settings, local }: Building, repository: string): boolean {
  if (local.some((one) => isNamed(one, repository))) return true;
  if (settings.webhookSecret === undefined) return false;
  const [owner = ""] = repository.toLowerCase().split("/");
  return settings.repositories?.some((one) => one === repository.toLowerCase() || one === `${owner}/*`) ?? true;
}

function isNamed({ owner, name }: LocalRepository, repository: string): boolean {
  return `${owner}/${name}`.toLowerCase() === repository.toLowerCase();
}

/** Its commit, where it makes one, goes when it is planned. Planning needs no network of the repository's. */
async function selectApart(foundation: ServerFoundation, scratch: string, request: SelectRequest) {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(scratch, "plan-"));
  try {
    claimDirectory(directory);
    return await foundation.select(request, { scratch: join(directory, "scratch"), actor: "", trusted: false });
  } finally {
    await rm(directory, { recursive: true, force: true });
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

function checkOutRun(
  mirrors: Mirrors,
  run: { readonly repository: string; readonly sha: string; readonly ref: string },
  serverUrl: string,
  scratch: string,
) {
  const [owner = "", name = ""] = run.repository.split("/");
  return checkOut(mirrors.at({ owner, name }), { sha: run.sha, ref: run.ref, serverUrl }, scratch);
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

function factsOf(
  settings: ServerConfig,
  url: string,
  {
    local,
    isolation,
    config,
  }: { readonly local: readonly LocalRepository[]; readonly isolation: string; readonly config: Config },
): ServedHearth["facts"] {
  const reported =
    settings.app === undefined
      ? config.githubToken === undefined
        ? "nobody"
        : "GITHUB_TOKEN, as statuses"
      : `GitHub App ${settings.app.id}, as checks`;
  const names = local.map(({ owner, name }) => `${owner}/${name}`);
  return [
    { name: "address", value: url },
    { name: "webhook", value: `${settings.publicUrl ?? url}/webhook` },
    {
      name: "signed",
      value: settings.webhookSecret === undefined ? "no: only this host is heard" : "with GITHUB_WEBHOOK_SECRET",
    },
    { name: "repositories", value: names.length === 0 ? `those that ${config.serverUrl} tells of` : names.join(", ") },
    { name: "isolation", value: isolation },
    { name: "reports to GitHub by", value: reported },
    { name: "state", value: config.stateDir },
  ];
}

function missingOf(settings: ServerConfig, config: Config, local: readonly LocalRepository[]): readonly string[] {
  const missing: string[] = [];
  if (local.length === 0 && settings.webhookSecret === undefined) {
    missing.push("GITHUB_WEBHOOK_SECRET: GitHub's deliveries are not taken without it (hearth init server makes one)");
  }
  if (settings.webhookSecret !== undefined && settings.publicUrl === undefined) {
    missing.push("HEARTH_PUBLIC_URL: the address that GitHub sends to; requests to any other name are refused");
  }
  if (local.length === 0 && settings.app === undefined && config.githubToken === undefined) {
    missing.push("GITHUB_TOKEN or GITHUB_APP_ID: GitHub is told nothing, and private repositories cannot be read");
  }
  return missing;
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

/** The API on what is kept, with nobody to run anything: what it queues waits for the next server. */
async function askOffline(
  { config, stored, artifacts }: ServerFoundation,
  directory: string,
): Promise<(request: ServerRequest) => Promise<Response>> {
  if (!existsSync(join(directory, SERVER_DATABASE))) {
    throw new EngineError("SERVER_UNREACHABLE", `No server runs on ${config.stateDir}, and none ever has`, {
      hint: "hearth serve starts one; --server URL names one elsewhere.",
    });
  }
  const [{ createListeners }, { createRunFeed }] = await Promise.all([
    import("./server/http.ts"),
    import("./server/run-feed.ts"),
  ]);
  return async ({ method, path, body, headers }) => {
    await using _lock = await lockState(directory);
    using opened = openServerStore(directory, clock);
    const { store, changes } = watchStore(opened);
    const { ask } = createListeners({
      store,
      changes,
      stored,
      artifacts,
      version: manifest.version,
      newId: randomUUID,
      feed: createRunFeed(stored),
      tokens: openApiTokens(config.stateDir),
      health: { reasons: () => [], look: async () => undefined, stop: () => undefined },
      metrics: { contentType: "text/plain", text: async () => "" },
      log: await createServerLog("error", (line) => process.stderr.write(line)),
      webhook: () => undefined,
      localWebhook: () => undefined,
      onDispatched: () => undefined,
      draining: () => false,
    });
    const init = { method, headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) } };
    const answer = await ask(
      new Request(`http://localhost${path}`, body === undefined ? init : { ...init, body: JSON.stringify(body) }),
    );
    // Read before the store closes.
    return new Response(await answer.arrayBuffer(), { status: answer.status, headers: answer.headers });
  };
}
