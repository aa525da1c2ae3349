/**
 * What a step's failure says about its machine: that its kernel was out of memory, or its disk full. Asked of the agent after a
 * step has failed, within a short deadline; an answer that does not come means that nothing is known, and changes no result.
 */
import { withDeadline } from "../lib/deadline.ts";
import type { Vitals } from "../protocol/agent-api.ts";
import type { StepTrouble } from "../store/run-event.ts";
import type { JobRun } from "./job-run.ts";

export interface FoundTrouble {
  readonly trouble: StepTrouble;
  readonly message: string;
}

const DEADLINE_MS = 2_000;
const MIB = 1024 * 1024;
/** A disk with less is full: the last blocks are often kept back, and what failed may have removed what it had written. */
const FULL_BYTES = 4 * MIB;

/** Before the first step: what was killed until now is nothing of this job's. */
export async function noteVitals(job: JobRun): Promise<void> {
  job.state.oomKills = (await askMachine(job)).oomKills;
}

/** After a step has failed. Of steps that run side by side, the first one to fail gets what was killed meanwhile. */
export async function findTrouble(job: JobRun): Promise<FoundTrouble | undefined> {
  const { oomKills, vitals } = await askMachine(job);
  const killed = oomKills - job.state.oomKills;
  // Fewer than before: one of the two did not answer.
  job.state.oomKills = Math.max(oomKills, job.state.oomKills);
  return killed > 0 ? outOfMemory(killed, job) : vitals && fullDisk(vitals);
}

function outOfMemory(killed: number, { machine }: JobRun): FoundTrouble {
  const processes = killed === 1 ? "a process" : `${killed} processes`;
  const size = `the machine has ${machine.memoryMib} MiB; HEARTH_MACHINE_MEMORY_MIB or a runner's \`memory\` sets that`;
  return { trouble: "out_of_memory", message: `Out of memory: the kernel killed ${processes} (${size}).` };
}

function fullDisk(vitals: Vitals): FoundTrouble | undefined {
  if (vitals.freeInodes === 0) {
    return { trouble: "disk_full", message: "The machine's disk is full: it can hold no more files." };
  }
  if (vitals.freeBytes < FULL_BYTES) {
    const left = Math.floor(vitals.freeBytes / 1024);
    return {
      trouble: "disk_full",
      message: `The machine's disk is full: ${left} KiB are left where the workspace is.`,
    };
  }
  return undefined;
}

interface Answers {
  /** By the guest's kernel and by the host's; one that does not say has killed none. */
  readonly oomKills: number;
  readonly vitals: Vitals | undefined;
}

async function askMachine({ machine }: JobRun): Promise<Answers> {
  // A machine that was lost says so in the next thing that is asked of it.
  const asked = machine.agent.vitals({ path: machine.layout.workspace }).catch(() => undefined);
  const [byHost, vitals] = await Promise.all([
    machine.oomKills().catch(() => 0),
    withDeadline<Vitals | undefined>(asked, DEADLINE_MS, () => undefined),
  ]);
  return { oomKills: byHost + (vitals?.oomKills ?? 0), vitals };
}
