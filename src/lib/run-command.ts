/**
 * Runs a host program to its end: an argument vector, never a shell line. A non-zero exit is a value; a program that is not
 * there rejects with Node's ENOENT; an abort ends the whole process group first and then rejects with the signal's reason.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface CommandResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** At most the last 1 MiB. */
  readonly stdout: string;
  /** At most the last 16 KiB. */
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment; the process's own when absent. */
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
  /** Lines of both streams as they come, for progress. */
  readonly onLine?: (line: string) => void;
}

const MAX_STDOUT_CHARACTERS = 1 << 20;
const MAX_STDERR_CHARACTERS = 16 << 10;
const KILL_AFTER_MS = 10_000;

export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { signal, onLine } = options;
  signal?.throwIfAborted();
  const [program = "", ...args] = argv;
  // A group of its own: Ctrl-C in a terminal reaches us alone, and we decide when and how the children end.
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, detached: true, stdio: "pipe" });
  const killGroup = (name: NodeJS.Signals) => {
    if (child.pid !== undefined) signalGroup(child.pid, name);
  };
  let killTimer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    killGroup("SIGTERM");
    killTimer = setTimeout(killGroup, KILL_AFTER_MS, "SIGKILL");
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  // A program that ends without reading its input is judged by its exit code.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const stdout = collect(child.stdout, MAX_STDOUT_CHARACTERS, onLine);
  const stderr = collect(child.stderr, MAX_STDERR_CHARACTERS, onLine);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    signal?.throwIfAborted();
    return { code, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(killTimer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function collect(stream: NodeJS.ReadableStream, limit: number, onLine?: (line: string) => void): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text = (text + chunk).slice(-limit);
  });
  if (onLine !== undefined) createInterface({ input: stream }).on("line", onLine);
  return () => text;
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // Gone already: what was asked for.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
