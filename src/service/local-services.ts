/**
 * The services of one host: what a machine reaches through its egress stream, or through loopback where it has none.
 * One server for the services, one proxy to the outside, both made anew for each machine.
 *
 * On loopback everybody on this host can connect, and `ACTIONS_RESULTS_URL` must be an origin without a path (ACTIONS-CONTRACT §5.0).
 * So one listener has two ways to be private: git, whose clients bring no token of ours, stands behind a secret first part of
 * the path; everything else wants a job's token or a signed address, as it does inside a machine.
 */
import { randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { addressesAt } from "./api-address.ts";
import { createBlobLinks } from "./blob-links.ts";
import { createBlobStore } from "./blob-store.ts";
import type { Resolve } from "./destination.ts";
import { dialTcp, parseUpstreamProxy, resolveBySystem } from "./dial.ts";
import type { Dial, ProxyRoute, UpstreamProxy } from "./dial.ts";
import { serveEgress } from "./egress.ts";
import type { Endpoint } from "./endpoint.ts";
import { createEndpoints } from "./endpoints.ts";
import type { EndpointSettings } from "./endpoints.ts";
import { createGitEndpoint } from "./git-endpoint.ts";
import type { GitEndpoint } from "./git-endpoint.ts";
import { replyJson } from "./http-reply.ts";
import { createJobTokens } from "./job-tokens.ts";
import type { OpenedJob } from "./job-tokens.ts";
import { createProxy } from "./proxy.ts";
import type { RepositoryLookup } from "./repository-lookup.ts";
import type { AttachedServices, JobServices, ServiceRequest, Services } from "./services.ts";

export interface ServicesOptions {
  readonly lookup: RepositoryLookup;
  readonly upstreamProxy?: UpstreamProxy | undefined;
  /** What is kept beyond a run. Undefined: git and the way outside, and nothing else. */
  readonly kept?: KeptServices | undefined;
  /** Tests give their own. */
  readonly resolve?: Resolve;
  readonly dial?: Dial;
}

export interface KeptServices {
  readonly stateDir: string;
  readonly settings: EndpointSettings;
  /** Wall clock, in ms. */
  readonly now: () => number;
}

/** Throws `EngineError` BAD_CONFIG for an upstream proxy that cannot be used. `attach` may be called any number of times at once. */
export function createServices(options: ServicesOptions): Services {
  const upstream = options.upstreamProxy === undefined ? undefined : parseUpstreamProxy(options.upstreamProxy);
  return {
    async attach(request) {
      const git = createGitEndpoint(options.lookup);
      return request.egress === undefined
        ? await listen(git, request, options.kept)
        : attachEgress(request, request.egress, git, { ...options, upstream });
    },
  };
}

type Egress = NonNullable<ServiceRequest["egress"]>;

function attachEgress(
  request: ServiceRequest,
  egress: Egress,
  git: GitEndpoint,
  { resolve = resolveBySystem, dial = dialTcp, upstream, kept }: ServicesOptions & { upstream: ProxyRoute | undefined },
): AttachedServices {
  const proxy = createProxy({
    policy: request.network,
    onDecision: request.onDecision,
    resolve,
    dial,
    upstream,
    ownAddresses,
  });
  const services = serveJobs(request.url ?? "", request, kept);
  const doors = { proxy, services: createOrigin(git, "", () => services.endpoints) };
  const serving = serveEgress(egress, doors);
  return {
    url: undefined,
    openJob: services.openJob,
    connections: () => serving.connections(),
    moveTo: (stream) => serving.moveTo(stream),
    async [Symbol.asyncDispose]() {
      serving[Symbol.dispose]();
      await git[Symbol.asyncDispose]();
      await services[Symbol.asyncDispose]();
    },
  };
}

async function listen(
  git: GitEndpoint,
  request: ServiceRequest,
  kept: KeptServices | undefined,
): Promise<AttachedServices> {
  const secret = randomBytes(24).toString("base64url");
  let endpoints: readonly Endpoint[] = [];
  const server = createOrigin(git, `/${secret}`, () => endpoints);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  const origin = `http://127.0.0.1:${address.port}`;
  const services = serveJobs(origin, request, kept);
  endpoints = services.endpoints;
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    socket.once("close", () => (connections -= 1));
  });
  return {
    url: `${origin}/${secret}`,
    openJob: services.openJob,
    connections: () => connections,
    moveTo() {
      throw new Error("a machine without an egress stream has none to move to");
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await git[Symbol.asyncDispose]();
      await services[Symbol.asyncDispose]();
    },
  };
}

interface JobsServed extends AsyncDisposable, Pick<AttachedServices, "openJob"> {
  readonly endpoints: readonly Endpoint[];
}

/** `origin` without a trailing slash. Disposal ends the jobs that are still open. */
function serveJobs(
  origin: string,
  { onApi }: Pick<ServiceRequest, "onApi">,
  kept: KeptServices | undefined,
): JobsServed {
  if (kept === undefined)
    return { endpoints: [], openJob: () => noServices, [Symbol.asyncDispose]: async () => undefined };
  const { stateDir, now, settings } = kept;
  const tokens = createJobTokens(now);
  const blobs = createBlobStore({ directory: join(stateDir, "blobs"), now });
  const links = createBlobLinks({ origin, tokens });
  const endpoints = createEndpoints({ origin, tokens, blobs, links, stateDir, now, onApi }, settings);
  const open = new Set<() => void>();
  return {
    endpoints,
    openJob(job) {
      const opened = tokens.open(job);
      const end = (): void => {
        if (!open.delete(end)) return;
        opened.close();
        for (const endpoint of endpoints) endpoint.endJob?.(opened.caller);
      };
      open.add(end);
      const apiUrl = settings.api === undefined ? {} : { apiUrl: addressesAt(origin).api };
      return { ...variablesOf(opened, origin), ...apiUrl, [Symbol.dispose]: end };
    },
    async [Symbol.asyncDispose]() {
      for (const end of open) end();
      for (const endpoint of endpoints) await endpoint[Symbol.asyncDispose]?.();
      await blobs[Symbol.asyncDispose]();
    },
  };
}

const noServices: JobServices = {
  stepVariables: {},
  actionVariables: {},
  secrets: [],
  [Symbol.dispose]: () => undefined,
};

/** ACTIONS-CONTRACT §1.3, §5.0. */
function variablesOf(
  { caller, runtimeToken, idToken }: OpenedJob,
  origin: string,
): Omit<JobServices, keyof Disposable> {
  const mayIdentify = caller.claims.permissions["id-token"] === "write";
  return {
    actionVariables: {
      ACTIONS_RUNTIME_URL: `${origin}/`,
      ACTIONS_RUNTIME_TOKEN: runtimeToken,
      ACTIONS_RESULTS_URL: `${origin}/`,
      ACTIONS_CACHE_URL: `${origin}/`,
      // Some clients want a word that Go takes for true, the others any text at all.
      ACTIONS_CACHE_SERVICE_V2: "True",
    },
    stepVariables: mayIdentify
      ? {
          // Clients put `&audience=` behind it.
          ACTIONS_ID_TOKEN_REQUEST_URL: `${origin}/idtoken?api-version=2.0`,
          ACTIONS_ID_TOKEN_REQUEST_TOKEN: idToken,
        }
      : {},
    secrets: mayIdentify ? [runtimeToken, idToken] : [runtimeToken],
  };
}

/** Git behind `prefix`; the others at the root. */
function createOrigin(git: GitEndpoint, prefix: string, endpoints: () => readonly Endpoint[]): Server {
  // Uploads may take their time; each body is watched while it is read (`http-body.ts`).
  const server = createServer({ maxHeaderSize: 16 << 10, requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS });
  server.setTimeout(CONNECTION_IDLE_MS);
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => {
    limitLingering(request, response);
    const url = request.url ?? "";
    response.setHeader("x-github-request-id", randomUUID());
    if (startsWithSecret(url, prefix) && git.handle(request, response, url.slice(prefix.length))) return;
    if (endpoints().some((endpoint) => endpoint.handle(request, response, url))) return;
    replyJson(response, 404, { message: "Not Found" });
  });
  return server;
}

const CONNECTION_IDLE_MS = 600_000;
/** Longer than clients pause between the blocks of an upload: one that meets a closing connection has to begin again. */
const KEEP_ALIVE_MS = 60_000;
const MAX_CONNECTIONS = 512;
const LINGER_MS = 10_000;

/** Node reads what is left of a body after the answer, so that the answer arrives; not for ever. */
function limitLingering(request: IncomingMessage, response: ServerResponse): void {
  response.once("finish", () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
    request.once("close", () => clearTimeout(timer));
  });
}

function startsWithSecret(url: string, prefix: string): boolean {
  const given = Buffer.from(url.slice(0, prefix.length));
  const expected = Buffer.from(prefix);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
}
