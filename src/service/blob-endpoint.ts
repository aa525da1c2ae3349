/**
 * The subset of Azure's Blob service that uploads and downloads by signed addresses need: Put Block, Put Block List, Put Blob, Get
 * and Head. What an address opens and for what is in its signature; nothing else that a request says leads to a blob.
 * Source: ACTIONS-CONTRACT §5.6, https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { OpenedLink } from "./blob-links.ts";
import { parseBlockList } from "./blob-block-list.ts";
import { parseRange } from "./blob-range.ts";
import type { BlobBody, BlobStore, Refusal } from "./blob-store.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { readBody, streamBody } from "./http-body.ts";
import { replyBytes } from "./http-reply.ts";

/** 50,000 ids of 88 characters with their tags. */
const MAX_BLOCK_LIST_BYTES = 8 << 20;
/** Azure: at most 64 bytes before base64. */
const BLOCK_ID = /^[A-Za-z0-9+/]{1,88}={0,2}$/;
/** Header values that a request brought and an answer gives back. */
const HEADER_VALUE = /^[\x20-\x7e]{1,255}$/;
const DEFAULT_CONTENT_TYPE = "application/octet-stream";

export function createBlobEndpoint({ blobs, links }: Pick<EndpointSurroundings, "blobs" | "links">): Endpoint {
  return {
    handle(request, response, path) {
      if (!path.startsWith("/blob/")) return false;
      // BuildKit reads it from every answer without looking whether it is there.
      response.setHeader("x-ms-request-id", randomUUID());
      response.setHeader("x-ms-version", "2026-04-06");
      const link = links.open(path);
      if (link === undefined) {
        fail(response, 403, "AuthenticationFailed", "the address is not signed, was changed, or its job has ended");
        return true;
      }
      answer(request, response, link, blobs).catch(() => response.destroy());
      return true;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  link: OpenedLink,
  blobs: BlobStore,
): Promise<void> {
  const { method } = request;
  const wanted = method === "PUT" ? "write" : method === "GET" || method === "HEAD" ? "read" : undefined;
  if (wanted === undefined) return fail(response, 405, "UnsupportedHttpVerb", "PUT, GET and HEAD are understood");
  if (wanted !== link.mode)
    return fail(response, 403, "AuthorizationPermissionMismatch", `the address is for the other`);
  if (wanted === "read") return read(request, response, link, blobs);
  switch (link.query.get("comp")) {
    case "block":
      return putBlock(request, response, link, blobs);
    case "blocklist":
      return putBlockList(request, response, link, blobs);
    case null:
      return putBlob(request, response, link, blobs);
    default:
      return fail(response, 400, "InvalidQueryParameterValue", "comp is block or blocklist");
  }
}

async function putBlock(
  request: IncomingMessage,
  response: ServerResponse,
  { blob, query }: OpenedLink,
  blobs: BlobStore,
): Promise<void> {
  // A client that forgets to encode it sends a plus, which reads as a space.
  const blockId = (query.get("blockid") ?? "").replaceAll(" ", "+");
  if (!BLOCK_ID.test(blockId)) return fail(response, 400, "InvalidQueryParameterValue", "blockid is not a block id");
  const body = bodyOf(request);
  if (body === undefined) return lengthRequired(response);
  const written = await blobs.writeBlock(blob, blockId, body);
  if (written.kind === "refused") return refuse(response, written.why);
  response.writeHead(201, { "Content-Length": 0 }).end();
}

async function putBlockList(
  request: IncomingMessage,
  response: ServerResponse,
  { blob }: OpenedLink,
  blobs: BlobStore,
): Promise<void> {
  const body = await readBody(request, MAX_BLOCK_LIST_BYTES);
  if (body.kind === "refused") return fail(response, body.status, "InvalidInput", "the block list cannot be read");
  const blockIds = parseBlockList(body.bytes.toString("utf8"));
  if (blockIds === undefined) return fail(response, 400, "InvalidXmlDocument", "the body is not a block list");
  const committed = blobs.commit(blob, blockIds, contentTypeOf(request));
  if (committed.kind === "refused") {
    return committed.why === "unknown block"
      ? fail(response, 400, "InvalidBlockList", "the list names a block that was not put")
      : refuse(response, committed.why);
  }
  created(response);
}

async function putBlob(
  request: IncomingMessage,
  response: ServerResponse,
  { blob }: OpenedLink,
  blobs: BlobStore,
): Promise<void> {
  if (request.headers["x-ms-blob-type"] !== "BlockBlob") {
    return fail(response, 400, "InvalidHeaderValue", "x-ms-blob-type must be BlockBlob");
  }
  const body = bodyOf(request);
  if (body === undefined) return lengthRequired(response);
  const written = await blobs.writeWhole(blob, body, contentTypeOf(request));
  if (written.kind === "refused") return refuse(response, written.why);
  created(response);
}

async function read(
  request: IncomingMessage,
  response: ServerResponse,
  { blob, contentType, disposition }: OpenedLink,
  blobs: BlobStore,
): Promise<void> {
  const sealed = await blobs.open(blob);
  if (sealed === undefined) return fail(response, 404, "BlobNotFound", "there is no such blob");
  const { sizeBytes } = sealed;
  const asked = request.headers["x-ms-range"] ?? request.headers.range;
  const range = asked === undefined ? undefined : parseRange(String(asked), sizeBytes);
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${sizeBytes}`);
    return fail(response, 416, "InvalidRange", "the blob is shorter");
  }
  const { from, to } = range ?? { from: 0, to: sizeBytes };
  response.writeHead(range === undefined ? 200 : 206, {
    "Content-Type": contentType ?? sealed.contentType ?? DEFAULT_CONTENT_TYPE,
    "Content-Length": to - from,
    "Accept-Ranges": "bytes",
    ETag: etag(blob.name),
    "Last-Modified": new Date(sealed.sealedAtMs).toUTCString(),
    "x-ms-blob-type": "BlockBlob",
    ...(disposition === undefined ? {} : { "Content-Disposition": disposition }),
    ...(range === undefined ? {} : { "Content-Range": `bytes ${from}-${to - 1}/${sizeBytes}` }),
  });
  if (request.method === "HEAD") return void response.end();
  await pipeline(Readable.from(sealed.read(from, to)), response);
}

/** Undefined where the length is not said: without it nothing can be reserved. */
function bodyOf(request: IncomingMessage): BlobBody | undefined {
  const length = request.headers["content-length"];
  return length === undefined ? undefined : { stream: streamBody(request), sizeBytes: Number(length) };
}

function contentTypeOf({ headers }: IncomingMessage): string | undefined {
  const type = headers["x-ms-blob-content-type"];
  return typeof type === "string" && HEADER_VALUE.test(type) ? type : undefined;
}

function created(response: ServerResponse): void {
  response
    .writeHead(201, { "Content-Length": 0, ETag: etag(randomUUID()), "Last-Modified": new Date().toUTCString() })
    .end();
}

function etag(id: string): string {
  return `"0x${id.replaceAll("-", "").slice(0, 16).toUpperCase()}"`;
}

function lengthRequired(response: ServerResponse): void {
  fail(response, 411, "MissingContentLengthHeader", "Content-Length is required");
}

function refuse(response: ServerResponse, why: Refusal): void {
  switch (why) {
    case "too large":
      return fail(response, 413, "RequestBodyTooLarge", "the blob is larger than is kept here");
    case "too many blocks":
      return fail(response, 409, "BlockCountExceedsLimit", "there are more blocks than are kept here");
    case "no space":
      // Not 500 or 503, after which clients try again for minutes.
      return fail(response, 507, "InsufficientStorage", "there is no room for it");
    case "sealed":
      return fail(response, 409, "BlobImmutableDueToPolicy", "the blob is complete");
    case "broken":
      return fail(response, 400, "IncompleteBody", "the body broke off");
  }
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.setHeader("x-ms-error-code", code);
  const xml = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  replyBytes(response, status, "application/xml", Buffer.from(xml));
}
