/** The GraphQL mutations that comment bots, labellers and mergers use. Source: GitHub GraphQL reference, "Mutations". */
import { isList, isObject, shown } from "./api-body.ts";
import { addComment } from "./api-comments.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { requireGraphql } from "./api-graphql-call.ts";
import { findNode } from "./api-graphql-node.ts";
import { pullNode, threadNode, reviewNode } from "./api-graphql-pulls.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { issueNode, commentNode } from "./api-graphql-threads.ts";
import { changeThread } from "./api-issues.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { WRITES_THREAD, writes } from "./api-route.ts";
import { BOT } from "./api-shape.ts";
import type { Entry, Thread } from "./api-state.ts";

/** Every mutation takes one `input` and answers a payload object. */
export function mutationRoot(call: GraphqlCall): GraphqlObject {
  const { state, now } = call.world;
  const threadIn = (input: JsonObject, member: string): Thread => {
    const found = findNode(call, input[member]);
    if (found.kind !== "thread")
      throw new GraphqlProblem("NOT_FOUND", "Could not resolve to an issue or pull request.");
    requireGraphql(call, WRITES_THREAD, found.thread.kind === "pull");
    return found.thread;
  };
  const pullIn = (input: JsonObject): Thread => {
    const thread = threadIn(input, "pullRequestId");
    requireGraphql(call, writes("pull-requests"));
    if (thread.kind !== "pull") throw new GraphqlProblem("NOT_FOUND", "Could not resolve to a PullRequest.");
    return thread;
  };
  const commentIn = (input: JsonObject, member: string): Entry => {
    requireGraphql(call, writes("issues", "pull-requests"));
    const found = findNode(call, input[member]);
    if (found.kind !== "comment") throw new GraphqlProblem("NOT_FOUND", "Could not resolve to a comment.");
    return found.entry;
  };
  const labelsIn = (input: JsonObject): readonly string[] =>
    (isList(input["labelIds"]) ? input["labelIds"] : []).flatMap((id) => {
      const found = findNode(call, id);
      return found.kind === "label" ? [found.name] : [];
    });
  const setState = (input: JsonObject, member: string, wanted: "open" | "closed"): Thread =>
    changeThread(call, threadIn(input, member), { state: wanted });
  const labelled = async (thread: Thread, labels: readonly string[]): Promise<GraphqlObject> =>
    payload({ labelable: await threadNode(call, state.putThread({ ...thread, labels: [...new Set(labels)] })) });
  const minimized = (input: JsonObject, is: boolean): GraphqlObject => {
    const { id } = commentIn(input, "subjectId");
    const reason = is ? shown(input["classifier"]).toLowerCase() : null;
    const changed = state.comments.change(id, { is_minimized: is, minimized_reason: reason });
    const node = commentNode(call, changed);
    return payload(is ? { minimizedComment: node } : { unminimizedComment: node });
  };
  return {
    type: "Mutation",
    fields: {
      addComment: ({ input }) => {
        const given = inputOf(input);
        const thread = threadIn(given, "subjectId");
        const comment = commentNode(call, addComment(call, thread.number, textOfInput(given, "body")));
        return payload({
          subject: async () => await threadNode(call, thread),
          commentEdge: { type: "IssueCommentEdge", fields: { node: comment } },
        });
      },
      updateIssueComment: ({ input }) => {
        const given = inputOf(input);
        const fields = { body: textOfInput(given, "body"), updated_at: new Date(now()).toISOString() };
        const changed = state.comments.change(commentIn(given, "id").id, fields);
        return payload({ issueComment: commentNode(call, changed) });
      },
      deleteIssueComment: ({ input }) => {
        state.comments.remove(commentIn(inputOf(input), "id").id);
        return payload({});
      },
      minimizeComment: ({ input }) => minimized(inputOf(input), true),
      unminimizeComment: ({ input }) => minimized(inputOf(input), false),
      addLabelsToLabelable: async ({ input }) => {
        const given = inputOf(input);
        const thread = threadIn(given, "labelableId");
        return await labelled(thread, [...thread.labels, ...labelsIn(given)]);
      },
      removeLabelsFromLabelable: async ({ input }) => {
        const given = inputOf(input);
        const thread = threadIn(given, "labelableId");
        const removed = labelsIn(given);
        return await labelled(
          thread,
          thread.labels.filter((name) => !removed.includes(name)),
        );
      },
      closeIssue: ({ input }) => payload({ issue: issueNode(call, setState(inputOf(input), "issueId", "closed")) }),
      reopenIssue: ({ input }) => payload({ issue: issueNode(call, setState(inputOf(input), "issueId", "open")) }),
      closePullRequest: async ({ input }) => {
        const { number } = pullIn(inputOf(input));
        const closed = setState(inputOf(input), "pullRequestId", "closed");
        return payload({ pullRequest: await pullNode(call, { ...closed, number }) });
      },
      enablePullRequestAutoMerge: async ({ input }) =>
        payload({ pullRequest: await pullNode(call, pullIn(inputOf(input))) }),
      disablePullRequestAutoMerge: async ({ input }) =>
        payload({ pullRequest: await pullNode(call, pullIn(inputOf(input))) }),
      addPullRequestReview: ({ input }) => {
        const given = inputOf(input);
        const thread = pullIn(given);
        const event = shown(given["event"]);
        const review = state.reviews.add(String(thread.number), {
          user: BOT,
          body: shown(given["body"]),
          state: REVIEW_STATE[event] ?? "PENDING",
          commit_id: call.claims.sha,
          submitted_at: new Date(now()).toISOString(),
        });
        return payload({ pullRequestReview: reviewNode(call, review) });
      },
    },
  };
}

const REVIEW_STATE: Readonly<Record<string, string>> = {
  APPROVE: "APPROVED",
  REQUEST_CHANGES: "CHANGES_REQUESTED",
  COMMENT: "COMMENTED",
};

function payload(fields: GraphqlObject["fields"]): GraphqlObject {
  return { type: "MutationPayload", fields: { clientMutationId: null, ...fields } };
}

function inputOf(input: Json | undefined): JsonObject {
  if (isObject(input)) return input;
  throw new GraphqlProblem("argumentNotAccepted", "The argument 'input' is required");
}

function textOfInput(input: JsonObject, member: string): string {
  const value = input[member];
  if (typeof value === "string" && value !== "" && value.length <= 65_536) return value;
  throw new GraphqlProblem("UNPROCESSABLE", `${member} can't be blank or too long`);
}
