/** Issues, with their labels, assignees and milestones. Source: GitHub REST "Issues", "Labels", "Milestones". */
import { isList, isObject, picked, requiredText, shown, textIn, textsIn } from "./api-body.ts";
import { bodyOf, bodyOrArray } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import type { ApiResponse, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid, json, noContent, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { READS_THREAD, reads, route, WRITES_THREAD, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { findLabel } from "./api-seed.ts";
import { BOT } from "./api-shape.ts";
import type { Thread } from "./api-state.ts";
import { ensureLabels, issueShape, labelNames, labelShape, milestoneShape, needThread } from "./api-thread.ts";

const READS_LABELS = reads("issues", "pull-requests");
const WRITES_LABELS = writes("issues", "pull-requests");

export const issueRoutes: readonly Route[] = [
  route("GET", "issues", reads("issues", "pull-requests"), listIssues),
  route("POST", "issues", writes("issues"), createIssue),
  route("GET", "issues/{number}", READS_THREAD, (call) => json(issueShape(call, threadOf(call)))),
  route("PATCH", "issues/{number}", WRITES_THREAD, updateIssue),
  route("PUT", "issues/{number}/lock", WRITES_THREAD, (call) => setLock(call, true)),
  route("DELETE", "issues/{number}/lock", WRITES_THREAD, (call) => setLock(call, false)),
  route("GET", "issues/{number}/labels", READS_THREAD, listLabelsOfIssue),
  route("POST", "issues/{number}/labels", WRITES_THREAD, (call) =>
    setLabels(call, [...threadOf(call).labels, ...givenLabels(call)]),
  ),
  route("PUT", "issues/{number}/labels", WRITES_THREAD, (call) => setLabels(call, givenLabels(call))),
  route("DELETE", "issues/{number}/labels", WRITES_THREAD, (call) => {
    setLabels(call, []);
    return noContent;
  }),
  route("DELETE", "issues/{number}/labels/{name}", WRITES_THREAD, removeLabelOfIssue),
  route("POST", "issues/{number}/assignees", WRITES_THREAD, (call) => changeAssignees(call, true)),
  route("DELETE", "issues/{number}/assignees", WRITES_THREAD, (call) => changeAssignees(call, false)),
  // What happened before this run is not known.
  route("GET", "issues/{number}/events", READS_THREAD, (call) => nothingOf(call)),
  route("GET", "issues/{number}/timeline", READS_THREAD, (call) => nothingOf(call)),
  route("GET", "labels", READS_LABELS, listLabels),
  route("POST", "labels", WRITES_LABELS, createLabel),
  route("GET", "labels/{name}", READS_LABELS, (call) => json(labelShape(call, needLabel(call).name))),
  route("PATCH", "labels/{name}", WRITES_LABELS, updateLabel),
  route("DELETE", "labels/{name}", WRITES_LABELS, deleteLabel),
  route("GET", "milestones", READS_LABELS, listMilestones),
  route("POST", "milestones", WRITES_LABELS, createMilestone),
  route("GET", "assignees", reads("issues", "pull-requests"), (call) => paged(call, [], () => [])),
];

function threadOf(call: ApiCall): Thread {
  return needThread(call, numberParam(call, "number"));
}

function nothingOf(call: ApiCall): ApiResponse {
  threadOf(call);
  return json([]);
}

function listIssues(call: ApiCall): ApiResponse {
  const { query } = call.request;
  const state = query.get("state") ?? "open";
  const labels = (query.get("labels") ?? "").split(",").filter((name) => name !== "");
  const [creator, assignee, since] = ["creator", "assignee", "since"].map((name) => query.get(name));
  const fits = (thread: Thread, issue: JsonObject): boolean =>
    (state === "all" || issue["state"] === state) &&
    labels.every((name) => thread.labels.some((label) => label.toLowerCase() === name.toLowerCase())) &&
    (creator === null || (isObject(issue["user"]) && issue["user"]["login"] === creator)) &&
    (assignee === null || isAssigned(thread, assignee ?? "")) &&
    (since === null || Date.parse(shown(issue["updated_at"])) >= Date.parse(since ?? ""));
  const issues = call.world.state
    .threads()
    .map((thread) => ({ thread, issue: issueShape(call, thread) }))
    .filter(({ thread, issue }) => fits(thread, issue))
    .map(({ issue }) => issue);
  return paged(call, query.get("direction") === "asc" ? issues.toReversed() : issues, (part) => part);
}

function isAssigned({ assignees }: Thread, wanted: string): boolean {
  if (wanted === "none") return assignees.length === 0;
  return wanted === "*" ? assignees.length > 0 : assignees.includes(wanted);
}

function createIssue(call: ApiCall): ApiResponse {
  const { state, now } = call.world;
  const body = bodyOf(call.request);
  const at = timeOf(now());
  const { labels } = body;
  const thread = state.putThread({
    number: state.nextNumber(),
    kind: "issue",
    fields: {
      id: state.nextId(),
      title: requiredText(body, "title", "Issue"),
      body: textIn(body, "body", "Issue") ?? null,
      user: BOT,
      author_association: "NONE",
      created_at: at,
      updated_at: at,
      ...milestoneIn(call, body),
    },
    labels: ensureLabels(call, isList(labels) ? labelNames(labels) : []),
    assignees: textsIn(body, "assignees") ?? [],
  });
  return json(issueShape(call, thread), 201);
}

/** Also a pull request's title and state. */
export function changeThread(call: ApiCall, thread: Thread, body: JsonObject): Thread {
  const { state, now } = call.world;
  const at = timeOf(now());
  const wanted = textIn(body, "state", "Issue");
  if (wanted !== undefined && wanted !== "open" && wanted !== "closed") throw invalid("Issue", "state", "invalid");
  const title = body["title"] === undefined ? {} : { title: requiredText(body, "title", "Issue") };
  const { labels } = body;
  return state.putThread({
    ...thread,
    fields: {
      ...thread.fields,
      ...picked(body, ["body", "state_reason"]),
      ...title,
      ...(wanted === undefined ? {} : { state: wanted, closed_at: wanted === "closed" ? at : null }),
      ...milestoneIn(call, body),
      updated_at: at,
    },
    labels: isList(labels) ? ensureLabels(call, labelNames(labels)) : thread.labels,
    assignees: textsIn(body, "assignees") ?? thread.assignees,
  });
}

function updateIssue(call: ApiCall): ApiResponse {
  return json(issueShape(call, changeThread(call, threadOf(call), bodyOf(call.request))));
}

function setLock(call: ApiCall, locked: boolean): ApiResponse {
  const thread = threadOf(call);
  const reason = textIn(bodyOf(call.request), "lock_reason") ?? null;
  call.world.state.putThread({
    ...thread,
    fields: { ...thread.fields, locked, active_lock_reason: locked ? reason : null },
  });
  return noContent;
}

function listLabelsOfIssue(call: ApiCall): ApiResponse {
  return paged(call, threadOf(call).labels, (part) => part.map((name) => labelShape(call, name)));
}

/** `{ "labels": [...] }`, or the list alone. */
function givenLabels({ request }: ApiCall): readonly string[] {
  const body = bodyOrArray(request);
  const list: Json | undefined = isObject(body) ? body["labels"] : body;
  if (!isList(list)) throw invalid("Label", "labels", "missing_field");
  return labelNames(list);
}

function setLabels(call: ApiCall, names: readonly string[]): ApiResponse {
  const thread = threadOf(call);
  const labels = [...new Set(ensureLabels(call, names))];
  call.world.state.putThread({ ...thread, labels });
  return json(labels.map((name) => labelShape(call, name)));
}

function removeLabelOfIssue(call: ApiCall): ApiResponse {
  const { labels } = threadOf(call);
  const wanted = param(call, "name").toLowerCase();
  const left = labels.filter((name) => name.toLowerCase() !== wanted);
  if (left.length === labels.length) throw new ApiProblem(404, "Label does not exist");
  return setLabels(call, left);
}

function changeAssignees(call: ApiCall, add: boolean): ApiResponse {
  const thread = threadOf(call);
  const given = textsIn(bodyOf(call.request), "assignees") ?? [];
  const others = thread.assignees.filter((login) => !given.includes(login));
  const changed = call.world.state.putThread({ ...thread, assignees: add ? [...others, ...given] : others });
  return json(issueShape(call, changed), add ? 201 : 200);
}

function listLabels(call: ApiCall): ApiResponse {
  return paged(call, call.world.state.labels.all(), (part) =>
    part.map(({ fields }) => labelShape(call, shown(fields["name"]))),
  );
}

function needLabel(call: ApiCall): { readonly id: number; readonly name: string } {
  const id = findLabel(call.world.state, param(call, "name"));
  if (id === undefined) throw notFound();
  return { id, name: shown(call.world.state.labels.need(id).fields["name"]) };
}

function createLabel(call: ApiCall): ApiResponse {
  const body = bodyOf(call.request);
  const name = requiredText(body, "name", "Label");
  if (findLabel(call.world.state, name) !== undefined) throw invalid("Label", "name", "already_exists");
  const fields = {
    color: "ededed",
    description: null,
    default: false,
    ...picked(body, ["color", "description"]),
    name,
  };
  call.world.state.labels.add("", fields);
  return json(labelShape(call, name), 201);
}

function updateLabel(call: ApiCall): ApiResponse {
  const { id, name } = needLabel(call);
  const body = bodyOf(call.request);
  const renamed = textIn(body, "new_name", "Label") ?? name;
  call.world.state.labels.change(id, { ...picked(body, ["color", "description"]), name: renamed });
  return json(labelShape(call, renamed));
}

function deleteLabel(call: ApiCall): ApiResponse {
  const { state } = call.world;
  const { id, name } = needLabel(call);
  state.labels.remove(id);
  for (const thread of state.threads()) {
    if (thread.labels.includes(name))
      state.putThread({ ...thread, labels: thread.labels.filter((label) => label !== name) });
  }
  return noContent;
}

function listMilestones(call: ApiCall): ApiResponse {
  const wanted = call.request.query.get("state") ?? "open";
  const milestones = call.world.state.milestones.all().map((entry) => milestoneShape(call, entry));
  return paged(
    call,
    milestones.filter(({ state }) => wanted === "all" || state === wanted),
    (part) => part,
  );
}

function createMilestone(call: ApiCall): ApiResponse {
  const body = bodyOf(call.request);
  const title = requiredText(body, "title", "Milestone");
  const entry = call.world.state.milestones.add("", { ...picked(body, ["description", "due_on", "state"]), title });
  return json(milestoneShape(call, entry), 201);
}

/** By its number; null takes it away. */
function milestoneIn(call: ApiCall, body: JsonObject): JsonObject {
  const number = body["milestone"];
  if (number === undefined) return {};
  if (number === null) return { milestone: null };
  const entry = typeof number === "number" ? call.world.state.milestones.all()[number - 1] : undefined;
  if (entry === undefined) throw invalid("Issue", "milestone", "invalid");
  return { milestone: milestoneShape(call, entry) };
}
