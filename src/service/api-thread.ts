/** Issues and pull requests in the shape of GitHub's API, and the labels and milestones they bear. */
import { userObject } from "../plan/payload-repository.ts";
import { isObject, shown } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { notFound } from "./api-message.ts";
import { findLabel } from "./api-seed.ts";
import { apiOf, htmlOf, nodeId } from "./api-shape.ts";
import type { Entry, Thread } from "./api-state.ts";

/** Throws 404; also for an issue where a pull request was asked for. */
export function needThread(call: ApiCall, number: number, kind?: Thread["kind"]): Thread {
  const thread = call.world.state.thread(number);
  if (thread === undefined || (kind !== undefined && thread.kind !== kind)) throw notFound();
  return thread;
}

/** Members that an issue and a pull request have in common. */
export function threadShape(call: ApiCall, thread: Thread): JsonObject {
  const { world, repository, claims } = call;
  const { number, fields } = thread;
  const api = apiOf(repository);
  const at = world.run.startedAt;
  return {
    id: threadId(thread),
    node_id: nodeId(thread.kind === "pull" ? "PR" : "I", threadId(thread)),
    title: "",
    body: null,
    state: "open",
    locked: false,
    active_lock_reason: null,
    user: userObject(claims.actor),
    author_association: "OWNER",
    milestone: null,
    created_at: at,
    updated_at: at,
    closed_at: null,
    ...fields,
    number,
    html_url: `${htmlOf(repository)}/${thread.kind === "pull" ? "pull" : "issues"}/${number}`,
    comments_url: `${api}/issues/${number}/comments`,
    labels: thread.labels.map((name) => labelShape(call, name)),
    assignee: thread.assignees[0] === undefined ? null : userObject(thread.assignees[0]),
    assignees: thread.assignees.map((login) => userObject(login)),
    comments: world.state.comments.of(String(number)).length,
  };
}

/** GitHub's own where the event or the seed gives it, else made from the number. */
function threadId({ fields, number }: Thread): number {
  const { id } = fields;
  return typeof id === "number" ? id : 900_000_000 + number;
}

/** A pull request is an issue too, seen without its branches. */
export function issueShape(call: ApiCall, thread: Thread): JsonObject {
  const api = apiOf(call.repository);
  const html = htmlOf(call.repository);
  const { number, kind } = thread;
  const shape = threadShape(call, thread);
  const common =
    kind === "issue" ? shape : Object.fromEntries(Object.entries(shape).filter(([key]) => COMMON.has(key)));
  return {
    state_reason: null,
    closed_by: null,
    type: null,
    ...common,
    url: `${api}/issues/${number}`,
    repository_url: api,
    labels_url: `${api}/issues/${number}/labels{/name}`,
    events_url: `${api}/issues/${number}/events`,
    timeline_url: `${api}/issues/${number}/timeline`,
    reactions: noReactions(`${api}/issues/${number}/reactions`),
    ...(kind === "pull" && {
      draft: shape["draft"] ?? false,
      pull_request: {
        url: `${api}/pulls/${number}`,
        html_url: `${html}/pull/${number}`,
        diff_url: `${html}/pull/${number}.diff`,
        patch_url: `${html}/pull/${number}.patch`,
        merged_at: shape["merged_at"] ?? null,
      },
    }),
  };
}

const COMMON: ReadonlySet<string> = new Set(
  (
    "id node_id title body state locked active_lock_reason user author_association milestone created_at updated_at closed_at " +
    "number html_url comments_url labels assignee assignees comments"
  ).split(" "),
);

export function noReactions(url: string): JsonObject {
  const counts = ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"];
  return { url, total_count: 0, ...Object.fromEntries(counts.map((content) => [content, 0])) };
}

/** Also of one that the repository does not have: an issue may bear it from before. */
export function labelShape(call: ApiCall, name: string): JsonObject {
  const id = findLabel(call.world.state, name);
  const fields = id === undefined ? { name } : call.world.state.labels.get(id)?.fields;
  return {
    id: id ?? 0,
    node_id: nodeId("LA", id ?? 0),
    url: `${apiOf(call.repository)}/labels/${encodeURIComponent(name)}`,
    name,
    color: "ededed",
    default: false,
    description: null,
    ...fields,
  };
}

/** A label that an issue is given and the repository does not have is made, as on GitHub. */
export function ensureLabels(call: ApiCall, names: readonly string[]): readonly string[] {
  const { labels } = call.world.state;
  return names.map((name) => {
    const id = findLabel(call.world.state, name);
    if (id === undefined) {
      labels.add("", { name, color: "ededed", description: null, default: false });
      return name;
    }
    return shown(labels.get(id)?.fields["name"]);
  });
}

/** Texts, or objects with a `name`. */
export function labelNames(items: readonly Json[]): readonly string[] {
  return items.map((item) => shown(isObject(item) ? item["name"] : item)).filter((name) => name !== "");
}

export function milestoneShape(call: ApiCall, { id, fields }: Entry): JsonObject {
  const number = call.world.state.milestones.all().findIndex((entry) => entry.id === id) + 1;
  const url = `${apiOf(call.repository)}/milestones/${number}`;
  return {
    url,
    html_url: `${htmlOf(call.repository)}/milestone/${number}`,
    labels_url: `${url}/labels`,
    id,
    node_id: nodeId("MI", id),
    number,
    title: "",
    description: null,
    creator: userObject(call.claims.actor),
    open_issues: 0,
    closed_issues: 0,
    state: "open",
    created_at: call.world.run.startedAt,
    updated_at: call.world.run.startedAt,
    due_on: null,
    closed_at: null,
    ...fields,
  };
}
