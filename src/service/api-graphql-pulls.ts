/** Pull requests and their reviews as GraphQL objects. Source: GitHub GraphQL reference. */
import { isObject, shown } from "./api-body.ts";
import { mergeBase, readCommits } from "./api-commits.ts";
import { changedFiles } from "./api-diff.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { connection } from "./api-graphql-connection.ts";
import { refNode, commitOrNull, commitNode } from "./api-graphql-git.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { userNode, threadFields, issueNode } from "./api-graphql-threads.ts";
import type { JsonObject } from "./api-message.ts";
import { endsOf, pullShape } from "./api-pull.ts";
import { reviewShape } from "./api-reviews.ts";
import type { Entry, Thread } from "./api-state.ts";

export function threadNode(call: GraphqlCall, thread: Thread): GraphqlObject | Promise<GraphqlObject> {
  return thread.kind === "pull" ? pullNode(call, thread) : issueNode(call, thread);
}

export async function pullNode(call: GraphqlCall, thread: Thread): Promise<GraphqlObject> {
  const { repository, world } = call;
  const shape = await pullShape(call, thread, false);
  const side = (name: "head" | "base"): JsonObject => (isObject(shape[name]) ? shape[name] : {});
  const isMerged = shape["merged"] === true || (shape["merged_at"] ?? null) !== null;
  const range = async (): Promise<{ fork: string | undefined; head: string }> => {
    const { base, head } = await endsOf(repository, thread);
    if (base === undefined || head === undefined)
      throw new GraphqlProblem("UNPROCESSABLE", "The commits of the pull request are not in this repository");
    return { fork: await mergeBase(repository, base, head), head };
  };
  const files = async (): Promise<Awaited<ReturnType<typeof changedFiles>>> => {
    const { fork, head } = await range();
    return await changedFiles(repository, fork, head);
  };
  const number = String(thread.number);
  const headRepository = side("head")["repo"];
  return {
    type: "PullRequest",
    also: ["Node", "Labelable", "Assignable", "Comment", "Closable"],
    fields: {
      ...threadFields(call, thread, shape),
      state: isMerged ? "MERGED" : shown(shape["state"]).toUpperCase(),
      isDraft: shape["draft"] ?? false,
      merged: isMerged,
      mergedAt: shape["merged_at"] ?? null,
      mergeable: shape["mergeable"] === false ? "CONFLICTING" : "MERGEABLE",
      mergeStateStatus: "CLEAN",
      reviewDecision: null,
      autoMergeRequest: null,
      isCrossRepository:
        isObject(headRepository) && headRepository["full_name"] !== `${repository.owner}/${repository.name}`,
      headRefName: shown(side("head")["ref"]),
      headRefOid: shown(side("head")["sha"]),
      baseRefName: shown(side("base")["ref"]),
      baseRefOid: shown(side("base")["sha"]),
      headRef: () => refNode(call, `refs/heads/${shown(side("head")["ref"])}`),
      baseRef: () => refNode(call, `refs/heads/${shown(side("base")["ref"])}`),
      headRepository: () => call.repositoryNode(),
      baseRepository: () => call.repositoryNode(),
      headRepositoryOwner: () => userNode(isObject(headRepository) ? headRepository["owner"] : undefined),
      mergeCommit: () => (isMerged ? commitOrNull(call, shown(shape["merge_commit_sha"])) : null),
      potentialMergeCommit: () => commitOrNull(call, shown(shape["merge_commit_sha"])),
      additions: async () => (await files()).reduce((sum, file) => sum + file.additions, 0),
      deletions: async () => (await files()).reduce((sum, file) => sum + file.deletions, 0),
      changedFiles: async () => (await files()).length,
      files: async (args) =>
        connection(
          "PullRequestChangedFile",
          (await files()).map(({ filename, additions, deletions, status }) => ({
            type: "PullRequestChangedFile",
            fields: {
              path: filename,
              additions,
              deletions,
              changeType: CHANGE_TYPE[status],
              viewerViewedState: "UNVIEWED",
            },
          })),
          args,
        ),
      commits: async (args) => {
        const { fork, head } = await range();
        const ids = fork === undefined ? [head] : [head, `^${fork}`];
        const commits = await readCommits(repository, { ids, limit: 250, oldestFirst: true });
        const nodes = commits.map((commit) => ({
          type: "PullRequestCommit",
          fields: { id: `PRC_${commit.sha}`, commit: () => commitNode(call, commit) },
        }));
        return connection("PullRequestCommit", nodes, args);
      },
      reviews: (args) =>
        connection(
          "PullRequestReview",
          world.state.reviews.of(number).map((review) => reviewNode(call, review)),
          args,
        ),
      latestReviews: (args) =>
        connection(
          "PullRequestReview",
          world.state.reviews.of(number).map((review) => reviewNode(call, review)),
          args,
        ),
      reviewThreads: (args) => connection("PullRequestReviewThread", [], args),
      reviewRequests: (args) => connection("ReviewRequest", [], args),
      closingIssuesReferences: (args) => connection("Issue", [], args),
    },
  };
}

const CHANGE_TYPE = {
  added: "ADDED",
  modified: "MODIFIED",
  removed: "DELETED",
  renamed: "RENAMED",
  copied: "COPIED",
  changed: "CHANGED",
} as const;

export function reviewNode(call: GraphqlCall, review: Entry): GraphqlObject {
  const shape = reviewShape(call, review);
  return {
    type: "PullRequestReview",
    also: ["Node", "Comment"],
    fields: {
      id: shown(shape["node_id"]),
      databaseId: review.id,
      state: shown(shape["state"]),
      body: shown(shape["body"]),
      url: shown(shape["html_url"]),
      submittedAt: shape["submitted_at"] ?? null,
      author: () => userNode(shape["user"]),
      authorAssociation: shown(shape["author_association"]),
      commit: () => commitOrNull(call, shown(shape["commit_id"])),
    },
  };
}
