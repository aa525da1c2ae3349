/**
 * Which contexts and functions an expression sees where it stands (ACTIONS-CONTRACT §1.4, §1.5): before a job, in a job, in a
 * step, in a composite action. Puts together what `context/` builds.
 */
import { githubVariables, runnerVariables } from "../context/default-variables.ts";
import { githubContext } from "../context/github-context.ts";
import type { GithubJob, GithubStep, StepFiles } from "../context/github-context.ts";
import { jobContext, strategyContext } from "../context/job-context.ts";
import { compositeStatusFunctions, jobStatusFunctions, stepStatusFunctions } from "../context/job-status-functions.ts";
import { needsContext, resultOf } from "../context/needs-context.ts";
import { runnerContext } from "../context/runner-context.ts";
import { stepsContext } from "../context/steps-context.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { Value } from "../expression/template.ts";
import type { RemoteAction } from "../plan/plan.ts";
import type { Job, Step } from "../workflow/workflow.ts";
import type { JobRecord } from "./job-end.ts";
import type { JobInstance, JobRun } from "./job-run.ts";
import type { Scope } from "./job-state.ts";
import { cancelRequested } from "./workflow-run.ts";
import type { WorkflowRun } from "./workflow-run.ts";

/** Where an expression of a step stands. */
export interface StepPosition {
  readonly job: JobRun;
  readonly step: Pick<Step, "id">;
  readonly scope: Scope;
  readonly phase: "pre" | "main" | "post";
  readonly action: RemoteAction | undefined;
  /** The step's own `env` over that of the composites around it. */
  readonly env: Readonly<Record<string, string>>;
}

type JobInMachine = Pick<JobRun, "instance" | "machine" | "token" | "apiUrl">;
type Contexts = Readonly<Record<string, Value>>;

/** Of a workflow as a whole, before any of its jobs: `run-name`, `concurrency`, what a call is given. */
export function workflowScope({ run, inputs }: Pick<WorkflowRun, "run" | "inputs">): ExpressionScope {
  const { event, workflow } = run.plan;
  const github = githubContext({ event, workflow, run: run.identity });
  return { contexts: { github, inputs, vars: run.settings.vars }, functions: {} };
}

/** Before a job starts: its condition, matrix, name. */
export function needsScope(workflow: WorkflowRun, job: Job, done: ReadonlyMap<string, JobRecord>): ExpressionScope {
  const needsOf = (id: string): readonly string[] =>
    workflow.planned.jobs.find((planned) => planned.job.id === id)?.job.needs ?? [];
  const needed = job.needs.flatMap((need) => done.get(need) ?? []);
  return {
    contexts: { ...workflowScope(workflow).contexts, needs: needsContext(needed) },
    functions: jobStatusFunctions(job.id, {
      needsOf,
      resultOf: (id) => resultOf(done.get(id)?.legs ?? []),
      cancelled: cancelRequested(workflow),
    }),
  };
}

/** Contexts that stay the same for all of a job's steps; those of its environment and its secrets come on top. */
export function jobContexts(
  workflow: WorkflowRun,
  instance: JobInstance<Job>,
  done: ReadonlyMap<string, JobRecord>,
): Contexts {
  const { index, total, failFast, maxParallel } = instance;
  return {
    ...needsScope(workflow, instance.job, done).contexts,
    matrix: instance.job.strategy?.matrix === undefined ? null : instance.matrix,
    strategy: strategyContext(index, total, { failFast, maxParallel }),
  };
}

/** What the job's own `env` sees: it is evaluated in the machine, where `github.token` and its like are known (the runner's JobExtension). */
export function contextsInMachine({ run }: WorkflowRun, contexts: Contexts, job: JobInMachine): Contexts {
  const { event, workflow } = run.plan;
  return { ...contexts, github: githubContext({ event, workflow, run: run.identity, job: githubJob(job) }) };
}

/** In a job, outside any step: its outputs, the names of its steps. */
export function jobScope(job: JobRun): ExpressionScope {
  const { env, scope, status } = job.state;
  const contexts = withReads(
    { ...atRunTime(job), env },
    { github: () => githubOf(job, undefined), steps: () => stepsOf(scope) },
  );
  return { contexts, functions: stepStatusFunctions(status) };
}

/** In a step. A composite's steps see neither secrets nor needs nor vars, and the inputs of their action. */
export function stepScope(run: StepPosition): ExpressionScope {
  const { job, scope, phase } = run;
  const { status } = job.state;
  const own = { env: { ...job.state.env, ...run.env }, inputs: scope.inputs };
  const reads = { github: () => githubOf(job, stepMembers(run)), steps: () => stepsOf(scope) };
  const all = atRunTime(job);
  if (scope.kind === "job") {
    return { contexts: withReads({ ...all, ...own }, reads), functions: stepStatusFunctions(status) };
  }
  const { secrets: _secrets, needs: _needs, vars: _vars, ...visible } = all;
  return {
    contexts: withReads({ ...visible, ...own }, reads),
    functions: phase === "main" ? compositeStatusFunctions(scope.status, status) : stepStatusFunctions(status),
  };
}

/** Layer 7 of a step's environment: `GITHUB_*` and `RUNNER_*`. `files` are the step's command files. */
export function defaultVariables(run: StepPosition, files: StepFiles): Record<string, string> {
  return {
    ...githubVariables(githubOf(run.job, { ...stepMembers(run), files })),
    ...runnerVariables(runnerOf(run.job)),
  };
}

function atRunTime(job: JobRun): Contexts {
  const { state } = job;
  return {
    ...job.contexts,
    runner: runnerOf(job),
    job: jobContext(state.status, job.origin),
  };
}

function githubOf(job: JobRun, step: GithubStep | undefined): ObjectValue {
  const { event, workflow } = job.plan;
  return githubContext({
    event,
    workflow,
    run: job.identity,
    job: githubJob(job),
    step,
  });
}

function githubJob({ instance, machine, token, apiUrl }: JobInMachine): GithubJob {
  const { workspace, temp } = machine.layout;
  return { id: instance.job.id, token, workspace, eventPath: `${temp}/_github_workflow/event.json`, apiUrl };
}

function stepMembers({ scope, step, action }: StepPosition): GithubStep {
  const inComposite = scope.kind === "composite";
  return {
    action: step.id,
    actionPath: inComposite ? scope.actionPath : undefined,
    actionStatus: inComposite ? scope.status : undefined,
    actionRepository: action?.repository ?? "",
    actionRef: action?.ref ?? "",
    files: undefined,
  };
}

function runnerOf(job: JobRun): ObjectValue {
  const { id, layout, arch } = job.machine;
  const workspace = layout.workspace.slice(0, layout.workspace.lastIndexOf("/"));
  return runnerContext({
    name: id,
    os: "Linux",
    arch,
    temp: layout.temp,
    toolCache: layout.toolCache,
    workspace,
    debug: job.debug,
  });
}

/** `github` and `steps` are made when an expression reads them: few do, and `steps` grows with the job. */
function withReads(contexts: Contexts, reads: Readonly<Record<"github" | "steps", () => ObjectValue>>): Contexts {
  const made: { github?: ObjectValue; steps?: ObjectValue } = {};
  return {
    ...contexts,
    get github() {
      return (made.github ??= reads.github());
    },
    get steps() {
      return (made.steps ??= reads.steps());
    },
  };
}

function stepsOf(scope: Scope): ObjectValue {
  return stepsContext(Object.entries(scope.steps).map(([id, entry]) => ({ id, idGiven: true, ...entry })));
}
