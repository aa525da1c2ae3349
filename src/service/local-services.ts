/**
 * The services of one host: what a machine reaches through its egress stream, or through loopback where it has none.
 * One server for the services (git for now, 404 for the rest), one proxy to the outside, both made anew for each machine.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { networkInterfaces } from "node:os";
import type { Resolve } from "./destination.ts";
import { dialTcp, parseUpstreamProxy, resolveBySystem } from "./dial.ts";
import type { Dial, ProxyRoute, UpstreamProxy } from "./dial.ts";
import { serveEgress } from "./egress.ts";
import { createGitEndpoint } from "./git-endpoint.ts";
import type { GitEndpoint } from "./git-endpoint.ts";
import { createProxy } from "./proxy.ts";
import type { RepositoryLookup } from "./repository-lookup.ts";
import type { AttachedServices, NetworkDecision, ServiceRequest, Services } from "./services.ts";

export interface ServicesOptions {
  readonly lookup: RepositoryLookup;
  readonly upstreamProxy?: UpstreamProxy | undefined;
  /** Tests give their own. */
  readonly resolve?: Resolve;
  readonly dial?: Dial;
}

/** Throws `EngineError` BAD_CONFIG for an upstream proxy that cannot be used. `attach` may be called any number of times at once. */
export function createServices(options: ServicesOptions): Services {
  const upstream = options.upstreamProxy === undefined ? undefined : parseUpstreamProxy(options.upstreamProxy);
  return {
    async attach(request) {
      const git = createGitEndpoint(options.lookup);
      return request.egress === undefined
        ? await listen(git)
        : attachEgress(request, request.egress, git, { ...options, upstream });
    },
  };
}

type Egress = NonNullable<ServiceRequest["egress"]>;

function attachEgress(
  request: ServiceRequest,
  egress: Egress,
  git: GitEndpoint,
  { resolve = resolveBySystem, dial = dialTcp, upstream }: ServicesOptions & { upstream: ProxyRoute | undefined },
): AttachedServices {
  const proxy = createProxy({
    policy: request.network,
    onDecision: onceEach(request.onDecision),
    resolve,
    dial,
    upstream,
    ownAddresses,
  });
  const serving = serveEgress(egress, { proxy, services: createOrigin(git, "") });
  return {
    url: undefined,
    async [Symbol.asyncDispose]() {
      serving[Symbol.dispose]();
      await git[Symbol.asyncDispose]();
    },
  };
}

/** The path's first part is a secret, because every user of this host can connect to its loopback. */
async function listen(git: GitEndpoint): Promise<AttachedServices> {
  const token = randomBytes(24).toString("base64url");
  const server = createOrigin(git, `/${token}`);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return {
    url: `http://127.0.0.1:${address.port}/${token}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await git[Symbol.asyncDispose]();
    },
  };
}

function createOrigin(git: GitEndpoint, prefix: string): Server {
  const server = createServer({ maxHeaderSize: 16 << 10 });
  server.setTimeout(CONNECTION_IDLE_MS);
  server.on("request", (request, response) => {
    const url = request.url ?? "";
    if (startsWithSecret(url, prefix) && git.handle(request, response, url.slice(prefix.length))) return;
    response.writeHead(404, { "Content-Type": "application/json", Connection: "close" });
    response.end(`${JSON.stringify({ message: "Not Found" })}\n`);
  });
  return server;
}

const CONNECTION_IDLE_MS = 600_000;

function startsWithSecret(url: string, prefix: string): boolean {
  const given = Buffer.from(url.slice(0, prefix.length));
  const expected = Buffer.from(prefix);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
}

/** The record wants to know what was reached and refused, not how often; a machine that asks for a million names gets a thousand lines. */
function onceEach(onDecision: (decision: NetworkDecision) => void): (decision: NetworkDecision) => void {
  const seen = new Set<string>();
  return (decision) => {
    const key = JSON.stringify(decision);
    if (seen.has(key) || seen.size >= MAX_DECISIONS) return;
    seen.add(key);
    onDecision(decision);
  };
}

const MAX_DECISIONS = 1_000;
