/** Deployments and how they went. Source: GitHub REST "Deployments", "Deployment statuses". */
import { bodyOf, picked, requiredText, textIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid, json, noContent } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT, nodeId } from "./api-shape.ts";
import type { Entry } from "./api-state.ts";

export const deploymentRoutes: readonly Route[] = [
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
