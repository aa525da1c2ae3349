/**
 * One running sandbox as a child of this process. Destroying it ends every process it has on the host and resolves when they
 * are gone; safe to call twice.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { processesOf } from "./leftovers.ts";
import type { SandboxEnd } from "./loss.ts";

export interface SandboxProcess extends AsyncDisposable {
  /** Last lines that the sandbox or the agent printed, at most 4 KiB. */
  console(): string;
  /** Resolves when all of the sandbox's processes have ended, whatever the reason. */
  readonly ended: Promise<SandboxEnd>;
}

const CONSOLE_CHARACTERS = 4096;
const KILL_DEADLINE_MS = 5_000;

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
  return {
    console: () => console,
    ended,
    [Symbol.asyncDispose]: () => (destruction ??= destroy(child.pid, ended, directory)),
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

async function childrenOf(pid: number): Promise<readonly number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
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
