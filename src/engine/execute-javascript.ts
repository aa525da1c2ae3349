/** A JavaScript action: Node with the action's inputs and state in its environment (ACTIONS-CONTRACT §4.2). */
import type { ActionManifest } from "../action/manifest.ts";
import type { UsesStep } from "../workflow/workflow.ts";
import { inputVariables } from "./action-inputs.ts";
import { runProcess } from "./run-process.ts";
import type { Execution, StepRun } from "./step-run.ts";

export interface JavascriptAction {
  readonly manifest: ActionManifest;
  readonly runs: Extract<ActionManifest["runs"], { kind: "javascript" }>;
  readonly directory: string;
  readonly inputs: Readonly<Record<string, string>>;
}

export async function executeJavascript(run: StepRun, step: UsesStep, action: JavascriptAction): Promise<Execution> {
  const { runs, directory, manifest, inputs } = action;
  // GitHub's runner reads a local action only when its step is reached, too late for a `pre`.
  if (runs.pre !== undefined)
    run.log.warning(`\`pre\` execution is not supported for local action from '${step.uses}'`);
  try {
    return await runNode(run, `${directory}/${runs.main}`, inputs);
  } finally {
    // Registered because main started, whatever became of it; the state is what main saved.
    if (runs.post !== undefined) {
      const { scope, state } = run;
      const name = step.uses;
      run.posts.push({
        kind: "javascript",
        step,
        scope,
        name,
        directory,
        script: runs.post,
        condition: runs.postIf,
        manifest,
        state,
      });
    }
  }
}

/** Used by main and post alike. Exit codes other than 0 fail the step without a word of ours, as on GitHub. */
export function runNode(run: StepRun, script: string, inputs: Readonly<Record<string, string>>): Promise<Execution> {
  const { layout } = run.job.machine;
  const state = Object.entries(run.state).map(([name, value]) => [`STATE_${name}`, value]);
  return runProcess(run, {
    argv: [`${layout.externals}/node24/bin/node`, script],
    cwd: layout.workspace,
    action: { ...inputVariables(inputs), ...Object.fromEntries(state) },
    write: [],
    saysExitCode: false,
  });
}
