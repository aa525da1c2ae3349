/**
 * From what `hearth.yml` wishes to what the operator allows: the file can ask for as much isolation as the run has or more, for
 * `host` only where the operator's own flag or variable said `host`, and for no more of the host than there is. What is not
 * allowed is unsupported at plan time, with the place in the file; nothing is replaced by something else (DESIGN §1.6).
 */
import type { RunnerAnswer, RunnerEntry } from "../plan/runner-map.ts";
import type { ProviderName } from "../provider/provider.ts";
import type { RunnerSetting } from "./runner-settings.ts";
import { HEARTH_FILE } from "./settings-node.ts";

export interface Allowance {
  /** What the operator's flag or variable named; undefined where it was left to Hearth. */
  readonly provider: ProviderName | undefined;
  /** What one machine can have of this host. */
  readonly cpus: number;
  readonly memoryMib: number;
}

export function allowedRunners(settings: readonly RunnerSetting[], allowance: Allowance): readonly RunnerEntry[] {
  return settings.map((setting) => ({ labels: setting.labels, answer: answerOf(setting, allowance) }));
}

function answerOf({ labels, at, machine }: RunnerSetting, allowance: Allowance): RunnerAnswer {
  const place = `${HEARTH_FILE}:${at.line}:${at.column}`;
  const unsupported = (why: string): RunnerAnswer => {
    return { kind: "unsupported", message: `The runner '${labels.join(", ")}' is unsupported: ${why} (${place})` };
  };
  if ("unsupported" in machine) return unsupported(machine.unsupported);
  const { provider, cpus, memoryMib } = machine;
  if (provider === "host" && allowance.provider !== "host") {
    return unsupported(
      "a file of the repository cannot choose provider host, which isolates nothing; --provider host does",
    );
  }
  if (cpus !== undefined && cpus > allowance.cpus) {
    return unsupported(`it asks for ${cpus} cpus, and this host has ${allowance.cpus}`);
  }
  if (memoryMib !== undefined && memoryMib > allowance.memoryMib) {
    return unsupported(`it asks for ${memoryMib} MiB of memory, and this host can give ${allowance.memoryMib} MiB`);
  }
  return { kind: "machine", machine };
}
