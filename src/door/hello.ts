/**
 * What is said at a run's door before the agent protocol begins: one line of JSON each way. The visitor names the job, or none where
 * there is only one; the door tells which one it is, or why nobody is let in.
 */
import type { Duplex } from "node:stream";
import { array, int, literal, maxLength, nullable, object, optional, string, union } from "zod/mini";
import type { infer as Infer } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";

const text = string().check(maxLength(4_096));

const Decision = union([literal("retry"), literal("continue"), literal("abort")]);

/** With a decision the visitor does not come in: a paused job goes on as they say. */
export const Visit = object({ job: nullable(text), decide: optional(Decision) });
export type Visit = Infer<typeof Visit>;

export const Reception = union([
  object({ kind: literal("entered"), job: text, machine: text, isolation: text, cwd: text }),
  object({ kind: literal("decided"), job: text, step: int() }),
  /** `jobs`: those that can be entered now. */
  object({ kind: literal("refused"), reason: text, jobs: array(text).check(maxLength(10_000)) }),
]);
export type Reception = Infer<typeof Reception>;

const MAX_LINE_BYTES = 1 << 20;
const NEWLINE = 0x0a;

export function sayLine(stream: Duplex, value: Visit | Reception): void {
  stream.write(`${JSON.stringify(value)}\n`);
}

/** The first line; what comes after it is left in the stream. Throws GUEST_PROTOCOL when it is late or too long, MACHINE_LOST at an end. */
export async function readLine(stream: Duplex, deadlineMs: number): Promise<unknown> {
  let held = Buffer.alloc(0);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const onData = (piece: Buffer): void => {
    held = Buffer.concat([held, piece]);
    const end = held.indexOf(NEWLINE);
    if (end < 0) {
      if (held.length > MAX_LINE_BYTES) reject(new EngineError("GUEST_PROTOCOL", "An endless line at the run's door"));
      return;
    }
    // Paused before the rest goes back, or it would be emitted to nobody.
    stream.pause();
    stream.off("data", onData);
    if (held.length > end + 1) stream.unshift(held.subarray(end + 1));
    resolve(held.toString("utf8", 0, end));
  };
  const onEnd = (): void => reject(new EngineError("MACHINE_LOST", "The run's door was closed"));
  const timer = setTimeout(
    () => reject(new EngineError("GUEST_PROTOCOL", `Nobody spoke at the run's door within ${deadlineMs} ms`)),
    deadlineMs,
  );
  stream.on("data", onData).once("end", onEnd).once("close", onEnd).once("error", onEnd);
  try {
    return JSON.parse(await promise);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("GUEST_PROTOCOL", "A line at the run's door that is not JSON", { cause: error });
  } finally {
    clearTimeout(timer);
    stream.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onEnd);
  }
}
