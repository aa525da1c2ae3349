/**
 * One running sandbox as a child of this process. Destroying it ends every process it has on the host and resolves when they
 * are gone; safe to call twice.
 */
import { spawn } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { identifyProcess, isAlive } from "../../lib/process-identity.ts";
import { processesOf } from "./leftovers.ts";
import type { SandboxEnd } from "./loss.ts";

export interface SandboxProcess extends AsyncDisposable {
  /** The first process of its namespaces; undefined when it has ended, or where the kernel lists no children. */
  firstPid(): Promise<number | undefined>;
  /**
   * From now on ends the whole sandbox when one of its processes has ended: runsc sees that by itself in one that it has started,
   * but in one that it has restored it overlooks the process that opens files.
   */
  watchParts(): Promise<void>;
  /** Last lines that the sandbox or the agent printed, at most 4 KiB. */
  console(): string;
  /** Resolves when all of the sandbox's processes have ended, whatever the reason. */
  readonly ended: Promise<SandboxEnd>;
}

const CONSOLE_CHARACTERS = 4096;
const KILL_DEADLINE_MS = 5_000;
const LOOK_MS = 250;

/** `directory` appears in the arguments of every process of this sandbox and of no other. Throws what `spawn` throws. */
export function startSandbox(argv: readonly string[], directory: string): SandboxProcess {
  const [program = "", ...args] = argv;
  // A group of its own: Ctrl-C in the terminal must reach the engine, which still needs the machine to cancel in order.
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "pipe"], env: SANDBOX_ENVIRONMENT });
  let console = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      console = (console + text).slice(-CONSOLE_CHARACTERS);
    });
  }
  // `close` comes after `exit` when the pipes are shut as well, that is when no process of the sandbox holds them any more.
  const ended = new Promise<SandboxEnd>((resolve) => {
    child.once("error", ({ message }) => resolve({ kind: "not_started", message }));
    child.once("close", (code, signal) =>
      // Node gives one of the two.
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "killed", signal }),
    );
  });
  let destruction: Promise<void> | undefined;
  const end = (): Promise<void> => (destruction ??= destroy(child.pid, ended, directory));
  const firstPid = async (): Promise<number | undefined> =>
    child.pid === undefined ? undefined : (await childrenOf(child.pid))[0];
  return {
    firstPid,
    async watchParts() {
      const first = await firstPid();
      if (first === undefined) return;
      const parts = (await childrenOf(first)).map(identifyProcess);
      const timer = setInterval(() => {
        // One that cannot be ended is the disposal's to tell.
        if (!parts.every(isAlive)) end().catch(() => undefined);
      }, LOOK_MS);
      timer.unref();
      void ended.then(() => clearInterval(timer));
    },
    console: () => console,
    ended,
    [Symbol.asyncDispose]: end,
  };
}

/** runsc passes its environment on to no guest, yet what it does not need it does not get. */
const SANDBOX_ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

async function destroy(pid: number | undefined, ended: Promise<SandboxEnd>, directory: string): Promise<void> {
  const settles = async (deadlineMs: number) =>
    withDeadline(
      ended.then(() => true),
      deadlineMs,
      () => false,
    );
  // Never started.
  if (pid === undefined) return;
  // The first process of the namespace: with it the kernel ends the others, and its parent waits for that.
  for (const child of await childrenOf(pid)) kill(child);
  if (await settles(KILL_DEADLINE_MS / 10)) return;
  // Caught between its start and the namespace's: whatever carries this machine's directory is this machine's.
  kill(pid);
  for (const process of await processesOf(directory)) kill(process.pid);
  if (await settles(KILL_DEADLINE_MS)) return;
  throw new EngineError("MACHINE_LOST", `Cannot end sandbox process ${pid} of ${directory}: it did not die of SIGKILL`);
}

/** Of all of its threads: a child belongs to the one that made it. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const texts = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8")));
    return texts.flatMap((text) => text.split(" ").filter(Boolean).map(Number));
  } catch {
    // It has ended, or this kernel lists no children: the search by directory finds what there is.
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
