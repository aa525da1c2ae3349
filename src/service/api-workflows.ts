/**
 * Workflow files, and what would start them: a dispatch is checked and noted, and starts nothing.
 * Source: GitHub REST "Workflows", "Create a repository dispatch event".
 */
import { bodyOf, isObject, requiredText } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { param, timeOf } from "./api-call.ts";
import { listTree } from "./api-contents.ts";
import type { JsonObject } from "./api-message.ts";
import { ApiProblem, json, noContent, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { runShape } from "./api-runs.ts";
import { apiOf, htmlOf, nodeId } from "./api-shape.ts";
import { stableId } from "../context/stable-id.ts";

const READS = reads("actions");
const WRITES = writes("actions");

export const workflowRoutes: readonly Route[] = [
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
