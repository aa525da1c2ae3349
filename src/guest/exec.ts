/**
 * Runs one command of a step: files first, then the process, its output as it comes, and files back after its end
 * (ACTIONS-CONTRACT §3.2). The process leads a session of its own, has no input, and exactly the environment of the request.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { ExecExit, ExecRequest } from "../protocol/agent-api.ts";
import type { OutputStream, ReadBack } from "../protocol/agent-client.ts";
import type { ExecListener } from "../protocol/agent-handlers.ts";
import { readWholeFile, writeWholeFile } from "./files.ts";
import type { Owner } from "./files.ts";
import { signalTree } from "./process-tree.ts";

/** How long output may still come after the process has ended; GitHub's figure. */
const AFTER_EXIT_MS = 5_000;
/** Makes a step a likelier victim of the out-of-memory killer than the agent; GitHub's figure. */
const OOM_SCORE = "500";

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Never rejects for what the command does or fails to do: that is in the exit. `onStart` is told the process's id. */
export async function runExec(
  request: ExecRequest,
  owner: Owner | undefined,
  host: ExecListener,
  onStart: (pid: number) => void,
): Promise<{ exit: ExecExit; files: ReadBack[] }> {
  const exit = await runProcess(request, owner, host, onStart);
  try {
    return { exit, files: request.read.map(({ path, maxBytes }) => readWholeFile(path, maxBytes)) };
  } catch (error) {
    // A step whose results cannot be read has not succeeded, whatever it exited with.
    return { exit: failed(messageOf(error)), files: request.read.map(() => ({ kind: "missing" })) };
  }
}

async function runProcess(
  request: ExecRequest,
  owner: Owner | undefined,
  host: ExecListener,
  onStart: (pid: number) => void,
): Promise<ExecExit> {
  let child: Child;
  try {
    for (const { path, content, mode } of request.write) writeWholeFile(path, content, mode, owner);
    child = start(request, owner);
  } catch (error) {
    return failed(messageOf(error));
  }
  if (child.pid === undefined) {
    const [error] = await once(child, "error");
    return failed(whyNotStarted(error, request));
  }
  onStart(child.pid);
  preferForOutOfMemory(child.pid);
  return await ended(child, child.pid, host);
}

function start(request: ExecRequest, owner: Owner | undefined): Child {
  const [program = "", ...args] = request.argv;
  return spawn(program, args, {
    cwd: request.cwd,
    env: request.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(owner === undefined ? {} : { uid: owner.uid, gid: owner.gid }),
  });
}

function ended(child: Child, pid: number, host: ExecListener): Promise<ExecExit> {
  const { promise, resolve } = Promise.withResolvers<ExecExit>();
  const outputs = [pump(child.stdout, "stdout", host), pump(child.stderr, "stderr", host)];
  const onGone = (): void => void signalTree(pid, "SIGKILL");
  host.gone.addEventListener("abort", onGone);
  let afterExit: NodeJS.Timeout | undefined;
  const finish = (exit: ExecExit): void => {
    clearTimeout(afterExit);
    host.gone.removeEventListener("abort", onGone);
    for (const output of outputs) output.letGo();
    resolve(exit);
  };
  child.once("close", (code, signal) => finish({ code, signal }));
  // A child in the background may hold the output open for ever. It goes on, as it does on GitHub's runner, unheard.
  child.once("exit", (code, signal) => {
    afterExit = setTimeout(() => {
      // Output that waits for a slow host is not output that failed to come.
      if (outputs.some((output) => output.waiting())) afterExit?.refresh();
      else finish({ code, signal });
    }, AFTER_EXIT_MS);
  });
  return promise;
}

/** Passes output on for as long as somebody listens, and reads it into the void afterwards: a closed pipe would kill its writer. */
function pump(source: Readable, name: OutputStream, host: ExecListener): { waiting(): boolean; letGo(): void } {
  const pass = (bytes: Buffer): void => {
    if (!host.write(name, bytes)) source.pause();
  };
  source.on("data", pass);
  host.onDrain(() => source.resume());
  return {
    waiting: () => source.isPaused(),
    letGo: () => {
      source.off("data", pass);
      source.resume();
      if (source instanceof Socket) source.unref();
    },
  };
}

/** So that a step, and not the agent, is ended when memory runs out. */
export function preferForOutOfMemory(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
  } catch {
    // Best effort, as in GitHub's runner: gVisor and macOS have no such file, and the process may be gone.
  }
}

function whyNotStarted(error: unknown, { argv, cwd }: ExecRequest): string {
  // The kernel gives the same error for both.
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    return existsSync(cwd) ? `No such program: ${argv[0] ?? ""}` : `No such directory: ${cwd}`;
  }
  return messageOf(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function failed(failure: string): ExecExit {
  return { code: null, signal: null, failure: failure.slice(0, 4_096) };
}
