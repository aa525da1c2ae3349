/** Starts the command line as a user would, with a state directory of its own, and gives back what it printed. */
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export const ROOT = join(import.meta.dirname, "..");

export interface HearthEnd {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Sandbox extends AsyncDisposable {
  /** A directory that the test may fill; below it `state` is Hearth's. */
  readonly directory: string;
  /** Where Hearth and everything it starts makes temporary files; to be empty, but for empty directories, when all is over. */
  readonly temporary: string;
  /** Starts `hearth ...args` in `cwd` (default: the directory). */
  start(args: readonly string[], options?: { cwd?: string; env?: Record<string, string> }): RunningHearth;
  run(args: readonly string[], options?: { cwd?: string; env?: Record<string, string> }): Promise<HearthEnd>;
}

export interface RunningHearth {
  readonly pid: number;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<HearthEnd>;
}

export async function sandbox(): Promise<Sandbox> {
  const directory = await mkdtemp(join(tmpdir(), "hearth-test-"));
  const temporary = join(directory, "tmp");
  await mkdir(temporary);
  const start: Sandbox["start"] = (args, options = {}) => {
    const child = spawn(process.execPath, [join(ROOT, "src", "main.ts"), ...args], {
      cwd: options.cwd ?? directory,
      env: { ...process.env, NO_COLOR: "1", HEARTH_STATE: join(directory, "state"), TMPDIR: temporary, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (child.pid === undefined) throw new Error("hearth did not start");
    const outputs = Promise.all([text(child.stdout), text(child.stderr)]);
    const closed = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
    return {
      pid: child.pid,
      stdout: child.stdout,
      stderr: child.stderr,
      kill: (signal) => void child.kill(signal),
      ended: Promise.all([closed, outputs]).then(([exitCode, [stdout, stderr]]) => ({ exitCode, stdout, stderr })),
    };
  };
  return {
    directory,
    temporary,
    start,
    run: (args, options) => start(args, options).ended,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Copies an example, so that a run cannot change it, and so that it is a project without git as well as with it. */
export async function copyExample(name: string, to: string): Promise<string> {
  const target = join(to, name);
  await cp(join(ROOT, "examples", name), target, { recursive: true });
  return target;
}
