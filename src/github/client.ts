/**
 * GitHub's API for Hearth itself: Octokit under our policy. Every request has a deadline; only reads are repeated here, since who writes
 * has an outbox and knows better; no redirect is followed; limits that GitHub names are told, not slept through. Writes keep the
 * pace that GitHub asks for (one at a time, a second apart). Octokit is loaded with the first request.
 */
import type { UpstreamWay } from "../service/api-upstream-request.ts";
import { createAppTokens } from "./app-tokens.ts";
import type { AppCredentials, AppTokens } from "./app-tokens.ts";
import { GithubProblem, githubProblem } from "./github-problem.ts";

export interface GithubClient {
  /** Safe to call concurrently. Throws `GithubProblem` for everything but an abort by the caller's own signal. */
  request(asked: GithubRequest): Promise<GithubAnswer>;
}

export interface GithubRequest {
  /** As GitHub documents it: `POST /repos/{owner}/{repo}/statuses/{sha}`. */
  readonly route: string;
  /** Of the path by their names, and the members of the body or query; `owner` and `repo` come of `repository`. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** `owner/name`, with the rights that are held there; undefined: the App itself. */
  readonly repository: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GithubAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly data: unknown;
}

export interface GithubClientOptions {
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly credentials:
    | { readonly kind: "token"; readonly token: string }
    | ({ readonly kind: "app" } & AppCredentials);
  readonly way: UpstreamWay;
  /** Of each request with its repetitions; default 30 s. */
  readonly deadlineMs?: number;
  /** `none` is for tests: neither pauses between writes nor before a read is repeated. */
  readonly pace?: "github" | "none";
  /** Wall clock, in ms. */
  readonly now: () => number;
}

const DEADLINE_MS = 30_000;
const READ_RETRIES = 2;

export function createGithubClient(options: GithubClientOptions): GithubClient {
  let opened: Promise<OpenClient> | undefined;
  return {
    async request(asked) {
      const place = asked.repository === undefined ? undefined : placeOf(asked.repository);
      return await (await (opened ??= open(options))).request(asked, place);
    },
  };
}

interface OpenClient {
  request(asked: GithubRequest, place: Place | undefined): Promise<GithubAnswer>;
}

interface Place {
  readonly owner: string;
  readonly repo: string;
}

async function open(options: GithubClientOptions): Promise<OpenClient> {
  const { credentials, now, deadlineMs = DEADLINE_MS } = options;
  const send = await openOctokit(options);
  const tokens = credentials.kind === "app" ? await createAppTokens(credentials, send, now) : undefined;
  const ask = async ({ route, parameters, signal }: GithubRequest, place: Place | undefined): Promise<GithubAnswer> => {
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      const answer = await send(route, {
        ...parameters,
        ...place,
        headers: { authorization: await authorization(options, tokens, place) },
        request: {
          signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
          retries: route.startsWith("GET ") ? READ_RETRIES : 0,
        },
      });
      if (answer.status < 300) return answer;
      const text = `GitHub answers with a redirect, which is not followed: ${place?.owner}/${place?.repo} may have been renamed`;
      throw new GithubProblem(text, answer.status, { kind: "denied" });
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw asProblem(error, deadline.aborted ? `GitHub did not answer within ${deadlineMs} ms` : undefined, now());
    }
  };
  return {
    async request(asked, place) {
      try {
        return await ask(asked, place);
      } catch (error) {
        const isStale = error instanceof GithubProblem && error.status === 401;
        if (!isStale || tokens === undefined || place === undefined) throw error;
        // A token may end early, as when the App's rights were changed.
        tokens.forget(place.owner, place.repo);
        return await ask(asked, place);
      }
    },
  };
}

async function openOctokit({ apiUrl, way, pace = "github" }: GithubClientOptions) {
  const [{ Octokit }, { throttling }, { retry }, { createHostFetch }] = await Promise.all([
    import("@octokit/core"),
    import("@octokit/plugin-throttling"),
    import("@octokit/plugin-retry"),
    import("./host-fetch.ts"),
  ]);
  const Client = Octokit.plugin(throttling, retry);
  const isPaced = pace === "github";
  const octokit = new Client({
    baseUrl: apiUrl,
    userAgent: "hearth",
    log: SILENT,
    request: { fetch: createHostFetch(way), redirect: "manual" },
    throttle: { enabled: isPaced, id: "hearth", onRateLimit: () => false, onSecondaryRateLimit: () => false },
    retry: { doNotRetry: NOT_REPEATED, retryAfterBaseValue: isPaced ? 1000 : 1 },
  });
  return octokit.request;
}

/** Everything but 408 and 5xx; a limit is told to who asked. */
const NOT_REPEATED = [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 451];

async function authorization(
  { credentials }: GithubClientOptions,
  tokens: AppTokens | undefined,
  place: Place | undefined,
): Promise<string> {
  if (credentials.kind === "token") return `token ${credentials.token}`;
  if (tokens === undefined) throw new Error("an App's client has its tokens");
  return place === undefined
    ? `bearer ${await tokens.ofApp()}`
    : `token ${await tokens.ofRepository(place.owner, place.repo)}`;
}

function asProblem(error: unknown, late: string | undefined, nowMs: number): GithubProblem {
  if (error instanceof GithubProblem) return error;
  const message = late ?? (error instanceof Error ? error.message : String(error));
  const answer = error instanceof Error && "response" in error ? error.response : undefined;
  if (!isAnswer(answer)) return githubProblem({ message, status: undefined, headers: {} }, nowMs, error);
  return githubProblem({ message, ...answer }, nowMs, error);
}

function isAnswer(value: unknown): value is Pick<GithubAnswer, "status" | "headers"> {
  if (typeof value !== "object" || value === null) return false;
  return (
    "status" in value && typeof value.status === "number" && "headers" in value && typeof value.headers === "object"
  );
}

/** Names may come from a payload: nothing in them may lead to another route. */
function placeOf(repository: string): Place {
  const [owner, repo, ...more] = repository.split("/");
  if (isName(owner) && isName(repo) && more.length === 0) return { owner, repo };
  throw new GithubProblem(`${JSON.stringify(repository)} is no repository's name`, undefined, { kind: "refused" });
}

function isName(name: string | undefined): name is string {
  return name !== undefined && /^[\w.-]{1,100}$/.test(name) && !/^\.{1,2}$/.test(name);
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
