/**
 * GitHub's REST and GraphQL API as jobs reach it: at `/api/v3` and `/api/graphql` as a GitHub Enterprise server has it, and at the
 * root as api.github.com has it. Here is HTTP: who asks, the body and its limits, the headers of the answer; `api-router.ts` and
 * `api-graphql.ts` answer. The job is known by its `github.token` alone: without it everything is 401, because on loopback every
 * user of this host can ask. Source: ACTIONS-CONTRACT §5.10 and §6, SECURITY-RELIABILITY A16.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { Semaphore } from "../lib/semaphore.ts";
import { addressed, addressedLinks, addressesAt, withAddresses } from "./api-address.ts";
import type { ApiAddresses } from "./api-address.ts";
import { MAX_ASSET_BYTES, MAX_JSON_BYTES } from "./api-body.ts";
import type { ApiRequest, ApiResponse } from "./api-message.ts";
import { ApiProblem, notFound } from "./api-message.ts";
import { RATE_LIMIT } from "./api-meta.ts";
import { problemResponse } from "./api-router.ts";
import type { ApiRouter } from "./api-router.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { readBody } from "./http-body.ts";
import type { Caller } from "./job-tokens.ts";

export interface ApiAnswerers {
  readonly rest: ApiRouter;
  readonly graphql: ApiRouter;
}

/** Bodies that are held in memory at the same time, and assets among them. */
const MAX_BODIES = 16;
const MAX_ASSETS = 2;

export function createApiEndpoint(
  answerers: ApiAnswerers,
  { origin, tokens, now }: Pick<EndpointSurroundings, "origin" | "tokens" | "now">,
): Endpoint {
  const addresses = addressesAt(origin);
  const bodies = new Semaphore(MAX_BODIES);
  const assets = new Semaphore(MAX_ASSETS);
  let asked = 0;

  async function serve(place: ApiPlace, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const caller = tokens.callerOfGithubToken(request);
    asked += 1;
    if (caller === undefined) {
      const said = request.headers.authorization === undefined ? "Requires authentication" : "Bad credentials";
      return await send(problemResponse(new ApiProblem(401, said)), request, response);
    }
    const isAsset = request.method === "POST" && /\/releases\/\d+\/assets$/.test(place.path);
    using held = await (isAsset ? assets : bodies).acquire();
    const body = await readBody(request, isAsset ? MAX_ASSET_BYTES : MAX_JSON_BYTES);
    if (body.kind === "refused") {
      return await send(problemResponse(new ApiProblem(body.status, "Payload Too Large")), request, response);
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    await send(await answer(place, requestOf(place, request, body.bytes, gone.signal), caller), request, response);
  }

  async function answer(place: ApiPlace, request: ApiRequest | undefined, caller: Caller): Promise<ApiResponse> {
    if (request === undefined) return problemResponse(notFound());
    return await (place.kind === "graphql" ? answerers.graphql : answerers.rest)(request, caller);
  }

  async function send(answered: ApiResponse, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (response.destroyed) return;
    const headers = {
      ...rateHeaders(asked, now()),
      "X-GitHub-Media-Type": "github.v3; format=json",
      "Cache-Control": "private, max-age=0",
      ...withLinks(answered.headers ?? {}, addresses),
    };
    await write({ ...answered, headers }, addresses, request, response);
  }

  return {
    handle(request, response, path) {
      const place = placeOf(path);
      if (place === undefined) return false;
      // What fails here is a fault of ours or a client that has left; neither learns more than that the connection ends.
      serve(place, request, response).catch(() => response.destroy());
      return true;
    },
  };
}

interface ApiPlace {
  readonly kind: "rest" | "graphql";
  /** Undecoded, without what stands for the API and without the query. */
  readonly path: string;
  readonly query: string;
}

/** Beginnings of paths that api.github.com has at its root. Everything else there is another service's. */
const ROOTS = [
  "repos",
  "repositories",
  "meta",
  "rate_limit",
  "octocat",
  "zen",
  "user",
  "users",
  "orgs",
  "installation",
  "search",
];
const AT_ROOT = new RegExp(`^/(?:$|(?:${ROOTS.join("|")})(?:/|$))`);

function placeOf(url: string): ApiPlace | undefined {
  const cut = url.indexOf("?");
  const path = cut === -1 ? url : url.slice(0, cut);
  const query = cut === -1 ? "" : url.slice(cut + 1);
  if (/^(?:\/api(?:\/v3)?)?\/graphql\/?$/.test(path)) return { kind: "graphql", path: "/graphql", query };
  const { rest } = /^\/api\/(?:v3|uploads)(?<rest>\/.*|)$/.exec(path)?.groups ?? {};
  if (rest !== undefined) return { kind: "rest", path: rest, query };
  return AT_ROOT.test(path) ? { kind: "rest", path, query } : undefined;
}

/** Undefined for a path that cannot be decoded. */
function requestOf(
  { path, query }: ApiPlace,
  request: IncomingMessage,
  body: Buffer,
  signal: AbortSignal,
): ApiRequest | undefined {
  let parts: readonly string[];
  try {
    parts = path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
  if (parts.some((part) => part.includes("\0"))) return undefined;
  return {
    method: request.method === "HEAD" ? "GET" : (request.method ?? "GET"),
    path: parts.length === 0 ? [""] : parts,
    query: new URLSearchParams(query),
    accept: request.headers.accept ?? "",
    contentType: request.headers["content-type"] ?? "",
    clientHeaders: clientHeaders(request),
    body,
    signal,
  };
}

/** Everything else a client sends, its authorization above all, is for this facade and for nobody behind it. */
const CLIENT_HEADERS = ["accept", "content-type", "x-github-api-version", "if-none-match", "if-modified-since"];

function clientHeaders({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    CLIENT_HEADERS.flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}

/** Nobody is limited here; clients want to see numbers. */
function rateHeaders(asked: number, nowMs: number): Record<string, string> {
  const used = Math.min(asked, RATE_LIMIT - 1);
  return {
    "X-RateLimit-Limit": String(RATE_LIMIT),
    "X-RateLimit-Remaining": String(RATE_LIMIT - used),
    "X-RateLimit-Used": String(used),
    "X-RateLimit-Reset": String(Math.floor(nowMs / 1000) + 3600),
    "X-RateLimit-Resource": "core",
  };
}

function withLinks(headers: Readonly<Record<string, string>>, addresses: ApiAddresses): Record<string, string> {
  const { Link, Location, ...others } = headers;
  return {
    ...others,
    ...(Link === undefined ? {} : { Link: addressedLinks(Link, addresses) }),
    ...(Location === undefined ? {} : { Location: addressed(Location, addresses) }),
  };
}

async function write(
  { status, headers = {}, content }: ApiResponse,
  addresses: ApiAddresses,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (content.kind) {
    case "none":
      return void response.writeHead(status, status === 204 ? headers : { ...headers, "Content-Length": 0 }).end();
    case "json": {
      const body = Buffer.from(JSON.stringify(withAddresses(content.value, addresses)));
      const tag = `W/"${createHash("sha256").update(body).digest("hex")}"`;
      const isRead = status === 200 && (request.method === "GET" || request.method === "HEAD");
      if (isRead && request.headers["if-none-match"] === tag)
        return void response.writeHead(304, { ...headers, ETag: tag }).end();
      const type = { "Content-Type": "application/json; charset=utf-8", "Content-Length": body.length };
      return void response.writeHead(status, { ...headers, ...(isRead ? { ETag: tag } : {}), ...type }).end(body);
    }
    case "bytes":
      return void response
        .writeHead(status, { ...headers, "Content-Type": content.type, "Content-Length": content.bytes.length })
        .end(content.bytes);
    case "stream":
      response.writeHead(status, { ...headers, "Content-Type": content.type });
      if (request.method === "HEAD") {
        content.stream.destroy();
        return void response.end();
      }
      return await pipeline(content.stream, response);
  }
}
