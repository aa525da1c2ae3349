/** Commits of a repository as GitHub's API shows them, read by `git log`. Source: GitHub REST "Commits". */
import { userObject } from "../plan/payload-repository.ts";
import type { ApiRepository } from "./api-call.ts";
import { timeOf } from "./api-call.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { notFound } from "./api-message.ts";
import { apiOf, htmlOf } from "./api-shape.ts";

export interface GitCommit {
  readonly sha: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: GitPerson;
  readonly committer: GitPerson;
  readonly message: string;
}

interface GitPerson {
  readonly name: string;
  readonly email: string;
  /** UTC. */
  readonly date: string;
}

export interface CommitRange {
  /** Ids only, those with `^` in front left out. */
  readonly ids: readonly string[];
  readonly skip?: number;
  readonly limit: number;
  readonly oldestFirst?: boolean;
  readonly path?: string;
  readonly author?: string;
  readonly since?: string;
  readonly until?: string;
}

const FIELDS = ["%H", "%T", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%B"];

export async function readCommits(repository: ApiRepository, range: CommitRange): Promise<readonly GitCommit[]> {
  const { ids, skip = 0, limit, oldestFirst = false, path, author, since, until } = range;
  const text = await repository.git.read([
    "log",
    "-z",
    "--no-show-signature",
    "--no-color",
    `--format=${FIELDS.join("%x00")}`,
    `--max-count=${limit}`,
    `--skip=${skip}`,
    ...(oldestFirst ? ["--reverse"] : []),
    ...(author === undefined ? [] : ["--fixed-strings", `--author=${author}`]),
    ...(since === undefined ? [] : [`--since=${since}`]),
    ...(until === undefined ? [] : [`--until=${until}`]),
    ...ids,
    "--",
    ...(path === undefined || path === "" ? [] : [path]),
  ]);
  const fields = text.toString().split("\0");
  const commits: GitCommit[] = [];
  for (let at = 0; at + FIELDS.length <= fields.length; at += FIELDS.length) {
    const [sha = "", tree = "", parents = "", an = "", ae = "", ad = "", cn = "", ce = "", cd = "", message = ""] =
      fields.slice(at);
    commits.push({
      sha,
      tree,
      parents: parents.split(" ").filter((parent) => parent !== ""),
      author: { name: an, email: ae, date: timeOf(Number(ad) * 1000) },
      committer: { name: cn, email: ce, date: timeOf(Number(cd) * 1000) },
      message: message.trimEnd(),
    });
  }
  return commits;
}

/** Throws 404. */
export async function readCommit(repository: ApiRepository, sha: string): Promise<GitCommit> {
  const [commit] = await readCommits(repository, { ids: [sha], limit: 1 });
  if (commit === undefined) throw notFound();
  return commit;
}

/** How many commits `to` has that `from` does not. */
export async function countCommits(repository: ApiRepository, from: string, to: string): Promise<number> {
  const output = await repository.git.read(["rev-list", "--count", to, `^${from}`, "--"]);
  return Number(output.toString());
}

/** Undefined when they have none. */
export async function mergeBase(repository: ApiRepository, left: string, right: string): Promise<string | undefined> {
  const output = await repository.git.read(["merge-base", left, right], { otherwise: Buffer.alloc(0) });
  const base = output.toString().trim();
  return base === "" ? undefined : base;
}

export function commitShape(commit: GitCommit, repository: ApiRepository): JsonObject {
  const { sha, tree, author, committer, message, parents } = commit;
  const url = `${apiOf(repository)}/commits/${sha}`;
  return {
    sha,
    node_id: `C_${sha}`,
    commit: {
      author: { ...author },
      committer: { ...committer },
      message,
      tree: { sha: tree, url: `${apiOf(repository)}/git/trees/${tree}` },
      url: `${apiOf(repository)}/git/commits/${sha}`,
      comment_count: 0,
      verification: UNSIGNED,
    },
    url,
    html_url: `${htmlOf(repository)}/commit/${sha}`,
    comments_url: `${url}/comments`,
    author: accountOf(author),
    committer: accountOf(committer),
    parents: parents.map((parent) => ({
      sha: parent,
      url: `${apiOf(repository)}/commits/${parent}`,
      html_url: `${htmlOf(repository)}/commit/${parent}`,
    })),
  };
}

export const UNSIGNED: JsonObject = {
  verified: false,
  reason: "unsigned",
  signature: null,
  payload: null,
  verified_at: null,
};

/** GitHub knows an account by its address; the only address that names one is GitHub's own. Null elsewhere, as there. */
function accountOf({ email }: GitPerson): Json {
  const login = /^(?:\d+\+)?(?<login>[\w-]+(?:\[bot\])?)@users\.noreply\.github\.com$/.exec(email)?.groups?.["login"];
  return login === undefined ? null : userObject(login);
}
