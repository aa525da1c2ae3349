/** Into the machine of a run that a person named. */
import type { EnteredJob } from "../door/enter-run.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Hearth } from "./hearth.ts";

/** `name`: the beginning of a run's id. Throws RUN_NOT_FOUND; for a run that is over with how one goes back to it. */
export async function enterNamed(
  hearth: Pick<Hearth, "store" | "enterRun">,
  name: string,
  job: string | undefined,
): Promise<EnteredJob> {
  const { run, state } = await hearth.store.find(name);
  if (state.status === "in_progress") return await hearth.enterRun(run, job);
  throw new EngineError("RUN_NOT_FOUND", `Run ${run} has ended, and its machine with it`, {
    hint: `\`hearth rewind ${run}\` goes back to its steps, where they were kept.`,
  });
}

export function noRun(message: string): EngineError {
  return new EngineError("RUN_NOT_FOUND", message, {
    hint: "`hearth runs` lists the runs, `hearth image list` the images.",
  });
}
