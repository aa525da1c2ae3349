/** Reviews of pull requests and comments on their code. Source: GitHub REST "Pull request reviews", "Review comments". */
import { userObject } from "../plan/payload-repository.ts";
import { bodyOf, isList, isObject, picked, requiredText, textIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, invalid, json, noContent, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT, htmlOf, nodeId } from "./api-shape.ts";
import type { Entry } from "./api-state.ts";
import { needThread, noReactions } from "./api-thread.ts";

const READS = reads("pull-requests");
const WRITES = writes("pull-requests");

export const reviewRoutes: readonly Route[] = [
  route("GET", "pulls/{number}/reviews", READS, (call) =>
    paged(call, call.world.state.reviews.of(pullNumber(call)), (part) => part.map((one) => reviewShape(call, one))),
  ),
  route("POST", "pulls/{number}/reviews", WRITES, createReview),
  route("GET", "pulls/{number}/reviews/{id}", READS, (call) => json(reviewShape(call, reviewOf(call)))),
  route("PUT", "pulls/{number}/reviews/{id}", WRITES, (call) =>
    changeReview(call, { body: requiredText(bodyOf(call.request), "body") }),
  ),
  route("POST", "pulls/{number}/reviews/{id}/events", WRITES, (call) => changeReview(call, { state: stateIn(call) })),
  route("PUT", "pulls/{number}/reviews/{id}/dismissals", WRITES, (call) => changeReview(call, { state: "DISMISSED" })),
  route("GET", "pulls/{number}/reviews/{id}/comments", READS, (call) => {
    const { id } = reviewOf(call);
    const comments = call.world.state.reviewComments.of(pullNumber(call));
    return paged(
      call,
      comments.filter(({ fields }) => fields["pull_request_review_id"] === id),
      (part) => part.map((one) => reviewCommentShape(call, one)),
    );
  }),
  route("GET", "pulls/comments", READS, (call) =>
    paged(call, call.world.state.reviewComments.all(), (part) => part.map((one) => reviewCommentShape(call, one))),
  ),
  route("GET", "pulls/comments/{id}", READS, (call) => json(reviewCommentShape(call, reviewCommentOf(call)))),
  route("PATCH", "pulls/comments/{id}", WRITES, (call) => {
    const fields = { body: requiredText(bodyOf(call.request), "body"), updated_at: timeOf(call.world.now()) };
    return json(reviewCommentShape(call, call.world.state.reviewComments.change(reviewCommentOf(call).id, fields)));
  }),
  route("DELETE", "pulls/comments/{id}", WRITES, (call) => {
    call.world.state.reviewComments.remove(numberParam(call, "id"));
    return noContent;
  }),
  route("GET", "pulls/{number}/comments", READS, (call) =>
    paged(call, call.world.state.reviewComments.of(pullNumber(call)), (part) =>
      part.map((one) => reviewCommentShape(call, one)),
    ),
  ),
  route("POST", "pulls/{number}/comments", WRITES, (call) => {
    const number = pullNumber(call);
    return json(reviewCommentShape(call, addReviewComment(call, number, bodyOf(call.request), {})), 201);
  }),
  route("POST", "pulls/{number}/comments/{id}/replies", WRITES, (call) => {
    const number = pullNumber(call);
    const to = reviewCommentOf(call);
    const body = {
      ...picked(to.fields, ["path", "commit_id", "line", "side"]),
      ...picked(bodyOf(call.request), ["body"]),
    };
    return json(reviewCommentShape(call, addReviewComment(call, number, body, { in_reply_to_id: to.id })), 201);
  }),
];

function pullNumber(call: ApiCall): string {
  return String(needThread(call, numberParam(call, "number"), "pull").number);
}

function reviewOf(call: ApiCall): Entry {
  const review = call.world.state.reviews.need(numberParam(call, "id"));
  if (review.parent !== pullNumber(call)) throw notFound();
  return review;
}

function reviewCommentOf(call: ApiCall): Entry {
  return call.world.state.reviewComments.need(numberParam(call, "id"));
}

const STATE_OF_EVENT: Readonly<Record<string, string>> = {
  APPROVE: "APPROVED",
  REQUEST_CHANGES: "CHANGES_REQUESTED",
  COMMENT: "COMMENTED",
};

/** Without an event a review waits to be submitted. */
function stateIn({ request }: ApiCall): string {
  const event = textIn(bodyOf(request), "event");
  if (event === undefined) return "PENDING";
  const state = STATE_OF_EVENT[event];
  if (state === undefined) throw invalid("PullRequestReview", "event", "invalid");
  return state;
}

function createReview(call: ApiCall): ApiResponse {
  const number = pullNumber(call);
  const { world, claims } = call;
  const body = bodyOf(call.request);
  const state = stateIn(call);
  const text = textIn(body, "body") ?? "";
  const comments = isList(body["comments"]) ? body["comments"].filter(isObject) : [];
  if (text === "" && comments.length === 0 && state !== "APPROVED" && state !== "PENDING")
    throw new ApiProblem(422, "Unprocessable Entity", { errors: ["Can not be blank"] });
  const review = world.state.reviews.add(number, {
    user: BOT,
    body: text,
    state,
    commit_id: textIn(body, "commit_id") ?? claims.sha,
    submitted_at: timeOf(world.now()),
  });
  for (const comment of comments) addReviewComment(call, number, comment, { pull_request_review_id: review.id });
  return json(reviewShape(call, review));
}

function changeReview(call: ApiCall, fields: JsonObject): ApiResponse {
  return json(reviewShape(call, call.world.state.reviews.change(reviewOf(call).id, fields)));
}

function addReviewComment(call: ApiCall, number: string, body: JsonObject, more: JsonObject): Entry {
  const at = timeOf(call.world.now());
  return call.world.state.reviewComments.add(number, {
    pull_request_review_id: null,
    commit_id: call.claims.sha,
    ...picked(body, ["commit_id", "line", "side", "start_line", "start_side", "position", "subject_type"]),
    path: requiredText(body, "path", "PullRequestReviewComment"),
    body: requiredText(body, "body", "PullRequestReviewComment"),
    user: BOT,
    created_at: at,
    updated_at: at,
    ...more,
  });
}

export function reviewShape({ repository, world, claims }: ApiCall, { id, parent, fields }: Entry): JsonObject {
  const pull = `${apiOf(repository)}/pulls/${parent}`;
  const html = `${htmlOf(repository)}/pull/${parent}#pullrequestreview-${id}`;
  return {
    id,
    node_id: nodeId("PRR", id),
    user: userObject(claims.actor),
    body: "",
    state: "COMMENTED",
    html_url: html,
    pull_request_url: pull,
    author_association: "NONE",
    _links: { html: { href: html }, pull_request: { href: pull } },
    submitted_at: world.run.startedAt,
    commit_id: claims.sha,
    ...fields,
  };
}

function reviewCommentShape({ repository }: ApiCall, { id, parent, fields }: Entry): JsonObject {
  const url = `${apiOf(repository)}/pulls/comments/${id}`;
  return {
    id,
    node_id: nodeId("PRRC", id),
    url,
    diff_hunk: "",
    original_commit_id: fields["commit_id"],
    html_url: `${htmlOf(repository)}/pull/${parent}#discussion_r${id}`,
    pull_request_url: `${apiOf(repository)}/pulls/${parent}`,
    author_association: "NONE",
    reactions: noReactions(`${url}/reactions`),
    ...fields,
  };
}
