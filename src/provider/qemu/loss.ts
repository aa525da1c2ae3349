/** Why a machine ended that was not asked to, as far as its console and its process tell. */
import type { MachineLoss } from "../provider.ts";
import type { Confinement } from "./confinement.ts";
import type { ProcessEnd, QemuProcess } from "./qemu-process.ts";

const PANIC = /Kernel panic - not syncing: ([^\r\n]*)[\r\n]/;

type Cause = Pick<MachineLoss, "cause" | "reason">;

/** Resolves when the guest has panicked or QEMU has ended, for whatever cause; never rejects. */
export async function untilLost(
  qemu: QemuProcess,
  confinement: Pick<Confinement, "ranOutOfMemory">,
): Promise<MachineLoss> {
  const panicked = qemu.console.said(PANIC).then((words) => causeOfPanic(words, qemu.console.text()));
  const ended = qemu.ended.then((how) => causeOfEnd(how, confinement));
  return { ...(await Promise.race([panicked, ended])), console: qemu.console.text() };
}

/** What the kernel said last, and what its console shows of the time before. */
export function causeOfPanic(words: string, console: string): Cause {
  const reason = `the guest's kernel panicked (${words})`;
  // mm/oom_kill.c: nothing was left to kill, or it was set to panic at once.
  if (/deadlocked on memory|out of memory/i.test(words)) return { cause: "out_of_memory", reason };
  // The first process is what keeps the agent; it ends when the agent does, and the kernel cannot be without it.
  if (!words.startsWith("Attempted to kill init!")) return { cause: "kernel_panic", reason };
  const killed = /Out of memory: Killed process \d+ \(([^)]*)\)/.exec(console)?.[1];
  if (killed === undefined)
    return { cause: "agent_ended", reason: `the agent ended, and with it the machine (${words})` };
  return { cause: "out_of_memory", reason: `${reason}: out of memory, ${killed} was killed` };
}

async function causeOfEnd(how: ProcessEnd, confinement: Pick<Confinement, "ranOutOfMemory">): Promise<Cause> {
  if (how.signal === undefined) return { cause: "ended", reason: how.reason };
  if (!(await confinement.ranOutOfMemory())) return { cause: "killed", reason: how.reason };
  return {
    cause: "out_of_memory",
    reason: `${how.reason}: the machine's processes on the host reached their memory limit`,
  };
}
