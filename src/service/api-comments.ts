/** Comments of issues and pull requests, and reactions to them. Source: GitHub REST "Issue comments", "Reactions". */
import { userObject } from "../plan/payload-repository.ts";
import { bodyOf, requiredText, shown } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, timeOf } from "./api-call.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { invalid, json, noContent } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { READS_THREAD, reads, route, WRITES_THREAD, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT, htmlOf, nodeId } from "./api-shape.ts";
import type { Entry } from "./api-state.ts";
import { needThread, noReactions } from "./api-thread.ts";

const READS = reads("issues", "pull-requests");
const WRITES = writes("issues", "pull-requests");

export const commentRoutes: readonly Route[] = [
  route("GET", "issues/comments", READS, (call) => listComments(call, call.world.state.comments.all())),
  route("GET", "issues/comments/{id}", READS, (call) => json(commentShape(call, commentOf(call)))),
  route("PATCH", "issues/comments/{id}", WRITES, updateComment),
  route("DELETE", "issues/comments/{id}", WRITES, (call) => {
    call.world.state.comments.remove(numberParam(call, "id"));
    return noContent;
  }),
  route("GET", "issues/{number}/comments", READS_THREAD, (call) => {
    const { number } = needThread(call, numberParam(call, "number"));
    return listComments(call, call.world.state.comments.of(String(number)));
  }),
  route("POST", "issues/{number}/comments", WRITES_THREAD, createComment),
  ...reactionRoutes("issues/comments/{id}", READS, WRITES, (call) => `comment/${commentOf(call).id}`),
  ...reactionRoutes(
    "issues/{number}",
    READS_THREAD,
    WRITES_THREAD,
    (call) => `issue/${needThread(call, numberParam(call, "number")).number}`,
  ),
  ...reactionRoutes("pulls/comments/{id}", reads("pull-requests"), writes("pull-requests"), (call) => {
    return `review-comment/${call.world.state.reviewComments.need(numberParam(call, "id")).id}`;
  }),
];

function commentOf(call: ApiCall): Entry {
  return call.world.state.comments.need(numberParam(call, "id"));
}

function listComments(call: ApiCall, comments: readonly Entry[]): ApiResponse {
  const since = Date.parse(call.request.query.get("since") ?? "");
  const shapes = comments.map((comment) => commentShape(call, comment));
  const recent = Number.isNaN(since) ? shapes : shapes.filter((one) => Date.parse(shown(one["updated_at"])) >= since);
  return paged(call, recent, (part) => part);
}

/** Adds one as the job's token does it. */
export function addComment(call: ApiCall, number: number, body: string): Entry {
  const at = timeOf(call.world.now());
  return call.world.state.comments.add(String(number), {
    body,
    user: BOT,
    author_association: "NONE",
    created_at: at,
    updated_at: at,
  });
}

function createComment(call: ApiCall): ApiResponse {
  const { number } = needThread(call, numberParam(call, "number"));
  const body = requiredText(bodyOf(call.request), "body", "IssueComment");
  return json(commentShape(call, addComment(call, number, body)), 201);
}

function updateComment(call: ApiCall): ApiResponse {
  const body = requiredText(bodyOf(call.request), "body", "IssueComment");
  const updated_at = timeOf(call.world.now());
  return json(commentShape(call, call.world.state.comments.change(commentOf(call).id, { body, updated_at })));
}

export function commentShape(call: ApiCall, { id, parent, fields }: Entry): JsonObject {
  const { repository, world, claims } = call;
  const url = `${apiOf(repository)}/issues/comments/${id}`;
  const place = world.state.thread(Number(parent))?.kind === "pull" ? "pull" : "issues";
  return {
    id,
    node_id: nodeId("IC", id),
    url,
    html_url: `${htmlOf(repository)}/${place}/${parent}#issuecomment-${id}`,
    issue_url: `${apiOf(repository)}/issues/${parent}`,
    body: "",
    user: userObject(claims.actor),
    author_association: "OWNER",
    created_at: world.run.startedAt,
    updated_at: world.run.startedAt,
    performed_via_github_app: null,
    reactions: noReactions(`${url}/reactions`),
    ...fields,
  };
}

const REACTIONS: ReadonlySet<string> = new Set(["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]);

/** `parent` names what is reacted to, and throws 404 when it is not there. */
function reactionRoutes(
  path: string,
  mayRead: Route["needs"],
  mayWrite: Route["needs"],
  parent: (call: ApiCall) => string,
): readonly Route[] {
  return [
    route("GET", `${path}/reactions`, mayRead, (call) =>
      paged(call, call.world.state.reactions.of(parent(call)), (part) => part.map(reactionShape)),
    ),
    route("POST", `${path}/reactions`, mayWrite, (call) => {
      const to = parent(call);
      const content = requiredText(bodyOf(call.request), "content", "Reaction");
      if (!REACTIONS.has(content)) throw invalid("Reaction", "content", "invalid");
      const { reactions } = call.world.state;
      const known = reactions.of(to).find(({ fields }) => fields["content"] === content);
      if (known !== undefined) return json(reactionShape(known));
      const created_at = timeOf(call.world.now());
      return json(reactionShape(reactions.add(to, { content, user: BOT, created_at })), 201);
    }),
    route("DELETE", `${path}/reactions/{reaction}`, mayWrite, (call) => {
      parent(call);
      call.world.state.reactions.remove(numberParam(call, "reaction"));
      return noContent;
    }),
  ];
}

function reactionShape({ id, fields }: Entry): JsonObject {
  return { id, node_id: nodeId("REA", id), ...fields };
}
