import { createHmac, randomUUID } from "node:crypto";
import { createServer, request as httpRequest } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { Webhooks } from "@octokit/webhooks";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { CONNECTION_OPTIONS, limitConnections } from "./connection-limit.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { testClock } from "./server-store.contract.ts";
import type { ServerStore } from "./server-store.ts";
import { isDeeperThan } from "./webhook-body.ts";
import { createWebhookIntake, requireWebhookSecret } from "./webhook-intake.ts";
import type { WebhookIntakeParts } from "./webhook-intake.ts";
import { isSigned, signatureOf } from "./webhook-signature.ts";

const SECRET = "It's a Secret to Everybody";
const PUSH = JSON.stringify({ ref: "refs/heads/main", after: "a", repository: { full_name: "o/r" } });

let server: Server;
let store: ServerStore;
let port = 0;
let accepted = 0;

async function start(changes: Partial<WebhookIntakeParts> = {}): Promise<void> {
  store = createMemoryServerStore(testClock());
  accepted = 0;
  const parts = { store, secrets: [SECRET], isOpen: () => true, onAccepted: () => void (accepted += 1), ...changes };
  const intake = createWebhookIntake(parts);
  server = createServer(CONNECTION_OPTIONS, (request, response) => void intake(request, response));
  limitConnections(server, 50);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = addressOf(server).port;
}

function addressOf(listening: Server): AddressInfo {
  const address = listening.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return address;
}

async function stop(): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

beforeEach(() => start());
afterEach(stop);

interface Said {
  readonly status: number;
  readonly body: { readonly [name: string]: unknown };
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Header by header, so that one can be sent twice; undefined leaves it out. */
async function post(body: string | Buffer, changes: Headers = {}): Promise<Said> {
  const headers: Headers = {
    "content-type": "application/json",
    "x-github-event": "push",
    "x-github-delivery": randomUUID(),
    "x-hub-signature-256": signatureOf(SECRET, Buffer.from(body)),
    "content-length": String(Buffer.byteLength(body)),
    ...changes,
  };
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: "127.0.0.1", method: "POST", path: "/webhook" }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) sent.setHeader(name, typeof value === "string" ? value : [...value]);
    }
    sent.once("error", reject);
    sent.end(body);
  });
}

describe("the signature", () => {
  it("is GitHub's own example", () => {
    const digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    expect(signatureOf(SECRET, Buffer.from("Hello, World!"))).toBe(`sha256=${digest}`);
    expect(isSigned(["old", SECRET], Buffer.from("Hello, World!"), `sha256=${digest}`)).toBe(true);
  });

  it("is what octokit's own is, whatever the body", async () => {
    const octokit = new Webhooks({ secret: SECRET });
    for (const body of ["{}", PUSH, '{"name":"ä😀"}']) {
      expect(isSigned([SECRET], Buffer.from(body), await octokit.sign(body))).toBe(true);
      expect(await octokit.verify(body, signatureOf(SECRET, Buffer.from(body)))).toBe(true);
    }
  });

  it("lets GitHub's example through to where its body is looked at", async () => {
    expect(await post("Hello, World!")).toMatchObject({
      status: 400,
      body: { error: "the payload is no JSON object" },
    });
  });

  const right = signatureOf(SECRET, Buffer.from(PUSH));
  const sha1 = `sha1=${createHmac("sha1", SECRET).update(PUSH).digest("hex")}`;
  it.each<[string, Headers]>([
    ["none", { "x-hub-signature-256": undefined }],
    ["another key's", { "x-hub-signature-256": signatureOf("guess", Buffer.from(PUSH)) }],
    ["that of no key", { "x-hub-signature-256": signatureOf("", Buffer.from(PUSH)) }],
    ["an empty one", { "x-hub-signature-256": "sha256=" }],
    ["upper case digits", { "x-hub-signature-256": `sha256=${right.slice(7).toUpperCase()}` }],
    ["an upper case name", { "x-hub-signature-256": right.replace("sha", "SHA") }],
    ["63 digits", { "x-hub-signature-256": right.slice(0, -1) }],
    ["65 digits", { "x-hub-signature-256": `${right}0` }],
    ["what are no digits", { "x-hub-signature-256": `sha256=${"g".repeat(64)}` }],
    ["SHA-1 alone", { "x-hub-signature-256": undefined, "x-hub-signature": sha1 }],
    ["SHA-1 in its place", { "x-hub-signature-256": sha1 }],
    ["two of them", { "x-hub-signature-256": [right, right] }],
    ["that of the body made anew", { "x-hub-signature-256": signatureOf(SECRET, Buffer.from(`${PUSH}\n`)) }],
  ])("refuses %s", async (_name, headers) => {
    expect((await post(PUSH, headers)).status).toBe(401);
    expect(store.deliveries.list(10)).toEqual([]);
    expect(accepted).toBe(0);
  });
});

describe("a delivery", () => {
  it("is kept before it is answered, and told of once", async () => {
    const said = await post(PUSH, { "x-github-delivery": "guid-1" });
    expect(said).toEqual({ status: 202, body: { delivery: 1 } });
    expect(store.deliveries.next()).toMatchObject({ guid: "guid-1", event: "push", repository: "o/r", body: PUSH });
    expect(accepted).toBe(1);
  });

  it("is one, sent a hundred times at once", async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => post(PUSH, { "x-github-delivery": "guid-1" })));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 202));
    expect(all.filter(({ body }) => body["duplicate_of"] === 1)).toHaveLength(99);
    expect(store.deliveries.list(10)).toHaveLength(1);
    expect(accepted).toBe(1);
  });

  it("is known again under another GUID, and distinct ones are not confused", async () => {
    await post(PUSH);
    expect((await post(PUSH)).body).toMatchObject({ code: "E_WEBHOOK_REPLAY", replay_of: 1 });
    expect((await post(PUSH.replace('"a"', '"b"'))).body).toEqual({ delivery: 2 });
    expect(store.deliveries.list(10)).toHaveLength(2);
  });

  it("may be a form, as GitHub sends it", async () => {
    const form = new URLSearchParams({ payload: PUSH }).toString();
    expect((await post(form, { "content-type": "application/x-www-form-urlencoded" })).status).toBe(202);
    expect(store.deliveries.next()?.body).toBe(PUSH);
  });

  it("of an event that nobody knows is kept; a ping is answered and not kept", async () => {
    expect((await post(PUSH, { "x-github-event": "something_new" })).status).toBe(202);
    expect(await post('{"zen":"Design for failure."}', { "x-github-event": "ping" })).toEqual({
      status: 200,
      body: { pong: "Design for failure." },
    });
    expect(store.deliveries.list(10)).toHaveLength(1);
  });

  it.each<[number, string, string | Buffer, Headers]>([
    [415, "compressed", gzipSync(Buffer.alloc(1 << 20)), { "content-encoding": "gzip" }],
    [415, "of another type", PUSH, { "content-type": "text/plain" }],
    [415, "a form without a payload", "a=b", { "content-type": "application/x-www-form-urlencoded" }],
    [400, "not JSON", "{", {}],
    [400, "no object", "[]", {}],
    [400, "a hundred thousand deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, {}],
    [400, "without a GUID", PUSH, { "x-github-delivery": undefined }],
    [400, "with two GUIDs", PUSH, { "x-github-delivery": ["a", "b"] }],
    [400, "without an event", PUSH, { "x-github-event": undefined }],
    [400, "with an event like a path", PUSH, { "x-github-event": "../push" }],
  ])("is refused with %i when it is %s", async (status, _name, body, headers) => {
    expect((await post(body, headers)).status).toBe(status);
    expect(store.deliveries.list(10)).toEqual([]);
  });

  it("is refused while the server ends, and when it cannot be kept", async () => {
    await stop();
    await start({ isOpen: () => false });
    expect((await post(PUSH)).status).toBe(503);
    await stop();
    await start({ store: { deliveries: { ...store.deliveries, acceptAll: onFullDisk } } });
    expect(await post(PUSH)).toMatchObject({ status: 503, body: { error: expect.stringContaining("disk is full") } });
    expect(accepted).toBe(0);
  });
});

describe("a body", () => {
  it("too large by its own word is refused before any of it has come", async () => {
    const said = await raw(`${head("content-length: 27262976")}\r\n\r\n`);
    expect(said).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("too large in fact is refused when the limit is passed", async () => {
    await stop();
    await start({ limits: { maxBytes: 10_000 } });
    const chunk = `${(6_000).toString(16)}\r\n${"x".repeat(6_000)}\r\n`;
    // It does not end: the answer comes all the same.
    expect(await raw(`${head("transfer-encoding: chunked")}\r\n\r\n${chunk}${chunk}`)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("that comes too slowly is left, and others are not affected", async () => {
    await stop();
    await start({ limits: { deadlineMs: 300 } });
    const slow = raw(`${head("content-length: 100")}\r\n\r\n{`);
    expect((await post(PUSH)).status).toBe(202);
    expect(await slow).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("waits for its turn to come again when too many are read", async () => {
    await stop();
    await start({ limits: { maxBytesTogether: 1_000 } });
    expect((await post(JSON.stringify({ long: "x".repeat(2_000) }))).status).toBe(503);
    expect((await post(PUSH)).status).toBe(202);
  });

  it("that breaks off is no delivery", async () => {
    const socket = connect(port, "127.0.0.1").resume();
    socket.write(`${head("content-length: 100")}\r\n\r\n{`);
    socket.end();
    await new Promise((resolve) => socket.once("close", resolve));
    expect((await post(PUSH)).status).toBe(202);
    expect(store.deliveries.list(10)).toHaveLength(1);
  });
});

describe("hundreds of idle connections from one place", () => {
  it("shut out nobody", async () => {
    const sockets = Array.from({ length: 500 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    expect((await post(PUSH)).status).toBe(202);
    const open = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
    expect(open).toBeLessThanOrEqual(51);
    for (const socket of sockets) socket.destroy();
  });
});

describe("without a secret", () => {
  it("no other host may reach the server", () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.com"]) {
      expect(() => requireWebhookSecret(host, [""])).toThrow(/no webhook secret/);
      expect(() => requireWebhookSecret(host, ["x"])).not.toThrow();
    }
    for (const host of ["127.0.0.1", "::1", "localhost"]) expect(() => requireWebhookSecret(host, [])).not.toThrow();
  });

  it("this host is heard, and no page that a browser shows on it", async () => {
    await stop();
    await start({ secrets: [] });
    const unsigned = { "x-hub-signature-256": undefined };
    expect((await post(PUSH, unsigned)).status).toBe(202);
    expect((await post(PUSH, { ...unsigned, origin: "https://evil.test" })).status).toBe(401);
    expect((await post(PUSH, { ...unsigned, host: "evil.test" })).status).toBe(401);
    const form = { ...unsigned, "content-type": "application/x-www-form-urlencoded" };
    expect((await post(new URLSearchParams({ payload: PUSH }).toString(), form)).status).toBe(401);
  });
});

describe("how deep JSON is", () => {
  it("is counted outside of strings", () => {
    expect(deep('{"a":[1,{"b":2}]}')).toBe(true);
    expect(deep('{"a":[1],"b":[2],"c":"[[[[{{{{"}')).toBe(false);
    expect(deep(String.raw`{"a\"[[[[":["\\",1]}`)).toBe(false);
    expect(deep(String.raw`{"a":"\\","b":[[1]]}`)).toBe(true);
  });
});

function deep(json: string): boolean {
  return isDeeperThan(Buffer.from(json), 2);
}

function onFullDisk(): never {
  throw new EngineError("STATE_UNWRITABLE", "Cannot write server.db: the disk is full");
}

function head(last: string): string {
  const lines = [
    "POST /webhook HTTP/1.1",
    "host: 127.0.0.1",
    "content-type: application/json",
    "x-github-event: push",
    "x-github-delivery: guid-raw",
    `x-hub-signature-256: sha256=${"0".repeat(64)}`,
    last,
  ];
  return lines.join("\r\n");
}

/** Sends that and no more; resolves to what came back when the server has closed the connection. */
async function raw(text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
  socket.on("error", () => undefined);
  socket.write(text);
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}
