/**
 * A door into a run that is going on: the process that runs it listens in the run's directory, and lets whoever may read that directory
 * into the machine of one of its jobs, over the agent protocol. A run never fails for want of a door.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { doorAddress, doorPath } from "./door-socket.ts";
import { Visit, readLine, sayLine } from "./hello.ts";
import type { JobDoor, LiveJob } from "./live-job.ts";
import { passOn } from "./pass-on.ts";

export interface RunDoor extends JobDoor, AsyncDisposable {}

const MAX_VISITORS = 64;
const HELLO_MS = 10_000;

interface Room {
  readonly live: LiveJob;
  readonly sockets: Set<Socket>;
  visitors: number;
}

/** `directory`: the run's own. Resolves when somebody may come. Throws where no socket can be made there. */
export async function openRunDoor(directory: string): Promise<RunDoor> {
  const rooms = new Set<Room>();
  const sockets = new Set<Socket>();
  const address = doorAddress(directory);
  // Of a process that was killed in the same directory.
  rmSync(doorPath(directory), { force: true });
  let visits = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    receive(socket, [...rooms], `visit-${(visits += 1)}-`).catch(() => socket.destroy());
  });
  server.maxConnections = MAX_VISITORS;
  server.listen(address.path);
  try {
    await once(server, "listening");
  } catch (error) {
    address[Symbol.dispose]();
    throw error;
  }
  // The run lasts by itself.
  server.unref();
  return {
    admit(live) {
      const room: Room = { live, sockets: new Set(), visitors: 0 };
      rooms.add(room);
      return {
        get visitors() {
          return room.visitors;
        },
        [Symbol.dispose]: () => {
          rooms.delete(room);
          for (const socket of room.sockets) socket.destroy();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await closed(server);
      address[Symbol.dispose]();
      rmSync(doorPath(directory), { force: true });
    },
  };
}

async function receive(socket: Socket, rooms: readonly Room[], prefix: string): Promise<void> {
  const { job } = Visit.parse(await readLine(socket, HELLO_MS));
  const room = roomNamed(rooms, job);
  if (typeof room === "string") {
    sayLine(socket, { kind: "refused", reason: room, jobs: rooms.map(({ live }) => live.job) });
    socket.end();
    return;
  }
  const { live } = room;
  room.sockets.add(socket);
  socket.once("close", () => room.sockets.delete(socket));
  const { serveRoutes } = await import("../protocol/serve-routes.ts");
  const { machine, isolation } = live;
  sayLine(socket, { kind: "entered", job: live.job, machine, isolation, cwd: live.place().cwd });
  await serveRoutes(
    socket,
    passOn(live, prefix, (change) => (room.visitors += change)),
  );
}

/** A text says why there is none. */
function roomNamed(rooms: readonly Room[], job: string | null): Room | string {
  if (rooms.length === 0) return "none of its jobs is in a machine now";
  const exact = rooms.find(({ live }) => live.job === job);
  const found = rooms.filter(({ live }) => job === null || live.id === job);
  const [only] = exact === undefined ? found : [exact];
  if (only === undefined) return `no job ${job ?? ""} of it is in a machine now`;
  return exact !== undefined || found.length === 1 ? only : "more than one of its jobs is in a machine now";
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
