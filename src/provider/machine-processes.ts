/**
 * The processes that a machine has on this host, found by what Linux shows in /proc: programs that providers start, with the
 * machine's id among their arguments (`--root=<runDir>/<id>/state`, `-name hearth-<id>`, `--id <id>`), and for machines that are
 * directories of this host the steps that carry the directory in their environment. Somebody's `tail -f` on such a directory, or
 * a foreign machine, is neither. Where there is no /proc nothing is found.
 */
import { readFile, readdir } from "node:fs/promises";
import { basename } from "node:path";

export interface MachineProcess {
  readonly pid: number;
  readonly command: string;
}

const PROGRAMS = /^(?:setpriv|unshare|runsc(?:-[a-z]+)?|qemu-system-[a-z0-9_]+|firecracker|jailer)$/;

/** By machine. One look at all processes of the host, however many machines are asked for. */
export async function processesOfMachines(machines: readonly string[]): Promise<Map<string, MachineProcess[]>> {
  const found = new Map<string, MachineProcess[]>(machines.map((machine) => [machine, []]));
  if (machines.length === 0) return found;
  const marks = machines.map((machine) => ({ machine, mark: markOf(machine) }));
  for (const pid of await allPids()) {
    const argv = (await readProc(pid, "cmdline")).split("\0");
    if (!PROGRAMS.test(basename(argv[0] ?? ""))) continue;
    const command = argv.join(" ").trim();
    const owner = marks.find(({ mark }) => mark.test(command));
    if (owner !== undefined) found.get(owner.machine)?.push({ pid, command });
  }
  return found;
}

/** Processes whose environment names the directory of this machine of provider `host`. */
export async function stepsOnHost(machine: string): Promise<readonly MachineProcess[]> {
  const found: MachineProcess[] = [];
  for (const pid of await allPids()) {
    if (pid === process.pid || !(await readProc(pid, "environ")).includes(hostMark(machine))) continue;
    found.push({ pid, command: (await readProc(pid, "cmdline")).replaceAll("\0", " ").trim() });
  }
  return found;
}

/** As it stands in paths below the directory of a machine of provider `host`. */
export function hostMark(machine: string): string {
  return `/hearth-host-${machine}-`;
}

/** How much of the machine's memory the host has given it already: a lower bound, as the largest of its processes has it mapped. */
export async function residentMib(processes: readonly MachineProcess[]): Promise<number> {
  const sizes = await Promise.all(
    processes.map(async ({ pid }) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readProc(pid, "status"))?.[1] ?? 0)),
  );
  return Math.floor(Math.max(0, ...sizes) / 1024);
}

/** `m-1` is not in `m-11`, and `a-1` not in `aa-1`; `hearth-m-1` holds it. */
function markOf(machine: string): RegExp {
  return new RegExp(`(?:^|[^a-z0-9-]|hearth-)${machine}(?![a-z0-9-])`);
}

async function allPids(): Promise<readonly number[]> {
  // No /proc: another system.
  return (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
}

async function readProc(pid: number, file: string): Promise<string> {
  // It ended while we looked, or is not ours to see.
  return readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
}
