/**
 * One request to the API facade: its route, the repository that it names, whether the job may, and the answer. What nobody here
 * answers is a 404 as on GitHub and a line in the step's log, so that an action that shrugs at it does not go unnoticed.
 */
import type { ApiCall, ApiKept, ApiRepository, ApiWorld } from "./api-call.ts";
import type { ApiGit, GitReader } from "./api-git.ts";
import type { ApiRequest, ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, json, notFound } from "./api-message.ts";
import { missingPermission } from "./api-route.ts";
import type { RouteMatch } from "./api-route.ts";
import { createRouteFinder } from "./api-route.ts";
import { API_ROUTES, MIRRORED } from "./api-routes.ts";
import type { ApiState } from "./api-state.ts";
import type { Caller } from "./job-tokens.ts";
import type { RepositoryLookup } from "./repository-lookup.ts";
import type { ApiNote, JobClaims } from "./services.ts";

export interface RouterSurroundings {
  readonly world: ApiWorld;
  readonly kept: ApiKept;
  readonly lookup: RepositoryLookup;
  readonly readGit: GitReader;
  readonly note: (note: ApiNote) => void;
}

export type ApiRouter = (request: ApiRequest, caller: Caller) => Promise<ApiResponse>;

export const findRoute = createRouteFinder(API_ROUTES);

export function createApiRouter(surroundings: RouterSurroundings): ApiRouter {
  const { note } = surroundings;
  return async (request, caller) => {
    const place = `${request.method} ${shownPath(request)}`;
    try {
      const match = findRoute(request.method, request.path);
      if (match?.route.answer === undefined) {
        const why = match === undefined ? "it is not among what a job may ask" : "--api github would ask GitHub";
        note({ kind: "line", text: `hearth: the API does not answer ${place}: ${why}` });
        throw notFound();
      }
      requirePermission(match, caller.claims, surroundings.world.state, place, note);
      const repository = await findRepository(match, request, caller.claims, surroundings);
      if (repository === undefined) {
        note({ kind: "line", text: `hearth: the API does not know the repository of ${place}` });
        throw notFound();
      }
      const { world, kept } = surroundings;
      spendOnNote(request, world.state);
      const call: ApiCall = { request, params: match.params, claims: caller.claims, caller, kept, repository, world };
      const response = await match.route.answer(call);
      noteWrite(note, request, caller, response.status);
      return response;
    } catch (error) {
      if (error instanceof ApiProblem) return problemResponse(error);
      throw error;
    }
  };
}

/** Throws 403, and says what would allow it. */
export function requirePermission(
  { route, params }: RouteMatch,
  { permissions }: JobClaims,
  state: ApiState,
  place: string,
  note: (note: ApiNote) => void,
  isPull = state.thread(Number(params["number"]))?.kind === "pull",
): void {
  const missing = missingPermission(route.needs, permissions, isPull);
  if (missing === undefined) return;
  note({ kind: "line", text: `hearth: the job's token may not ${place}: it needs the permission ${missing}` });
  throw new ApiProblem(403, "Resource not accessible by integration");
}

/** GitHub's words for what went wrong. */
export function problemResponse(problem: ApiProblem): ApiResponse {
  const { status, message, fields } = problem;
  const body: JsonObject = {
    message,
    ...fields,
    documentation_url: "https://docs.github.com/rest",
    status: String(status),
  };
  return json(body, status);
}

const MAX_NOTED_BODY = 4_000;

/** What is noted of a change is kept too, so it counts before the change is made. Throws GitHub's refusal of who writes too much. */
export function spendOnNote({ method, body }: ApiRequest, state: ApiState): void {
  if (method !== "GET") state.spend(Math.min(body.length, MAX_NOTED_BODY));
}

export function noteWrite(note: (note: ApiNote) => void, request: ApiRequest, caller: Caller, status: number): void {
  if (request.method === "GET" || status >= 400) return;
  const isText = !request.path.includes("assets");
  const body = isText ? request.body.toString("utf8") : `(${request.body.length} bytes)`;
  const cut = body.length > MAX_NOTED_BODY ? `${body.slice(0, MAX_NOTED_BODY)}…` : body;
  const { claims } = caller;
  note({
    kind: "write",
    write: { job: claims.job, method: request.method, path: shownPath(request), status, body: cut },
  });
}

/** For a log: no control characters, and not without end. */
export function shownPath({ path }: Pick<ApiRequest, "path">): string {
  return `/${path.join("/")}`.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, 200);
}

/** As GitHub names them; none of them is `..` or begins with a dash. */
const OWNER = /^\w[\w-]{0,99}$/;
const NAME = /^[\w.][\w.-]{0,103}$/;

async function findRepository(
  { route, params }: RouteMatch,
  request: ApiRequest,
  claims: JobClaims,
  surroundings: RouterSurroundings,
): Promise<ApiRepository | undefined> {
  const own = claims.repository;
  const { owner = own.owner, repo = own.name } = params;
  if (!isOwnName(owner, repo, claims) && !MIRRORED.has(route)) return undefined;
  return await openRepository(owner, repo, request, claims, surroundings);
}

/** The run's own, or a mirror of the operator's. Undefined for what is neither. */
export async function openRepository(
  owner: string,
  name: string,
  request: ApiRequest,
  claims: JobClaims,
  { lookup, readGit, world }: RouterSurroundings,
): Promise<ApiRepository | undefined> {
  if (!OWNER.test(owner) || !NAME.test(name) || name === "." || name === "..") return undefined;
  const own = claims.repository;
  const isOwn = isOwnName(owner, name, claims);
  const gitDir = await lookup(owner, name);
  if (isOwn) {
    const git = gitDir === undefined ? EMPTY : readGit(gitDir, request.signal);
    return {
      owner: own.owner,
      name: own.name,
      isOwn,
      defaultBranch: own.defaultBranch,
      git,
      refs: peeled(world.state),
    };
  }
  if (gitDir === undefined) return undefined;
  const git = readGit(gitDir, request.signal);
  const head = await git.read(["symbolic-ref", "--quiet", "--short", "HEAD"], { otherwise: Buffer.from("main") });
  return { owner, name, isOwn, defaultBranch: head.toString().trim(), git, refs: new Map() };
}

/** A directory without git, or before its first commit. */
const EMPTY: ApiGit = {
  read: async () => {
    throw new ApiProblem(409, "Git Repository is empty.");
  },
  stream: () => {
    throw new ApiProblem(409, "Git Repository is empty.");
  },
};

/** Annotated tags that were made here are no objects of the repository: what they tag is. */
function peeled({ refs, tags }: ApiState): ReadonlyMap<string, string | null> {
  const targets = new Map(tags.all().map(({ fields }) => [fields["sha"], fields["object"]]));
  return new Map(
    [...refs].map(([ref, sha]) => {
      const target = targets.get(sha ?? undefined);
      const isObject = typeof target === "object" && target !== null && "sha" in target;
      return [ref, isObject && typeof target.sha === "string" ? target.sha : sha];
    }),
  );
}

/** In any case of its letters, as on GitHub. */
export function isOwnName(owner: string, name: string, { repository }: JobClaims): boolean {
  return `${owner}/${name}`.toLowerCase() === `${repository.owner}/${repository.name}`.toLowerCase();
}
