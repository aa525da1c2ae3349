/** Commit statuses, which any reporter can write. Source: GitHub REST "Commit statuses", ACTIONS-CONTRACT §7.4. */
import { bodyOf, picked, requiredText, shown, textIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { param, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid, json } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { commitOf, findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT, nodeId } from "./api-shape.ts";
import type { Entry } from "./api-state.ts";

export const statusRoutes: readonly Route[] = [
  route("POST", "statuses/{sha}", writes("statuses"), createStatus),
  route("GET", "commits/{ref}/statuses", reads("statuses"), async (call) => {
    const statuses = await statusesOf(call);
    return paged(call, statuses, (part) => part.map((one) => statusShape(call, one)));
  }),
  route("GET", "commits/{ref}/status", reads("statuses"), combinedStatus),
];

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
