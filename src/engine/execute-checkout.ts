/** The built-in `actions/checkout`: git in the machine, served by the host. The script itself is `action/checkout.ts`'s. */
import { planCheckout } from "../action/checkout.ts";
import { gitAddress } from "./git-address.ts";
import { runProcess } from "./run-process.ts";
import { fail } from "./step-run.ts";
import type { Execution, StepRun } from "./step-run.ts";

export async function executeCheckout(run: StepRun, inputs: Readonly<Record<string, string>>): Promise<Execution> {
  const { job } = run;
  const { layout } = job.machine;
  const { event } = job.plan;
  const gitUrl = await gitAddress(job);
  const plan = planCheckout(inputs, {
    repository: `${event.repository.owner}/${event.repository.name}`,
    sha: event.sha,
    ref: event.ref,
    workspace: layout.workspace,
    temp: layout.temp,
    gitUrl,
    serverUrl: "https://github.com",
    token: "",
  });
  if (plan.kind === "refused") return fail(run, plan.message);
  const { script, env } = plan.main;
  // Every value reaches the script through its environment, never through its text.
  const path = `${layout.temp}/${job.newId()}.sh`;
  return runProcess(run, {
    argv: ["/bin/bash", "--noprofile", "--norc", "-e", "-o", "pipefail", path],
    cwd: layout.workspace,
    action: env,
    write: [{ path, content: script, mode: 0o644 }],
    saysExitCode: true,
  });
}
