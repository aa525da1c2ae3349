/**
 * Decides by name and port whether a machine may reach a place. Names are normalised first, the same way for what is asked
 * and for what is allowed, so that `0x7f.1`, `EXAMPLE.com.` and `[::ffff:127.0.0.1]` are what they mean. Pure.
 * What a name resolves to is judged afterwards (`destination.ts`).
 */
import { isIP } from "node:net";
import type { NetworkPolicy } from "./services.ts";

export interface Place {
  /** Lower case, without a dot at the end; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port` and `[v6]:port`, and without a port when a default is given. Undefined for anything that has more in it
 * (a user, a path, an escape, a zone) or whose host is no name and no address.
 */
export function parsePlace(authority: string, defaultPort?: number): Place | undefined {
  const parsed = parseAuthority(authority);
  const port = parsed?.port ?? defaultPort;
  return parsed === undefined || port === undefined ? undefined : { host: parsed.host, port };
}

/** `named`: an entry says this very host, not a wildcard over it. */
export type PolicyAnswer = { readonly allowed: false } | { readonly allowed: true; readonly named: boolean };

export function askPolicy(policy: NetworkPolicy, place: Place): PolicyAnswer {
  if (policy.kind === "closed") return { allowed: false };
  if (policy.kind === "open") return { allowed: true, named: false };
  const matches = policy.hosts.map((entry) => matchEntry(entry, place));
  if (matches.includes("named")) return { allowed: true, named: true };
  return matches.includes("wildcard") ? { allowed: true, named: false } : { allowed: false };
}

/** As it is written in the flag that would allow it. */
export function formatPlace({ host, port }: Place): string {
  const name = isIP(host) === 6 ? `[${host}]` : host;
  return IMPLIED_PORTS.has(port) ? name : `${name}:${port}`;
}

/** What an entry without a port means. */
const IMPLIED_PORTS = new Set([80, 443]);

function matchEntry(entry: string, place: Place): "named" | "wildcard" | undefined {
  const isWildcard = entry.startsWith("*.");
  const allowed = parseAuthority(isWildcard ? entry.slice(2) : entry);
  if (allowed === undefined) return undefined;
  const portMatches = allowed.port === undefined ? IMPLIED_PORTS.has(place.port) : allowed.port === place.port;
  if (!portMatches) return undefined;
  if (isWildcard) return isIP(place.host) === 0 && place.host.endsWith(`.${allowed.host}`) ? "wildcard" : undefined;
  return place.host === allowed.host ? "named" : undefined;
}

function parseAuthority(authority: string): { host: string; port: number | undefined } | undefined {
  if (authority.length > MAX_AUTHORITY_CHARACTERS) return undefined;
  const { host, port: digits } = AUTHORITY.exec(authority)?.groups ?? {};
  const normal = host === undefined ? undefined : normaliseHost(host);
  if (normal === undefined) return undefined;
  const port = digits === undefined ? undefined : Number(digits);
  return port === undefined || (port >= 1 && port <= 65_535) ? { host: normal, port } : undefined;
}

const MAX_AUTHORITY_CHARACTERS = 300;
/** No `%`, `@`, `/` or `\`: what the URL parser would make of them is not what a person reads. */
const AUTHORITY = /^(?<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?<port>\d{1,5}))?$/;

/** The URL standard's host parser knows every form in which an address can be written: octal, hex, one number, fewer parts. */
function normaliseHost(host: string): string | undefined {
  const url = URL.parse(`http://${host.replace(/\.$/, "")}/`);
  if (url === null) return undefined;
  const normal = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(normal) !== 0 || NAME.test(normal) ? normal : undefined;
}

/** Underscores occur in names of real hosts. */
const NAME = /^(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*$/;
