/**
 * The life of a server: what listens, what works, and how it ends. Started in the order in which parts need each other, ended in the
 * other one: first nothing new is taken, then what goes on may end, then the rest is told. What is not done then is in the store,
 * and the next server does it (SECURITY-RELIABILITY F25).
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { EngineError } from "../lib/engine-error.ts";
import { ownHosts } from "./access.ts";
import type { ApiTokens } from "./api-tokens.ts";
import { CONNECTION_OPTIONS, limitConnections } from "./connection-limit.ts";
import { watchHealth } from "./health.ts";
import { createListeners } from "./http.ts";
import type { HttpParts } from "./http.ts";
import { createMetrics } from "./metrics.ts";
import type { MetricsParts } from "./metrics.ts";
import { createRunFeed } from "./run-feed.ts";
import { startRunQueue } from "./run-queue.ts";
import type { RunQueueParts } from "./run-queue.ts";
import { createWebhookIntake, isLoopback, requireWebhookSecret } from "./webhook-intake.ts";

export interface ServerSettings {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly publicUrl: string | undefined;
  readonly hosts: readonly string[];
  readonly webhookSecret: string | undefined;
  readonly concurrency: number;
  readonly infraRetries: number;
  /** For runs that go on when the server is stopped. */
  readonly drainMs: number;
}

/** Goes on until it is stopped; stopping twice is safe. */
export interface ServerLoop {
  stop(): Promise<void>;
}

export interface ServerParts
  extends
    Pick<HttpParts, "version" | "stored" | "artifacts" | "tokens" | "newId" | "log" | "store" | "changes">,
    Pick<RunQueueParts, "host" | "reporter" | "owner"> {
  readonly settings: ServerSettings;
  readonly stateDir: string;
  /** Path of the socket that commands of this user speak to; its directory is the user's own. */
  readonly socket: string;
  /** Something was accepted: plan it now. */
  readonly onAccepted: () => void;
  /** Those that take new work, and those that tell of it: planning, schedules; reports. */
  readonly takers: readonly ServerLoop[];
  readonly tellers: readonly ServerLoop[];
  readonly numbers?: MetricsParts["numbers"];
  readonly histograms?: MetricsParts["histograms"];
  /** What of other parts keeps the server from doing its work. */
  readonly troubles?: () => readonly { readonly reason: string; readonly detail: string }[];
}

export interface RunningServer {
  /** `http://127.0.0.1:3000`. */
  readonly url: string;
  readonly port: number;
  /** Ends it in order; `hurry` skips the rest of the grace. Safe to call again. */
  drain(reason: string, hurry: AbortSignal): Promise<void>;
}

const LEASE_MS = 30_000;
const CONNECTIONS_PER_SOURCE = 200;

/** Throws BAD_CONFIG for an address that others reach without a secret or tokens, and for one that cannot be listened on. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { settings, store, changes, log, stateDir } = parts;
  requireGuards(settings, parts.tokens);
  const feed = createRunFeed(parts.stored);
  let draining = false;
  const queue = startRunQueue({
    store,
    changes,
    log,
    host: parts.host,
    reporter: parts.reporter,
    owner: parts.owner,
    onEvent: (run, event) => feed.push(run, event),
    leaseMs: LEASE_MS,
    now: () => performance.now(),
    concurrency: settings.concurrency,
    infraRetries: settings.infraRetries,
  });
  const health = watchHealth({ store, stateDir, others: parts.troubles ?? (() => []) });
  await health.look();
  const intake = (secrets: readonly string[]): RequestListener => {
    const take = createWebhookIntake({
      store,
      secrets,
      onAccepted: parts.onAccepted,
      isOpen: () => !draining,
      onRefused: (message, facts) => log.warn(message, facts),
    });
    return (request, response) => void take(request, response);
  };
  const listeners = createListeners({
    version: parts.version,
    stored: parts.stored,
    artifacts: parts.artifacts,
    tokens: parts.tokens,
    store,
    changes,
    feed,
    health,
    log,
    newId: parts.newId,
    metrics: await createMetrics({
      store,
      changes,
      running: () => queue.running(),
      ...(parts.numbers !== undefined && { numbers: parts.numbers }),
      ...(parts.histograms !== undefined && { histograms: parts.histograms }),
    }),
    webhook: intake(settings.webhookSecret === undefined ? [] : [settings.webhookSecret]),
    localWebhook: intake([]),
    onDispatched: parts.onAccepted,
    draining: () => draining,
  });
  let hosts: ReadonlySet<string> = new Set();
  const remote = createServer(
    CONNECTION_OPTIONS,
    listeners.remote(() => hosts),
  );
  limitConnections(remote, CONNECTIONS_PER_SOURCE);
  const local = createServer(CONNECTION_OPTIONS, listeners.local);
  try {
    await listen(remote, { host: settings.host, port: settings.port });
    rmSync(parts.socket, { force: true });
    await listen(local, { path: parts.socket });
    chmodSync(parts.socket, 0o600);
  } catch (error) {
    await Promise.all([closed(remote), closed(local)]);
    health.stop();
    await queue.drain(0, "the server could not start", AbortSignal.abort());
    throw error;
  }
  const { port } = addressOf(remote);
  hosts = ownHosts(settings.host, port, settings.publicUrl, settings.hosts);
  log.info("server started", { host: settings.host, port });

  async function end(reason: string, hurry: AbortSignal): Promise<void> {
    draining = true;
    log.info("server drains", { running: queue.running() });
    queue.close();
    await Promise.all(parts.takers.map((loop) => loop.stop()));
    await queue.drain(settings.drainMs, reason, hurry);
    // In their order: what one tells, the next sends.
    for (const loop of parts.tellers) await loop.stop();
    health.stop();
    await Promise.all([closed(remote), closed(local)]);
    rmSync(parts.socket, { force: true });
    log.info("server stopped");
  }

  let ended: Promise<void> | undefined;
  return {
    url: `http://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${port}`,
    port,
    drain: (reason, hurry) => (ended ??= end(reason, hurry)),
  };
}

function requireGuards({ host, webhookSecret }: ServerSettings, tokens: ApiTokens): void {
  requireWebhookSecret(host, webhookSecret === undefined ? [] : [webhookSecret]);
  if (isLoopback(host) || tokens.list().length > 0) return;
  throw new EngineError("BAD_CONFIG", `Cannot listen on ${host}: others would reach the API, and it has no tokens`, {
    hint: "hearth api-token add NAME --role read makes one; or listen on 127.0.0.1.",
  });
}

function listen(server: Server, where: { readonly host: string; readonly port: number } | { readonly path: string }) {
  return new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      const at = "path" in where ? where.path : `${where.host}:${where.port}`;
      const hint = "path" in where ? undefined : "Something else listens there? PORT names another port.";
      reject(new EngineError("BAD_CONFIG", `Cannot listen on ${at}: ${error.message}`, { cause: error, hint }));
    };
    server.once("error", fail);
    server.listen(where, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

/** Streams that are still read end too: who reads comes again, to the next server. */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return address;
}
