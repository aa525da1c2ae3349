/**
 * The host's end of a machine's guest-initiated stream: HTTP/2 with the guest as client, one CONNECT stream for each TCP
 * connection made inside, `:authority` saying which of two doors it came in by. The stream's bytes are handed to an ordinary
 * HTTP/1 server as if they were a socket's. The guest is hostile: streams at once, memory of the session, header sizes and the
 * wait for a first request are bounded here; what a request may do is decided by the servers.
 */
import type { Server } from "node:http";
import { createServer } from "node:http2";
import type { Duplex } from "node:stream";
import { HTTP2_SETTINGS, widenSessionWindow } from "../protocol/http2-settings.ts";
import { ConnectionStream } from "./connection-stream.ts";

export interface Doors {
  readonly proxy: Server;
  readonly services: Server;
}

export interface ServedEgress extends Disposable {
  /** That are open now. */
  connections(): number;
  /** Serves this stream instead: connections by the one before end. */
  moveTo(transport: Duplex): void;
}

/** Serves until disposal or the end of the stream. Disposal closes every connection that came through and the stream itself. */
export function serveEgress(first: Duplex, doors: Doors): ServedEgress {
  const closeUnlessUsed = watchFirstRequests(doors);
  let open = 0;
  const http2 = createServer({
    settings: { ...HTTP2_SETTINGS, maxConcurrentStreams: MAX_STREAMS },
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    maxHeaderListPairs: 32,
    maxSessionInvalidFrames: 100,
  });
  http2.on("session", (session) => {
    const own = transport;
    widenSessionWindow(session);
    session.on("error", () => own.destroy());
    session.once("close", () => own.destroy());
  });
  http2.on("stream", (stream, headers) => {
    // One that breaks is the guest's business; its server sees the close.
    stream.on("error", () => {});
    const door = headers[":authority"];
    if (headers[":method"] !== "CONNECT" || (door !== "proxy" && door !== "services")) {
      stream.respond({ ":status": 404 }, { endStream: true });
      return;
    }
    stream.respond({ ":status": 200 });
    const connection = new ConnectionStream(stream);
    open += 1;
    connection.once("close", () => (open -= 1));
    closeUnlessUsed(connection);
    doors[door].emit("connection", connection);
  });
  let transport: Duplex;
  const serve = (stream: Duplex): void => {
    transport = stream;
    stream.on("error", () => stream.destroy());
    http2.emit("connection", stream);
  };
  http2.on("sessionError", () => transport.destroy());
  const end = (): void => {
    doors.proxy.closeAllConnections();
    doors.services.closeAllConnections();
    transport.destroy();
  };
  serve(first);
  return {
    connections: () => open,
    moveTo(stream) {
      end();
      serve(stream);
    },
    [Symbol.dispose]: end,
  };
}

const MAX_STREAMS = 256;
const MAX_SESSION_MEMORY_MB = 64;
const FIRST_REQUEST_TIMEOUT_MS = 60_000;

/** Node checks the time a request takes to arrive only for servers that listen, so it is checked here. */
function watchFirstRequests(doors: Doors): (connection: Duplex) => void {
  const timers = new WeakMap<object, NodeJS.Timeout>();
  const use = ({ socket }: { socket: object }) => clearTimeout(timers.get(socket));
  for (const server of [doors.proxy, doors.services]) server.on("request", use).on("connect", use);
  return (connection) => {
    const timer = setTimeout(() => connection.destroy(), FIRST_REQUEST_TIMEOUT_MS);
    timers.set(connection, timer);
    connection.once("close", () => clearTimeout(timer));
  };
}
