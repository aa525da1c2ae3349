/** The repository as a GraphQL object, from which most of the others are reached. Source: GitHub GraphQL reference. */
import { isList, shown } from "./api-body.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { requireGraphql } from "./api-graphql-call.ts";
import { connection } from "./api-graphql-connection.ts";
import { fullRef, refNode, objectNode, commitOrNull } from "./api-graphql-git.ts";
import { pullNode, threadNode } from "./api-graphql-pulls.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { userNode, issueNode, labelNode } from "./api-graphql-threads.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { releaseShape } from "./api-releases.ts";
import { READS_THREAD, reads } from "./api-route.ts";
import { htmlOf, nodeId, repositoryShape } from "./api-shape.ts";
import type { Entry, Thread } from "./api-state.ts";
import { userObject } from "../plan/payload-repository.ts";

export function repositoryNode(call: GraphqlCall): GraphqlObject {
  const { repository, world } = call;
  const shape = repositoryShape(call);
  const { owner, name, defaultBranch } = repository;
  const threads = (kind: Thread["kind"]): readonly Thread[] => world.state.threads().filter((one) => one.kind === kind);
  const threadOf = (args: JsonObject, kind?: Thread["kind"]): Thread => {
    const number = Number(args["number"]);
    const thread = world.state.thread(number);
    if (thread !== undefined && (kind === undefined || thread.kind === kind)) return thread;
    const what = kind === "pull" ? "a PullRequest" : kind === "issue" ? "an Issue" : "an issue or pull request";
    throw new GraphqlProblem("NOT_FOUND", `Could not resolve to ${what} with the number of ${number}.`);
  };
  const refOf = async (ref: string): Promise<GraphqlObject | null> => {
    requireGraphql(call, reads("contents"));
    return await refNode(call, ref);
  };
  return {
    type: "Repository",
    also: ["Node"],
    fields: {
      id: shown(shape["node_id"]),
      databaseId: shape["id"] ?? null,
      name,
      nameWithOwner: `${owner}/${name}`,
      owner: () => userNode(userObject(owner)),
      url: htmlOf(repository),
      sshUrl: `git@github.com:${owner}/${name}.git`,
      resourcePath: `/${owner}/${name}`,
      description: shape["description"] ?? null,
      visibility: shown(shape["visibility"]).toUpperCase(),
      isPrivate: shape["private"] ?? false,
      isFork: shape["fork"] ?? false,
      isArchived: shape["archived"] ?? false,
      createdAt: shape["created_at"] ?? null,
      viewerPermission: call.claims.permissions["contents"] === "write" ? "WRITE" : "READ",
      mergeCommitAllowed: true,
      squashMergeAllowed: true,
      rebaseMergeAllowed: true,
      autoMergeAllowed: false,
      defaultBranchRef: () => refOf(`refs/heads/${defaultBranch}`),
      ref: (args) => refOf(fullRef(shown(args["qualifiedName"]))),
      refs: async (args) => {
        requireGraphql(call, reads("contents"));
        const prefix = shown(args["refPrefix"]);
        const format = "--format=%(refname)";
        const lines = (await repository.git.read(["for-each-ref", format])).toString().split("\n");
        const names = lines.filter((line) => line !== "" && line.startsWith(prefix));
        const nodes = await Promise.all(names.slice(0, 100).map((ref) => refNode(call, ref, prefix)));
        return connection(
          "Ref",
          nodes.filter((node) => node !== null),
          args,
        );
      },
      object: async (args) => {
        requireGraphql(call, reads("contents"));
        return await objectNode(call, shown(args["oid"] ?? args["expression"]));
      },
      pullRequest: (args) => {
        requireGraphql(call, reads("pull-requests"));
        return pullNode(call, threadOf(args, "pull"));
      },
      pullRequests: async (args) => {
        requireGraphql(call, reads("pull-requests"));
        const nodes = await Promise.all(threads("pull").map((thread) => pullNode(call, thread)));
        const { states, headRefName, baseRefName } = args;
        const isWanted = ({ fields }: GraphqlObject): boolean =>
          isIn(states, fields["state"]) &&
          (typeof headRefName !== "string" || fields["headRefName"] === headRefName) &&
          (typeof baseRefName !== "string" || fields["baseRefName"] === baseRefName);
        return connection("PullRequest", nodes.filter(isWanted), args);
      },
      issue: (args) => {
        requireGraphql(call, reads("issues"));
        return issueNode(call, threadOf(args, "issue"));
      },
      issues: (args) => {
        requireGraphql(call, reads("issues"));
        const nodes = threads("issue").map((thread) => issueNode(call, thread));
        const { states } = args;
        const isWanted = ({ fields }: GraphqlObject): boolean => isIn(states, fields["state"]);
        return connection("Issue", nodes.filter(isWanted), args);
      },
      issueOrPullRequest: (args) => {
        const thread = threadOf(args);
        requireGraphql(call, READS_THREAD, thread.kind === "pull");
        return threadNode(call, thread);
      },
      label: (args) => {
        requireGraphql(call, reads("issues", "pull-requests"));
        const name = shown(args["name"]).toLowerCase();
        const found = world.state.labels.all().find(({ fields }) => shown(fields["name"]).toLowerCase() === name);
        return found === undefined ? null : labelNode(call, shown(found.fields["name"]));
      },
      labels: (args) => {
        requireGraphql(call, reads("issues", "pull-requests"));
        const nodes = world.state.labels.all().map(({ fields }) => labelNode(call, shown(fields["name"])));
        return connection("Label", nodes, args);
      },
      releases: (args) => {
        requireGraphql(call, reads("contents"));
        return connection(
          "Release",
          world.state.releases
            .all()
            .toReversed()
            .map((one) => releaseNode(call, one)),
          args,
        );
      },
      latestRelease: () => {
        requireGraphql(call, reads("contents"));
        const latest = world.state.releases
          .all()
          .findLast(({ fields }) => fields["draft"] !== true && fields["prerelease"] !== true);
        return latest === undefined ? null : releaseNode(call, latest);
      },
      release: (args) => {
        requireGraphql(call, reads("contents"));
        const found = world.state.releases.all().find(({ fields }) => fields["tag_name"] === args["tagName"]);
        return found === undefined ? null : releaseNode(call, found);
      },
    },
  };
}

/** One word or a list of them; none means any. */
function isIn(wanted: Json | undefined, word: unknown): boolean {
  if (wanted === undefined || wanted === null) return true;
  return isList(wanted) ? wanted.some((one) => one === word) : wanted === word;
}

function releaseNode(call: GraphqlCall, release: Entry): GraphqlObject {
  const shape = releaseShape(call, release);
  return {
    type: "Release",
    also: ["Node"],
    fields: {
      id: nodeId("RE", release.id),
      databaseId: release.id,
      name: shown(shape["name"]),
      tagName: shown(shape["tag_name"]),
      description: shown(shape["body"]),
      url: shown(shape["html_url"]),
      isDraft: shape["draft"] ?? false,
      isPrerelease: shape["prerelease"] ?? false,
      createdAt: shape["created_at"] ?? null,
      publishedAt: shape["published_at"] ?? null,
      author: () => userNode(shape["author"]),
      tagCommit: () => commitOrNull(call, `refs/tags/${shown(shape["tag_name"])}`),
    },
  };
}
