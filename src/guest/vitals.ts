/**
 * How a machine is, for a host that wants to know why a step failed. Sources: statfs(2), proc_meminfo(5), and the counter
 * `oom_kill` of /proc/vmstat, which Linux has from 4.13 and gVisor not at all.
 */
import { readFileSync, statfsSync } from "node:fs";
import { freemem } from "node:os";
import { dirname } from "node:path";
import type { Vitals } from "../protocol/agent-api.ts";

export interface VitalsOptions {
  /** Whose memory the kernel manages: of a whole host nothing is said, because others are killed there too. */
  readonly ownsKernel: boolean;
}

/** `path` need not exist any more: then what is above it counts. */
export function readVitals(path: string, { ownsKernel }: VitalsOptions): Vitals {
  const { bavail, bsize, files, ffree } = statfsSync(existing(path));
  return {
    oomKills: ownsKernel ? oomKills() : null,
    freeBytes: bounded(bavail * bsize),
    // A file system that makes them as needed says that it has none at all.
    freeInodes: files === 0 ? null : bounded(ffree),
    memoryAvailableBytes: bounded(freemem()),
  };
}

function existing(path: string): string {
  for (let at = path; at !== "/"; at = dirname(at)) {
    try {
      statfsSync(at);
      return at;
    } catch {
      // Removed, or a file is in its place: the next one up.
    }
  }
  return "/";
}

function oomKills(): number | null {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1];
    return count === undefined ? null : Number(count);
  } catch {
    return null;
  }
}

/** gVisor's overlay in memory says it has 8 EiB, more than a number holds exactly. */
function bounded(count: number): number {
  return Math.min(count, Number.MAX_SAFE_INTEGER);
}
