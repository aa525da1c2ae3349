/** A JavaScript action: Node with the action's inputs and state in its environment (ACTIONS-CONTRACT §4.2). */
import type { ActionManifest } from "../action/manifest.ts";
import type { UsesStep } from "../workflow/workflow.ts";
import { inputVariables } from "./action-inputs.ts";
import { postBase } from "./composite-action.ts";
import { gitVariables } from "./git-address.ts";
import { registerPost } from "./job-state.ts";
import type { KnownAction } from "./known-action.ts";
import { runProcess } from "./run-process.ts";
import type { Execution, StepRun } from "./step-run.ts";

export interface JavascriptAction extends KnownAction {
  readonly runs: Extract<ActionManifest["runs"], { kind: "javascript" }>;
  readonly inputs: Readonly<Record<string, string>>;
}

/** `main`, or `pre` where `run` stands in that phase. */
export async function executeJavascript(run: StepRun, step: UsesStep, action: JavascriptAction): Promise<Execution> {
  const { runs, inputs } = action;
  const inPre = run.phase === "pre";
  if (!inPre) sayWhatDiffers(run, step, action);
  registerOwnPost(run, step, action);
  return runNode(run, action, (inPre ? runs.pre : undefined) ?? runs.main, inputs);
}

/** Used by pre, main and post alike. Exit codes other than 0 fail the step without a word of ours, as on GitHub. */
export async function runNode(
  run: StepRun,
  { directory }: Pick<KnownAction, "directory">,
  script: string,
  inputs: Readonly<Record<string, string>>,
): Promise<Execution> {
  const { job } = run;
  const { layout, environment } = job.machine;
  const variables = {
    ...(await gitVariables(job, { ...environment, ...job.state.env, ...run.env })),
    ...(await job.services.forAction()),
  };
  const state = Object.entries(run.state).map(([name, value]) => [`STATE_${name}`, value]);
  return runProcess(run, {
    argv: [`${layout.externals}/node24/bin/node`, `${directory}/${script}`],
    cwd: layout.workspace,
    action: { ...variables, ...inputVariables(inputs), ...Object.fromEntries(state) },
    write: [],
    saysExitCode: false,
  });
}

/** Before anything runs: whatever becomes of it, what it began must be undone. */
function registerOwnPost(run: StepRun, step: UsesStep, { runs, action, directory, manifest }: JavascriptAction): void {
  if (runs.post === undefined) return;
  registerPost(run.posts, {
    kind: "javascript",
    action,
    directory,
    script: runs.post,
    condition: runs.postIf,
    manifest,
    ...postBase(run, step),
  });
}

function sayWhatDiffers({ log }: StepRun, { uses }: UsesStep, { runs, action }: JavascriptAction): void {
  // GitHub's runner reads a local action only when its step is reached, too late for a `pre`.
  if (runs.pre !== undefined && action === undefined) {
    log.warning(`\`pre\` execution is not supported for local action from '${uses}'`);
  }
  if (runs.using.toLowerCase() !== "node24")
    log.debug(`The action '${uses}' asks for ${runs.using} and runs on node24.`);
}
