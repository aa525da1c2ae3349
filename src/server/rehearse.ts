/**
 * Reads the YAML of a commit in a process with limits, before this one does: two small files can end a Node that parses them, which no
 * `catch` helps against. A file at which the process dies or stays too long is refused by name; the others are read by a new one.
 * Source: SECURITY-RELIABILITY §0.1, A06-A08.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { untilAborted } from "../lib/deadline.ts";

export interface RehearsalText {
  readonly kind: "workflow" | "manifest" | "settings";
  /** As it is called in messages. */
  readonly path: string;
  readonly text: string;
}

export interface RehearsalLimits {
  readonly memoryMib: number;
  /** Of the whole process. */
  readonly cpuSeconds: number;
  /** Of one text. */
  readonly textMs: number;
  /** Of all of them. */
  readonly allMs: number;
}

const LIMITS: RehearsalLimits = { memoryMib: 256, cpuSeconds: 60, textMs: 10_000, allMs: 120_000 };

/** What Node takes to start on a host that is busy. */
const START_MS = 60_000;

/** By path, why a text must not be read here; empty when all can be. `program` is for tests. */
export async function rehearse(
  texts: readonly RehearsalText[],
  limits: Partial<RehearsalLimits> = {},
  program = childProgram(),
): Promise<ReadonlyMap<string, string>> {
  const { memoryMib, cpuSeconds, textMs, allMs } = { ...LIMITS, ...limits };
  const refused = new Map<string, string>();
  const all = AbortSignal.timeout(allMs);
  let pending = [...texts];
  while (pending.length > 0) {
    using reader = startReader(program, memoryMib, cpuSeconds);
    // A process that does not even start says nothing about any text, and is our fault.
    if ((await reader.next(START_MS, all)) !== "ready")
      throw new Error("the process that reads workflows does not start");
    let isAlive = true;
    while (isAlive && pending.length > 0) {
      const [text, ...rest] = pending;
      if (text === undefined) break;
      pending = rest;
      reader.send(text);
      const answer = await reader.next(textMs, all);
      if (answer === "read") continue;
      isAlive = false;
      const why = answer === "late" ? `took longer than ${textMs / 1_000} s` : `ended the process (${answer})`;
      refused.set(text.path, `The file cannot be read within limits: reading it ${why}`);
    }
    if (all.aborted) {
      for (const { path } of pending) refused.set(path, "The file was not read: those before it took too long");
      return refused;
    }
  }
  return refused;
}

interface Reader extends Disposable {
  send(text: RehearsalText): void;
  /** The next line that it says; `late`, or how it ended. */
  next(ms: number, all: AbortSignal): Promise<string>;
}

function startReader(program: string, memoryMib: number, cpuSeconds: number): Reader {
  const node = [process.execPath, `--max-old-space-size=${memoryMib}`, "--disable-proto=delete", program];
  const child = spawn("sh", ["-c", `ulimit -c 0; ulimit -t ${cpuSeconds}; exec "$@"`, "sh", ...node], {
    cwd: "/",
    env: { PATH: process.env["PATH"] },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = endOf(child);
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    send: (text) => void child.stdin.write(`${JSON.stringify(text)}\n`),
    async next(ms, all) {
      const line = lines.next().then(({ done, value }) => (done === true ? ended : value));
      const signal = AbortSignal.any([AbortSignal.timeout(ms), all]);
      try {
        return await untilAborted(line, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        return "late";
      }
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

/** Beside the release's other files, or here when Hearth runs from its sources. */
function childProgram(): string {
  const released = join(import.meta.dirname, "rehearse-child.js");
  return existsSync(released) ? released : join(import.meta.dirname, "rehearse-child.ts");
}
