/**
 * A GitHub to report to: keeps check runs, statuses, comments and sent deliveries, holds every request against GitHub's own
 * description of its API, and plays the faults it is told to. A request that GitHub would not take is answered 422 and noted in
 * `refused`, which a test expects to be empty.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { faultsOfWords } from "./documented-limits.ts";
import { findRoute } from "./github-openapi.ts";
import type { DescribedRoute } from "./github-openapi.ts";

export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly message?: string;
    }
  /** Nothing is ever answered; `done` when the request is carried out all the same. */
  | { readonly kind: "hang"; readonly done: boolean }
  /** The connection ends instead of an answer. */
  | { readonly kind: "cut"; readonly done: boolean };

export interface FakeCall {
  /** `POST /repos/{owner}/{repo}/check-runs`. */
  readonly route: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
  /** From 1. */
  readonly number: number;
}

export interface FakeCheckRun {
  readonly id: number;
  readonly repository: string;
  readonly name: string;
  readonly head_sha: string;
  readonly external_id: string;
  status: string;
  conclusion: string | null;
  readonly fields: Record<string, unknown>;
  readonly annotations: Record<string, unknown>[];
  /** Every status or conclusion that it had. */
  readonly history: string[];
}

export interface FakeGithubOptions {
  readonly token?: string;
  readonly app?: { readonly id: string; readonly publicKey: KeyObject; readonly installedOn: readonly string[] };
  /** Asked for every request that came through authentication. */
  readonly fault?: (call: FakeCall) => Fault | undefined;
  /** Webhooks of every repository. */
  readonly hooks?: readonly { readonly id: number; readonly url: string }[];
  readonly deliveries?: readonly {
    readonly id: number;
    readonly guid: string;
    readonly event: string;
    readonly payload: object;
  }[];
}

export interface FakeGithub extends AsyncDisposable {
  readonly apiUrl: string;
  readonly calls: readonly FakeCall[];
  /** Everything that was sent to it, headers included. */
  readonly received: readonly Buffer[];
  /** Requests that GitHub would not have taken, and why. */
  readonly refused: readonly string[];
  readonly checkRuns: readonly FakeCheckRun[];
  readonly statuses: readonly Record<string, unknown>[];
  readonly comments: { readonly id: number; readonly issue: string; body: string }[];
  /** Of the App: makes the tokens that it handed out worthless. */
  revokeTokens(): void;
}

interface World {
  readonly checkRuns: FakeCheckRun[];
  readonly statuses: Record<string, unknown>[];
  readonly comments: { readonly id: number; readonly issue: string; body: string }[];
  readonly tokens: Set<string>;
  readonly options: FakeGithubOptions;
  nextId: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

type Asked = Omit<FakeCall, "number" | "route"> & { readonly route: DescribedRoute; readonly query: URLSearchParams };

export async function startFakeGithub(options: FakeGithubOptions = {}): Promise<FakeGithub> {
  const world: World = {
    checkRuns: [],
    statuses: [],
    comments: [],
    tokens: new Set(options.token === undefined ? [] : [options.token]),
    options,
    nextId: 1,
  };
  const calls: FakeCall[] = [];
  const received: Buffer[] = [];
  const refused: string[] = [];
  const play = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url = "", headers } = request;
    const bytes = await buffer(request);
    received.push(Buffer.from(`${method} ${url}\n${JSON.stringify(headers)}\n`), bytes);
    const reply = ({ status, body, headers: more }: Answer): void => {
      if (response.destroyed) return;
      response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...more });
      response.end(status === 204 ? undefined : JSON.stringify(body));
    };
    const { pathname, searchParams: query } = new URL(url, "http://fake");
    const route = findRoute(method, pathname);
    if (route === undefined) {
      refused.push(`${method} ${pathname}: there is no such route`);
      return reply({ status: 404, body: { message: "Not Found" } });
    }
    const body: Record<string, unknown> | undefined =
      bytes.length === 0 ? undefined : JSON.parse(bytes.toString("utf8"));
    const asked = { route, url, headers, body: body ?? {}, query };
    const stranger = strangerTo(world, asked);
    if (stranger !== undefined) return reply(stranger);
    const call = { ...asked, route: route.name, number: calls.length + 1 };
    calls.push(call);
    const faults = [...route.faults(query, body), ...faultsOfWords(route.name, body)];
    if (faults.length > 0) {
      refused.push(`${route.name}: ${faults.join("; ")}`);
      return reply({ status: 422, body: { message: `Validation Failed: ${faults.join("; ")}` } });
    }
    const fault = options.fault?.(call);
    if (fault?.kind === "status") {
      const { status, message = "scripted", headers: more } = fault;
      return reply({ status, body: { message }, ...(more && { headers: more }) });
    }
    const answer = fault === undefined || fault.done ? carryOut(world, asked) : undefined;
    if (fault?.kind === "cut") return void response.destroy();
    if (fault === undefined && answer !== undefined) reply(answer);
  };
  const server = createServer((request, response) => {
    play(request, response).catch((error: unknown) => {
      refused.push(`the fake failed: ${String(error)}`);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    apiUrl: `http://127.0.0.1:${port}`,
    calls,
    received,
    refused,
    checkRuns: world.checkRuns,
    statuses: world.statuses,
    comments: world.comments,
    revokeTokens: () => world.tokens.clear(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function strangerTo({ tokens, options: { app } }: World, { route, headers }: Asked): Answer | undefined {
  const [scheme = "", token = ""] = (headers.authorization ?? "").split(" ");
  const needsApp = route.name.includes("/app/") || route.name.endsWith("/installation");
  if (needsApp) {
    const isApp = app !== undefined && scheme.toLowerCase() === "bearer" && isSignedBy(token, app.publicKey, app.id);
    return isApp ? undefined : { status: 401, body: { message: "A JSON web token could not be decoded" } };
  }
  if (tokens.has(token)) return undefined;
  return { status: 401, body: { message: "Bad credentials" } };
}

function isSignedBy(jwt: string, key: KeyObject, appId: string): boolean {
  const [head = "", claims = "", signature = ""] = jwt.split(".");
  const isSigned = verify("RSA-SHA256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"));
  const said: { iss?: unknown; exp?: number } = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
  return isSigned && String(said.iss) === appId && (said.exp ?? 0) * 1000 > Date.now();
}

function carryOut(world: World, asked: Asked): Answer {
  const { route, body, query } = asked;
  const { owner = "", repo = "" } = route.parameters;
  const repository = `${owner}/${repo}`;
  switch (route.name) {
    case "POST /repos/{owner}/{repo}/check-runs": {
      const run: FakeCheckRun = {
        id: world.nextId++,
        repository,
        name: textOf(body["name"]),
        head_sha: textOf(body["head_sha"]),
        external_id: textOf(body["external_id"]),
        status: "queued",
        conclusion: null,
        fields: {},
        annotations: [],
        history: [],
      };
      world.checkRuns.push(run);
      return { status: 201, body: checkRunAnswer(route, 201, update(run, body)) };
    }
    case "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}": {
      const run = world.checkRuns.find(({ id }) => String(id) === route.parameters["check_run_id"]);
      if (run === undefined) return NOT_FOUND;
      return { status: 200, body: checkRunAnswer(route, 200, update(run, body)) };
    }
    case "GET /repos/{owner}/{repo}/check-runs/{check_run_id}": {
      const run = world.checkRuns.find(({ id }) => String(id) === route.parameters["check_run_id"]);
      return run === undefined ? NOT_FOUND : { status: 200, body: checkRunAnswer(route, 200, run) };
    }
    case "GET /repos/{owner}/{repo}/commits/{ref}/check-runs": {
      const found = world.checkRuns.filter(
        (run) =>
          run.repository === repository &&
          run.head_sha === route.parameters["ref"] &&
          run.name === (query.get("check_name") ?? run.name),
      );
      // Without `filter=all` only the newest of each name.
      const shown = query.get("filter") === "all" ? found.toReversed() : found.slice(-1);
      const page = paged(shown, query);
      return {
        status: 200,
        body: { total_count: shown.length, check_runs: page.map((run) => checkRunAnswer(route, 200, run)) },
      };
    }
    case "POST /repos/{owner}/{repo}/statuses/{sha}": {
      const status = { id: world.nextId++, repository, sha: route.parameters["sha"], ...body };
      world.statuses.push(status);
      return { status: 201, body: { ...route.example(201), ...status } };
    }
    case "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": {
      const comment = {
        id: world.nextId++,
        issue: `${repository}#${route.parameters["issue_number"]}`,
        body: textOf(body["body"]),
      };
      world.comments.push(comment);
      return { status: 201, body: { ...route.example(201), ...comment } };
    }
    case "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": {
      const issue = `${repository}#${route.parameters["issue_number"]}`;
      return {
        status: 200,
        body: paged(
          world.comments.filter((comment) => comment.issue === issue),
          query,
        ),
      };
    }
    case "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}": {
      const comment = world.comments.find(({ id }) => String(id) === route.parameters["comment_id"]);
      if (comment === undefined) return NOT_FOUND;
      comment.body = textOf(body["body"]);
      return { status: 200, body: { ...route.example(200), ...comment } };
    }
    case "GET /repos/{owner}/{repo}/installation": {
      if (world.options.app?.installedOn.includes(repository) !== true) return NOT_FOUND;
      return { status: 200, body: { ...route.example(200), id: 77 } };
    }
    case "POST /app/installations/{installation_id}/access_tokens": {
      const token = `ghs_${String(world.nextId++).padStart(36, "0")}`;
      world.tokens.add(token);
      const expires_at = new Date(Date.now() + 3600_000).toISOString();
      return { status: 201, body: { ...route.example(201), token, expires_at, repository_selection: "selected" } };
    }
    case "GET /repos/{owner}/{repo}/hooks": {
      const hooks = (world.options.hooks ?? []).map(({ id, url }) => ({ id, active: true, config: { url } }));
      return { status: 200, body: hooks };
    }
    default:
      return deliveriesAnswer(world, asked);
  }
}

function deliveriesAnswer({ options }: World, { route, query, url }: Asked): Answer {
  const all = (options.deliveries ?? []).map(({ payload, ...one }) => ({
    ...one,
    delivered_at: "2026-11-22T10:00:00Z",
    status_code: 502,
    request: { headers: {}, payload },
  }));
  if (route.name.endsWith("/deliveries")) {
    const from = Number(query.get("cursor") ?? 0);
    const perPage = 2;
    const next = `<http://fake${new URL(url, "http://fake").pathname}?per_page=${perPage}&cursor=${from + perPage}>; rel="next"`;
    return {
      status: 200,
      body: all.slice(from, from + perPage),
      ...(from + perPage < all.length && { headers: { link: next } }),
    };
  }
  if (!route.name.endsWith("/deliveries/{delivery_id}")) return { status: 501, body: { message: "not played" } };
  const found = all.find(({ id }) => String(id) === route.parameters["delivery_id"]);
  return found === undefined ? NOT_FOUND : { status: 200, body: { ...route.example(200), ...found } };
}

function paged<T>(all: readonly T[], query: URLSearchParams): readonly T[] {
  const size = Math.min(100, Number(query.get("per_page") ?? 30));
  const page = Number(query.get("page") ?? 1);
  return all.slice((page - 1) * size, page * size);
}

/** Annotations are added to those that are there, as on GitHub. */
function update(run: FakeCheckRun, { output, ...body }: Record<string, unknown>): FakeCheckRun {
  Object.assign(run.fields, body);
  if (typeof body["status"] === "string") run.status = body["status"];
  if (typeof body["conclusion"] === "string") [run.status, run.conclusion] = ["completed", body["conclusion"]];
  else if (run.status !== "completed") run.conclusion = null;
  run.history.push(run.conclusion ?? run.status);
  if (typeof output === "object" && output !== null) {
    const { annotations, ...texts }: { annotations?: Record<string, unknown>[] } = output;
    run.fields["output"] = texts;
    run.annotations.push(...(annotations ?? []));
  }
  return run;
}

function checkRunAnswer(route: DescribedRoute, status: number, run: FakeCheckRun): Record<string, unknown> {
  const { id, name, head_sha, external_id, conclusion, annotations } = run;
  const output = { ...Object(run.fields["output"]), annotations_count: annotations.length };
  return { ...route.example(status), id, name, head_sha, external_id, status: run.status, conclusion, output };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

const NOT_FOUND: Answer = { status: 404, body: { message: "Not Found" } };
