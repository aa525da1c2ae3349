/**
 * Who is let in by what a request says of itself, before anything of it is read: the name it was sent to, the page it comes from, its
 * token. A page that a browser shows can reach a server on loopback, and by a name of its own (DNS rebinding): so the name must be one
 * of ours, and a request of another page is refused (SECURITY-RELIABILITY A35). There are no cookies and there is no CORS.
 */
import type { ApiTokens, Role } from "./api-tokens.ts";
import { mayDo } from "./api-tokens.ts";
import { isLoopback } from "./webhook-intake.ts";

/** `local`: came through the socket that only this user can open. */
export type Caller =
  | { readonly kind: "local" }
  | { readonly kind: "remote"; readonly authorization: string | undefined };

export type Verdict =
  | { readonly ok: true; readonly name: string }
  | { readonly ok: false; readonly status: 401 | 403; readonly message: string };

/** As `Host` says them, in lower case. `publicUrl`: how others reach the server. */
export function ownHosts(
  host: string,
  port: number,
  publicUrl: string | undefined,
  others: readonly string[] = [],
): ReadonlySet<string> {
  const loopback = isLoopback(host) || isEverywhere(host) ? ["127.0.0.1", "localhost", "[::1]"] : [];
  const named = isEverywhere(host) ? [] : [host.includes(":") ? `[${host}]` : host];
  const local = [...loopback, ...named].flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])]);
  const outside = publicUrl === undefined ? [] : [new URL(publicUrl).host];
  return new Set([...local, ...outside, ...others].map((name) => name.toLowerCase()));
}

export function isOwnHost(hosts: ReadonlySet<string>, header: string | undefined): boolean {
  return header !== undefined && hosts.has(header.toLowerCase());
}

/** Absent: not a page's request, or one that changes nothing. */
export function isOwnOrigin(hosts: ReadonlySet<string>, header: string | undefined): boolean {
  if (header === undefined) return true;
  return URL.canParse(header) && /^https?:$/u.test(new URL(header).protocol) && hosts.has(new URL(header).host);
}

export function authorise(tokens: ApiTokens, caller: Caller, needed: Role): Verdict {
  if (caller.kind === "local") return { ok: true, name: "local" };
  const token = /^Bearer +(?<token>[\w-]{1,256})$/iu.exec(caller.authorization ?? "")?.groups?.["token"];
  if (token === undefined) return { ok: false, status: 401, message: "A token is needed: authorization: Bearer TOKEN" };
  const found = tokens.check(token);
  if (found === undefined) return { ok: false, status: 401, message: "The token is not known" };
  if (mayDo(found.role, needed)) return { ok: true, name: found.name };
  return { ok: false, status: 403, message: `The token's role is ${found.role}; this needs ${needed}` };
}

function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
