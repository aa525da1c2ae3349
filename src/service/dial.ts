/** Connections of the host to the outside: straight to addresses that were checked, or through the proxy the host itself has to use. */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { request } from "node:http";
import { connect, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { EngineError } from "../lib/engine-error.ts";
import type { Resolve } from "./destination.ts";
import type { Place } from "./network-policy.ts";

/** Connects to one of the addresses, or rejects. The stream is half-open, and breaks when nothing moves for ten minutes. */
export type Dial = (addresses: readonly string[], port: number) => Promise<Duplex>;

/** What the host has in HTTPS_PROXY and NO_PROXY. */
export interface UpstreamProxy {
  /** `http:` or `https:`; may hold credentials. */
  readonly url: string;
  /** Names reached without it, the names below them included; `*` for all. */
  readonly noProxy: readonly string[];
}

export const resolveBySystem: Resolve = async (host) => {
  const answers = await lookup(host, { all: true });
  return answers.map(({ address }) => address);
};

export const dialTcp: Dial = async (addresses, port) => {
  const socket = connect({
    host: "destination",
    port,
    allowHalfOpen: true,
    noDelay: true,
    // The addresses were checked; asking the name again could give others. Node tries them in turn (RFC 8305).
    lookup: (_host, _options, found) =>
      found(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      ),
  });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy(new Error("nothing came for ten minutes")));
  return socket;
};

const DIAL_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 600_000;

/** An upstream proxy, read and checked. */
export interface ProxyRoute {
  readonly secure: boolean;
  readonly place: Place;
  /** Value of `Proxy-Authorization`; undefined without a user. */
  readonly authorization: string | undefined;
  readonly noProxy: readonly string[];
}

/** Throws `EngineError` BAD_CONFIG. */
export function parseUpstreamProxy({ url, noProxy }: UpstreamProxy): ProxyRoute {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== "http:" && parsed.protocol !== "https:")) {
    throw new EngineError(
      "BAD_CONFIG",
      "Cannot use the proxy that this host is configured with: no http or https address",
      {
        hint: "Set HTTPS_PROXY to an address such as http://proxy.example:3128.",
      },
    );
  }
  const secure = parsed.protocol === "https:";
  const credentials = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  return {
    secure,
    place: { host: parsed.hostname.replaceAll(/^\[|\]$/g, ""), port: Number(parsed.port || (secure ? 443 : 80)) },
    authorization: parsed.username === "" ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`,
    noProxy: noProxy
      .map((name) =>
        name
          .trim()
          .toLowerCase()
          .replace(/^\*?\./, ""),
      )
      .filter((name) => name !== ""),
  };
}

export function isBypassed({ noProxy }: ProxyRoute, { host }: Place): boolean {
  return noProxy.some((name) => name === "*" || host === name || host.endsWith(`.${name}`));
}

export async function dialProxy({ place, secure }: ProxyRoute, resolve: Resolve, dial: Dial): Promise<Duplex> {
  const connection = await dial(isIP(place.host) === 0 ? await resolve(place.host) : [place.host], place.port);
  if (!secure) return connection;
  const encrypted = connectTls({ socket: connection, ...(isIP(place.host) === 0 ? { servername: place.host } : {}) });
  await once(encrypted, "secureConnect", { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
  return encrypted;
}

/** Asks the upstream proxy for a tunnel over a connection to it. Rejects when it refuses. */
export async function openTunnel(proxy: Duplex, { host, port }: Place, route: ProxyRoute): Promise<Duplex> {
  const authority = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const asked = request({
    method: "CONNECT",
    path: authority,
    createConnection: () => proxy,
    headers: {
      host: authority,
      ...(route.authorization === undefined ? {} : { "proxy-authorization": route.authorization }),
    },
  });
  return await new Promise((resolve, reject) => {
    const deadline = setTimeout(() => asked.destroy(new Error("the upstream proxy does not answer")), DIAL_TIMEOUT_MS);
    asked.once("close", () => clearTimeout(deadline));
    asked.once("error", reject);
    asked.once("response", () => asked.destroy(new Error("the upstream proxy did not take CONNECT")));
    asked.once("connect", (response, tunnel, head) => {
      if (response.statusCode !== 200) {
        tunnel.destroy();
        return reject(new Error(`the upstream proxy refused with status ${response.statusCode}`));
      }
      if (head.length > 0) tunnel.unshift(head);
      resolve(tunnel);
    });
    asked.end();
  });
}
