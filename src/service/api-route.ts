/**
 * The table of what the token of a job may ask of GitHub's API, and which permission that takes. It is here that `permissions:`
 * meets what it is for, for the local facade and for what is passed through to GitHub alike.
 *
 * Reading takes `read` also where GitHub lets everybody read a public repository: whether this one is public is not known here,
 * and a workflow that names what it needs runs on both. Source: GitHub REST "Permissions required for GitHub Apps".
 */
import type { ApiCall } from "./api-call.ts";
import type { ApiResponse } from "./api-message.ts";

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/repos/{owner}/{repo}/git/ref/{ref*}`: a name with `*` takes the rest of the path. */
  readonly pattern: string;
  readonly needs: Needs;
  /** Undefined: known to GitHub, and answered here by nobody. */
  readonly answer: Handler | undefined;
}

export type Handler = (call: ApiCall) => ApiResponse | Promise<ApiResponse>;

export type Needs =
  /** Nothing of a repository: `/rate_limit`. */
  | { readonly kind: "nothing" }
  /** What every token can read. */
  | { readonly kind: "metadata" }
  /** One of the scopes is enough. */
  | { readonly kind: "scope"; readonly level: "read" | "write"; readonly scopes: readonly string[] }
  /** `issues` for an issue; for a pull request `pull-requests` is as good. */
  | { readonly kind: "thread"; readonly level: "read" | "write" };

export const reads = (...scopes: readonly string[]): Needs => ({ kind: "scope", level: "read", scopes });
export const writes = (...scopes: readonly string[]): Needs => ({ kind: "scope", level: "write", scopes });
export const METADATA: Needs = { kind: "metadata" };
export const READS_THREAD: Needs = { kind: "thread", level: "read" };
export const WRITES_THREAD: Needs = { kind: "thread", level: "write" };

/** A route below the repository. */
export function route(method: Route["method"], path: string, needs: Needs, answer: Handler | undefined): Route {
  return { method, pattern: `/repos/{owner}/{repo}${path === "" ? "" : `/${path}`}`, needs, answer };
}

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

export type RouteFinder = (method: string, path: readonly string[]) => RouteMatch | undefined;

/** Of two that fit, the first. */
export function createRouteFinder(routes: readonly Route[]): RouteFinder {
  const compiled = routes.map((one) => ({ route: one, parts: one.pattern.split("/").slice(1).map(parsePart) }));
  return (method, path) => {
    for (const { route: found, parts } of compiled) {
      if (found.method !== method) continue;
      const params = fit(parts, path);
      if (params !== undefined) return { route: found, params };
    }
    return undefined;
  };
}

type Part =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "rest"; readonly name: string };

function parsePart(text: string): Part {
  const { name, rest } = /^\{(?<name>\w+)(?<rest>\*?)\}$/.exec(text)?.groups ?? {};
  if (name === undefined) return { kind: "literal", text };
  return rest === "*" ? { kind: "rest", name } : { kind: "name", name };
}

function fit(parts: readonly Part[], path: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    if (part.kind === "rest") {
      params[part.name] = path.slice(index).join("/");
      return params;
    }
    const given = path[index];
    if (given === undefined) return undefined;
    if (part.kind === "literal" && part.text !== given) return undefined;
    if (part.kind === "name") {
      if (given === "") return undefined;
      params[part.name] = given;
    }
  }
  return path.length === parts.length ? params : undefined;
}

/** What is missing, as `permissions:` would have it; undefined when nothing is. `isPull`: the path's number is a pull request's. */
export function missingPermission(
  needs: Needs,
  permissions: ApiCall["claims"]["permissions"],
  isPull: boolean,
): string | undefined {
  if (needs.kind === "nothing" || needs.kind === "metadata") return undefined;
  const { level } = needs;
  const scopes = needs.kind === "scope" ? needs.scopes : isPull ? ["issues", "pull-requests"] : ["issues"];
  const fits = scopes.some((scope) => permissions[scope] === "write" || permissions[scope] === level);
  return fits ? undefined : scopes.map((scope) => `${scope}: ${level}`).join(" or ");
}
