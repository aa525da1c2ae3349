/** A `run` step: its text as a script file, its shell, one process (ACTIONS-CONTRACT §3.1). */
import { toText } from "../expression/evaluate.ts";
import type { Template } from "../expression/template.ts";
import type { RunStep } from "../workflow/workflow.ts";
import { runProcess } from "./run-process.ts";
import { logPreamble, resolveShell } from "./shell.ts";
import { evaluateIn, fail } from "./step-run.ts";
import type { Execution, StepRun } from "./step-run.ts";

export async function executeScript(run: StepRun, step: RunStep): Promise<Execution> {
  const { job, log, scope } = run;
  const { layout } = job.machine;
  const text = async (template: Template | undefined): Promise<string | undefined> =>
    template === undefined ? undefined : toText(await evaluateIn(run, template));

  // The defaults of a workflow never reach into a composite action.
  const defaults = scope.kind === "job" ? job.defaults : {};
  const script = toText(await evaluateIn(run, step.run));
  const shell = resolveShell((await text(step.shell)) ?? defaults.shell);
  if (shell.kind === "refused") return fail(run, shell.message);
  const directory = (await text(step.workingDirectory)) ?? defaults.workingDirectory ?? "";
  const path = `${layout.temp}/${job.newId()}${shell.extension}`;
  const argv = shell.argv(path);

  logPreamble(log, { script, shell: shell.display, env: { ...job.state.env, ...run.env } });
  return runProcess(run, {
    argv,
    fallback: shell.fallback,
    cwd: resolveDirectory(layout.workspace, directory),
    action: await job.services.forScript(),
    write: [{ path, content: shell.prepare(script), mode: 0o644 }],
    saysExitCode: true,
  });
}

function resolveDirectory(workspace: string, directory: string): string {
  if (directory.startsWith("/")) return directory;
  return directory === "" || directory === "." ? workspace : `${workspace}/${directory}`;
}
