/** Refs, commits, trees and files as GraphQL objects. Source: GitHub GraphQL reference. */
import { shown } from "./api-body.ts";
import { readCommit, readCommits } from "./api-commits.ts";
import type { GitCommit } from "./api-commits.ts";
import { listTree, readBlob } from "./api-contents.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { requireGraphql } from "./api-graphql-call.ts";
import { connection } from "./api-graphql-connection.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { endsOf } from "./api-pull.ts";
import { findCommit, findObjects, findRef, isObjectId, isRefName, treePath } from "./api-revision.ts";
import { reads } from "./api-route.ts";
import { htmlOf } from "./api-shape.ts";

export function fullRef(name: string): string {
  if (name.startsWith("refs/")) return name;
  return /^(?:heads|tags|pull)\//.test(name) ? `refs/${name}` : `refs/heads/${name}`;
}

export async function refNode(
  call: GraphqlCall,
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
export async function objectNode(call: GraphqlCall, expression: string): Promise<GraphqlObject | null> {
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

export async function commitOrNull(call: GraphqlCall, revision: string): Promise<GraphqlObject | null> {
  const sha = await findCommit(call.repository, revision);
  return sha === undefined ? null : commitNode(call, await readCommit(call.repository, sha));
}

function blobNode(call: GraphqlCall, oid: string, byteSize: number): GraphqlObject {
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

function treeNode(call: GraphqlCall, oid: string): GraphqlObject {
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

export function commitNode(call: GraphqlCall, commit: GitCommit): GraphqlObject {
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
        return connection("PullRequest", await Promise.all(wanted.map((pull) => call.pullNode(pull))), args);
      },
      statusCheckRollup: () => rollupNode(call, sha),
    },
  };
}

function personNode({ name, email, date }: GitCommit["author"]): GraphqlObject {
  return { type: "GitActor", fields: { name, email, date, user: null } };
}

function rollupNode(call: GraphqlCall, sha: string): GraphqlObject | null {
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
