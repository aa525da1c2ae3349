/** The environment and directory of somebody who looks around between two steps: those of a `run` step without anything of its own. */
import type { StepFiles } from "../context/github-context.ts";
import { defaultVariables } from "./contexts.ts";
import type { JobRun } from "./job-run.ts";
import type { ShellPlace } from "./saved-job.ts";
import { stepEnvironment } from "./step-environment.ts";

export function shellPlace(job: JobRun): ShellPlace {
  const { machine, state, trackingId } = job;
  const { layout, environment } = machine;
  const position = { job, step: { id: "" }, scope: state.scope, phase: "main", action: undefined, env: {} } as const;
  return {
    cwd: layout.workspace,
    env: stepEnvironment({
      machine: { ...environment, RUNNER_TRACKING_ID: trackingId },
      env: state.env,
      action: {},
      path: state.path,
      variables: defaultVariables(position, filesIn(`${layout.temp}/_runner_file_commands`)),
    }),
  };
}

/** Nobody reads them: a script that writes to one is to find it. */
function filesIn(directory: string): StepFiles {
  const pathOf = (prefix: string): string => `${directory}/${prefix}_shell`;
  return {
    env: pathOf("set_env"),
    path: pathOf("add_path"),
    output: pathOf("set_output"),
    state: pathOf("save_state"),
    stepSummary: pathOf("step_summary"),
  };
}
