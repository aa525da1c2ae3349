/** Into the machine of a run that a person named, or of a fork that is held open. */
import type { EnteredJob } from "../door/enter-run.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Hearth } from "./hearth.ts";

export interface EnteredMachine extends EnteredJob {
  /** In words, for who is inside. */
  readonly where: string;
}

/**
 * `name`: the beginning of a run's id, or a fork's whole. Throws RUN_NOT_FOUND; for a run that is over with how one goes back to it. `none` is
 * thrown where there is neither.
 */
export async function enterNamed(
  hearth: Pick<Hearth, "store" | "enterRun" | "held">,
  name: string,
  job: string | undefined,
  none?: EngineError,
): Promise<EnteredMachine> {
  const fork = await hearth.held.enter(name);
  if (fork !== undefined) return { ...fork, where: `fork ${name}, which ends with its \`hearth fork\`` };
  if (none !== undefined && (await hearth.store.list()).every(({ run }) => !run.startsWith(name))) throw none;
  const { run, state } = await hearth.store.find(name);
  if (state.status === "in_progress") {
    const entered = await hearth.enterRun(run, job);
    return { ...entered, where: `job ${entered.job}, which goes on meanwhile` };
  }
  throw new EngineError("RUN_NOT_FOUND", `Run ${run} has ended, and its machine with it`, {
    hint: `\`hearth rewind ${run}\` goes back to its steps, where they were kept.`,
  });
}
