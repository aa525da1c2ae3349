/**
 * The HTTP proxy that a machine reaches the outside through: CONNECT for TLS and everything else, absolute-form requests for
 * plain HTTP. It decides here, on the host, because what a guest enforces its own root can undo. Everything read is untrusted:
 * header size, idle time and the wait for a request are bounded; the request passed on is built anew, framing included.
 * A refusal is a 403 whose body says which flag would allow it. Source: RFC 9110 §7.6, RFC 9112 §3.2.
 */
import { createServer, request } from "node:http";
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from "node:http";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { findDestination } from "./destination.ts";
import type { Surroundings } from "./destination.ts";
import { dialProxy, isBypassed, openTunnel } from "./dial.ts";
import type { Dial, ProxyRoute } from "./dial.ts";
import { formatPlace, parsePlace } from "./network-policy.ts";
import type { Place } from "./network-policy.ts";
import type { NetworkDecision, NetworkPolicy } from "./services.ts";
import { joinStreams } from "./tunnel.ts";

export interface ProxyOptions extends Surroundings {
  readonly policy: NetworkPolicy;
  readonly dial: Dial;
  readonly upstream: ProxyRoute | undefined;
  readonly onDecision: (decision: NetworkDecision) => void;
}

/** Not listening: connections are handed to it (`connection` event). Closing its connections ends the tunnels through it. */
export function createProxy(options: ProxyOptions): Server {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: IDLE_TIMEOUT_MS });
  server.setTimeout(IDLE_TIMEOUT_MS);
  server.on("request", (incoming, response) => void forward(incoming, response, options));
  server.on("connect", (incoming, client, head) => void tunnel(incoming, client, head, options));
  return server;
}

const MAX_HEADER_BYTES = 16 << 10;
const IDLE_TIMEOUT_MS = 600_000;

async function tunnel(incoming: IncomingMessage, client: Duplex, head: Buffer, options: ProxyOptions): Promise<void> {
  // Node takes its own listener away with the connection.
  client.on("error", () => client.destroy());
  const place = parsePlace(incoming.url ?? "");
  const route = place === undefined ? refuseUnreadable(incoming.url ?? "", options) : await findRoute(place, options);
  if (route.kind === "refused") return answer(client, route);
  let server: Duplex;
  try {
    server = await route.connect("tunnel");
  } catch (error) {
    return answer(client, unreachable(route.place, error));
  }
  if (client.destroyed) return void server.destroy();
  client.write("HTTP/1.1 200 Connection established\r\n\r\n");
  if (head.length > 0) client.unshift(head);
  const { host, port } = route.place;
  joinStreams(client, server, {
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    serverName: options.policy.kind === "allow" && isIP(host) === 0 ? host : undefined,
    onWrongServerName: (serverName) => {
      const reason = `TLS through a tunnel to ${host} asks for ${serverName === undefined ? "a name that cannot be read" : "this name"}`;
      options.onDecision({ host: printable(serverName ?? host), port, allowed: false, reason });
    },
  });
}

async function forward(incoming: IncomingMessage, response: ServerResponse, options: ProxyOptions): Promise<void> {
  const target = parseAbsoluteForm(incoming.url ?? "");
  const route =
    target === undefined ? refuseUnreadable(incoming.url ?? "", options) : await findRoute(target.place, options);
  if (target === undefined || route.kind === "refused") {
    const { status, body } = route.kind === "refused" ? route : refuseUnreadable("", options);
    return say(response, status, body);
  }
  try {
    const connection = await route.connect("request");
    if (response.destroyed) return void connection.destroy();
    passOn(incoming, response, connection, route.viaProxy ? `http://${target.authority}${target.path}` : target.path, {
      // The name that was checked, whatever the request's own header says.
      Host: target.authority,
      ...(route.viaProxy && options.upstream?.authorization !== undefined
        ? { "Proxy-Authorization": options.upstream.authorization }
        : {}),
    });
  } catch (error) {
    const { status, body } = unreachable(target.place, error);
    say(response, status, body);
  }
}

interface Refusal {
  readonly kind: "refused";
  readonly status: 400 | 403 | 502;
  readonly body: string;
}

interface Route {
  readonly kind: "route";
  readonly place: Place;
  readonly viaProxy: boolean;
  readonly connect: (purpose: "tunnel" | "request") => Promise<Duplex>;
}

async function findRoute(place: Place, options: ProxyOptions): Promise<Route | Refusal> {
  const { policy, upstream, dial, resolve, onDecision } = options;
  const destination = await findDestination(place, policy, options);
  const { host, port } = place;
  if (destination.kind === "refused") {
    onDecision({ host, port, allowed: false, reason: destination.reason });
    return { kind: "refused", status: 403, body: `hearth: refused ${host}:${port}: ${destination.reason}\n` };
  }
  onDecision({ host, port, allowed: true, reason: undefined });
  // What the list names as an address is near by; a proxy to the outside would look for it in the wrong place.
  const isNear = destination.kind === "addresses" && destination.explicit;
  if (upstream !== undefined && !isNear && !isBypassed(upstream, place)) {
    return {
      kind: "route",
      place,
      viaProxy: true,
      connect: async (purpose) => {
        const connection = await dialProxy(upstream, resolve, dial);
        return purpose === "tunnel" ? await openTunnel(connection, place, upstream) : connection;
      },
    };
  }
  if (destination.kind === "unresolved") return unreachable(place, destination.cause);
  return { kind: "route", place, viaProxy: false, connect: async () => await dial(destination.addresses, port) };
}

function refuseUnreadable(target: string, { onDecision }: ProxyOptions): Refusal {
  const reason = "not a host and port";
  onDecision({ host: printable(target), port: 0, allowed: false, reason });
  return { kind: "refused", status: 400, body: `hearth: refused ${printable(target)}: ${reason}\n` };
}

function unreachable(place: Place, error: unknown): Refusal {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  const reason = code ?? (error instanceof Error ? error.message : "no answer");
  return { kind: "refused", status: 502, body: `hearth: cannot reach ${formatPlace(place)}: ${reason}\n` };
}

/** What a guest wrote goes into a record that people read. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 253);
}

const STATUS_TEXT = { 400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway" } as const;

function answer(client: Duplex, { status, body }: Refusal): void {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_TEXT[status]}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  client.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // Nothing more is expected, and a client that goes on sending is not read to its end.
  client.once("finish", () => client.destroy());
}

function say(response: ServerResponse, status: number, body: string): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": length,
    Connection: "close",
  });
  response.end(body);
}

interface Target {
  readonly place: Place;
  /** As a `Host` header has it. */
  readonly authority: string;
  readonly path: string;
}

function parseAbsoluteForm(url: string): Target | undefined {
  const { authority, path } = /^http:\/\/(?<authority>[^/?#]+)(?<path>[/?][^#]*)?$/i.exec(url)?.groups ?? {};
  const place = authority === undefined ? undefined : parsePlace(authority, 80);
  if (place === undefined) return undefined;
  const name = isIP(place.host) === 6 ? `[${place.host}]` : place.host;
  const from = path ?? "/";
  return {
    place,
    authority: place.port === 80 ? name : `${name}:${place.port}`,
    path: from.startsWith("?") ? `/${from}` : from,
  };
}

function passOn(
  incoming: IncomingMessage,
  response: ServerResponse,
  connection: Duplex,
  path: string,
  ownHeaders: { readonly [name: string]: string },
): void {
  const outgoing: ClientRequest = request({
    method: incoming.method ?? "GET",
    path,
    createConnection: () => connection,
    maxHeaderSize: 4 * MAX_HEADER_BYTES,
    setHost: false,
    headers: {
      ...endToEnd(incoming.rawHeaders, ["host", "expect"]),
      ...ownHeaders,
      Connection: "close",
      // Said again because Node would send the body of a GET without any framing.
      ...(incoming.headers["transfer-encoding"] === undefined ? {} : { "Transfer-Encoding": "chunked" }),
    },
  });
  outgoing.once("response", (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.statusMessage, endToEnd(answered.rawHeaders, []));
    answered.once("error", () => response.destroy());
    answered.pipe(response);
  });
  outgoing.once("error", (error) => {
    if (response.headersSent) response.destroy();
    else say(response, 502, `hearth: no answer: ${error.message}\n`);
  });
  response.once("close", () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  incoming.pipe(outgoing);
}

const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Headers meant for the other end, without those that `Connection` names (RFC 9110 §7.6.1). Repeated ones stay repeated. */
function endToEnd(rawHeaders: readonly string[], dropped: readonly string[]): { [name: string]: string[] } {
  const pairs = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? ""] as const] : [],
  );
  const listed = pairs.filter(([name]) => name === "connection").flatMap(([, value]) => value.toLowerCase().split(","));
  const gone = new Set([...HOP_BY_HOP, ...dropped, ...listed.map((name) => name.trim())]);
  const kept = Map.groupBy(
    pairs.filter(([name]) => !gone.has(name)),
    ([name]) => name,
  );
  return Object.fromEntries([...kept].map(([name, values]) => [name, values.map(([, value]) => value)]));
}
