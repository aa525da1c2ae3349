/** The one way to a step's log: the job's masker and matchers, the step's effects. */
import { createStepLog } from "../joblog/step-log.ts";
import type { StepLog } from "../joblog/step-log.ts";
import type { JobRun } from "./job-run.ts";
import { addToPath, saveState, setVariable } from "./job-state.ts";

const UNSECURE_COMMANDS = "ACTIONS_ALLOW_UNSECURE_COMMANDS";
const MATCHER_FILE_MAX_BYTES = 1 << 20;

/** `outputs` and `state` grow by the deprecated commands `::set-output` and `::save-state`. */
export function openStepLog(
  job: JobRun,
  ref: string,
  step: {
    readonly outputs: Record<string, string>;
    readonly state: Record<string, string>;
    /** The step's own, once it is known. */
    readonly env?: Readonly<Record<string, string>>;
  },
): StepLog {
  const { layout, agent } = job.machine;
  return createStepLog({
    job: job.instance.key,
    step: ref,
    masker: job.masker,
    matchers: job.matchers,
    emit: job.emit,
    workspace: layout.workspace,
    debug: job.debug,
    allowUnsecureCommands: () =>
      (step.env?.[UNSECURE_COMMANDS] ?? job.state.env[UNSECURE_COMMANDS])?.toLowerCase() === "true",
    effects: {
      setOutput: (name, value) => void (step.outputs[name] = value),
      saveState: (name, value) => saveState(step.state, name, value),
      setEnv: (name, value) => setVariable(job.state, name, value),
      addPath: (path) => addToPath(job.state, [path]),
    },
    readMatcherFile: (path) => agent.readFile(path, MATCHER_FILE_MAX_BYTES),
  });
}
