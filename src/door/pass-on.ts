/**
 * What a visitor of a run may do in the machine of one of its jobs, passed on to the agent that the machine has at that moment. A
 * visitor's commands have names of their own, so that nobody signals a step; what prepares and ends jobs is the run's alone.
 */
import { Readable } from "node:stream";
import type { ExecExit } from "../protocol/agent-api.ts";
import type { AgentHandlers } from "../protocol/agent-handlers.ts";
import type { LiveJob } from "./live-job.ts";

/** `prefix` is the visitor's own; `count` is told of each command and shell that begins (1) and ends (-1). */
export function passOn(live: LiveJob, prefix: string, count: (change: 1 | -1) => void): AgentHandlers {
  const named = (id: string): string => `${prefix}${id}`;
  const counted = async (work: () => Promise<ExecExit>): Promise<ExecExit> => {
    count(1);
    try {
      return await work();
    } catch (error) {
      // The head of the answer has gone out: an exit is the only place left.
      return { code: null, signal: null, failure: messageOf(error) };
    } finally {
      count(-1);
    }
  };
  return {
    ready: async () => ({ ...(await live.agent().ready()), env: { ...live.place().env } }),
    exec: async (request, host) => {
      const id = named(request.id);
      const room = roomFor(host);
      const onGone = (): void => void live.agent().signal({ id, signal: "SIGKILL", scope: "tree" }).catch(ignore);
      host.gone.addEventListener("abort", onGone);
      try {
        let files: Awaited<ReturnType<AgentHandlers["exec"]>>["files"] = request.read.map(() => ({ kind: "missing" }));
        const exit = await counted(async () => {
          const result = await live
            .agent()
            .exec({ ...request, id }, (stream, chunk) => room(host.write(stream, chunk)));
          const { files: read, ...ended } = result;
          files = read;
          return ended;
        });
        return { exit, files };
      } finally {
        host.gone.removeEventListener("abort", onGone);
      }
    },
    shell: (request, host) =>
      counted(async () => {
        const room = roomFor(host);
        const session = live.agent().shell(request, (chunk) => room(host.write(chunk)));
        host.gone.addEventListener("abort", () => session.hangUp());
        if (host.gone.aborted) session.hangUp();
        void (async () => {
          for await (const piece of host.input) {
            if (piece.kind === "size") session.resize(piece.size);
            else await session.write(piece.bytes);
          }
          session.endInput();
        })().catch(ignore);
        return await session.ended;
      }),
    signal: (request) => live.agent().signal({ ...request, id: named(request.id) }),
    readFile: async ({ path, maxBytes }) => {
      const content = await live.agent().readFile(path, maxBytes);
      return content === undefined ? { kind: "missing" } : { kind: "content", content };
    },
    writeFile: (request) => live.agent().writeFile(request),
    unpack: (path, tar) => live.agent().unpack(path, tar),
    readInput: () => {
      throw new Error("bulk input is the run's own");
    },
    pack: (path) => Readable.from(live.agent().pack(path), { objectMode: false }),
    hashFiles: (request) => live.agent().hashFiles(request),
    reset: () => Promise.reject(new Error("a reset is the run's own")),
    vitals: (request) => live.agent().vitals(request),
  };
}

/** Turns the pair of `write` and `onDrain` into a promise that holds the guest back; one who has gone away holds nobody back. */
function roomFor(host: {
  readonly onDrain: (resume: () => void) => void;
  readonly gone: AbortSignal;
}): (hasRoom: boolean) => Promise<void> | undefined {
  let waiting: (() => void)[] = [];
  const resume = (): void => {
    const resumed = waiting;
    waiting = [];
    for (const one of resumed) one();
  };
  host.onDrain(resume);
  host.gone.addEventListener("abort", resume);
  return (hasRoom) =>
    hasRoom || host.gone.aborted ? undefined : new Promise<void>((resolve) => void waiting.push(resolve));
}

/** Whoever asked hears of it by another way, or has gone. */
function ignore(): void {}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 4_096);
}
