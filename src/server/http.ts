/**
 * Everything the server answers over HTTP: the webhook, the API, its description, and how it is. Every request passes `access.ts`
 * first. `docs/server-api.md`; the machine-readable description is made of the routes themselves.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { EngineError } from "../lib/engine-error.ts";
import { authorise, isOwnHost, isOwnOrigin } from "./access.ts";
import type { Caller } from "./access.ts";
import { addActionRoutes } from "./api-actions.ts";
import { ApiProblem, ROLE_OF_METHOD } from "./api-parts.ts";
import type { Api, ApiEnv, ApiParts } from "./api-parts.ts";
import { addRunRoutes } from "./api-runs.ts";
import { addStreamRoutes } from "./api-streams.ts";
import type { Role } from "./api-tokens.ts";
import type { Health } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { ServerLog } from "./server-log.ts";

export interface HttpParts extends ApiParts {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: ServerLog;
  /** POST /webhook: reads the body itself, whose bytes are what is signed. */
  readonly webhook: RequestListener;
  /** The same for who came through the socket: needs no signature. */
  readonly localWebhook: RequestListener;
  /** Nothing new is taken. */
  readonly draining: () => boolean;
}

/** Inputs of a dispatch, twice as large as they may be. */
const MAX_BODY_BYTES = 256 * 1024;

export interface Listeners {
  /** For a port: `hosts` as in `ownHosts`. */
  remote(hosts: () => ReadonlySet<string>): RequestListener;
  /** For the socket of this user. */
  readonly local: RequestListener;
  /** For this process itself. */
  ask(request: Request): Promise<Response>;
}

export function createListeners(parts: HttpParts): Listeners {
  const api = createApi(parts);
  const answer = (callerOf: (request: Request) => Caller) =>
    getRequestListener((request) => api.fetch(request, { caller: callerOf(request) }));
  const remote = answer(({ headers }) => ({
    kind: "remote",
    authorization: headers.get("authorization") ?? undefined,
  }));
  const local = answer(() => ({ kind: "local" }));
  return {
    remote: (hosts) => (request, response) => {
      if (!isOwnHost(hosts(), request.headers.host)) {
        return refuse(response, 421, "misdirected", "This server has another name; HEARTH_PUBLIC_URL says which");
      }
      if (isWebhook(request)) {
        if (!parts.draining()) return parts.webhook(request, response);
        response.setHeader("retry-after", "30");
        return refuse(response, 503, "draining", "The server is stopping");
      }
      if (!isOwnOrigin(hosts(), request.headers.origin)) {
        return refuse(response, 403, "other_origin", "Requests of other pages are refused");
      }
      void remote(request, response);
    },
    local: (request, response) =>
      isWebhook(request) ? parts.localWebhook(request, response) : void local(request, response),
    ask: async (request) => await api.fetch(request, { caller: { kind: "local" } }),
  };
}

function isWebhook({ method, url = "" }: IncomingMessage): boolean {
  return method === "POST" && url.split("?")[0] === "/webhook";
}

function createApi(parts: HttpParts): Api {
  const { health, metrics, log, version } = parts;
  const api: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const at = issue?.path.join(".") ?? "";
      throw new ApiProblem(400, "bad_request", `${at === "" ? "" : `${at}: `}${issue?.message ?? "it is not valid"}`);
    },
  });
  api.use(async (c, next) => {
    await next();
    c.header("x-content-type-options", "nosniff");
    c.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox");
    c.header("referrer-policy", "no-referrer");
    c.header("cache-control", "no-store");
  });
  api.get("/healthz", (c) => c.json({ status: "ok" }));
  api.get("/readyz", (c) => {
    const reasons = parts.draining()
      ? [{ reason: "draining", detail: "The server is stopping" }, ...health.reasons()]
      : health.reasons();
    return c.json({ status: reasons.length === 0 ? "ready" : "degraded", reasons }, reasons.length === 0 ? 200 : 503);
  });
  const needs =
    (roleOf: (method: string) => Role): MiddlewareHandler<ApiEnv> =>
    async (c, next) => {
      const verdict = authorise(parts.tokens, c.env.caller, roleOf(c.req.method));
      if (!verdict.ok) {
        if (verdict.status === 401) c.header("www-authenticate", "Bearer");
        throw new ApiProblem(verdict.status, verdict.status === 401 ? "unauthorised" : "forbidden", verdict.message);
      }
      c.set("name", verdict.name);
      await next();
    };
  api.use(
    "/metrics",
    needs(() => "read"),
  );
  api.get("/metrics", async (c) => c.body(await metrics.text(), 200, { "content-type": metrics.contentType }));
  api.use(
    "/api/v1/runs/:id/approve",
    needs(() => "admin"),
  );
  api.use(
    "/api/*",
    needs((method) => ROLE_OF_METHOD[method] ?? "run"),
  );
  api.use("/api/*", async (c, next) => {
    const type = c.req.header("content-type");
    if (c.req.method === "POST" && type !== undefined && !/^application\/json\b/iu.test(type)) {
      throw new ApiProblem(415, "not_json", "The body is to be application/json");
    }
    await next();
  });
  api.use("/api/*", bodyLimit({ maxSize: MAX_BODY_BYTES }));
  addRunRoutes(api, parts);
  addActionRoutes(api, parts);
  addStreamRoutes(api, parts);
  api.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  api.doc31("/api/v1/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Hearth", version },
    security: [{ token: [] }],
  });
  api.notFound((c) => c.json({ error: "not_found", message: "There is nothing here" }, 404));
  api.onError((error, c) => {
    if (error instanceof ApiProblem) return c.json({ error: error.error, message: error.message }, error.status);
    if ("status" in error && "getResponse" in error && typeof error.status === "number" && error.status < 500) {
      return c.json({ error: "bad_request", message: error.message }, error.status === 413 ? 413 : 400);
    }
    if (error instanceof EngineError && error.code === "RUN_NOT_FOUND") {
      return c.json({ error: "not_found", message: error.message }, 404);
    }
    if (error instanceof EngineError && error.code === "STATE_UNWRITABLE") {
      c.header("retry-after", "10");
      return c.json({ error: "not_writable", message: error.message }, 503);
    }
    log.error("request failed", { path: c.req.path, error: error.stack ?? error.message });
    return c.json({ error: "fault", message: "A fault in Hearth; its log says more" }, 500);
  });
  return api;
}

function refuse(response: ServerResponse, status: number, error: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ error, message }));
}
