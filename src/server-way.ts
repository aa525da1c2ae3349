/** How a command reaches a server: the one it was told of, over HTTP with a token; else that of this host's state, by its socket. */
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import type { ServerRequest } from "./commands/server-door.ts";
import type { Config } from "./config.ts";
import { EngineError } from "./lib/engine-error.ts";

export interface WayParts {
  readonly config: Pick<Config, "server">;
  readonly socket: string;
  readonly offline: () => Promise<Ask>;
}

type Ask = (request: ServerRequest) => Promise<Response>;

export async function openServerWay({ config, socket, offline }: WayParts): Promise<Ask> {
  const { server } = config;
  if (server !== undefined) return (request) => askRemote(server, request);
  return await (existsSync(socket) ? (request) => askLocal(socket, request, offline) : offline());
}

export function describeWay({ config, socket }: Pick<WayParts, "config" | "socket">): string {
  if (config.server !== undefined) return config.server.url;
  return existsSync(socket) ? "the server of this host" : "what is kept here";
}

async function askRemote(
  { url, token }: NonNullable<Config["server"]>,
  { method, path, body, headers, signal }: ServerRequest,
): Promise<Response> {
  const asked: RequestInit = {
    method,
    headers: {
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    // A token is for one place.
    redirect: "error",
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal !== undefined && { signal }),
  };
  try {
    return await fetch(`${url}${path}`, asked);
  } catch (error) {
    signal?.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new EngineError("SERVER_UNREACHABLE", `Cannot reach ${url}: ${messageOf(cause)}`, { cause: error });
  }
}

async function askLocal(socketPath: string, asked: ServerRequest, offline: () => Promise<Ask>): Promise<Response> {
  try {
    return await send(socketPath, asked);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // Left by one that was killed.
    if (code === "ECONNREFUSED" || code === "ENOENT") return await (await offline())(asked);
    asked.signal?.throwIfAborted();
    throw new EngineError("SERVER_UNREACHABLE", `Cannot ask the server at ${socketPath}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function send(socketPath: string, { method, path, body, headers, signal }: ServerRequest): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        socketPath,
        path,
        method,
        headers: { host: "localhost", ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
        ...(signal !== undefined && { signal }),
      },
      (response) => resolve(asResponse(response)),
    );
    sent.once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function asResponse(response: IncomingMessage): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const body = Readable.toWeb(response) as ReadableStream<Uint8Array>;
  return new Response(body, { status: response.statusCode ?? 500, headers });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
