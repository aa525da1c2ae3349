/** At the HTTP door, with requests as the Azure SDK makes them and as nobody should. ACTIONS-CONTRACT §5.6. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBlobEndpoint } from "./blob-endpoint.ts";
import { createBlobLinks } from "./blob-links.ts";
import type { BlobLinks } from "./blob-links.ts";
import { createBlobStore } from "./blob-store.ts";
import type { BlobId, BlobLimits, BlobStore } from "./blob-store.ts";
import { createJobTokens } from "./job-tokens.ts";
import type { OpenedJob } from "./job-tokens.ts";
import { ask, askRaw, putBlob, someClaims } from "./service-door.fixture.ts";
import type { Reply } from "./service-door.fixture.ts";

let stack: AsyncDisposableStack;
let directory: string;
let origin: string;
let clock: { ms: number };
let job: OpenedJob;
let blobs: BlobStore;
let links: BlobLinks;

const blob: BlobId = { container: "artifacts", name: "0b5f7a0e-1111-4222-8333-444455556666" };

beforeEach(() => serve());
afterEach(() => stack.disposeAsync());

async function serve(limits: Partial<BlobLimits> = {}): Promise<void> {
  stack = new AsyncDisposableStack();
  directory = mkdtempSync(join(tmpdir(), "hearth-blobs-"));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  clock = { ms: Date.parse("2026-11-22T10:00:00Z") };
  const tokens = createJobTokens(() => clock.ms);
  job = tokens.open(someClaims());
  blobs = stack.use(createBlobStore({ directory, now: () => clock.ms, limits: { freeBytes: 0, ...limits } }));
  const server = createServer((incoming, response) => {
    if (!endpoint.handle(incoming, response, incoming.url ?? "")) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  origin = `http://127.0.0.1:${address.port}`;
  links = createBlobLinks({ origin, tokens });
  const endpoint = createBlobEndpoint({ blobs, links });
}

function putBlock(id: string, content: string, url = links.forWriting(blob, job.caller)): Promise<Reply> {
  const blockId = encodeURIComponent(Buffer.from(id).toString("base64"));
  return ask(`${url}&comp=block&blockid=${blockId}`, { method: "PUT", body: content });
}

function putBlockList(ids: readonly string[], headers = {}, url = links.forWriting(blob, job.caller)): Promise<Reply> {
  const entries = ids.map((id) => `<Latest>${Buffer.from(id).toString("base64")}</Latest>`).join("");
  const body = `<?xml version="1.0" encoding="utf-8"?><BlockList>${entries}</BlockList>`;
  return ask(`${url}&comp=blocklist`, { method: "PUT", body, headers });
}

async function upload(content: string): Promise<void> {
  await putBlob(links.forWriting(blob, job.caller), Buffer.from(content));
  await blobs.seal(blob);
}

function errorCode({ text, headers }: Reply): string | undefined {
  const code =
    /^<\?xml version="1.0" encoding="utf-8"\?><Error><Code>(?<code>\w+)<\/Code><Message>[^<]+<\/Message><\/Error>$/.exec(
      text,
    );
  expect(headers["x-ms-error-code"]).toBe(code?.groups?.["code"]);
  expect(headers["content-type"]).toBe("application/xml");
  return code?.groups?.["code"];
}

describe("uploading", () => {
  it("takes blocks in any order and again, then their list", async () => {
    for (const [id, content] of [
      ["c", "3"],
      ["a", "x"],
      ["b", "2"],
      ["a", "1"],
    ] as const) {
      expect((await putBlock(id, content)).status).toBe(201);
    }
    const listed = await putBlockList(["a", "b", "c"], { "x-ms-blob-content-type": "application/zip" });
    expect(listed.status).toBe(201);
    expect(listed.headers["etag"]).toMatch(/^"0x[0-9A-F]{16}"$/);
    expect(Date.parse(listed.headers["last-modified"] ?? "")).not.toBeNaN();
    await blobs.seal(blob);
    const got = await ask(links.forReading(blob, job.caller));
    expect(got).toMatchObject({ status: 200, text: "123", headers: { "content-type": "application/zip" } });
  });

  it("takes a blob in one piece", async () => {
    const put = await putBlob(links.forWriting(blob, job.caller), Buffer.from("abc"));
    expect(put.status).toBe(201);
    expect(put.headers["etag"]).toBeDefined();
    expect(blobs.committedBytes(blob)).toBe(3);
  });

  it("takes block ids as JavaScript and Go make them, also with a plus that was not encoded", async () => {
    const url = links.forWriting(blob, job.caller);
    const ids = [Buffer.alloc(48, 0xfb).toString("base64"), Buffer.alloc(64, 0xfe).toString("base64")];
    for (const id of ids) {
      expect(id).toContain("+");
      expect((await ask(`${url}&comp=block&blockid=${id}`, { method: "PUT", body: "x" })).status).toBe(201);
    }
    const xml = `<BlockList>${ids.map((id) => `<Uncommitted>${id}</Uncommitted>`).join("")}</BlockList>`;
    expect((await ask(`${url}&comp=blocklist`, { method: "PUT", body: xml })).status).toBe(201);
  });

  it("has a request id on every answer, whatever it is", async () => {
    const url = links.forWriting(blob, job.caller);
    const replies = [
      await putBlock("a", "1"),
      await putBlockList(["a"]),
      await putBlockList(["b"]),
      await ask(`${origin}/blob/artifacts/x`),
      await ask(url, { method: "DELETE" }),
    ];
    for (const { headers } of replies) expect(headers["x-ms-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("refuses what it cannot keep, and says why in XML", async () => {
    const url = links.forWriting(blob, job.caller);
    const put = (query: string, body: string, headers = {}) => ask(`${url}${query}`, { method: "PUT", body, headers });
    expect(errorCode(await putBlockList(["unknown"]))).toBe("InvalidBlockList");
    expect(errorCode(await put("&comp=blocklist", "<x/>"))).toBe("InvalidXmlDocument");
    expect(errorCode(await put("&comp=block", "x"))).toBe("InvalidQueryParameterValue");
    expect(errorCode(await put("&comp=block&blockid=..%2F..%2Fx", "x"))).toBe("InvalidQueryParameterValue");
    expect(errorCode(await put(`&comp=block&blockid=${"A".repeat(200)}`, "x"))).toBe("InvalidQueryParameterValue");
    expect(errorCode(await put("&comp=lease", "x"))).toBe("InvalidQueryParameterValue");
    expect(errorCode(await put("", "x"))).toBe("InvalidHeaderValue");
    expect(errorCode(await ask(url, { method: "DELETE" }))).toBe("UnsupportedHttpVerb");
    const unknownLength = await ask(`${url}&comp=block&blockid=YQ%3D%3D`, {
      method: "PUT",
      headers: { "transfer-encoding": "chunked" },
    });
    expect(unknownLength.status).toBe(411);
    expect(errorCode(unknownLength)).toBe("MissingContentLengthHeader");
  });

  it("refuses more than a blob may have, before reading it", async () => {
    await stack.disposeAsync();
    await serve({ blobBytes: 1000, pendingBytes: 1500 });
    const reply = await putBlob(links.forWriting(blob, job.caller), Buffer.alloc(1001));
    expect(reply.status).toBe(413);
    expect(errorCode(reply)).toBe("RequestBodyTooLarge");
    expect((await putBlob(links.forWriting(blob, job.caller), Buffer.alloc(1000))).status).toBe(201);
    const other: BlobId = { ...blob, name: "0b5f7a0e-1111-4222-8333-444455557777" };
    const full = await putBlob(links.forWriting(other, job.caller), Buffer.alloc(501));
    expect(full.status).toBe(507);
    expect(errorCode(full)).toBe("InsufficientStorage");
  });

  it("refuses a block list that is longer than any can be", async () => {
    const url = links.forWriting(blob, job.caller);
    const reply = await ask(`${url}&comp=blocklist`, { method: "PUT", body: Buffer.alloc((8 << 20) + 1, " ") });
    expect(reply.status).toBe(413);
  });

  it("forgets a body whose client went away", async () => {
    const { pathname, search, port } = new URL(`${links.forWriting(blob, job.caller)}&comp=block&blockid=YQ%3D%3D`);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf`);
    await once(socket, "connect");
    const closed = once(socket, "close");
    socket.resetAndDestroy();
    await closed;
    expect(errorCode(await putBlockList([Buffer.from("a").toString()]))).toBe("InvalidBlockList");
    expect((await putBlock("a", "whole")).status).toBe(201);
    expect((await putBlockList(["a"])).status).toBe(201);
    expect(blobs.committedBytes(blob)).toBe(5);
  });

  it("is over when the blob is sealed", async () => {
    await upload("abc");
    expect(errorCode(await putBlock("a", "1"))).toBe("BlobImmutableDueToPolicy");
    const put = await putBlob(links.forWriting(blob, job.caller), Buffer.from("xyz"));
    expect(put.status).toBe(409);
    expect((await ask(links.forReading(blob, job.caller))).text).toBe("abc");
  });
});

describe("downloading", () => {
  it("gives all of it, parts of it, or its size", async () => {
    await upload("0123456789");
    const url = links.forReading(blob, job.caller);
    expect(await ask(url)).toMatchObject({ status: 200, text: "0123456789", headers: { "content-length": "10" } });
    const head = await ask(url, { method: "HEAD" });
    expect(head).toMatchObject({
      status: 200,
      text: "",
      headers: { "content-length": "10", "accept-ranges": "bytes" },
    });
    const part = await ask(url, { headers: { range: "bytes=2-4" } });
    expect(part).toMatchObject({ status: 206, text: "234", headers: { "content-range": "bytes 2-4/10" } });
    const azure = await ask(url, { headers: { "x-ms-range": "bytes=7-", range: "bytes=0-0" } });
    expect(azure).toMatchObject({ status: 206, text: "789" });
    expect(part.headers["etag"]).toBe(head.headers["etag"]);
    const beyond = await ask(url, { headers: { range: "bytes=10-" } });
    expect(beyond).toMatchObject({ status: 416, headers: { "content-range": "bytes */10" } });
    expect(errorCode(beyond)).toBe("InvalidRange");
  });

  it("shows it as the address says", async () => {
    await upload("x");
    const disposition = `attachment; filename="a b.txt"; filename*=UTF-8''a%20b.txt`;
    const { headers } = await ask(links.forReading(blob, job.caller, { contentType: "text/plain", disposition }));
    expect(headers).toMatchObject({ "content-type": "text/plain", "content-disposition": disposition });
  });

  it("finds nothing before it is sealed", async () => {
    await putBlob(links.forWriting(blob, job.caller), Buffer.from("abc"));
    const reply = await ask(links.forReading(blob, job.caller));
    expect(reply.status).toBe(404);
    expect(errorCode(reply)).toBe("BlobNotFound");
  });
});

describe("a signed address", () => {
  it("is for one blob and one purpose, and no part of it can be changed", async () => {
    await upload("abc");
    const reading = new URL(links.forReading(blob, job.caller, { contentType: "text/plain" }));
    const other = "0b5f7a0e-1111-4222-8333-444455557777";
    const changed = [
      (url: URL) => (url.pathname = url.pathname.replace(blob.name, other)),
      (url: URL) => (url.pathname = url.pathname.replace("artifacts", "caches")),
      (url: URL) => url.searchParams.set("sp", "w"),
      (url: URL) => url.searchParams.append("sp", "w"),
      (url: URL) => url.searchParams.set("jb", other),
      (url: URL) => url.searchParams.set("rsct", "text/html"),
      (url: URL) => url.searchParams.delete("rsct"),
      (url: URL) => url.searchParams.append("rscd", "attachment"),
      (url: URL) => url.searchParams.set("sig", ""),
      (url: URL) => url.searchParams.delete("sig"),
      (url: URL) => url.searchParams.set("sig", `${url.searchParams.get("sig")}A`),
    ];
    for (const change of changed) {
      const url = new URL(reading);
      change(url);
      const reply = await ask(url.href);
      expect({ change: String(change), status: reply.status }).toEqual({ change: String(change), status: 403 });
      expect(errorCode(reply)).toBe("AuthenticationFailed");
    }
    expect((await ask(`${reading.href}&comp=whatever&timeout=30`)).status).toBe(200);
  });

  it("for reading does not write, and for writing does not read", async () => {
    await upload("abc");
    const write = await putBlob(links.forReading(blob, job.caller), Buffer.from("x"));
    expect(errorCode(write)).toBe("AuthorizationPermissionMismatch");
    const read = await ask(links.forWriting(blob, job.caller));
    expect(errorCode(read)).toBe("AuthorizationPermissionMismatch");
  });

  it("is dead when its job has ended or its time is up", async () => {
    await upload("abc");
    const url = links.forReading(blob, job.caller);
    clock.ms += 3600_000;
    expect((await ask(url)).status).toBe(403);
    clock.ms -= 3600_000;
    expect((await ask(url)).status).toBe(200);
    job.close();
    expect((await ask(url)).status).toBe(403);
  });

  it("of another machine opens nothing", async () => {
    const tokens = createJobTokens(() => clock.ms);
    const foreign = createBlobLinks({ origin, tokens });
    await upload("abc");
    expect((await ask(foreign.forReading(blob, tokens.open(someClaims()).caller))).status).toBe(403);
  });
});

/** SECURITY-RELIABILITY A15, A17: on a socket, because clients tidy paths up. */
describe("paths that are none of ours", () => {
  it.each([
    "/blob/artifacts/../../../../etc/passwd?sig=x",
    "/blob/../blob/artifacts/x?sig=x",
    "/blob/artifacts/%2e%2e%2f%2e%2e%2fetc%2fpasswd?sig=x",
    "/blob/artifacts/..%5c..%5cx?sig=x",
    "/blob/artifacts/0b5f7a0e-1111-4222-8333-444455556666%00.zip?sig=x",
    "/blob/artifacts/0b5f7a0e-1111-4222-8333-444455556666/../x?sig=x",
    "/blob/artifacts/0B5F7A0E-1111-4222-8333-444455556666?sig=x",
    "/blob/artifacts//0b5f7a0e-1111-4222-8333-444455556666?sig=x",
    "/blob/artifacts/.?sig=x",
    "/blob/artifacts/?sig=x",
    "/blob/uploads/0b5f7a0e-1111-4222-8333-444455556666?sig=x",
    "/blob/artifacts/0b5f7a0e-1111-4222-8333-444455556666",
    "/blob/",
    `/blob/artifacts/${"a".repeat(4000)}?sig=x`,
  ])("are 403: %s", async (path) => {
    const name = "../../canary";
    await upload("abc");
    for (const method of ["GET", "HEAD", "PUT"]) {
      const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: ${name.length}\r\n`;
      expect(await askRaw(origin, `${head}Connection: close\r\n\r\n${name}`)).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect((await ask(links.forReading(blob, job.caller))).text).toBe("abc");
  });
});
