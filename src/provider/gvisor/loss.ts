/**
 * Why a sandbox ended that nobody asked to end, as far as the host can tell: by its cgroup's counter, by what the guest's init
 * said last, by how the process ended. Pure. A workflow that is root in the guest can print what it likes to the console, so
 * the cause is for people to read and decides nothing.
 */
import { unreachable } from "../../lib/unreachable.ts";
import type { MachineLoss } from "../provider.ts";

/** How the process that the sandbox lives in ended. */
export type SandboxEnd =
  | { readonly kind: "not_started"; readonly message: string }
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "killed"; readonly signal: string };

export interface SandboxEvidence {
  readonly end: SandboxEnd;
  /** Last lines of what the sandbox and its agent printed. */
  readonly console: string;
  /** Of its processes, by the kernel of the host, since it started; 0 where it has no memory limit. */
  readonly oomKills: number;
  /** It was ended by us, because it had no memory left for so long. */
  readonly isExhausted: boolean;
  /** How often its limit of tasks refused one. */
  readonly refusedTasks: number;
  readonly memoryMib: number;
}

/** What runsc exits with when its sandbox is gone by SIGKILL, and tini when the agent is: 128 and the signal's number. */
const KILLED = 137;
/** tini's last words (`-v`), version 0.19. */
const AGENT_ENDED = /^\[INFO {2}tini \(1\)\] Main child exited (?:normally|with signal) \((.*)\)$/m;
/** When the first process of its namespace is killed, util-linux's unshare wants to die the same way, and fails at it. */
const FIRST_PROCESS_KILLED = /^unshare: sigprocmask unblock failed/m;
/** runsc's last words, and its exit code, when its sandbox goes without a word while it is being started. */
const GONE_AT_START = /container: .*: (?:EOF|connection reset by peer|connection refused|broken pipe)$/m;
const RUNSC_FAILED = 128;

export function lossOf(evidence: SandboxEvidence): MachineLoss {
  const { end, console, oomKills, isExhausted, refusedTasks, memoryMib } = evidence;
  if (oomKills > 0 || isExhausted) {
    const killed = oomKills === 0 ? "it stood still" : `the host's kernel killed ${processes(oomKills)} of it`;
    const size = `the machine has ${memoryMib} MiB; HEARTH_MACHINE_MEMORY_MIB sets that`;
    return { cause: "out_of_memory", reason: `The sandbox ran out of memory: ${killed} (${size})`, console };
  }
  if (refusedTasks > 0) {
    const reason = `The sandbox ${describeEnd(end)} when it had more processes and threads than a machine may have`;
    return { cause: "ended", reason, console };
  }
  const agent = AGENT_ENDED.exec(console)?.[1];
  if (agent !== undefined) return { cause: "agent_ended", reason: `The machine's agent ended ${agent}`, console };
  const isKilled =
    end.kind === "killed" || (end.kind === "exited" && (end.code === KILLED || FIRST_PROCESS_KILLED.test(console)));
  if (isKilled) return { cause: "killed", reason: "The sandbox was killed by SIGKILL", console };
  if (end.kind === "exited" && end.code === RUNSC_FAILED && GONE_AT_START.test(console)) {
    const reason = "The sandbox was gone without a word while it was being started, as one that is killed";
    return { cause: "killed", reason, console };
  }
  return { cause: "ended", reason: `The sandbox ${describeEnd(end)}`, console };
}

/** A phrase that follows its subject. */
export function describeEnd(end: SandboxEnd): string {
  switch (end.kind) {
    case "not_started":
      return `could not be started: ${end.message}`;
    case "exited":
      return `exited with ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    default:
      return unreachable(end);
  }
}

function processes(count: number): string {
  return count === 1 ? "a process" : `${count} processes`;
}
