/**
 * Cache v1, for clients that are older or are told they talk to a GitHub Enterprise Server. An archive comes in chunks with their
 * place (`Content-Range`), in any order. Source: ACTIONS-CONTRACT §5.4.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { BlobId, BlobStore } from "./blob-store.ts";
import type { Caches } from "./caches.ts";
import type { CacheEntry } from "./cache-store.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { readBody, streamBody } from "./http-body.ts";
import { replyEmpty, replyJson } from "./http-reply.ts";
import type { Caller } from "./job-tokens.ts";

const BASE = "/_apis/artifactcache/";
const MAX_REQUEST_BYTES = 64 << 10;
const MAX_CHUNKS = 50_000;

/** Where each chunk of an archive begins, and behind it where it ends. By `cacheId`. */
type Chunks = Map<number, Map<number, number>>;

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  readonly query: URLSearchParams;
}

interface Parts {
  readonly caches: Caches;
  readonly blobs: BlobStore;
  readonly chunks: Chunks;
}

export function createCacheV1Endpoint(
  caches: Caches,
  { tokens, blobs }: Pick<EndpointSurroundings, "tokens" | "blobs">,
): Endpoint {
  const chunks = new Map<Caller["id"], Chunks>();
  return {
    handle(request, response, path) {
      if (!path.startsWith(BASE)) return false;
      const caller = tokens.callerOf(request, "runtime");
      if (caller === undefined) {
        refuse(response, 401, "the token is not one of a job that is running");
        return true;
      }
      const own: Chunks = chunks.get(caller.id) ?? new Map();
      chunks.set(caller.id, own);
      const [route = "", query = ""] = path.slice(BASE.length).split("?", 2);
      const call: Call = { request, response, caller, query: new URLSearchParams(query) };
      answer(route, call, { caches, blobs, chunks: own }).catch(() => refuse(response, 500, "the service failed"));
      return true;
    },
    endJob: ({ id }) => void chunks.delete(id),
  };
}

async function answer(route: string, call: Call, parts: Parts): Promise<void> {
  const { request, response } = call;
  const id = /^caches\/(?<id>[1-9]\d{0,14})$/.exec(route)?.groups?.["id"];
  if (request.method === "GET" && route === "cache") return find(call, parts);
  if (request.method === "GET" && route === "caches") return list(call, parts);
  if (request.method === "POST" && route === "caches") return reserve(call, parts);
  if (request.method === "PATCH" && id !== undefined) return putChunk(Number(id), call, parts);
  if (request.method === "POST" && id !== undefined) return commit(Number(id), call, parts);
  refuse(response, 404, "there is no such resource");
}

async function find({ response, caller, query }: Call, { caches }: Parts): Promise<void> {
  const keys = (query.get("keys") ?? "").split(",");
  const found = await caches.find(caller, keys, query.get("version") ?? "");
  if (found.kind === "invalid") return refuse(response, 400, found.message);
  if (found.kind === "miss") return replyEmpty(response, 204);
  replyJson(response, 200, { ...shown(found.entry), archiveLocation: found.downloadUrl });
}

async function list({ response, caller, query }: Call, { caches }: Parts): Promise<void> {
  const entries = await caches.list(caller, query.get("key") ?? "");
  replyJson(response, 200, { totalCount: entries.length, artifactCaches: entries.slice(0, 100).map(shown) });
}

async function reserve({ request, response, caller }: Call, { caches }: Parts): Promise<void> {
  const body = await readJson(request);
  const reserved = await caches.reserve(caller, textOf(body?.["key"]), textOf(body?.["version"]));
  switch (reserved.kind) {
    case "reserved":
      return replyJson(response, 201, { cacheId: reserved.reservation.id });
    case "exists":
      return refuse(response, 409, reserved.message);
    case "denied":
      return refuse(response, 403, reserved.message);
    case "too many":
      return refuse(response, 429, reserved.message);
    case "invalid":
      return refuse(response, 400, reserved.message);
  }
}

async function putChunk(
  id: number,
  { request, response, caller }: Call,
  { caches, blobs, chunks }: Parts,
): Promise<void> {
  const place = /^bytes (?<first>\d{1,15})-(?<last>\d{1,15})\/\*$/.exec(request.headers["content-range"] ?? "")?.groups;
  const [first, last] = [Number(place?.["first"]), Number(place?.["last"])];
  if (place === undefined || last < first) return refuse(response, 400, "Content-Range is not a place");
  const reservation = await caches.reservation(caller, (one) => one.id === id);
  if (reservation === undefined) return refuse(response, 404, "no such cache is being created by this job");
  const ends = chunks.get(id) ?? new Map<number, number>();
  chunks.set(id, ends);
  if (ends.size >= MAX_CHUNKS) return refuse(response, 400, "there are too many chunks");
  const sizeBytes = last - first + 1;
  // One that says no length is as long as its place says, or is refused.
  if (Number(request.headers["content-length"] ?? sizeBytes) !== sizeBytes) {
    return refuse(response, 400, "Content-Range and Content-Length do not agree");
  }
  const written = await blobs.writeBlock(blobOf(reservation.blob), blockId(first), {
    stream: streamBody(request),
    sizeBytes,
  });
  if (written.kind === "refused") return refuse(response, written.why === "no space" ? 507 : 400, written.why);
  ends.set(first, last + 1);
  replyEmpty(response, 204);
}

async function commit(
  id: number,
  { request, response, caller }: Call,
  { caches, blobs, chunks }: Parts,
): Promise<void> {
  const size = Number((await readJson(request))?.["size"]);
  const reservation = await caches.reservation(caller, (one) => one.id === id);
  if (reservation === undefined) return refuse(response, 404, "no such cache is being created by this job");
  const blocks = joined(chunks.get(id) ?? new Map(), size);
  if (blocks === undefined) return refuse(response, 400, "the chunks do not make an archive of this size");
  const committed = blobs.commit(blobOf(reservation.blob), blocks, undefined);
  if (committed.kind === "refused") return refuse(response, 400, committed.why);
  const completed = await caches.complete(caller, reservation, size);
  if (completed.kind !== "completed") return refuse(response, 400, completed.message);
  chunks.delete(id);
  replyEmpty(response, 204);
}

/** Ids of the blocks in order; undefined when they leave a hole, overlap, or end elsewhere. */
function joined(ends: ReadonlyMap<number, number>, size: number): readonly string[] | undefined {
  const ids: string[] = [];
  let at = 0;
  while (at < size) {
    const end = ends.get(at);
    if (end === undefined) return undefined;
    ids.push(blockId(at));
    at = end;
  }
  return at === size && ids.length === ends.size ? ids : undefined;
}

function blockId(offset: number): string {
  return `at ${offset}`;
}

function blobOf(name: string): BlobId {
  return { container: "caches", name };
}

function shown({ key, scope, version, createdAtMs }: CacheEntry): object {
  return { cacheKey: key, scope, cacheVersion: version, creationTime: new Date(createdAtMs).toISOString() };
}

async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>> | undefined> {
  const body = await readBody(request, MAX_REQUEST_BYTES);
  if (body.kind === "refused") return undefined;
  try {
    const value: unknown = JSON.parse(body.bytes.toString("utf8"));
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    // No JSON: as a body without the members that are needed.
    return undefined;
  }
}

/** Empty, which is refused, for what is none. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function refuse(response: ServerResponse, status: number, message: string): void {
  replyJson(response, status, { message });
}
