/**
 * Saves a sandbox: its memory and the files it has written, together, in a directory from which any number of sandboxes go on
 * (`restoreArgv`). A host's socket that the guest holds open while it is saved is dead in all of them, and no event says so. So the
 * sessions are ended on both ends first, and while it is saved nobody listens: the guest goes on dialling until somebody does.
 * Copies have kernel random numbers of their own, and the right clock, by gVisor itself.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { runCommand } from "../../lib/run-command.ts";
import type { CommandResult } from "../../lib/run-command.ts";
import { checkpointArgv } from "./runsc.ts";
import type { Runsc } from "./runsc.ts";
import type { StartedMachine } from "./start-machine.ts";

export interface SaveOptions {
  readonly runsc: Runsc;
  /** A directory that is there. */
  readonly saveIn: string;
  readonly signal: AbortSignal;
}

/** A host that is busy with other machines included. */
const SAVE_DEADLINE_MS = 60_000;
const REDIAL_DEADLINE_MS = 10_000;
/** For the guest to close its end. */
const LEAVE_MS = 1_000;
/** Between the end of a sandbox and the news of it. */
const SETTLE_MS = 250;

/**
 * The sandbox runs on and dials anew: whoever wants it opens its doors again. The machine's streams are of no use afterwards.
 * Resolves with undefined, or with runsc's own reason why this sandbox cannot be saved. Throws MACHINE_LOST when the sandbox
 * ends first or does not dial again, or the signal's reason.
 */
export async function saveSandbox(
  { directory, sandbox, agent, egress }: Pick<StartedMachine, "directory" | "sandbox" | "agent" | "egress">,
  options: SaveOptions,
): Promise<string | undefined> {
  const { runsc, saveIn, signal } = options;
  signal.throwIfAborted();
  await Promise.all([endSession(directory.agentSocket, agent), endSession(directory.egressSocket, egress)]);
  const firstPid = await sandbox.firstPid();
  if (firstPid === undefined) throw new EngineError("MACHINE_LOST", "Cannot save the sandbox: its process is gone");
  const argv = checkpointArgv(runsc, directory.sandbox, { firstPid, saveIn });
  const { code, stderr } = await withinDeadline(argv, signal);
  const why = stderr.trim().split("\n").at(-1) ?? "";
  if (code === 0) return undefined;
  // Whoever was to save it was killed, or there is nothing left to save.
  const isOver = sandbox.ended.then(() => true);
  if (code === null || (await withDeadline(isOver, SETTLE_MS, () => false))) {
    throw new EngineError("MACHINE_LOST", `Cannot save the sandbox: it ended: ${why}`);
  }
  return why;
}

async function withinDeadline(argv: readonly string[], signal: AbortSignal): Promise<CommandResult> {
  try {
    return await runCommand(argv, { signal: AbortSignal.any([signal, AbortSignal.timeout(SAVE_DEADLINE_MS)]) });
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError("MACHINE_LOST", `Cannot save the sandbox: ${why}`, { cause });
  }
}

/**
 * The guest is told first and closes its end: what it has sent meanwhile is read, because a socket of the host that is closed with something
 * unread in it is one that gVisor's guest never hears of again.
 */
async function leave(session: Duplex): Promise<void> {
  const closed = new Promise<void>((resolve) => (session.closed ? resolve() : session.once("close", resolve)));
  session.on("error", () => undefined);
  session.resume();
  session.end();
  await withDeadline(closed, LEAVE_MS, () => undefined);
  session.destroy();
}

/** The guest dials again when its end of the session is closed, not before: that is how its closing is seen from here. */
async function endSession(path: string, session: Duplex): Promise<void> {
  const server = createServer();
  try {
    const dialled = new Promise<Socket>((resolve) => server.once("connection", resolve));
    server.listen(path);
    await once(server, "listening");
    await leave(session);
    const late = (): never => {
      throw new EngineError("MACHINE_LOST", `No new connection from the guest within ${REDIAL_DEADLINE_MS / 1000} s`);
    };
    const socket = await withDeadline(dialled, REDIAL_DEADLINE_MS, late);
    // Its name goes as well: there is nothing to connect to any more.
    server.close();
    // The guest closes it when it reads its end; what it may have sent before is not of interest.
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.resume().end();
    await withDeadline(closed, REDIAL_DEADLINE_MS, late);
  } finally {
    if (server.listening) server.close();
  }
}
