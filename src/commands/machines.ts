/** `hearth machines list|reap`: the machines of this host, and the end of those that killed processes left behind. */
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface MachinesOptions {
  readonly json?: boolean;
}

export async function listMachines(
  { machines }: Hearth,
  terminal: Terminal,
  { json }: MachinesOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const found = await machines.list();
  if (json === true) out.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (found.length === 0) err.write("No machines: no run is going on, and none left one behind.\n");
  else {
    const rows = found.map(({ machine, provider, state, memoryMib, since, ownerPid, pids }) =>
      [
        machine,
        provider,
        state,
        memoryMib === 0 ? "-" : `${memoryMib} MiB`,
        formatDuration(Math.max(0, terminal.now() - Date.parse(since))),
        String(ownerPid),
        String(pids.length),
      ].map(plainText),
    );
    writeTable(out, ["MACHINE", "PROVIDER", "STATE", "MEMORY", "AGE", "OWNER", "PROCESSES"], rows);
  }
  return exitCode.success;
}

/** What could not be ended is a line too, and stays in `hearth machines list`: then the exit code says machine trouble. */
export async function reapMachines(
  { machines }: Hearth,
  { out, err }: Terminal,
  options: MachinesOptions,
): Promise<ExitCode> {
  const done = await machines.reap();
  const left = (await machines.list()).filter(({ state }) => state === "left behind");
  if (options.json === true) out.write(`${JSON.stringify({ done, left }, undefined, 2)}\n`);
  else if (done.length === 0) err.write("Nothing was left behind.\n");
  else out.write(done.map((line) => `${plainText(line)}\n`).join(""));
  return left.length === 0 ? exitCode.success : exitCode.machine;
}
