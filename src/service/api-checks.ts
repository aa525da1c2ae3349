/** Check runs: what test reporters write of a commit. Source: GitHub REST "Check runs", ACTIONS-CONTRACT §7.4. */
import { bodyOf, isList, isObject, picked, requiredText, textIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import type { ApiResponse, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid, json } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { commitOf } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, htmlOf, nodeId } from "./api-shape.ts";
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
