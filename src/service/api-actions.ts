/**
 * Workflow runs, their jobs, artifacts and caches. The one run that is known is the job's own; artifacts and caches are those that
 * this host keeps of the repository. What would start or stop a run is noted and does nothing.
 * Source: GitHub REST "Actions", ACTIONS-CONTRACT §5.5.
 */
import { stableId } from "../context/stable-id.ts";
import { userObject } from "../plan/payload-repository.ts";
import type { Artifact } from "./artifact-store.ts";
import { bodyOf, isObject, requiredText } from "./api-body.ts";
import type { CacheEntry } from "./cache-store.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import { readCommit } from "./api-commits.ts";
import { listTree } from "./api-contents.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, json, noContent, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import type { ApiJob, ApiStep, Progress } from "./api-run.ts";
import type { JobClaims } from "./services.ts";
import { apiOf, htmlOf, nodeId, repositoryShape } from "./api-shape.ts";

const READS = reads("actions");
const WRITES = writes("actions");

export const actionsRoutes: readonly Route[] = [
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
  route("GET", "actions/runs/{id}/artifacts", READS, (call) => {
    const run = String(numberParam(call, "id"));
    return listArtifacts(call, (artifact) => artifact.runId === run);
  }),
  route("GET", "actions/artifacts", READS, (call) => listArtifacts(call, () => true)),
  route("GET", "actions/artifacts/{id}", READS, async (call) => json(artifactShape(call, await artifactOf(call)))),
  route("GET", "actions/artifacts/{id}/{format}", READS, async (call) => {
    if (param(call, "format") !== "zip") throw notFound();
    const Location = call.kept.artifactUrl(call.caller, await artifactOf(call));
    return { status: 302, headers: { Location }, content: { kind: "none" } };
  }),
  route("DELETE", "actions/artifacts/{id}", WRITES, async (call) => {
    await call.kept.removeArtifact(await artifactOf(call));
    return noContent;
  }),
  route("GET", "actions/caches", READS, listCaches),
  route("GET", "actions/cache/usage", READS, async (call) => {
    const caches = await call.kept.caches(call.caller);
    return json({
      full_name: `${call.repository.owner}/${call.repository.name}`,
      active_caches_size_in_bytes: caches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      active_caches_count: caches.length,
    });
  }),
  route("DELETE", "actions/caches", WRITES, removeCachesByKey),
  route("DELETE", "actions/caches/{id}", WRITES, async (call) => {
    const id = numberParam(call, "id");
    if (!(await call.kept.caches(call.caller)).some((cache) => cache.id === id)) throw notFound();
    await call.kept.removeCaches([id]);
    return noContent;
  }),
  route("GET", "actions/workflows", READS, async (call) => {
    const workflows = await listWorkflows(call);
    return paged(call, workflows, (part, total) => ({ total_count: total, workflows: [...part] }));
  }),
  route("GET", "actions/workflows/{workflow}", READS, async (call) => json(await workflowOf(call))),
  route("GET", "actions/workflows/{workflow}/runs", READS, async (call) => {
    const { path } = await workflowOf(call);
    const runs = path === call.world.run.workflow.path ? [await runShape(call)] : [];
    return json({ total_count: runs.length, workflow_runs: runs });
  }),
  route("POST", "actions/workflows/{workflow}/dispatches", WRITES, async (call) => {
    await workflowOf(call);
    const ref = requiredText(bodyOf(call.request), "ref");
    if ((await findCommit(call.repository, ref)) === undefined) throw new ApiProblem(422, `No ref found for: ${ref}`);
    return noContent;
  }),
  route("POST", "dispatches", writes("contents"), (call) => {
    const body = bodyOf(call.request);
    if (requiredText(body, "event_type").length > 100) throw new ApiProblem(422, "event_type is too long");
    const payload = body["client_payload"];
    if (isObject(payload) && Object.keys(payload).length > 10)
      throw new ApiProblem(422, "No more than 10 properties are allowed");
    return noContent;
  }),
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

async function runShape(call: ApiCall): Promise<JsonObject> {
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

async function listArtifacts(call: ApiCall, isWanted: (artifact: Artifact) => boolean): Promise<ApiResponse> {
  const name = call.request.query.get("name");
  const all = await call.kept.artifacts(call.caller);
  const wanted = all.filter((one) => isWanted(one) && (name === null || one.name === name)).toReversed();
  return paged(call, wanted, (part, total) => ({
    total_count: total,
    artifacts: part.map((artifact) => artifactShape(call, artifact)),
  }));
}

async function artifactOf(call: ApiCall): Promise<Artifact> {
  const id = numberParam(call, "id");
  const found = (await call.kept.artifacts(call.caller)).find((artifact) => artifact.id === id);
  if (found === undefined) throw notFound();
  return found;
}

function artifactShape({ claims, repository }: ApiCall, artifact: Artifact): JsonObject {
  const { id, name, sizeBytes, sha256, createdAtMs, expiresAtMs, runId } = artifact;
  const url = `${apiOf(repository)}/actions/artifacts/${id}`;
  const isOwn = runId === claims.runId;
  return {
    id,
    node_id: nodeId("ART", id),
    name,
    size_in_bytes: sizeBytes,
    url,
    archive_download_url: `${url}/zip`,
    expired: false,
    digest: `sha256:${sha256}`,
    created_at: timeOf(createdAtMs),
    updated_at: timeOf(createdAtMs),
    expires_at: timeOf(expiresAtMs),
    workflow_run: {
      id: Number(runId),
      repository_id: Number(claims.repository.id),
      head_repository_id: Number(claims.repository.id),
      ...(isOwn ? { head_branch: claims.ref.replace(/^refs\/heads\//, ""), head_sha: claims.sha } : {}),
    },
  };
}

async function listCaches(call: ApiCall): Promise<ApiResponse> {
  const { query } = call.request;
  const [key, ref] = [query.get("key"), query.get("ref")];
  const caches = (await call.kept.caches(call.caller)).filter(
    (cache) => (key === null || cache.key.startsWith(key)) && (ref === null || cache.scope === ref),
  );
  return paged(call, caches, (part, total) => ({ total_count: total, actions_caches: part.map(cacheShape) }));
}

async function removeCachesByKey(call: ApiCall): Promise<ApiResponse> {
  const { query } = call.request;
  const [key, ref] = [query.get("key"), query.get("ref")];
  if (key === null) throw new ApiProblem(422, 'Invalid request.\n\n"key" wasn\'t supplied.');
  const caches = (await call.kept.caches(call.caller)).filter(
    (cache) => cache.key === key && (ref === null || cache.scope === ref),
  );
  if (caches.length === 0) throw notFound();
  await call.kept.removeCaches(caches.map(({ id }) => id));
  return json({ total_count: caches.length, actions_caches: caches.map(cacheShape) });
}

function cacheShape({ id, scope, key, version, usedAtMs, createdAtMs, sizeBytes }: CacheEntry): JsonObject {
  return {
    id,
    ref: scope,
    key,
    version,
    last_accessed_at: timeOf(usedAtMs),
    created_at: timeOf(createdAtMs),
    size_in_bytes: sizeBytes,
  };
}

interface ShownWorkflow extends JsonObject {
  readonly id: number;
  readonly path: string;
}

/** Files at the run's commit. Names are their paths: the files are not read. */
async function listWorkflows({ repository, claims, world }: ApiCall): Promise<readonly ShownWorkflow[]> {
  const commit = await findCommit(repository, claims.sha);
  const files = commit === undefined ? [] : await listTree(repository, commit, ".github/workflows/");
  const at = timeOf(Date.parse(world.run.startedAt));
  return files
    .filter(({ type, path }) => type === "blob" && /\.ya?ml$/.test(path))
    .map(({ path }) => {
      const id = stableId(path);
      return {
        id,
        node_id: nodeId("W", id),
        name: path === world.run.workflow.path ? world.run.workflow.name : path,
        path,
        state: "active",
        created_at: at,
        updated_at: at,
        url: `${apiOf(repository)}/actions/workflows/${id}`,
        html_url: `${htmlOf(repository)}/blob/${repository.defaultBranch}/${path}`,
        badge_url: `${htmlOf(repository)}/workflows/${encodeURIComponent(path)}/badge.svg`,
      };
    });
}

/** By its file's name or its id. */
async function workflowOf(call: ApiCall): Promise<ShownWorkflow> {
  const wanted = param(call, "workflow");
  const found = (await listWorkflows(call)).find(
    ({ id, path }) => String(id) === wanted || path === `.github/workflows/${wanted}`,
  );
  if (found === undefined) throw notFound();
  return found;
}
