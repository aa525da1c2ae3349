/** Two states of one job, each in a machine of its own without a network, compared from inside; both machines are gone afterwards. */
import { randomUUID } from "node:crypto";
import { defaultDefinition } from "../image/definition.ts";
import { compareMachines } from "../survey/compare-machines.ts";
import type { MachineChanges } from "../survey/compare-machines.ts";
import type { Hearth } from "./hearth.ts";
import { machineAt } from "./open-moment.ts";
import type { OpenKept } from "./open-moment.ts";

export interface CompareWish {
  /** Begins the ids of the machines. */
  readonly prefix: string;
  /** Absolute directory in the machine; undefined: everything. */
  readonly directory: string | undefined;
  /** As `CompareOptions` has it. */
  readonly contentBytes: number | undefined;
}

export interface KeptChanges {
  readonly changes: MachineChanges;
  /** `RUNNER_TEMP`. */
  readonly temp: string;
}

/** Throws what machines throw, or the signal's reason. */
export async function compareKept(
  hearth: Hearth,
  [from, to]: readonly [OpenKept, OpenKept],
  { prefix, directory, contentBytes }: CompareWish,
  signal: AbortSignal,
): Promise<KeptChanges> {
  const builtAt = await imageBuiltAt(hearth, from);
  await using machines = new AsyncDisposableStack();
  const group = randomUUID();
  const restored = await Promise.allSettled([from, to].map((one) => machineAt(hearth, one, prefix, signal, group)));
  for (const one of restored) if (one.status === "fulfilled") machines.use(one.value);
  const [before, after] = restored.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value.machine;
  });
  if (before === undefined || after === undefined) throw new Error("two machines were restored");
  const changes = await compareMachines(before, after, { directory, builtAt, contentBytes }, signal);
  return { changes, temp: after.layout.temp };
}

/** Undefined where this host has that image no more, or knows no time of it that lies before the run. */
async function imageBuiltAt(hearth: Hearth, { checkpoint, saved }: OpenKept): Promise<Date | undefined> {
  const name = saved.machine.image ?? defaultDefinition.name;
  const image = (await hearth.images.list()).find((one) => one.name === name);
  return image !== undefined && image.builtAt < new Date(checkpoint.at) ? image.builtAt : undefined;
}
