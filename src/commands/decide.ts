/** `hearth continue` and `hearth abort`, and `hearth retry` for a run that is paused: how a job goes on that waits at a failed step. */
import type { PauseDecision } from "../engine/job-pause.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { Terminal } from "./terminal.ts";

const WHAT: Readonly<Record<PauseDecision, string>> = {
  retry: "runs again",
  continue: "stays failed, and its job goes on",
  abort: "stays failed, and its job is cancelled",
};

/** `prefix`: of a run's id; undefined: the latest. Throws RUN_NOT_FOUND where no job of it is paused. */
export async function decide(
  hearth: Hearth,
  { err }: Terminal,
  prefix: string | undefined,
  { decision, job }: { readonly decision: PauseDecision; readonly job: string | undefined },
): Promise<ExitCode> {
  const { run } = await hearth.store.find(prefix);
  const decided = await hearth.decideRun(run, { job, decision });
  err.write(`${plainText(`Run ${run}, job ${decided.job}: step ${decided.step} ${WHAT[decision]}`)}\n`);
  return exitCode.success;
}

/** What can be done while a job waits, one line each. */
export function pauseLines(run: string, job: string, step: string): readonly string[] {
  return [
    `Step ${step} of ${job} failed, and the job waits with its machine as it is.`,
    `  hearth shell ${run}       look around, and change something`,
    `  hearth retry ${run}       run the step again`,
    `  hearth continue ${run}    leave it failed, and go on`,
    `  hearth abort ${run}       cancel the job`,
  ];
}
