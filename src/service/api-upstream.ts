/**
 * `--api github`: what a job may ask of its own repository goes to GitHub with the token that the operator gave this host; the job
 * itself has one that only this facade knows. Which routes there are and what permission each takes is the same table as without
 * GitHub: a token that can do more than `permissions:` says does no more for the job. Nothing else passes: no other repository,
 * no GraphQL (a query cannot be held to one repository), no redirect is followed, and only named headers go either way.
 * Source: SECURITY-RELIABILITY A29, A36.
 */
import { jobIdOf } from "./api-runs.ts";
import { mapAddresses } from "./api-address.ts";
import { ApiProblem, json, notFound } from "./api-message.ts";
import type { ApiRequest, ApiResponse } from "./api-message.ts";
import {
  problemResponse,
  findRoute,
  isOwnName,
  noteWrite,
  requirePermission,
  shownPath,
  spendOnNote,
} from "./api-router.ts";
import type { ApiRouter, RouterSurroundings } from "./api-router.ts";
import { missingPermission } from "./api-route.ts";
import type { RouteMatch } from "./api-route.ts";
import type { UpstreamAnswer, UpstreamRequest } from "./api-upstream-request.ts";
import type { Caller } from "./job-tokens.ts";

export interface GithubUpstream {
  /** `https://api.github.com`, or a GitHub Enterprise server's `…/api/v3`; without a slash at its end. */
  readonly apiUrl: string;
  readonly token: string;
}

export type AskUpstream = (request: UpstreamRequest) => Promise<UpstreamAnswer>;

interface UpstreamSurroundings extends Pick<RouterSurroundings, "world" | "note" | "kept"> {
  readonly ask: AskUpstream;
}

/** `local` answers what is of this run and this host alone. */
export function createUpstreamRouter(
  upstream: GithubUpstream,
  local: ApiRouter,
  surroundings: UpstreamSurroundings,
): ApiRouter {
  const { note } = surroundings;
  return async (request, caller) => {
    const place = `${request.method} ${shownPath(request)}`;
    try {
      const match = findRoute(request.method, request.path);
      if (match === undefined) {
        note({ kind: "line", text: `hearth: not passed on to GitHub: ${place}: no job's token may do that` });
        throw notFound();
      }
      if (await isLocal(match, caller, surroundings)) return await local(request, caller);
      const isPull = await isPullRequest(match, upstream, request, caller, surroundings);
      requirePermission(match, caller.claims, surroundings.world.state, place, note, isPull);
      spendOnNote(request, surroundings.world.state);
      const response = await pass(upstream, request, caller, surroundings.ask);
      if (response.status === 401)
        note({ kind: "line", text: "hearth: GitHub refuses the token that this host was given" });
      noteWrite(note, request, caller, response.status);
      return response;
    } catch (error) {
      if (error instanceof ApiProblem) return problemResponse(error);
      throw error;
    }
  };
}

export function createUpstreamGraphql({ note }: Pick<RouterSurroundings, "note">): ApiRouter {
  return async () => {
    note({
      kind: "line",
      text: "hearth: GraphQL is not passed on to GitHub: a query cannot be held to one repository",
    });
    const message = "GraphQL is not passed on to GitHub by hearth";
    return json({ errors: [{ type: "FORBIDDEN", message }], message }, 403);
  };
}

/** Of no repository, of another one (which is then a mirror), or of this very run. */
async function isLocal(
  { route, params }: RouteMatch,
  caller: Caller,
  { kept, world }: UpstreamSurroundings,
): Promise<boolean> {
  const { owner, repo, id } = params;
  if (owner === undefined || repo === undefined || !isOwnName(owner, repo, caller.claims)) return true;
  const [, , , , area, kind] = route.pattern.split("/");
  if (area !== "actions") return false;
  if (kind === "cache" || kind === "caches") return true;
  if (kind === "runs") return id === caller.claims.runId;
  if (kind === "artifacts" && id !== undefined)
    return (await kept.artifacts(caller)).some((artifact) => String(artifact.id) === id);
  return kind === "jobs" && world.run.jobs.some((job) => String(jobIdOf(caller.claims, job)) === id);
}

/** Only GitHub knows what a number is. It is asked where the answer decides whether the job may go on. */
async function isPullRequest(
  { route, params }: RouteMatch,
  upstream: GithubUpstream,
  request: ApiRequest,
  caller: Caller,
  { ask }: UpstreamSurroundings,
): Promise<boolean> {
  const { permissions } = caller.claims;
  const isOpen = missingPermission(route.needs, permissions, false) === undefined;
  if (isOpen || missingPermission(route.needs, permissions, true) !== undefined) return false;
  const path = [...request.path.slice(0, 3), "pulls", params["number"] ?? ""];
  const asked = {
    ...request,
    method: "GET",
    path,
    query: new URLSearchParams(),
    body: Buffer.alloc(0),
    clientHeaders: {},
  };
  const { status, content } = await pass(upstream, asked, caller, ask);
  if (content.kind === "stream") content.stream.destroy();
  return status === 200;
}

const MAX_PATH = 2_000;

/** The path is put together anew from its decoded parts, none of which leads upward: it stays below the run's repository. */
async function pass(
  { apiUrl, token }: GithubUpstream,
  { method, path, query, body, clientHeaders, signal }: ApiRequest,
  { claims }: Caller,
  ask: AskUpstream,
): Promise<ApiResponse> {
  const rest = path.slice(3);
  if (rest.some((part) => part.split(/[/\\]/).some((step) => step === "." || step === ".."))) throw notFound();
  const { owner, name } = claims.repository;
  const place = ["repos", owner, name, ...rest].map(encodeURIComponent).join("/");
  const text = query.size === 0 ? "" : `?${query.toString()}`;
  if (place.length + text.length > MAX_PATH) throw new ApiProblem(414, "URI Too Long");
  const isUpload = method === "POST" && /^releases\/\d+\/assets$/.test(rest.join("/"));
  const url = new URL(`${isUpload ? uploadsOf(apiUrl) : apiUrl}/${place}${text}`);
  const headers = { ...clientHeaders, authorization: `Bearer ${token}`, "user-agent": "hearth" };
  const answer = await ask({ method, url, headers, body, signal });
  return shownAnswer(answer, apiUrl, `${owner}/${name}`, token);
}

/** As GitHub and GitHub Enterprise servers have it. */
function uploadsOf(apiUrl: string): string {
  return apiUrl === "https://api.github.com" ? "https://uploads.github.com" : apiUrl.replace(/\/v3$/, "/uploads");
}

/** What a client of the API looks at; cookies, scopes of the token and whatever else stays here. */
const SHOWN_HEADERS = [
  "link",
  "location",
  "last-modified",
  "retry-after",
  "content-disposition",
  "x-github-media-type",
];

/** Those whose addresses `api-endpoint.ts` turns to this facade. */
const HEADER_NAMES: Readonly<Record<string, string>> = { link: "Link", location: "Location" };

/** Addresses of the API become GitHub's own, which `api-endpoint.ts` turns to the facade. */
function shownAnswer(answer: UpstreamAnswer, apiUrl: string, repository: string, token: string): ApiResponse {
  const githubs = (text: string): string =>
    text
      .replaceAll(`${apiUrl}/`, "https://api.github.com/")
      .replaceAll(`${uploadsOf(apiUrl)}/`, "https://uploads.github.com/")
      // Pages of a repository are named by its number.
      .replaceAll(/https:\/\/api\.github\.com\/repositories\/\d+\//g, `https://api.github.com/repos/${repository}/`);
  const headers: Record<string, string> = {};
  for (const name of SHOWN_HEADERS) {
    const value = answer.headers[name];
    if (value !== undefined && !value.includes(token)) headers[HEADER_NAMES[name] ?? name] = githubs(value);
  }
  const { content } = answer;
  if (content.kind === "json") {
    const text = content.text;
    if (text.includes(token)) throw new ApiProblem(502, "GitHub's answer is withheld: the host's token is in it");
    return {
      status: answer.status,
      headers,
      content: { kind: "json", value: mapAddresses(JSON.parse(text), githubs) },
    };
  }
  return { status: answer.status, headers, content };
}
