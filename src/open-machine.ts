/** A machine of no run: made or restored as a run's is, with git and the way outside as a run has them, and no job's services. */
import type { MachineWish, OpenMachine } from "./commands/hearth.ts";
import type { Config } from "./config.ts";
import { createMachineSource } from "./engine/machine-source.ts";
import type { HostMachines } from "./host-machines.ts";
import { createServices } from "./service/local-services.ts";
import { createLookup } from "./service/repository-lookup.ts";
import type { NetworkPolicy } from "./service/services.ts";

export interface MachineSurroundings {
  readonly config: Config;
  readonly host: HostMachines;
  readonly network: NetworkPolicy;
  readonly certificateAuthorities: string | undefined;
}

export async function openMachine(
  { provider, id, image, saved, repository, group }: MachineWish,
  { config, host, network, certificateAuthorities }: MachineSurroundings,
  signal: AbortSignal,
): Promise<OpenMachine> {
  const { upstreamProxy, mirrorDir, machineCpus, machineMemoryMib, npmRegistry } = config;
  await using undo = new AsyncDisposableStack();
  const source = undo.use(
    createMachineSource({
      // It waits for its turn like the machines of runs, and nothing waits for it but others of its group.
      provider: host.providerFor(provider, {
        run: group ?? id,
        keepsMachines: group !== undefined,
        pooled: false,
        onWait: () => undefined,
      }),
      namedProvider: async () => provider,
      services: createServices({ lookup: createLookup(undefined, mirrorDir), upstreamProxy }),
      per: "job",
      idPrefix: id,
      repository: { name: repository },
      cpus: machineCpus,
      memoryMib: machineMemoryMib,
      network,
      certificateAuthorities,
      npmRegistry,
      emit: () => undefined,
      now: () => performance.now(),
      kill: signal,
    }),
  );
  const lease = undo.use(
    await source.lease({ provider: undefined, image, cpus: undefined, memoryMib: undefined }, saved),
  );
  const owned = undo.move();
  return { machine: lease.machine, [Symbol.asyncDispose]: async () => owned.disposeAsync() };
}
