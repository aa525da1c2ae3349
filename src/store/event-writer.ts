/**
 * Appends one run's events to its file. Batches are written synchronously: a batch into the page cache takes microseconds,
 * order is given, a slow disk slows the run instead of filling memory, and a killed process loses at most 100 ms.
 */
import { closeSync, fdatasync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { EngineError } from "../lib/engine-error.ts";
import type { RunEvent, RunEventBody } from "./run-event.ts";
import type { RunWriter } from "./run-store.ts";

const batchIntervalMs = 100;
const batchSizeChars = 256 * 1024;
const syncToDisk = promisify(fdatasync);

export interface EventFile {
  readonly run: string;
  readonly runNumber: number;
  readonly path: string;
  readonly now: () => number;
}

/** Creates the file, which must not exist, readable by its owner alone. */
export function openEventWriter({ run, runNumber, path, now }: EventFile): RunWriter {
  const fd = openSync(path, "ax", 0o600);
  let batch = "";
  let timer: NodeJS.Timeout | undefined;
  let failure: unknown;
  let closed = false;

  function writeBatch(): void {
    clearTimeout(timer);
    timer = undefined;
    const bytes = Buffer.from(batch);
    batch = "";
    if (failure !== undefined) return;
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
    } catch (error) {
      // Half a line may be on the disk now. Writing on would bury it in the middle, so nothing is written any more.
      failure = error;
    }
  }

  function throwFailure(): void {
    if (failure === undefined) return;
    throw new EngineError("STATE_UNWRITABLE", `Cannot keep the events of run ${run} in ${path}: ${reasonOf(failure)}`, {
      cause: failure,
      hint: "Free some space, or name another directory with --state.",
    });
  }

  return {
    run,
    runNumber,
    append(body: RunEventBody): RunEvent {
      if (closed) throw new Error(`Event ${body.type} after the end of run ${run}`);
      const event: RunEvent = { at: new Date(now()).toISOString(), ...body };
      batch += `${JSON.stringify(event)}\n`;
      if (endsSomething(event) || batch.length >= batchSizeChars) writeBatch();
      else timer ??= setTimeout(writeBatch, batchIntervalMs);
      return event;
    },
    async flush(): Promise<void> {
      writeBatch();
      throwFailure();
      await syncToDisk(fd);
    },
    async close(): Promise<void> {
      if (closed) return throwFailure();
      closed = true;
      writeBatch();
      try {
        if (failure === undefined) await syncToDisk(fd);
      } finally {
        closeSync(fd);
      }
      throwFailure();
    },
  };
}

function endsSomething(event: RunEvent): boolean {
  return event.type === "step_completed" || event.type === "job_completed" || event.type === "run_completed";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
