/**
 * Workflow runs and their jobs. The one run that is known is the job's own; what would stop it or run it again is noted and does nothing.
 * Source: GitHub REST "Workflow runs", "Workflow jobs".
 */
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import { readCommit } from "./api-commits.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { json, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import type { ApiJob, ApiStep, Progress } from "./api-run.ts";
import { apiOf, htmlOf, nodeId, repositoryShape } from "./api-shape.ts";
import type { JobClaims } from "./services.ts";
import { stableId } from "../context/stable-id.ts";
import { userObject } from "../plan/payload-repository.ts";

const READS = reads("actions");
const WRITES = writes("actions");

export const runRoutes: readonly Route[] = [
  route("GET", "actions/runs", READS, async (call) => {
    const { query } = call.request;
    const run = await runShape(call);
    const filters = [
      ["event", "event"],
      ["branch", "head_branch"],
      ["head_sha", "head_sha"],
      ["status", "status"],
    ] as const;
    const isWanted = filters.every(([name, field]) => !query.has(name) || run[field] === query.get(name));
    return json({ total_count: isWanted ? 1 : 0, workflow_runs: isWanted ? [run] : [] });
  }),
  route("GET", "actions/runs/{id}", READS, async (call) => json(await runShape(ofOwnRun(call)))),
  route("GET", "actions/runs/{id}/attempts/{attempt}", READS, async (call) => json(await runShape(ofOwnRun(call)))),
  route("GET", "actions/runs/{id}/jobs", READS, listJobs),
  route("GET", "actions/runs/{id}/attempts/{attempt}/jobs", READS, listJobs),
  route("GET", "actions/runs/{id}/pending_deployments", READS, (call) => {
    ofOwnRun(call);
    return json([]);
  }),
  route("POST", "actions/runs/{id}/cancel", WRITES, (call) => noted(call, 202)),
  route("POST", "actions/runs/{id}/rerun", WRITES, (call) => noted(call, 201)),
  route("POST", "actions/runs/{id}/rerun-failed-jobs", WRITES, (call) => noted(call, 201)),
  route("GET", "actions/jobs/{id}", READS, (call) => json(jobShape(call, jobOf(call)))),
  // A log is whole when its job has ended, and then nobody is left here to ask for it.
  route("GET", "actions/jobs/{id}/logs", READS, undefined),
];

/** Other runs are not known here. */
function ofOwnRun(call: ApiCall): ApiCall {
  if (String(numberParam(call, "id")) !== call.claims.runId) throw notFound();
  return call;
}

function noted(call: ApiCall, status: number): ApiResponse {
  ofOwnRun(call);
  return json({}, status);
}

export async function runShape(call: ApiCall): Promise<JsonObject> {
  const { claims, repository, world } = call;
  const { run } = world;
  const url = `${apiOf(repository)}/actions/runs/${claims.runId}`;
  const head = await findCommit(repository, claims.sha);
  const commit = head === undefined ? undefined : await readCommit(repository, head);
  const workflow = stableId(run.workflow.path);
  const at = timeOf(Date.parse(run.startedAt));
  return {
    id: Number(claims.runId),
    name: run.workflow.name,
    node_id: nodeId("WFR", Number(claims.runId)),
    head_branch: claims.headRef === "" ? claims.ref.replace(/^refs\/(?:heads|tags)\//, "") : claims.headRef,
    head_sha: claims.sha,
    path: run.workflow.path,
    display_title: run.title ?? commit?.message.split("\n", 1)[0] ?? run.workflow.name,
    run_number: claims.runNumber,
    event: claims.event,
    status: "in_progress",
    conclusion: null,
    workflow_id: workflow,
    check_suite_id: 1,
    url,
    html_url: `${htmlOf(repository)}/actions/runs/${claims.runId}`,
    pull_requests: [],
    created_at: at,
    updated_at: at,
    actor: userObject(claims.actor),
    triggering_actor: userObject(claims.actor),
    run_attempt: claims.runAttempt,
    referenced_workflows: [],
    run_started_at: at,
    jobs_url: `${url}/jobs`,
    logs_url: `${url}/logs`,
    artifacts_url: `${url}/artifacts`,
    cancel_url: `${url}/cancel`,
    rerun_url: `${url}/rerun`,
    previous_attempt_url: null,
    workflow_url: `${apiOf(repository)}/actions/workflows/${workflow}`,
    head_commit: commit === undefined ? null : headCommit(commit),
    repository: repositoryShape(call),
    head_repository: repositoryShape(call),
  };
}

function headCommit({ sha, tree, message, committer, author }: Awaited<ReturnType<typeof readCommit>>): JsonObject {
  const person = ({ name, email }: typeof author): JsonObject => ({ name, email });
  return {
    id: sha,
    tree_id: tree,
    message,
    timestamp: committer.date,
    author: person(author),
    committer: person(committer),
  };
}

function listJobs(call: ApiCall): ApiResponse {
  const { jobs } = ofOwnRun(call).world.run;
  return paged(call, jobs, (part, total) => ({ total_count: total, jobs: part.map((job) => jobShape(call, job)) }));
}

/** A job's id is made from its key, since nothing here counts jobs. */
export function jobIdOf({ runId, runAttempt }: JobClaims, { key }: Pick<ApiJob, "key">): number {
  return stableId(`${runId}/${runAttempt}/${key}`);
}

function jobOf(call: ApiCall): ApiJob {
  const wanted = Number(param(call, "id"));
  const job = call.world.run.jobs.find((one) => jobIdOf(call.claims, one) === wanted);
  if (job === undefined) throw notFound();
  return job;
}

function jobShape(call: ApiCall, job: ApiJob): JsonObject {
  const { claims, repository, world } = call;
  const id = jobIdOf(claims, job);
  const run = `${apiOf(repository)}/actions/runs/${claims.runId}`;
  return {
    id,
    run_id: Number(claims.runId),
    workflow_name: world.run.workflow.name,
    head_branch: claims.headRef === "" ? claims.ref.replace(/^refs\/(?:heads|tags)\//, "") : claims.headRef,
    run_url: run,
    run_attempt: claims.runAttempt,
    node_id: nodeId("CR", id),
    head_sha: claims.sha,
    url: `${apiOf(repository)}/actions/jobs/${id}`,
    html_url: `${htmlOf(repository)}/actions/runs/${claims.runId}/job/${id}`,
    ...progressShape(job.progress),
    created_at: timeOf(Date.parse(world.run.startedAt)),
    name: job.name,
    steps: job.steps.map((step: ApiStep, index) => ({
      name: step.name,
      number: index + 1,
      ...progressShape(step.progress),
    })),
    check_run_url: `${apiOf(repository)}/check-runs/${id}`,
    labels: [],
    runner_id: null,
    runner_name: null,
    runner_group_id: null,
    runner_group_name: null,
  };
}

function progressShape({ status, conclusion, startedAt, completedAt }: Progress): JsonObject {
  return { status, conclusion, started_at: timeOrNull(startedAt), completed_at: timeOrNull(completedAt) };
}

function timeOrNull(at: string | null): string | null {
  return at === null ? null : timeOf(Date.parse(at));
}
