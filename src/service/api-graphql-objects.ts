/** The repository and what is in it as GraphQL objects, made of what the REST API shows. Source: GitHub GraphQL reference. */
import { userObject } from "../plan/payload-repository.ts";
import { isList, isObject, shown } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { commentShape } from "./api-comments.ts";
import { mergeBase, readCommit, readCommits } from "./api-commits.ts";
import type { GitCommit } from "./api-commits.ts";
import { listTree, readBlob } from "./api-contents.ts";
import { changedFiles } from "./api-diff.ts";
import { connection } from "./api-graphql-connection.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { endsOf, pullShape } from "./api-pulls.ts";
import { releaseShape } from "./api-releases.ts";
import { findCommit, findObjects, findRef, isObjectId, isRefName, treePath } from "./api-revision.ts";
import { missingPermission } from "./api-route.ts";
import type { Needs } from "./api-route.ts";
import { BOT, htmlOf, nodeId, repositoryShape } from "./api-shape.ts";
import type { Entry, Thread } from "./api-state.ts";
import { issueShape, labelShape } from "./api-thread.ts";
import { reviewShape } from "./api-reviews.ts";
import { READS_THREAD, reads } from "./api-route.ts";

/** Throws FORBIDDEN, in the words of GitHub. */
export function requireGraphql(call: ApiCall, needs: Needs, isPull = false): void {
  const missing = missingPermission(needs, call.claims.permissions, isPull);
  if (missing !== undefined) throw new GraphqlProblem("FORBIDDEN", "Resource not accessible by integration");
}

export function userNode(user: Json | undefined): GraphqlObject | null {
  if (!isObject(user)) return null;
  const login = shown(user["login"]);
  const isBot = user["type"] === "Bot";
  return {
    type: isBot ? "Bot" : "User",
    also: ["Node", "Actor", "RepositoryOwner"],
    fields: {
      id: shown(user["node_id"]),
      databaseId: user["id"] ?? null,
      // GraphQL shows an app without its suffix.
      login: isBot ? login.replace(/\[bot\]$/, "") : login,
      name: login,
      url: shown(user["html_url"]),
      avatarUrl: shown(user["avatar_url"]),
      resourcePath: `/${login}`,
    },
  };
}

export function repositoryNode(call: ApiCall): GraphqlObject {
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

function fullRef(name: string): string {
  if (name.startsWith("refs/")) return name;
  return /^(?:heads|tags|pull)\//.test(name) ? `refs/${name}` : `refs/heads/${name}`;
}

async function refNode(
  call: ApiCall,
  ref: string,
  prefix = ref.replace(/[^/]+\/?$/, ""),
): Promise<GraphqlObject | null> {
  const found = isRefName(ref) ? await findRef(call.repository, ref) : undefined;
  if (found === undefined) return null;
  const base = /^refs\/[^/]+\//.exec(ref)?.[0] ?? prefix;
  const name = ref.slice(base.length);
  return {
    type: "Ref",
    also: ["Node"],
    fields: { id: `REF_${found.id}`, name, prefix: base, target: () => objectNode(call, found.id) },
  };
}

/** `main`, `main:docs/file`, an id. */
async function objectNode(call: ApiCall, expression: string): Promise<GraphqlObject | null> {
  const { repository } = call;
  const cut = expression.indexOf(":");
  const revision = cut === -1 ? expression : expression.slice(0, cut);
  if (cut === -1 && isObjectId(revision)) {
    const [found] = await findObjects(repository, [revision]);
    if (found?.type === "blob") return blobNode(call, found.id, found.sizeBytes);
    if (found?.type === "tree") return treeNode(call, found.id);
    if (found?.type === "tag")
      return {
        type: "Tag",
        also: ["Node", "GitObject"],
        fields: { oid: found.id, target: async () => await commitOrNull(call, found.id) },
      };
  }
  const sha = await findCommit(repository, revision === "HEAD" ? repository.defaultBranch : revision);
  if (sha === undefined) return null;
  const commit = await readCommit(repository, sha);
  if (cut === -1) return commitNode(call, commit);
  const path = treePath(expression.slice(cut + 1));
  if (path === "") return treeNode(call, commit.tree);
  const [entry] = await listTree(repository, sha, path);
  if (entry === undefined) return null;
  return entry.type === "tree" ? treeNode(call, entry.sha) : blobNode(call, entry.sha, entry.sizeBytes ?? 0);
}

async function commitOrNull(call: ApiCall, revision: string): Promise<GraphqlObject | null> {
  const sha = await findCommit(call.repository, revision);
  return sha === undefined ? null : commitNode(call, await readCommit(call.repository, sha));
}

function blobNode(call: ApiCall, oid: string, byteSize: number): GraphqlObject {
  const content = (): Promise<Buffer> => readBlob(call.repository, oid, 1 << 20);
  return {
    type: "Blob",
    also: ["Node", "GitObject"],
    fields: {
      id: `B_${oid}`,
      oid,
      byteSize,
      isTruncated: false,
      isBinary: async () => isBinary(await content()),
      text: async () => {
        const bytes = await content();
        return isBinary(bytes) ? null : bytes.toString("utf8");
      },
    },
  };
}

function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, 8_000).includes(0);
}

function treeNode(call: ApiCall, oid: string): GraphqlObject {
  return {
    type: "Tree",
    also: ["Node", "GitObject"],
    fields: {
      id: `T_${oid}`,
      oid,
      entries: async () =>
        (await listTree(call.repository, oid, "")).map(({ path, mode, type, sha, sizeBytes }) => ({
          type: "TreeEntry",
          fields: {
            name: path,
            path,
            oid: sha,
            type,
            mode: Number.parseInt(mode, 8),
            size: sizeBytes ?? 0,
            object: () => objectNode(call, sha),
          },
        })),
    },
  };
}

function commitNode(call: ApiCall, commit: GitCommit): GraphqlObject {
  const { repository, world } = call;
  const { sha, message, tree, parents } = commit;
  const [messageHeadline = "", ...rest] = message.split("\n");
  return {
    type: "Commit",
    also: ["Node", "GitObject"],
    fields: {
      id: `C_${sha}`,
      oid: sha,
      abbreviatedOid: sha.slice(0, 7),
      message,
      messageHeadline,
      messageBody: rest.join("\n").trim(),
      committedDate: commit.committer.date,
      authoredDate: commit.author.date,
      url: `${htmlOf(repository)}/commit/${sha}`,
      commitUrl: `${htmlOf(repository)}/commit/${sha}`,
      author: personNode(commit.author),
      committer: personNode(commit.committer),
      tree: () => treeNode(call, tree),
      parents: async (args) => {
        const nodes = await Promise.all(parents.map((parent) => commitOrNull(call, parent)));
        return connection(
          "Commit",
          nodes.filter((node) => node !== null),
          args,
        );
      },
      history: async (args) => {
        const path = typeof args["path"] === "string" ? treePath(args["path"]) : "";
        const commits = await readCommits(repository, { ids: [sha], limit: 250, path });
        return connection(
          "Commit",
          commits.map((one) => commitNode(call, one)),
          args,
        );
      },
      associatedPullRequests: async (args) => {
        requireGraphql(call, reads("pull-requests"));
        const pulls = world.state.threads().filter(({ kind }) => kind === "pull");
        const ends = await Promise.all(pulls.map((pull) => endsOf(repository, pull)));
        const wanted = pulls.filter((_pull, index) => ends[index]?.head === sha);
        return connection("PullRequest", await Promise.all(wanted.map((pull) => pullNode(call, pull))), args);
      },
      statusCheckRollup: () => rollupNode(call, sha),
    },
  };
}

function personNode({ name, email, date }: GitCommit["author"]): GraphqlObject {
  return { type: "GitActor", fields: { name, email, date, user: null } };
}

function rollupNode(call: ApiCall, sha: string): GraphqlObject | null {
  requireGraphql(call, reads("checks", "statuses"));
  const { checkRuns, statuses } = call.world.state;
  const words = [
    ...checkRuns.of(sha).map(({ fields }) => shown(fields["conclusion"] ?? "pending")),
    ...statuses.of(sha).map(({ fields }) => shown(fields["state"])),
  ];
  if (words.length === 0) return null;
  const isBad = words.some((word) => ["failure", "error", "timed_out", "cancelled", "action_required"].includes(word));
  const state = isBad ? "FAILURE" : words.includes("pending") ? "PENDING" : "SUCCESS";
  return { type: "StatusCheckRollup", fields: { state } };
}

/** Members that issues and pull requests share. */
function threadFields(call: ApiCall, thread: Thread, shape: JsonObject): GraphqlObject["fields"] {
  const { state } = call.world;
  const number = String(thread.number);
  const milestone = shape["milestone"];
  return {
    id: shown(shape["node_id"]),
    databaseId: shape["id"] ?? null,
    fullDatabaseId: shown(shape["id"]),
    number: thread.number,
    title: shown(shape["title"]),
    body: shown(shape["body"]),
    bodyText: shown(shape["body"]),
    url: shown(shape["html_url"]),
    permalink: shown(shape["html_url"]),
    locked: shape["locked"] ?? false,
    closed: shape["state"] === "closed",
    createdAt: shape["created_at"] ?? null,
    updatedAt: shape["updated_at"] ?? null,
    closedAt: shape["closed_at"] ?? null,
    authorAssociation: shown(shape["author_association"]),
    author: () => userNode(shape["user"]),
    milestone: isObject(milestone)
      ? { type: "Milestone", fields: { title: shown(milestone["title"]), number: milestone["number"] ?? null } }
      : null,
    labels: (args) =>
      connection(
        "Label",
        thread.labels.map((name) => labelNode(call, name)),
        args,
      ),
    assignees: (args) =>
      connection(
        "User",
        thread.assignees.flatMap((login) => userNode(userObject(login)) ?? []),
        args,
      ),
    comments: (args) =>
      connection(
        "IssueComment",
        state.comments.of(number).map((comment) => commentNode(call, comment)),
        args,
      ),
    repository: () => repositoryNode(call),
  };
}

export function issueNode(call: ApiCall, thread: Thread): GraphqlObject {
  const shape = issueShape(call, thread);
  return {
    type: "Issue",
    also: ["Node", "Labelable", "Assignable", "Comment", "Closable"],
    fields: {
      ...threadFields(call, thread, shape),
      state: shown(shape["state"]).toUpperCase(),
      stateReason: shape["state_reason"] === null ? null : shown(shape["state_reason"]).toUpperCase(),
    },
  };
}

export function threadNode(call: ApiCall, thread: Thread): GraphqlObject | Promise<GraphqlObject> {
  return thread.kind === "pull" ? pullNode(call, thread) : issueNode(call, thread);
}

export async function pullNode(call: ApiCall, thread: Thread): Promise<GraphqlObject> {
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
      headRepository: () => repositoryNode(call),
      baseRepository: () => repositoryNode(call),
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

export function labelNode(call: ApiCall, name: string): GraphqlObject {
  const shape = labelShape(call, name);
  return {
    type: "Label",
    also: ["Node"],
    fields: {
      id: shown(shape["node_id"]),
      name,
      color: shape["color"] ?? null,
      description: shape["description"] ?? null,
      isDefault: shape["default"] ?? false,
    },
  };
}

export function commentNode(call: ApiCall, comment: Entry): GraphqlObject {
  const shape = commentShape(call, comment);
  return {
    type: "IssueComment",
    also: ["Node", "Comment", "Minimizable"],
    fields: {
      id: shown(shape["node_id"]),
      databaseId: comment.id,
      fullDatabaseId: String(comment.id),
      body: shown(shape["body"]),
      bodyText: shown(shape["body"]),
      url: shown(shape["html_url"]),
      createdAt: shape["created_at"] ?? null,
      updatedAt: shape["updated_at"] ?? null,
      authorAssociation: shown(shape["author_association"]),
      author: () => userNode(shape["user"]),
      isMinimized: comment.fields["is_minimized"] ?? false,
      minimizedReason: comment.fields["minimized_reason"] ?? null,
      viewerDidAuthor: isObject(shape["user"]) && shape["user"]["login"] === BOT["login"],
      viewerCanMinimize: true,
    },
  };
}

export function reviewNode(call: ApiCall, review: Entry): GraphqlObject {
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

function releaseNode(call: ApiCall, release: Entry): GraphqlObject {
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
