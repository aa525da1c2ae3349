/**
 * The server's side towards GitHub: who it is there, what it reads with, what it tells, and what it has missed. Without an App and
 * without a token nothing is told, and only what is public is read.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "./config.ts";
import type { RepositoryName } from "./git/remote-url.ts";
import type { GithubClient } from "./github/client.ts";
import type { RunReporter } from "./github/reporter.ts";
import type { ServerConfig } from "./server-config.ts";
import type { ServerLoop } from "./server/serve.ts";
import type { DeliverySource } from "./server/missed-deliveries.ts";
import type { ServerLog } from "./server/server-log.ts";
import type { ServerStore } from "./server/server-store.ts";

export interface GithubSideParts {
  readonly config: Pick<Config, "githubToken" | "apiUrl" | "upstreamProxy">;
  readonly settings: Pick<ServerConfig, "app" | "publicUrl" | "repositories">;
  readonly store: ServerStore;
  readonly log: ServerLog;
  /** A repository of this host: GitHub need not know it. */
  readonly isLocal: (repository: string) => boolean;
}

export interface GithubSide {
  /** For reading a repository; undefined: none. */
  token(repository: RepositoryName): Promise<string | undefined>;
  readonly reporter: RunReporter;
  /** Sends what is to be told; none where nobody is told. */
  startSender(): Promise<readonly ServerLoop[]>;
  /** Fetches what GitHub could not deliver. `repositories`: known ones, `owner/name`. */
  startMissed(repositories: () => readonly string[], onAccepted: () => void): Promise<readonly ServerLoop[]>;
}

export async function openGithubSide(parts: GithubSideParts): Promise<GithubSide> {
  const { config, settings, store, isLocal } = parts;
  const client = await openClient(config, settings);
  const fetchToken = await fetchTokens(client, settings);
  const isTold = (repository: string): boolean => client !== undefined && !isLocal(repository);
  const { createRunReporter } = await import("./github/reporter.ts");
  const reporter = createRunReporter(
    {
      kind: settings.app === undefined ? "statuses" : "checks",
      comment: true,
      detailsUrl: (run) => (settings.publicUrl === undefined ? undefined : `${settings.publicUrl}/api/v1/runs/${run}`),
    },
    (report) => {
      if (isTold(report.repository)) store.outbox.put(report);
    },
  );
  return {
    async token({ owner, name }) {
      if (fetchToken === undefined) return config.githubToken;
      // Nobody has installed the App on what GitHub may never have heard of.
      return isLocal(`${owner}/${name}`) ? undefined : await fetchToken({ owner, name });
    },
    reporter: onlyFor(reporter, isTold),
    startSender: async () => (client === undefined ? [] : [await startSender(client, parts)]),
    startMissed: async (repositories, onAccepted) => {
      const sources = client && sourcesOf(client, parts, repositories);
      return client === undefined || sources === undefined
        ? []
        : [await startMissed(client, parts, { sources, onAccepted })];
    },
  };
}

async function openClient(
  { githubToken, apiUrl, upstreamProxy }: GithubSideParts["config"],
  { app }: Pick<ServerConfig, "app">,
): Promise<GithubClient | undefined> {
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

async function fetchTokens(client: GithubClient | undefined, { app }: Pick<ServerConfig, "app">) {
  if (client === undefined || app === undefined) return undefined;
  const { createFetchTokens } = await import("./server/fetch-token.ts");
  return createFetchTokens(client, () => performance.now());
}

/** GitHub is told of its own repositories alone. */
function onlyFor(reporter: RunReporter, isTold: (repository: string) => boolean): RunReporter {
  return {
    onEvent(run, event) {
      if (isTold(run.repository)) reporter.onEvent(run, event);
    },
    atEnd: (run, conclusion, reason) => (isTold(run.repository) ? reporter.atEnd(run, conclusion, reason) : []),
    standing: (run) => (isTold(run.repository) ? reporter.standing(run) : []),
    ended: (run, events) => (isTold(run.repository) ? reporter.ended(run, events) : []),
  };
}

/**
 * As an App: its own webhook. With a token: the webhooks of repositories that lead here, which needs the address that they were given.
 * Undefined: nothing can be looked for.
 */
function sourcesOf(
  client: GithubClient,
  { settings, log, isLocal }: GithubSideParts,
  repositories: () => readonly string[],
): (() => Promise<readonly DeliverySource[]>) | undefined {
  if (settings.app !== undefined) return async () => [{ kind: "app" }];
  const { publicUrl } = settings;
  if (publicUrl === undefined) return undefined;
  const refused = new Set<string>();
  return async () => {
    const { findOwnHooks } = await import("./github/own-hooks.ts");
    const named = (settings.repositories ?? []).filter((name) => !name.endsWith("/*"));
    const all = new Set([...named, ...repositories().map((name) => name.toLowerCase())]);
    const sources: DeliverySource[] = [];
    for (const repository of all) {
      if (isLocal(repository)) continue;
      try {
        const hooks = await findOwnHooks(client, repository, `${publicUrl}/webhook`);
        sources.push(...hooks.map((hook) => ({ kind: "repository", ...hook }) as const));
      } catch (error) {
        // A token that may not see webhooks will not see them in five minutes either: said once.
        if (refused.has(repository)) continue;
        refused.add(repository);
        log.warn("webhooks not listed: what is missed is not fetched", { repository, error: messageOf(error) });
      }
    }
    return sources;
  };
}

async function startMissed(
  client: GithubClient,
  { store, log }: GithubSideParts,
  rest: { readonly sources: () => Promise<readonly DeliverySource[]>; readonly onAccepted: () => void },
): Promise<ServerLoop> {
  const [{ startMissedDeliveries }, { createHookPages }] = await Promise.all([
    import("./server/missed-deliveries.ts"),
    import("./github/hook-pages.ts"),
  ]);
  return startMissedDeliveries({ store, log, now: Date.now, get: createHookPages(client), ...rest });
}

async function startSender(client: GithubClient, { store, log }: GithubSideParts): Promise<ServerLoop> {
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
      onFault: (error) => log.error("reports not sent", { error: messageOf(error) }),
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
