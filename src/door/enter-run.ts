/** The visitor's end of a run's door (`run-door.ts`). */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { EngineError } from "../lib/engine-error.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import { doorAddress } from "./door-socket.ts";
import { Reception, readLine, sayLine } from "./hello.ts";
import type { Visit } from "./hello.ts";

/** Disposal leaves the machine; commands of this visitor that still run there are killed. */
export interface EnteredJob extends AsyncDisposable {
  /** Its `ready` tells the environment that a step would have now. */
  readonly agent: AgentClient;
  readonly job: string;
  readonly machine: string;
  readonly isolation: string;
  /** The workspace. */
  readonly cwd: string;
}

const HELLO_MS = 20_000;

/**
 * `directory`: the run's own; `job`: its key or id, undefined where only one is in a machine. Throws RUN_NOT_FOUND where nobody listens or
 * there is no such job now.
 */
export async function enterRun(run: string, directory: string, job: string | undefined): Promise<EnteredJob> {
  const socket = await dial(run, directory);
  try {
    sayLine(socket, { job: job ?? null });
    const reception = Reception.safeParse(await readLine(socket, HELLO_MS));
    if (!reception.success) throw new EngineError("GUEST_PROTOCOL", `Run ${run} speaks another language at its door`);
    if (reception.data.kind === "refused") throw refusal(run, reception.data);
    const { connectAgent } = await import("../protocol/connect-agent.ts");
    if (reception.data.kind === "decided") throw new EngineError("GUEST_PROTOCOL", `Run ${run} decided unasked`);
    const { kind: _kind, ...entered } = reception.data;
    const agent = connectAgent(socket);
    // Node's HTTP/2 looks into the socket a moment later, and throws where nobody can catch it when the session has been closed by then.
    await new Promise((resolve) => setImmediate(resolve));
    return { ...entered, agent, [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A paused job of the run goes on so. Throws RUN_NOT_FOUND where none is paused, or more than one and none is named. */
export async function decideRun(
  run: string,
  directory: string,
  { job, decision }: { readonly job: string | undefined; readonly decision: NonNullable<Visit["decide"]> },
): Promise<{ readonly job: string; readonly step: number }> {
  const socket = await dial(run, directory);
  try {
    sayLine(socket, { job: job ?? null, decide: decision });
    const reception = Reception.safeParse(await readLine(socket, HELLO_MS));
    if (reception.success && reception.data.kind === "decided") return reception.data;
    if (reception.success && reception.data.kind === "refused") throw refusal(run, reception.data);
    throw new EngineError("GUEST_PROTOCOL", `Run ${run} speaks another language at its door`);
  } finally {
    socket.destroy();
  }
}

async function dial(run: string, directory: string): Promise<Socket> {
  using address = doorAddress(directory);
  const socket = connect(address.path);
  try {
    await once(socket, "connect");
    return socket;
  } catch (cause) {
    throw new EngineError("RUN_NOT_FOUND", `Run ${run} cannot be entered: nobody answers at its door`, {
      cause,
      hint: "It has just begun or ended, or another user or an older hearth runs it.",
    });
  }
}

function refusal(run: string, { reason, jobs }: Extract<Reception, { kind: "refused" }>): EngineError {
  return new EngineError("RUN_NOT_FOUND", `Run ${run} cannot be entered: ${reason}`, {
    hint:
      jobs.length === 0
        ? "Its machine is being made, or it is between two jobs: try again."
        : `Name one with --job: ${jobs.slice(0, 20).join(", ")}.`,
  });
}
