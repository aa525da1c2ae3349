/**
 * Host's end of what a copy of a saved machine is told before anything else: numbers that nobody else has, and the time. The
 * guest's end is a process that was waiting when the machine was saved. One line each way:
 * `FIXUP <seed: 128 hex digits> <seconds> <nanoseconds>`, `FIXED` or `FAILED <why>`.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import { readUntilLine } from "./greeting.ts";

const SEED_BYTES = 64;

/** Resolves when the guest's end waits: from then on the machine may be saved. Throws as `greetGuest` does. */
export async function untilFixUpWaits(stream: Duplex, options: { deadlineMs: number }): Promise<void> {
  await readUntilLine(stream, /(WAITING)\n/, options.deadlineMs);
}

/**
 * Resolves when the copy is a machine of its own. Its clock is late by what the line takes. Throws GUEST_REFUSED when the guest
 * could not do it, else as `greetGuest` does.
 */
export async function fixUpCopy(stream: Duplex, options: { deadlineMs: number }): Promise<void> {
  const answered = readUntilLine(stream, /(FIXED|FAILED [\x20-\x7e]*)\n/, options.deadlineMs);
  const now = Date.now();
  const nanoseconds = (now % 1000) * 1_000_000;
  stream.write(`FIXUP ${randomBytes(SEED_BYTES).toString("hex")} ${Math.floor(now / 1000)} ${nanoseconds}\n`);
  const answer = await answered;
  if (answer !== "FIXED") throw new EngineError("GUEST_REFUSED", `The copied machine was not set right: ${answer}`);
}
