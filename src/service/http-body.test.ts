import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readBody, streamBody } from "./http-body.ts";
import { ask } from "./service-door.fixture.ts";

let server: Server;
let origin: string;
let onRequest: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  server = createServer((request, response) => onRequest(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  origin = `http://127.0.0.1:${address.port}`;
});

afterEach(async () => {
  vi.useRealTimers();
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
});

/** A client that says it sends a hundred bytes, and sends some. */
async function beginRequest(sent: string): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n${sent}`);
  await once(socket, "connect");
  return socket;
}

describe("readBody", () => {
  it("gives the whole body, up to its limit", async () => {
    onRequest = (request, response) => {
      readBody(request, 5).then(
        (body) => response.end(body.kind === "body" ? body.bytes : String(body.status)),
        (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
      );
    };
    expect((await ask(origin, { method: "POST", body: "12345" })).text).toBe("12345");
    expect((await ask(origin, { method: "POST", body: "" })).text).toBe("");
    expect((await ask(origin, { method: "POST", body: "123456" })).text).toBe("413");
    const chunked = { "transfer-encoding": "chunked" };
    expect((await ask(origin, { method: "POST", body: "123456", headers: chunked })).text).toBe("413");
  });

  it("says that it broke off", async () => {
    const read = Promise.withResolvers<unknown>();
    const asked = Promise.withResolvers<void>();
    onRequest = (request) => {
      asked.resolve();
      read.resolve(readBody(request, 1000));
    };
    const socket = await beginRequest("some");
    await asked.promise;
    socket.destroy();
    expect(await read.promise).toEqual({ kind: "refused", status: 400 });
  });

  it("waits for half a minute, and not for ever", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const read = Promise.withResolvers<unknown>();
    const asked = Promise.withResolvers<void>();
    onRequest = (request) => {
      read.resolve(readBody(request, 1000));
      asked.resolve();
    };
    const socket = await beginRequest("some");
    await asked.promise;
    vi.advanceTimersByTime(30_000);
    expect(await read.promise).toEqual({ kind: "refused", status: 408 });
    if (!socket.closed) await once(socket, "close");
  });
});

/** What came, and whether it came to its end. */
async function collect(request: IncomingMessage, onChunk: () => void): Promise<{ bytes: number; whole: boolean }> {
  let bytes = 0;
  try {
    for await (const chunk of streamBody(request)) {
      bytes += chunk.length;
      onChunk();
    }
    return { bytes, whole: true };
  } catch {
    return { bytes, whole: false };
  }
}

describe("streamBody", () => {
  it("ends the connection of a client that sends next to nothing in a minute", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const read = Promise.withResolvers<{ bytes: number; whole: boolean }>();
    const begun = Promise.withResolvers<void>();
    onRequest = (request) => read.resolve(collect(request, begun.resolve));
    const socket = await beginRequest("slow");
    await begun.promise;
    vi.advanceTimersByTime(60_000);
    expect(await read.promise).toEqual({ bytes: 4, whole: false });
    if (!socket.closed) await once(socket, "close");
  });

  it("leaves one alone that gets on, and no timer behind", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onRequest = (request, response) => {
      collect(request, () => vi.advanceTimersByTime(1000)).then(
        (read) => response.end(JSON.stringify(read)),
        () => response.destroy(),
      );
    };
    const reply = await ask(origin, { method: "POST", body: Buffer.alloc(4 << 20) });
    expect(JSON.parse(reply.text)).toEqual({ bytes: 4 << 20, whole: true });
    expect(vi.getTimerCount()).toBe(0);
  });
});
