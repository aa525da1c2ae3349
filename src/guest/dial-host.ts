/**
 * Sessions with a host over a unix socket that the host listens on and the guest dials: gVisor lets a sandbox connect to a
 * socket of the host but not offer one. A socket that is open while the sandbox is checkpointed is dead afterwards and no event
 * says so; hence a dialled socket that gets no greeting is dropped, and after every session the host is dialled again.
 */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { answerGreeting } from "../protocol/greeting.ts";

const GREETING_DEADLINE_MS = 2_000;
/** Between attempts, while a host is away; growing, yet a machine that starts as a copy waits for the next attempt. */
const FIRST_RETRY_MS = 3;
const LAST_RETRY_MS = 10;

/** Serves one host after another until `signal`. Never rejects: a host that is away or does not greet is tried again. */
export async function dialHost(
  path: string,
  serve: (session: Duplex) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const socket = connect(path);
    const drop = (): void => void socket.destroy();
    signal.addEventListener("abort", drop);
    if (await greeted(socket)) {
      retryMs = FIRST_RETRY_MS;
      await serve(socket);
    }
    signal.removeEventListener("abort", drop);
    socket.destroy();
    await delay(retryMs);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}

async function greeted(socket: Socket): Promise<boolean> {
  try {
    await once(socket, "connect");
    await answerGreeting(socket, { deadlineMs: GREETING_DEADLINE_MS });
    return true;
  } catch {
    // Not listening yet, or a socket that died silently: the next attempt tells.
    return false;
  }
}
