/**
 * The guest's end of the agent protocol: HTTP/2 server of the routes in `agent-api.ts` over one byte stream. What the routes do
 * is the caller's (`AgentHandlers`); this file bounds and parses requests and writes answers in the form the host expects.
 */
import { performServerHandshake } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ExecRequest, PackRequest, StreamEnd } from "./agent-api.ts";
import type { ReadBack } from "./agent-client.ts";
import type { AgentHandlers } from "./agent-handlers.ts";
import { encodeFile, encodeOutput } from "./frame.ts";
import { HTTP2_SETTINGS, widenSessionWindow } from "./http2-settings.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";

/** Serves until the stream ends, then resolves; never rejects. */
export async function serveRoutes(stream: Duplex, handlers: AgentHandlers): Promise<void> {
  // A host that has gone already says so no second time.
  if (stream.destroyed) return;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  stream.once("close", resolve);
  // A host that goes away is an end like any other.
  stream.on("error", () => undefined);
  const session = performServerHandshake(stream, { settings: HTTP2_SETTINGS });
  session.on("error", () => stream.destroy());
  session.once("close", () => stream.destroy());
  // Node does not notice by itself when a stream that is no socket is destroyed.
  stream.once("close", () => session.destroy());
  widenSessionWindow(session);
  session.on("stream", (request: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    request.on("error", () => undefined);
    answer(request, headers[":path"] ?? "", handlers).catch((error: unknown) => refuse(request, error));
  });
  await ended;
}

async function answer(stream: ServerHttp2Stream, path: string, handlers: AgentHandlers): Promise<void> {
  // Loaded here, to keep the schemas' library out of the agent's start.
  const api = await import("./agent-api.ts");
  const url = new URL(path, "http://agent");
  switch (url.pathname) {
    case "/ready":
      await body(stream);
      return sendJson(stream, await handlers.ready());
    case "/exec":
      return sendExec(stream, api.ExecRequest.parse(await body(stream)), handlers);
    case "/shell":
      return await sendShell(stream, handlers);
    case "/signal":
      await handlers.signal(api.SignalRequest.parse(await body(stream)));
      return sendJson(stream, {});
    case "/files/read":
      return sendFile(stream, await handlers.readFile(api.ReadFileRequest.parse(await body(stream))));
    case "/files/write":
      await handlers.writeFile(api.WriteFileRequest.parse(await body(stream)));
      return sendJson(stream, {});
    case "/files/unpack":
      await unpack(stream, url.searchParams, handlers);
      return sendJson(stream, {});
    case "/files/pack":
      return sendTar(stream, handlers.pack((api.PackRequest.parse(await body(stream)) satisfies PackRequest).path));
    case "/hash-files": {
      const hash = await handlers.hashFiles(api.HashFilesRequest.parse(await body(stream)));
      return sendJson(stream, { hash });
    }
    case "/reset":
      await handlers.reset(api.ResetRequest.parse(await body(stream)));
      return sendJson(stream, {});
    case "/vitals":
      return sendJson(stream, await handlers.vitals(api.VitalsRequest.parse(await body(stream))));
    default:
      return send(stream, 404, "no such route");
  }
}

async function unpack(stream: ServerHttp2Stream, query: URLSearchParams, handlers: AgentHandlers): Promise<void> {
  const path = query.get("path") ?? "";
  const from = query.get("from");
  if (from === null) return await handlers.unpack(path, stream);
  const { InputRange } = await import("./agent-api.ts");
  const tar = handlers.readInput(InputRange.parse(JSON.parse(from)));
  // Nobody waits for it any more.
  stream.once("close", () => tar.destroy());
  try {
    await handlers.unpack(path, tar);
  } finally {
    tar.destroy();
  }
}

async function body(stream: ServerHttp2Stream): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not destroyed when it is left early: it is also the way on which the refusal is answered.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) throw new Error(`a request of more than ${MAX_REQUEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

async function sendExec(stream: ServerHttp2Stream, request: ExecRequest, handlers: AgentHandlers): Promise<void> {
  const gone = new AbortController();
  stream.once("close", () => gone.abort());
  const trailers: Record<string, string> = {};
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  const { exit, files } = await handlers.exec(request, {
    write: (name, bytes) => writeAll(stream, encodeOutput(name, bytes)),
    onDrain: (resume) => stream.on("drain", resume),
    gone: gone.signal,
  });
  if (stream.destroyed) return;
  trailers["x-exit"] = asciiJson(exit);
  stream.end(Buffer.concat(files.flatMap((file, index) => encodeFile(index, file))));
}

async function sendShell(stream: ServerHttp2Stream, handlers: AgentHandlers): Promise<void> {
  const [{ ShellRequest }, { serveShell }] = await Promise.all([import("./agent-api.ts"), import("./serve-shell.ts")]);
  const trailers: Record<string, string> = {};
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  const exit = await serveShell(stream, (value) => ShellRequest.parse(value), handlers);
  if (stream.destroyed) return;
  trailers["x-exit"] = asciiJson(exit);
  stream.end();
}

async function sendTar(stream: ServerHttp2Stream, tar: Readable): Promise<void> {
  const trailers: Record<string, string> = {};
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  const end: StreamEnd = {};
  try {
    await pipeline(tar, stream, { end: false });
  } catch (error) {
    end.failure = messageOf(error);
  }
  trailers["x-end"] = asciiJson(end);
  stream.end();
}

function sendFile(stream: ServerHttp2Stream, file: ReadBack): void {
  if (file.kind === "missing") return send(stream, 404, "no such file");
  if (file.kind === "too_large") return send(stream, 413, `a file of ${file.sizeBytes} bytes is larger than asked for`);
  return send(stream, 200, file.content);
}

function refuse(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed) return;
  // After the head of an answer there is no way to say more than that it broke off.
  if (stream.headersSent) stream.destroy(error instanceof Error ? error : new Error(messageOf(error)));
  else send(stream, 422, messageOf(error));
}

function sendJson(stream: ServerHttp2Stream, value: object): void {
  send(stream, 200, JSON.stringify(value));
}

function send(stream: ServerHttp2Stream, status: number, content: string | Buffer): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": status });
  stream.end(content);
  // What the host still sends of a refused body is thrown away, or its end would never come.
  stream.resume();
}

function writeAll(stream: ServerHttp2Stream, parts: Buffer[]): boolean {
  if (stream.destroyed) return true;
  return parts.map((part) => stream.write(part)).every(Boolean);
}

/** Header values hold no other characters. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 4_096);
}
