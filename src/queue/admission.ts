/**
 * Every machine takes its memory and cores before it is made, and gives them back when it is gone, counted over all processes of
 * this install (`provider/machine-claims.ts`). What does not fit waits, in the order in which it came; nobody overtakes, so what is
 * large waits for its turn and not for ever. There is no lock: a process writes what it takes before it looks, so of two that do
 * so at the same time at least one sees the other.
 */
import { setTimeout as delay } from "node:timers/promises";
import { EngineError } from "../lib/engine-error.ts";
import { identifyProcess } from "../lib/process-identity.ts";
import { inLine, isOwned, readClaims, removeClaim, writeClaim } from "../provider/machine-claims.ts";
import type { MachineClaim } from "../provider/machine-claims.ts";
import { processesOfMachines, residentMib } from "../provider/machine-processes.ts";
import type { Machine, MachineSpec, Provider } from "../provider/provider.ts";
import { freeMib, lackOf, neverFits } from "./fits.ts";
import type { Host, Taken } from "./fits.ts";

export interface AdmissionSettings {
  /** `claimsDirectory(dataDir)`. */
  readonly directory: string;
  readonly runDir: string;
  /** Where provider `host` makes machines. */
  readonly temporary: string;
  /** Asked at every look. */
  readonly host: () => Host;
  readonly now: () => number;
}

/** What a machine holds of the host. Disposing twice is safe. */
export interface Place extends Disposable {
  /** A machine that was made ahead has got a run. */
  handOut(name: string, run: string | undefined): void;
}

export interface Wish {
  readonly spec: MachineSpec;
  readonly provider: Provider;
  /** The run that keeps its machines until it ends, and so holds others up while it waits. */
  readonly run: string | undefined;
}

export interface Admission {
  /**
   * Resolves when there is a place. `onWait` is told once what is lacking. Throws MACHINE_START_FAILED for what can never have
   * one, or the signal's reason.
   */
  admit(wish: Wish, options: { readonly signal: AbortSignal; readonly onWait: (lack: string) => void }): Promise<Place>;
  /** For a machine made ahead: at once or not at all, and not while anybody waits. */
  admitAhead(wish: Wish): Promise<Place | undefined>;
  /** Some run waits, in whatever process. */
  someoneWaits(): boolean;
  /** What machines could still be given. */
  freeMib(): Promise<number>;
}

/** What a provider needs beside the guest's memory; without isolation a machine is the host's own processes, which are not counted. */
const OVERHEAD_MIB: { readonly [isolation in Provider["capabilities"]["isolation"]]: number } = {
  none: 0,
  container: 64,
  sandbox: 256,
  vm: 256,
};
/** Between looks while waiting; not the same for all, or they would look at the same moment for ever. */
const LOOK_AGAIN_MS = { least: 50, spread: 100 };

export function createAdmission(settings: AdmissionSettings): Admission {
  const { directory, host } = settings;
  const living = (): readonly MachineClaim[] => readClaims(directory).filter(isOwned);

  /** With what is resident only when it matters: that takes a look at every process of the host. Who is not first in line is not helped by it. */
  async function lackFor(claim: MachineClaim): Promise<string | undefined> {
    const before = living().filter(
      (other) => other.machine !== claim.machine && (other.state === "held" || inLine(other, claim) < 0),
    );
    const roughly = lackOf(claim, before.map(untouched), host());
    if (roughly === undefined || before.some(({ state }) => state === "waiting")) return roughly;
    return lackOf(claim, await withResident(before), host());
  }

  /** Writes, then looks; takes it back when it does not fit. Not written at all where a look already says so. */
  async function take(claim: MachineClaim): Promise<string | undefined> {
    const lack = await lackFor(claim);
    if (lack !== undefined) return lack;
    writeClaim(directory, claim);
    return lackFor(claim);
  }

  function placeOf(claim: MachineClaim): Place {
    let current: MachineClaim | undefined = claim;
    return {
      handOut(name, run) {
        if (current === undefined) return;
        current = { ...current, name, run, warm: false };
        writeClaim(directory, current);
      },
      [Symbol.dispose]() {
        current = undefined;
        removeClaim(directory, claim.machine);
      },
    };
  }

  return {
    async admit(wish, { signal, onWait }) {
      const claim = claimOf(wish, settings, false);
      refuse(wish, neverFits(claim, host()));
      let said = false;
      try {
        for (;;) {
          signal.throwIfAborted();
          const lack = await take(claim);
          if (lack === undefined) return placeOf(claim);
          writeClaim(directory, { ...claim, state: "waiting" });
          if (waitsForEver(claim.machine, living())) {
            refuse(wish, `${lack}; every other machine belongs to a run that waits as well, or to this one`);
          }
          if (!said) onWait(lack);
          said = true;
          const pauseMs = LOOK_AGAIN_MS.least + Math.random() * LOOK_AGAIN_MS.spread;
          // The timer's own error hides the reason.
          await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
        }
      } catch (error) {
        removeClaim(directory, claim.machine);
        throw error;
      }
    },
    async admitAhead(wish) {
      if (living().some(({ state }) => state === "waiting")) return undefined;
      const claim = claimOf(wish, settings, true);
      if ((await take(claim)) === undefined) return placeOf(claim);
      removeClaim(directory, claim.machine);
      return undefined;
    },
    someoneWaits: () => living().some(({ state }) => state === "waiting"),
    freeMib: async () => freeMib(await withResident(living()), host()),
  };
}

/**
 * The same provider, each of whose machines has a place before it is made and gives it back when it is gone. `run`: as in `Wish`;
 * `copies`: it keeps none of those that are restored.
 */
export function admitted(
  provider: Provider,
  admission: Admission,
  { run, copies = false, onWait }: PlacedRun,
): Provider {
  const place = (spec: MachineSpec, signal: AbortSignal): Promise<Place> =>
    admission.admit({ spec, provider, run }, { signal, onWait: (lack) => onWait(spec.id, lack) });
  const placed = async (spec: MachineSpec, signal: AbortSignal, make: () => Promise<Machine>): Promise<Machine> =>
    provisionIn(await place(spec, signal), make);
  const restore = async (spec: MachineSpec, directory: string, signal: AbortSignal): Promise<Machine> => {
    const held = await place(spec, signal);
    // It waits as one of its run, and then nobody waits for ever for what it holds.
    if (copies) held.handOut(spec.id, undefined);
    return await provisionIn(held, async () => {
      const machine = await provider.restore?.(spec, directory, signal);
      if (machine === undefined) throw new Error(`provider ${provider.name} restores nothing`);
      return machine;
    });
  };
  return {
    ...provider,
    provision: (spec, signal) => placed(spec, signal, () => provider.provision(spec, signal)),
    ...(provider.restore !== undefined && { restore }),
  };
}

interface PlacedRun {
  readonly run: string | undefined;
  readonly copies?: boolean;
  readonly onWait: (machine: string, lack: string) => void;
}

/** The machine gives the place back when it is gone; so does one that could not be made. */
export async function provisionIn(place: Place, provision: () => Promise<Machine>): Promise<Machine> {
  let machine: Machine;
  try {
    machine = await provision();
  } catch (error) {
    place[Symbol.dispose]();
    throw error;
  }
  const dispose = async (): Promise<void> => {
    try {
      await machine[Symbol.asyncDispose]();
    } finally {
      place[Symbol.dispose]();
    }
  };
  let disposal: Promise<void> | undefined;
  return { ...machine, [Symbol.asyncDispose]: () => (disposal ??= dispose()) };
}

/**
 * Every machine that is held belongs to a run that waits itself: none of them will be given back. The one that came last gives
 * up, and then the others get on.
 */
function waitsForEver(machine: string, claims: readonly MachineClaim[]): boolean {
  const held = claims.filter(({ state }) => state === "held");
  const waiting = claims.filter(({ state }) => state === "waiting");
  if (held.length === 0 || waiting.at(-1)?.machine !== machine) return false;
  const waitingRuns = new Set(waiting.flatMap(({ run }) => run ?? []));
  return held.every(({ run }) => run !== undefined && waitingRuns.has(run));
}

function refuse({ spec }: Wish, reason: string | undefined): void {
  if (reason === undefined) return;
  throw new EngineError("MACHINE_START_FAILED", `Cannot start machine ${spec.id}: no place for it: ${reason}`, {
    hint: "Give machines less: HEARTH_MACHINE_MEMORY_MIB, or memory in hearth.yml.",
  });
}

function claimOf({ spec, provider, run }: Wish, settings: AdmissionSettings, warm: boolean): MachineClaim {
  const { isolation } = provider.capabilities;
  return {
    machine: spec.id,
    name: spec.id,
    provider: provider.name,
    memoryMib: isolation === "none" ? 0 : spec.memoryMib + OVERHEAD_MIB[isolation],
    cpus: spec.cpus,
    since: new Date(settings.now()).toISOString(),
    owner: identifyProcess(process.pid),
    state: "held",
    warm,
    run,
    runDir: settings.runDir,
    temporary: settings.temporary,
  };
}

function untouched({ memoryMib, cpus }: MachineClaim): Taken {
  return { memoryMib, cpus, residentMib: 0 };
}

async function withResident(claims: readonly MachineClaim[]): Promise<readonly Taken[]> {
  const processes = await processesOfMachines(claims.map(({ machine }) => machine));
  return Promise.all(
    claims.map(async ({ machine, memoryMib, cpus }) => ({
      memoryMib,
      cpus,
      residentMib: await residentMib(processes.get(machine) ?? []),
    })),
  );
}
