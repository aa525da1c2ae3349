/**
 * A unix socket on which one guest dials in, once. The first connection is the agent's, which is the guest's first process;
 * then the door is shut and its name removed, so that nothing that a workflow starts can dial in its place.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { EngineError } from "../../lib/engine-error.ts";
import { greetGuest } from "../../protocol/greeting.ts";

export interface GuestDoor extends AsyncDisposable {
  /** Resolves with the stream when the guest has dialled and answered the greeting. */
  readonly entered: Promise<Duplex>;
}

/** The kernel's limit for a unix socket's name, its closing zero included. */
const MAX_PATH_BYTES = 108;
const GREETING_DEADLINE_MS = 10_000;

/** Resolves when the door is open. Throws `EngineError` MACHINE_START_FAILED when the path is too long for a socket. */
export async function openDoor(path: string): Promise<GuestDoor> {
  if (Buffer.byteLength(path) >= MAX_PATH_BYTES) {
    throw new EngineError("MACHINE_START_FAILED", `Cannot listen on ${path}: longer than ${MAX_PATH_BYTES - 1} bytes`, {
      hint: "Use a state directory with a shorter path (--state)",
    });
  }
  let guest: Socket | undefined;
  const server = createServer();
  const dialled = new Promise<Socket>((resolve) => {
    server.once("connection", (socket: Socket) => {
      guest = socket;
      // Closing also removes the socket's name; it stays open for the one that is in.
      server.close();
      // An error ends the stream, and that is what its reader sees.
      socket.on("error", () => undefined);
      resolve(socket);
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    entered: dialled.then(async (socket) => {
      await greetGuest(socket, { deadlineMs: GREETING_DEADLINE_MS });
      return socket;
    }),
    async [Symbol.asyncDispose]() {
      guest?.destroy();
      if (server.listening) server.close();
    },
  };
}
