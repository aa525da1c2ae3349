/** The API facade behind a real HTTP server, for tests: a small repository with a pull request, a job, and requests as clients send them. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isObject } from "./api-body.ts";
import { createApiEndpoint } from "./api-endpoint.ts";
import { createGitReader } from "./api-git.ts";
import { createGraphqlRouter } from "./api-graphql.ts";
import type { ApiKept } from "./api-call.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { createApiRouter } from "./api-router.ts";
import { createApiRun } from "./api-run.ts";
import { createApiState, EMPTY_SEED } from "./api-seed.ts";
import type { ApiSeed } from "./api-seed.ts";
import { createUpstreamGraphql, createUpstreamRouter } from "./api-upstream.ts";
import type { GithubUpstream } from "./api-upstream.ts";
import { askUpstream } from "./api-upstream-request.ts";
import type { UpstreamRequest } from "./api-upstream-request.ts";
import { dialTcp, resolveBySystem } from "./dial.ts";
import { createJobTokens } from "./job-tokens.ts";
import { createLookup } from "./repository-lookup.ts";
import type { ApiNote, ApiWrite, JobClaims } from "./services.ts";

export interface ServedApi extends AsyncDisposable {
  /** The repository's working tree. */
  readonly directory: string;
  readonly origin: string;
  readonly token: string;
  /** Commits of the repository: `main` and the head of the pull request. */
  readonly commits: { readonly first: string; readonly main: string; readonly topic: string };
  readonly lines: readonly string[];
  readonly writes: readonly ApiWrite[];
  ask(method: string, path: string, options?: AskOptions): Promise<ApiAnswer>;
  /** Throws unless it is answered well. */
  get(path: string): Promise<Json>;
  graphql(query: string, variables?: JsonObject): Promise<JsonObject>;
}

interface AskOptions {
  readonly body?: Json | Buffer;
  readonly headers?: Record<string, string>;
  /** Default `/api/v3`. */
  readonly base?: string;
  readonly token?: string | undefined;
}

interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
  readonly bytes: Buffer;
}

export const ALL_WRITE: JobClaims["permissions"] = Object.fromEntries(
  "actions checks contents deployments issues packages pages pull-requests security-events statuses"
    .split(" ")
    .map((scope) => [scope, "write"]),
);

interface ServeOptions {
  readonly permissions?: JobClaims["permissions"];
  readonly seed?: Partial<ApiSeed>;
  readonly payload?: JsonObject;
  readonly kept?: Partial<ApiKept>;
  /** Directory of mirrors, inside the fixture's own. */
  readonly withMirror?: boolean;
  readonly github?: GithubUpstream;
}

export const NOW_MS = Date.parse("2026-11-22T12:00:00Z");

export async function serveApi(options: ServeOptions = {}): Promise<ServedApi> {
  const directory = await mkdtemp(join(tmpdir(), "hearth-api-"));
  const repository = join(directory, "repo");
  const commits = await makeRepository(repository);
  const mirrors = join(directory, "mirrors");
  if (options.withMirror === true)
    git(directory, ["clone", "-q", "--bare", repository, join(mirrors, "other/tools.git")]);
  const claims = { ...CLAIMS, sha: commits.topic, permissions: options.permissions ?? ALL_WRITE };
  const tokens = createJobTokens(() => NOW_MS);
  tokens.open({ ...claims, startScan: () => () => false });
  const lines: string[] = [];
  const writes: ApiWrite[] = [];
  const run = createApiRun("2026-11-22T11:59:00Z");
  const surroundings = {
    world: {
      state: createApiState(options.payload ?? pullRequestPayload(commits), { ...EMPTY_SEED, ...options.seed }),
      run: run.view,
      payload: options.payload ?? pullRequestPayload(commits),
      now: () => NOW_MS,
    },
    kept: { ...NOTHING_KEPT, ...options.kept },
    lookup: createLookup({ owner: "octo", name: "repo", gitDir: join(repository, ".git") }, mirrors),
    readGit: createGitReader(),
    note: (note: ApiNote) => void (note.kind === "line" ? lines.push(note.text) : writes.push(note.write)),
  };
  run.note({
    at: "2026-11-22T11:59:00.000Z",
    type: "run_started",
    run: "r1",
    workflow: { path: ".github/workflows/ci.yml", name: "CI" },
    event: { name: "pull_request", sha: commits.topic, ref: claims.ref },
    provider: "host",
    declaredSteps: 1,
  });
  run.note({
    at: "2026-11-22T11:59:00.000Z",
    type: "job_planned",
    job: "build",
    id: "build",
    name: "Build",
    steps: [{ number: 1, name: "Test", way: "run" }],
  });
  run.note({ at: "2026-11-22T11:59:01.500Z", type: "job_started", job: "build", machine: "m" });
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  const local = { rest: createApiRouter(surroundings), graphql: createGraphqlRouter(surroundings) };
  const way = { resolve: resolveBySystem, dial: dialTcp, upstream: undefined };
  const upstream = { ...surroundings, ask: (asked: UpstreamRequest) => askUpstream(asked, way) };
  const routers =
    options.github === undefined
      ? local
      : { rest: createUpstreamRouter(options.github, local.rest, upstream), graphql: createUpstreamGraphql(upstream) };
  const endpoint = createApiEndpoint(routers, { origin, tokens, now: () => NOW_MS });
  server.on("request", (request, response) => {
    if (!endpoint.handle(request, response, request.url ?? "")) response.writeHead(404).end("not the API");
  });

  const ask: ServedApi["ask"] = async (
    method,
    path,
    { body, headers = {}, base = "/api/v3", token = claims.token } = {},
  ) => {
    const authorization = "authorization" in headers || token === "" ? {} : { authorization: `token ${token}` };
    const answer = await fetch(`${origin}${base}${path}`, {
      method,
      headers: { ...authorization, ...headers },
      redirect: "manual",
      ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    const isJson = answer.headers.get("content-type")?.startsWith("application/json") === true;
    return {
      status: answer.status,
      headers: answer.headers,
      bytes,
      body: isJson ? JSON.parse(bytes.toString()) : null,
    };
  };
  return {
    directory: repository,
    origin,
    token: claims.token,
    commits,
    lines,
    writes,
    ask,
    async get(path) {
      const { status, body, bytes } = await ask("GET", path);
      if (status !== 200) throw new Error(`GET ${path}: ${status} ${bytes.toString()}`);
      return body;
    },
    async graphql(query, variables = {}) {
      const { body } = await ask("POST", "/graphql", { body: { query, variables }, base: "/api" });
      if (!isObject(body)) throw new Error("no object");
      return body;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const CLAIMS: Omit<JobClaims, "sha" | "permissions"> = {
  runId: "77",
  runNumber: 3,
  runAttempt: 1,
  job: "build",
  repository: { owner: "octo", name: "repo", id: "1001", ownerId: "2001", defaultBranch: "main" },
  event: "pull_request",
  ref: "refs/pull/1/merge",
  headRef: "topic",
  baseRef: "main",
  actor: "ann",
  actorId: "5",
  workflow: { name: "CI", ref: "octo/repo/.github/workflows/ci.yml@refs/pull/1/merge", sha: "0".repeat(40) },
  jobWorkflow: { ref: "octo/repo/.github/workflows/ci.yml@refs/pull/1/merge", sha: "0".repeat(40) },
  environment: "",
  trusted: true,
  token: "hearth_test-token",
  lifetimeMs: 3_600_000,
};

const NOTHING_KEPT: ApiKept = {
  artifacts: async () => [],
  artifactUrl: () => "",
  removeArtifact: async () => undefined,
  caches: async () => [],
  removeCaches: async () => undefined,
};

function pullRequestPayload({ first, topic }: { readonly first: string; readonly topic: string }): JsonObject {
  return {
    action: "opened",
    number: 1,
    pull_request: {
      id: 31_337,
      node_id: "PR_real",
      number: 1,
      title: "Add a topic",
      body: "It adds one.",
      state: "open",
      user: { login: "ann", type: "User" },
      labels: [{ name: "docs", color: "ffffff" }],
      head: { label: "octo:topic", ref: "topic", sha: topic },
      base: { label: "octo:main", ref: "main", sha: first },
      comments_url: "https://api.github.com/repos/octo/repo/issues/1/comments",
    },
  };
}

export function git(cwd: string, args: readonly string[]): string {
  const identity = { name: "Ann", email: "12+ann@users.noreply.github.com", date: "2026-01-02T03:04:05Z" };
  return execFileSync("git", [...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: identity.name,
      GIT_AUTHOR_EMAIL: identity.email,
      GIT_AUTHOR_DATE: identity.date,
      GIT_COMMITTER_NAME: identity.name,
      GIT_COMMITTER_EMAIL: identity.email,
      GIT_COMMITTER_DATE: identity.date,
    },
  }).toString();
}

async function makeRepository(root: string): Promise<ServedApi["commits"]> {
  await mkdir(root);
  const commit = async (files: Record<string, string>, message: string): Promise<string> => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    git(root, ["add", "-A"]);
    git(root, ["commit", "-q", "-m", message]);
    return git(root, ["rev-parse", "HEAD"]).trim();
  };
  git(root, ["init", "-q", "-b", "main"]);
  const first = await commit(
    {
      "README.md": "# Repo\n",
      ".github/workflows/ci.yml": "on: push\n",
      "src/a.txt": "one\ntwo\nthree\nfour\nfive\nsix\n",
      "old name.txt": "kept as it is\nline\nline\nline\n",
    },
    "First\n\nWith a body.",
  );
  git(root, ["tag", "v1.0.0"]);
  git(root, ["tag", "-a", "v1.1.0", "-m", "Annotated"]);
  git(root, ["checkout", "-q", "-b", "topic"]);
  git(root, ["mv", "old name.txt", "new name.txt"]);
  const topic = await commit(
    { "src/a.txt": "one\nTWO\nthree\nfour\nfive\nsix\n", "docs/guide.md": "Guide\n" },
    "Topic",
  );
  git(root, ["branch", "feature/with-slash"]);
  git(root, ["checkout", "-q", "main"]);
  const main = await commit({ "only-main.txt": "x\n" }, "Second on main");
  return { first, main, topic };
}
