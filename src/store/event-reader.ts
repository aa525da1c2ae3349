/**
 * Reads a run's event file: whole, line by line, or only how it ended. The file is our own but may be cut off by a crash:
 * a last line without its newline is left out; any other line that is not an event means that the file was damaged.
 */
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { EngineError } from "../lib/engine-error.ts";
import type { RunEvent } from "./run-event.ts";

/** `run_completed` is small and at most a few events follow it. */
const tailBytes = 64 * 1024;
/** `run_started` holds names, a commit and a title, which GitHub cuts long before this. */
const beginningBytes = 16 * 1024;
const chunkBytes = 256 * 1024;
/** Far above what the job log writes in a line; a file with more is not ours. */
const maxLineBytes = 64 * 1024 * 1024;
const newline = 0x0a;

/** None where there is no file: its process was killed before it said anything. Throws STATE_UNREADABLE with the line's number for a whole line that is not an event. */
export async function* readEvents(path: string): AsyncGenerator<RunEvent> {
  if (!existsSync(path)) return;
  await using file = await open(path, "r");
  let rest: Buffer = Buffer.alloc(0);
  let lineNumber = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes));
    if (bytesRead === 0) return;
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      lineNumber += 1;
      const event = parseEvent(bytes.toString("utf8", start, end));
      if (event === undefined) throw damaged(path, lineNumber);
      yield event;
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > maxLineBytes) throw damaged(path, lineNumber + 1);
  }
}

/** What the run said of itself, from its first line; undefined when it has not been written whole. */
export async function readBeginning(path: string): Promise<Extract<RunEvent, { type: "run_started" }> | undefined> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(beginningBytes), 0, beginningBytes, 0);
  const end = buffer.subarray(0, bytesRead).indexOf(newline);
  const event = end === -1 ? undefined : parseEvent(buffer.toString("utf8", 0, end));
  return event?.type === "run_started" ? event : undefined;
}

/** How the run ended, from the last lines of its file; undefined when it did not say. */
export async function readEnding(path: string): Promise<Extract<RunEvent, { type: "run_completed" }> | undefined> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const start = Math.max(0, size - tailBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
  const lines = buffer.toString("utf8", 0, bytesRead).split("\n").slice(0, -1);
  // The first line may be cut at its beginning: it does not parse then, and an ending is never that far from the end.
  for (const line of lines.toReversed()) {
    const event = parseEvent(line);
    if (event?.type === "run_completed") return event;
  }
  return undefined;
}

function parseEvent(line: string): RunEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : undefined;
  } catch {
    // Not JSON: the caller knows whether that is a torn line or a damaged file.
    return undefined;
  }
}

/** The envelope only: we wrote the rest ourselves, and 100,000 log lines are read in the time a schema takes for 10,000. */
function isEvent(value: unknown): value is RunEvent {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    typeof value.type === "string" &&
    "at" in value &&
    typeof value.at === "string"
  );
}

function damaged(path: string, lineNumber: number): EngineError {
  return new EngineError("STATE_UNREADABLE", `Cannot read ${path}: line ${lineNumber} is not an event`, {
    hint: "The file was changed by something else; the lines before this one can be read by hand.",
  });
}
