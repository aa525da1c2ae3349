import { once } from "node:events";
import { performServerHandshake } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, it } from "vitest";
import { duplexPair } from "../protocol/duplex-pair.ts";
import { Uplink, openDoor } from "./egress.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** A guest's door to a host that answers each stream so. Resolves to what connects to the door, and what ends the host. */
async function doorTo(
  host: (stream: ServerHttp2Stream, authority: string) => void,
): Promise<{ dial: () => Promise<Socket>; uplink: Uplink; connectHost: () => void; loseHost: () => void }> {
  const uplink = new Uplink();
  const port = await freePort();
  closers.push(await openDoor({ destination: "services", address: "127.0.0.1", port }, uplink));
  let hostEnd: ReturnType<typeof duplexPair>[0] | undefined;
  const loseHost = (): void => void hostEnd?.destroy();
  closers.push(loseHost);
  return {
    uplink,
    loseHost,
    connectHost: () => {
      const [end, guest] = duplexPair();
      hostEnd = end;
      const session = performServerHandshake(end);
      session.on("error", () => undefined);
      session.on("stream", (stream: ServerHttp2Stream, headers) => {
        stream.on("error", () => undefined);
        expect(headers[":method"]).toBe("CONNECT");
        host(stream, headers[":authority"] ?? "");
      });
      void uplink.carry(guest);
    },
    dial: async () => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      closers.push(() => socket.destroy());
      await once(socket, "connect");
      return socket;
    },
  };
}

it("carries a connection to the host by its destination, each direction ending by itself", async () => {
  const door = await doorTo((stream, authority) => {
    stream.respond({ ":status": 200 });
    void text(stream).then((asked) => stream.end(`${authority} heard ${asked}`));
  });
  door.connectHost();
  const socket = await door.dial();
  socket.end("a question");
  expect(await text(socket)).toBe("services heard a question");
});

it("carries many connections at once, and much data whole", async () => {
  const piece = Buffer.alloc(1 << 20, "z");
  const door = await doorTo((stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  door.connectHost();
  const echo = async (): Promise<number> => {
    const socket = await door.dial();
    for (let n = 0; n < 8; n++) socket.write(piece);
    socket.end();
    let bytes = 0;
    for await (const chunk of socket) bytes += chunk.length;
    return bytes;
  };
  expect(await Promise.all([echo(), echo(), echo(), echo()])).toEqual([8 << 20, 8 << 20, 8 << 20, 8 << 20]);
});

it("resets a connection that the host refuses", async () => {
  const door = await doorTo((stream) => {
    stream.respond({ ":status": 403 }, { endStream: true });
  });
  door.connectHost();
  const socket = await door.dial();
  expect(await errorOf(socket)).toMatchObject({ code: "ECONNRESET" });
});

it("holds a connection for a host that is just coming back, and uses the new host from then on", async () => {
  const door = await doorTo((stream) => {
    stream.respond({ ":status": 200 });
    stream.end("here");
  });
  const early = await door.dial();
  door.connectHost();
  expect(await text(early)).toBe("here");
  door.loseHost();
  door.connectHost();
  expect(await text(await door.dial())).toBe("here");
});

it("resets connections whose host is lost, so that half an answer is not taken for a whole one", async () => {
  const { promise: accepted, resolve } = Promise.withResolvers<void>();
  const door = await doorTo((stream) => {
    stream.respond({ ":status": 200 });
    resolve();
  });
  door.connectHost();
  const socket = await door.dial();
  await accepted;
  door.loseHost();
  expect(await errorOf(socket)).toMatchObject({ code: "ECONNRESET" });
});

async function errorOf(socket: Socket): Promise<unknown> {
  socket.resume();
  return await new Promise((resolve) => socket.once("error", resolve));
}
