/**
 * Connections of the host into the guest: through Firecracker's socket, which is told a port, `CONNECT 52\n`, and answers
 * `OK <port of its own>\n` when the guest has accepted, or hangs up when nobody listens there (Firecracker's docs/vsock.md).
 */
import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { EngineError } from "../../lib/engine-error.ts";
import { GreetingScanner, greetGuest } from "../../protocol/greeting.ts";

const ACCEPTED = /^OK (\d{1,10})\n/;
/** A guest that accepts and does not greet may have accepted for a call that its agent has just given up. */
const GREETING_DEADLINE_MS = 5_000;
const RETRY_MS = 5;

/** Dials until the guest's agent has greeted. Throws GUEST_PROTOCOL when it has not by the deadline, or the signal's reason. */
export async function dialAgent(
  path: string,
  port: number,
  { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<Duplex> {
  const deadline = performance.now() + deadlineMs;
  for (; ; await delay(RETRY_MS)) {
    signal.throwIfAborted();
    const left = deadline - performance.now();
    if (left <= 0) throw new EngineError("GUEST_PROTOCOL", `The guest did not answer within ${deadlineMs} ms`);
    const socket = await dialOnce(path, port, Math.min(left, GREETING_DEADLINE_MS), signal);
    if (socket !== undefined) return socket;
  }
}

/** Undefined when nobody is there yet. */
async function dialOnce(
  path: string,
  port: number,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const socket = connect(path);
  const drop = (): void => void socket.destroy();
  signal.addEventListener("abort", drop, { once: true });
  try {
    await once(socket, "connect");
    socket.write(`CONNECT ${port}\n`);
    await readAccepted(socket, deadlineMs);
    await greetGuest(socket, { deadlineMs });
    // Whoever uses the stream hears of its end by 'close'.
    return socket.on("error", () => undefined);
  } catch {
    // Refused, hung up or silent: the next attempt, or the deadline, tells.
    socket.destroy();
    return undefined;
  } finally {
    signal.removeEventListener("abort", drop);
  }
}

async function readAccepted(socket: Socket, deadlineMs: number): Promise<void> {
  const scanner = new GreetingScanner(ACCEPTED);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Buffer): void => {
    const found = scanner.push(chunk);
    if (found === undefined) {
      if (scanner.skippedBytes > 64) reject(new Error("not Firecracker's answer"));
      return;
    }
    // Paused before the rest goes back, or it would be emitted to nobody.
    socket.pause();
    socket.off("data", onData);
    if (found.rest.length > 0) socket.unshift(found.rest);
    resolve();
  };
  const onClose = (): void => reject(new Error("hung up"));
  const timer = setTimeout(() => reject(new Error("no answer")), deadlineMs);
  socket.on("data", onData).once("close", onClose).once("error", onClose);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.off("data", onData).off("close", onClose).off("error", onClose);
  }
}
