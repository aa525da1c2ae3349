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
        [Symbol.dispose]: () => {
          rooms.delete(room);
          for (const socket of room.sockets) socket.destroy();
        },
      };
    },
    visitors: (job) => [...rooms].find(({ live }) => live.job === job)?.visitors ?? 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await closed(server);
      address[Symbol.dispose]();
      rmSync(doorPath(directory), { force: true });
    },
  };
}

async function receive(socket: Socket, rooms: readonly Room[], prefix: string): Promise<void> {
  const { job, decide } = Visit.parse(await readLine(socket, HELLO_MS));
  const open = decide === undefined ? rooms : rooms.filter(({ live }) => live.pausedAt() !== undefined);
  const room = roomNamed(open, job, decide === undefined ? "in a machine" : "paused");
  if (typeof room === "string") {
    sayLine(socket, { kind: "refused", reason: room, jobs: open.map(({ live }) => live.job).toSorted() });
    socket.end();
    return;
  }
  const { live } = room;
  const step = live.pausedAt();
  if (decide !== undefined && step !== undefined) {
    live.decide(decide);
    sayLine(socket, { kind: "decided", job: live.job, step });
    socket.end();
    return;
  }
  room.sockets.add(socket);
  socket.once("close", () => room.sockets.delete(socket));
  const { serveRoutes } = await import("../protocol/serve-routes.ts");
  // A visitor who has left meanwhile closes nothing any more.
  if (socket.destroyed) return;
  const { machine, isolation } = live;
  sayLine(socket, { kind: "entered", job: live.job, machine, isolation, cwd: live.place().cwd });
  await serveRoutes(
    socket,
    passOn(live, prefix, (change) => (room.visitors += change)),
  );
}

/** A text says why there is none. */
function roomNamed(rooms: readonly Room[], job: string | null, where: string): Room | string {
  if (rooms.length === 0) return `none of its jobs is ${where} now`;
  const exact = rooms.find(({ live }) => live.job === job);
  const found = rooms.filter(({ live }) => job === null || live.id === job);
  const [only] = exact === undefined ? found : [exact];
  if (only === undefined) return `no job ${job ?? ""} of it is ${where} now`;
  return exact !== undefined || found.length === 1 ? only : `more than one of its jobs is ${where} now`;
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
