/**
 * Host's end of what a copy of a saved machine is told before anything else: numbers that nobody else has, the time, and its boot id
 * where that of the saved one is known in it. The guest's end is a process that was waiting when the machine was saved, and waits
 * again afterwards. One line each way: `FIXUP <seed: 128 hex digits> <seconds> <nanoseconds>[ <boot id>]`, `FIXED` or `FAILED <why>`.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import { readUntilLine } from "./greeting.ts";

const SEED_BYTES = 64;

export interface FixUpOptions {
  readonly deadlineMs: number;
  /** A UUID; undefined: the machine keeps the one it has, or the kernel makes it up when it is first read. */
  readonly bootId?: string;
}

/** Resolves when the guest's end waits: from then on the machine may be saved. Throws as `greetGuest` does. */
export async function untilFixUpWaits(stream: Duplex, options: { deadlineMs: number }): Promise<void> {
  await readUntilLine(stream, /(WAITING)\n/, options.deadlineMs);
}

/**
 * Resolves when the copy is a machine of its own. Its clock is late by what the line takes, which is on its way when this returns;
 * a machine that does not run yet finds it when it does. Throws GUEST_REFUSED when the guest could not do it, else as `greetGuest` does.
 */
export async function fixUpCopy(stream: Duplex, { deadlineMs, bootId }: FixUpOptions): Promise<void> {
  const answered = readUntilLine(stream, /(FIXED|FAILED [\x20-\x7e]*)\n/, deadlineMs);
  const now = Date.now();
  const time = `${Math.floor(now / 1000)} ${(now % 1000) * 1_000_000}`;
  const identity = bootId === undefined ? "" : ` ${bootId}`;
  stream.write(`FIXUP ${randomBytes(SEED_BYTES).toString("hex")} ${time}${identity}\n`);
  const answer = await answered;
  if (answer !== "FIXED") throw new EngineError("GUEST_REFUSED", `The copied machine was not set right: ${answer}`);
}
