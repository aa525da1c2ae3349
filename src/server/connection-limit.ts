/**
 * How a server that faces the internet holds connections: few from one source, none of them for ever. A source that has too many loses the
 * one that has been idle longest, so that whoever opens hundreds shuts out nobody, not even itself (SECURITY-RELIABILITY A04).
 */
import type { Server, ServerOptions } from "node:http";
import type { Socket } from "node:net";

/** For `createServer`: a head within ten seconds, looked after every second. */
export const CONNECTION_OPTIONS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 << 10,
};

export function limitConnections(server: Server, perSource: number): void {
  const sources = new Map<string, Set<Socket>>();
  const busy = new WeakSet<Socket>();
  server.on("connection", (socket) => {
    const source = socket.remoteAddress ?? "";
    const sockets = sources.get(source) ?? new Set();
    sources.set(source, sockets);
    if (sockets.size >= perSource) {
      const idle = [...sockets].find((other) => !busy.has(other));
      if (idle === undefined) {
        socket.destroy();
        return;
      }
      sockets.delete(idle);
      idle.destroy();
    }
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0 && sources.get(source) === sockets) sources.delete(source);
    });
  });
  server.on("request", (request, response) => {
    const { socket } = request;
    busy.add(socket);
    response.once("close", () => {
      busy.delete(socket);
      // The one used last is the last to go.
      const sockets = sources.get(socket.remoteAddress ?? "");
      if (sockets?.delete(socket) === true) sockets.add(socket);
    });
  });
}
