/**
 * A job that calls a workflow: its inputs and secrets are evaluated, the jobs of the called workflow run as those of a workflow
 * of their own, and what they come to is the job's result. Source: ACTIONS-CONTRACT §1.5;
 * https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows
 */
import { isMapping, mappingOf } from "../context/mapping.ts";
import { needsContext, resultOf } from "../context/needs-context.ts";
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import { orRefused } from "../expression/or-refused.ts";
import { callInputs } from "../plan/call-inputs.ts";
import type { CalledPlan } from "../plan/plan.ts";
import type { CallJob, Trigger } from "../workflow/workflow.ts";
import { jobContexts, workflowScope } from "./contexts.ts";
import { completeJob } from "./complete-job.ts";
import { endCalledWithoutRunning } from "./end-without-running.ts";
import { enterGroup } from "./enter-group.ts";
import { endedAs } from "./job-end.ts";
import type { InstanceEnd, JobRecord, JobsEnd } from "./job-end.ts";
import type { JobInstance } from "./job-run.ts";
import { passedToken } from "./job-token.ts";
import { textMapping } from "./typed-value.ts";
import { cancelRequested } from "./workflow-run.ts";
import type { WorkflowRun } from "./workflow-run.ts";

export type CallInstance = JobInstance<CallJob>;

/** `runCalled` runs the jobs of the called workflow. */
export async function runCall(
  workflow: WorkflowRun,
  instance: CallInstance,
  done: ReadonlyMap<string, JobRecord>,
  cancel: AbortSignal,
  runCalled: (called: WorkflowRun) => Promise<JobsEnd>,
): Promise<InstanceEnd> {
  const { run } = workflow;
  const { called } = instance;
  const startedAt = run.dependencies.now();
  const ended = (end: InstanceEnd): InstanceEnd => completeJob(run, instance, end, { startedAt });
  const endAs = (conclusion: "failure" | "cancelled", reason: string): InstanceEnd => {
    endCalledWithoutRunning(run, instance, conclusion === "failure" ? "not_reached" : "cancelled", reason);
    return ended(endedAs(conclusion, reason));
  };
  if (called?.kind !== "called")
    throw new Error(`Job ${instance.key} calls what is missing: the plan is not startable`);

  const given = orRefused(() => prepare(workflow, instance, called, done));
  if (given.kind === "refused") return endAs("failure", given.message);
  const inner: WorkflowRun = {
    run,
    planned: called.plan,
    origin: called.origin,
    ...given.value,
    caller: { key: instance.key, name: instance.name },
    calls: [...workflow.calls, { workflow: workflow.planned.workflow, job: instance.job }],
    heldGroups: workflow.heldGroups,
    cancel,
  };
  const turn = await enterGroup(inner, {
    template: called.plan.workflow.concurrency,
    scope: workflowScope(inner),
    job: instance.key,
    cancel: inner.cancel,
  });
  if (turn.kind === "refused") return endAs("failure", turn.message);
  if (turn.kind === "cancelled") return endAs("cancelled", turn.reason);
  using hold = turn.hold;
  const running: WorkflowRun = { ...inner, cancel: turn.cancel, heldGroups: turn.heldGroups };
  const { ends, records } = await runCalled(running);

  const result = resultOf(ends);
  const conclusion = result === "success" && cancelRequested(running) ? "cancelled" : result;
  const outputs = orRefused(() => outputsOf(inner, triggerOf(called), records));
  const left = ends.some(({ unsupported }) => unsupported === true) && conclusion === "skipped";
  const reason = left ? "a job of it was left out as unsupported" : undefined;
  if (outputs.kind === "value") return ended({ ...endedAs(conclusion, reason), outputs: outputs.value });
  return ended(endedAs("failure", `its outputs could not be evaluated: ${outputs.message}`));
}

/** What the called workflow is given. Throws ExpressionError. */
function prepare(
  workflow: WorkflowRun,
  instance: CallInstance,
  called: Extract<CalledPlan, { kind: "called" }>,
  done: ReadonlyMap<string, JobRecord>,
): Pick<WorkflowRun, "inputs" | "secrets"> {
  const { job } = instance;
  const contexts = jobContexts(workflow, instance, done);
  const given = job.with === undefined ? null : evaluate(job.with, { contexts, functions: {} });
  const known = workflowScope({ run: workflow.run, inputs: {} }).contexts;
  const result = callInputs(triggerOf(called), isMapping(given) ? given : mappingOf([]), known);
  if (result.kind === "refused") throw new ExpressionError(result.message);
  const secrets = secretsFor(workflow, instance, contexts);
  workflow.run.masker.addSecrets(secrets);
  return { inputs: result.inputs, secrets };
}

function secretsFor(
  workflow: WorkflowRun,
  instance: CallInstance,
  contexts: ReturnType<typeof jobContexts>,
): WorkflowRun["secrets"] {
  const { secrets } = instance.job;
  if (secrets === "inherit") return workflow.secrets;
  if (secrets === undefined) return {};
  const readable = { ...contexts, secrets: { ...workflow.secrets, GITHUB_TOKEN: passedToken(workflow, instance.job) } };
  return textMapping(evaluate(secrets, { contexts: readable, functions: {} }), "secrets");
}

/** Empty ones are left out, and those that hold a secret too, as for the outputs of a job. */
function outputsOf(inner: WorkflowRun, trigger: Trigger, records: readonly JobRecord[]): Record<string, string> {
  const scope = workflowScope(inner);
  const contexts = { ...scope.contexts, jobs: needsContext(records) };
  const outputs: Record<string, string> = {};
  for (const { name, value } of trigger.outputs ?? []) {
    const text = toText(evaluate(value, { ...scope, contexts }));
    if (text !== "" && !inner.run.masker.hides(text)) outputs[name] = text;
  }
  return outputs;
}

function triggerOf({ plan }: Extract<CalledPlan, { kind: "called" }>): Trigger {
  const trigger = plan.workflow.triggers.find(({ event }) => event === "workflow_call");
  if (trigger === undefined) throw new Error(`${plan.workflow.path} has no workflow_call: planning has checked it`);
  return trigger;
}
