/** The machines of this install, in whatever process, and those that were left behind: for `hearth machines list` and `hearth doctor`. */
import { claimsDirectory, isOwned, readClaims } from "./machine-claims.ts";
import type { MachineClaim } from "./machine-claims.ts";
import { processesOfMachines, stepsOnHost } from "./machine-processes.ts";
import type { ProviderName } from "./provider.ts";

interface ListedMachine {
  readonly machine: string;
  readonly provider: ProviderName;
  readonly state: "waiting" | "running" | "warm" | "left behind";
  readonly cpus: number;
  readonly memoryMib: number;
  readonly since: string;
  readonly ownerPid: number;
  readonly pids: readonly number[];
}

/** The oldest first. */
export async function listMachines(dataDir: string): Promise<readonly ListedMachine[]> {
  const claims = readClaims(claimsDirectory(dataDir));
  const processes = await processesOfMachines(claims.map(({ machine }) => machine));
  return Promise.all(
    claims.map(async (claim) => {
      const { machine, name, provider, cpus, memoryMib, since, owner } = claim;
      const own = provider === "host" ? await stepsOnHost(machine) : (processes.get(machine) ?? []);
      const pids = own.map(({ pid }) => pid);
      return { machine: name, provider, state: stateOf(claim), cpus, memoryMib, since, ownerPid: owner.pid, pids };
    }),
  );
}

interface Finding {
  readonly status: "fail" | "info";
  readonly subject: string;
  readonly detail: string;
  readonly fix: string | undefined;
}

export async function inspectMachines(dataDir: string): Promise<Finding> {
  const states = readClaims(claimsDirectory(dataDir)).map(stateOf);
  const left = states.filter((state) => state === "left behind").length;
  const detail = `${states.length - left} in use, ${left} left behind by processes that are gone`;
  return left === 0
    ? { status: "info", subject: "machines", detail, fix: undefined }
    : { status: "fail", subject: "machines", detail, fix: "hearth machines reap, or the next hearth run" };
}

function stateOf(claim: MachineClaim): ListedMachine["state"] {
  if (!isOwned(claim)) return "left behind";
  if (claim.state === "waiting") return "waiting";
  return claim.warm ? "warm" : "running";
}
