/**
 * Names a process so that it cannot be mistaken for a later one: pids are used again, so the boot and the start time in
 * clock ticks (field 22 of /proc/PID/stat, proc(5)) belong to the name. Without /proc only the pid is known.
 */
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  readonly bootId: string | undefined;
  readonly startTicks: string | undefined;
}

export function identifyProcess(pid: number): ProcessIdentity {
  return { pid, bootId: readBootId(), startTicks: readStartTicks(pid) };
}

export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.startTicks !== undefined) {
    return identity.bootId === readBootId() && identity.startTicks === readStartTicks(identity.pid);
  }
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Whether this host has been started anew since that process was there. */
export function isOfEarlierBoot({ bootId }: ProcessIdentity): boolean {
  return bootId !== undefined && bootId !== readBootId();
}

function readBootId(): string | undefined {
  return readProc("/proc/sys/kernel/random/boot_id")?.trim();
}

function readStartTicks(pid: number): string | undefined {
  // The command's name, in brackets, may itself hold spaces and brackets: fields are counted after the last one.
  const stat = readProc(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie has ended; only its parent has not looked yet.
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such process, or no /proc on this system: both mean "not known".
    return undefined;
  }
}
