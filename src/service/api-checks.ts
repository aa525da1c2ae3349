/**
 * Check runs, commit statuses and deployments: what test reporters and deployers write of a commit.
 * Source: GitHub REST "Check runs", "Commit statuses", "Deployments"; ACTIONS-CONTRACT §7.4.
 */
import { bodyOf, isList, isObject, picked, requiredText, shown, textIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import type { ApiResponse, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid, json, noContent } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { commitOf, findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT, htmlOf, nodeId } from "./api-shape.ts";
import type { Entry } from "./api-state.ts";

export const checkRoutes: readonly Route[] = [
  route("POST", "check-runs", writes("checks"), createCheckRun),
  route("GET", "check-runs/{id}", reads("checks"), (call) => json(checkRunShape(call, checkRunOf(call)))),
  route("PATCH", "check-runs/{id}", writes("checks"), updateCheckRun),
  route("GET", "check-runs/{id}/annotations", reads("checks"), (call) => {
    const { annotations } = checkRunOf(call).fields;
    return paged(call, isList(annotations) ? annotations : [], (part) => part);
  }),
  route("GET", "commits/{ref}/check-runs", reads("checks"), listCheckRuns),
  route("GET", "commits/{ref}/check-suites", reads("checks"), async (call) => {
    await commitOf(call.repository, param(call, "ref"));
    return json({ total_count: 0, check_suites: [] });
  }),
  route("POST", "statuses/{sha}", writes("statuses"), createStatus),
  route("GET", "commits/{ref}/statuses", reads("statuses"), async (call) => {
    const statuses = await statusesOf(call);
    return paged(call, statuses, (part) => part.map((one) => statusShape(call, one)));
  }),
  route("GET", "commits/{ref}/status", reads("statuses"), combinedStatus),
  route("GET", "deployments", reads("deployments"), listDeployments),
  route("POST", "deployments", writes("deployments"), createDeployment),
  route("GET", "deployments/{id}", reads("deployments"), (call) => json(deploymentShape(call, deploymentOf(call)))),
  route("DELETE", "deployments/{id}", writes("deployments"), (call) => {
    call.world.state.deployments.remove(deploymentOf(call).id);
    return noContent;
  }),
  route("GET", "deployments/{id}/statuses", reads("deployments"), (call) =>
    paged(call, call.world.state.deploymentStatuses.of(String(deploymentOf(call).id)).toReversed(), (part) =>
      part.map((one) => deploymentStatusShape(call, one)),
    ),
  ),
  route("POST", "deployments/{id}/statuses", writes("deployments"), createDeploymentStatus),
];

const CHECK_FIELDS = ["name", "details_url", "external_id", "status", "conclusion", "started_at", "completed_at"];
/** GitHub takes no more at once; more come with further requests. */
const MAX_ANNOTATIONS_AT_ONCE = 50;

function checkRunOf(call: ApiCall): Entry {
  return call.world.state.checkRuns.need(numberParam(call, "id"));
}

function createCheckRun(call: ApiCall): ApiResponse {
  const body = bodyOf(call.request);
  const sha = requiredText(body, "head_sha", "CheckRun");
  requiredText(body, "name", "CheckRun");
  const started_at = timeOf(call.world.now());
  const { output, annotations } = outputIn(body, []);
  const fields = {
    status: "queued",
    conclusion: null,
    started_at,
    completed_at: null,
    ...checkFields(call, body),
    output,
    annotations,
  };
  return json(checkRunShape(call, call.world.state.checkRuns.add(sha, fields)), 201);
}

function updateCheckRun(call: ApiCall): ApiResponse {
  const known = checkRunOf(call);
  const body = bodyOf(call.request);
  const before = isList(known.fields["annotations"]) ? known.fields["annotations"] : [];
  const { output, annotations } = outputIn(body, before);
  const kept = isObject(known.fields["output"]) ? known.fields["output"] : {};
  const fields = { ...checkFields(call, body), output: { ...kept, ...output }, annotations };
  return json(checkRunShape(call, call.world.state.checkRuns.change(known.id, fields)));
}

/** A conclusion completes a check run, said or not. */
function checkFields(call: ApiCall, body: JsonObject): JsonObject {
  const conclusion = textIn(body, "conclusion", "CheckRun");
  if (body["status"] === "completed" && conclusion === undefined)
    throw invalid("CheckRun", "conclusion", "missing_field");
  const done = conclusion === undefined ? {} : { status: "completed", completed_at: timeOf(call.world.now()) };
  return { ...done, ...picked(body, CHECK_FIELDS), ...(conclusion === undefined ? {} : { status: "completed" }) };
}

/** Annotations add up over requests. */
function outputIn(
  body: JsonObject,
  before: readonly Json[],
): { readonly output: JsonObject; readonly annotations: readonly Json[] } {
  const given = body["output"];
  if (given === undefined) return { output: {}, annotations: before };
  if (!isObject(given)) throw invalid("CheckRun", "output", "invalid");
  requiredText(given, "summary", "CheckRun");
  const added = isList(given["annotations"]) ? given["annotations"] : [];
  if (added.length > MAX_ANNOTATIONS_AT_ONCE)
    throw new ApiProblem(422, `Invalid request.\n\nNo more than 50 items are allowed; ${added.length} were supplied.`);
  return { output: picked(given, ["title", "summary", "text"]), annotations: [...before, ...added] };
}

function checkRunShape({ repository }: ApiCall, { id, parent, fields }: Entry): JsonObject {
  const { annotations, output, ...shownFields } = fields;
  const url = `${apiOf(repository)}/check-runs/${id}`;
  const html = `${htmlOf(repository)}/runs/${id}`;
  return {
    id,
    node_id: nodeId("CR", id),
    head_sha: parent,
    external_id: "",
    url,
    html_url: html,
    details_url: html,
    ...shownFields,
    output: {
      title: null,
      summary: null,
      text: null,
      ...(isObject(output) ? output : {}),
      annotations_count: isList(annotations) ? annotations.length : 0,
      annotations_url: `${url}/annotations`,
    },
    check_suite: { id: 1 },
    app: { id: 15_368, slug: "github-actions", name: "GitHub Actions", owner: { login: "github" } },
    pull_requests: [],
  };
}

async function listCheckRuns(call: ApiCall): Promise<ApiResponse> {
  const sha = await commitOf(call.repository, param(call, "ref"));
  const { query } = call.request;
  const [name, status] = [query.get("check_name"), query.get("status")];
  const runs = call.world.state.checkRuns
    .of(sha)
    .filter(
      ({ fields }) => (name === null || fields["name"] === name) && (status === null || fields["status"] === status),
    );
  return paged(call, runs, (part, total) => ({
    total_count: total,
    check_runs: part.map((one) => checkRunShape(call, one)),
  }));
}

const STATUS_STATES: ReadonlySet<string> = new Set(["error", "failure", "pending", "success"]);

async function createStatus(call: ApiCall): Promise<ApiResponse> {
  const { repository, request, world } = call;
  const sha = param(call, "sha");
  if ((await findCommit(repository, sha)) !== sha) throw new ApiProblem(422, `No commit found for SHA: ${sha}`);
  const body = bodyOf(request);
  if (!STATUS_STATES.has(requiredText(body, "state", "Status"))) throw invalid("Status", "state", "invalid");
  const description = textIn(body, "description", "Status") ?? null;
  if (description !== null && description.length > 140)
    throw new ApiProblem(422, "Validation Failed", {
      errors: [
        {
          resource: "Status",
          code: "custom",
          field: "description",
          message: "description is too long (maximum is 140 characters)",
        },
      ],
    });
  const at = timeOf(world.now());
  const fields = {
    context: "default",
    target_url: null,
    ...picked(body, ["state", "target_url", "context"]),
    description,
  };
  const status = world.state.statuses.add(sha, { ...fields, creator: BOT, created_at: at, updated_at: at });
  return json(statusShape(call, status), 201);
}

function statusShape({ repository }: ApiCall, { id, parent, fields }: Entry): JsonObject {
  return {
    id,
    node_id: nodeId("SC", id),
    url: `${apiOf(repository)}/statuses/${parent}`,
    avatar_url: BOT["avatar_url"],
    ...fields,
  };
}

/** Newest first. */
async function statusesOf(call: ApiCall): Promise<readonly Entry[]> {
  const sha = await commitOf(call.repository, param(call, "ref"));
  return call.world.state.statuses.of(sha).toReversed();
}

async function combinedStatus(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const sha = await commitOf(repository, param(call, "ref"));
  const latest = new Map<string, Entry>();
  for (const status of call.world.state.statuses.of(sha)) latest.set(shown(status.fields["context"]), status);
  const states = [...latest.values()].map(({ fields }) => fields["state"]);
  const isFailed = states.includes("failure") || states.includes("error");
  const isDone = states.length > 0 && !states.includes("pending");
  return json({
    state: isFailed ? "failure" : isDone ? "success" : "pending",
    statuses: [...latest.values()].map((status) => statusShape(call, status)),
    sha,
    total_count: states.length,
    commit_url: `${apiOf(repository)}/commits/${sha}`,
    url: `${apiOf(repository)}/commits/${sha}/status`,
  });
}

function deploymentOf(call: ApiCall): Entry {
  return call.world.state.deployments.need(numberParam(call, "id"));
}

function listDeployments(call: ApiCall): ApiResponse {
  const { query } = call.request;
  const wanted = ["sha", "ref", "task", "environment"].filter((name) => query.has(name));
  const deployments = call.world.state.deployments
    .all()
    .toReversed()
    .filter(({ fields }) => wanted.every((name) => fields[name] === query.get(name)));
  return paged(call, deployments, (part) => part.map((one) => deploymentShape(call, one)));
}

async function createDeployment(call: ApiCall): Promise<ApiResponse> {
  const { repository, request, world } = call;
  const body = bodyOf(request);
  const ref = requiredText(body, "ref", "Deployment");
  const sha = await findCommit(repository, ref);
  if (sha === undefined) throw new ApiProblem(422, `No ref found for: ${ref}`);
  const at = timeOf(world.now());
  const deployment = world.state.deployments.add("", {
    task: "deploy",
    environment: "production",
    description: null,
    payload: {},
    ...picked(body, [
      "task",
      "environment",
      "description",
      "payload",
      "transient_environment",
      "production_environment",
    ]),
    ref,
    sha,
    original_environment: textIn(body, "environment") ?? "production",
    creator: BOT,
    created_at: at,
    updated_at: at,
  });
  return json(deploymentShape(call, deployment), 201);
}

function deploymentShape({ repository }: ApiCall, { id, fields }: Entry): JsonObject {
  const url = `${apiOf(repository)}/deployments/${id}`;
  return {
    url,
    id,
    node_id: nodeId("DE", id),
    statuses_url: `${url}/statuses`,
    repository_url: apiOf(repository),
    ...fields,
  };
}

const DEPLOYMENT_STATES: ReadonlySet<string> = new Set(
  "error failure inactive in_progress queued pending success".split(" "),
);

function createDeploymentStatus(call: ApiCall): ApiResponse {
  const { id, fields } = deploymentOf(call);
  const body = bodyOf(call.request);
  if (!DEPLOYMENT_STATES.has(requiredText(body, "state", "DeploymentStatus")))
    throw invalid("DeploymentStatus", "state", "invalid");
  const at = timeOf(call.world.now());
  const status = call.world.state.deploymentStatuses.add(String(id), {
    description: "",
    environment: fields["environment"],
    target_url: "",
    log_url: "",
    environment_url: "",
    ...picked(body, ["state", "description", "target_url", "log_url", "environment", "environment_url"]),
    creator: BOT,
    created_at: at,
    updated_at: at,
  });
  return json(deploymentStatusShape(call, status), 201);
}

function deploymentStatusShape({ repository }: ApiCall, { id, parent, fields }: Entry): JsonObject {
  const deployment = `${apiOf(repository)}/deployments/${parent}`;
  return {
    url: `${deployment}/statuses/${id}`,
    id,
    node_id: nodeId("DES", id),
    deployment_url: deployment,
    repository_url: apiOf(repository),
    ...fields,
  };
}
