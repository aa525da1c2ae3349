/** A repository, its branches, tags and commits, and what lies between two of them. Source: GitHub REST "Repositories", "Commits". */
import { userObject } from "../plan/payload-repository.ts";
import { isBoundedLogin } from "./api-address.ts";
import type { ApiCall, ApiRepository } from "./api-call.ts";
import { param } from "./api-call.ts";
import { commitShape, countCommits, mergeBase, readCommit, readCommits } from "./api-commits.ts";
import { changedFiles, diffText, fileShape, patchText, totalsOf } from "./api-diff.ts";
import type { ApiResponse, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, bytes, json, mediaOf, noContent, notFound } from "./api-message.ts";
import { linksTo, paged, pageOf } from "./api-pages.ts";
import { commitOf, findCommit, isRefName, treePath } from "./api-revision.ts";
import { METADATA, reads, route } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, htmlOf, repositoryShape } from "./api-shape.ts";

const CONTENTS = reads("contents");

export const repositoryRoutes: readonly Route[] = [
  route("GET", "", METADATA, (call) => json(repositoryShape(call))),
  route("GET", "hash-algorithm", METADATA, async ({ repository }) => {
    const format = await repository.git.read(["rev-parse", "--show-object-format"]);
    return json({ hash_algorithm: format.toString().trim() });
  }),
  route("GET", "languages", METADATA, () => json({})),
  route("GET", "collaborators/{login}", METADATA, (call) => {
    if (roleOf(call) === "read") throw notFound();
    return noContent;
  }),
  route("GET", "collaborators/{login}/permission", METADATA, (call) => {
    const role = roleOf(call);
    return json({ permission: role, role_name: role, user: userObject(param(call, "login")) });
  }),
  route("GET", "topics", METADATA, () => json({ names: [] })),
  route("GET", "branches", CONTENTS, listBranches),
  route("GET", "branches/{branch*}", CONTENTS, getBranch),
  route("GET", "tags", CONTENTS, listTags),
  route("GET", "commits", CONTENTS, listCommits),
  route("GET", "commits/{ref}/branches-where-head", CONTENTS, branchesAt),
  route("GET", "compare/{range*}", CONTENTS, compare),
];

/** Asked last: `commits/{ref}/status` and others begin like it, and a branch's name may have slashes. */
export const commitRoute = route("GET", "commits/{ref*}", CONTENTS, getCommit);

/** Who started the run could write to the repository, and its owner can do more; of others nothing is known. */
function roleOf(call: ApiCall): "admin" | "write" | "read" {
  const login = param(call, "login").toLowerCase();
  if (!isBoundedLogin(login)) throw notFound();
  if (login === call.repository.owner.toLowerCase()) return "admin";
  return call.claims.trusted && login === call.claims.actor.toLowerCase() ? "write" : "read";
}

interface NamedCommit {
  readonly name: string;
  readonly sha: string;
}

/** By name; what the run has made or deleted is counted in. A tag's commit, whether the tag is an object of its own or not. */
async function listRefs({ git, refs }: ApiRepository, below: "refs/heads/" | "refs/tags/"): Promise<NamedCommit[]> {
  const format = "--format=%(refname) %(objectname) %(*objectname)";
  const lines = (await git.read(["for-each-ref", format, below])).toString().split("\n");
  const found = new Map<string, string>();
  for (const line of lines) {
    const [ref = "", object = "", peeled = ""] = line.split(" ");
    if (ref !== "") found.set(ref, peeled === "" ? object : peeled);
  }
  for (const [ref, sha] of refs) {
    if (!ref.startsWith(below)) continue;
    if (sha === null) found.delete(ref);
    else found.set(ref, sha);
  }
  return [...found]
    .map(([ref, sha]) => ({ name: ref.slice(below.length), sha }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function listBranches(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const branches = await listRefs(repository, "refs/heads/");
  return paged(call, branches, (part) => part.map((branch) => branchShape(branch, repository)));
}

function branchShape({ name, sha }: NamedCommit, repository: ApiRepository): JsonObject {
  return { name, commit: { sha, url: `${apiOf(repository)}/commits/${sha}` }, protected: false };
}

async function getBranch(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const name = param(call, "branch");
  const sha = isRefName(name) ? await findCommit(repository, `refs/heads/${name}`) : undefined;
  if (sha === undefined) throw new ApiProblem(404, "Branch not found");
  const encoded = name.split("/").map(encodeURIComponent).join("/");
  return json({
    name,
    commit: commitShape(await readCommit(repository, sha), repository),
    _links: { self: `${apiOf(repository)}/branches/${encoded}`, html: `${htmlOf(repository)}/tree/${encoded}` },
    protected: false,
    protection: { enabled: false, required_status_checks: { enforcement_level: "off", contexts: [], checks: [] } },
    protection_url: `${apiOf(repository)}/branches/${encoded}/protection`,
  });
}

async function branchesAt(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const sha = await commitOf(repository, param(call, "ref"));
  const branches = await listRefs(repository, "refs/heads/");
  return json(branches.filter((branch) => branch.sha === sha).map((branch) => branchShape(branch, repository)));
}

async function listTags(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  // GitHub lists the latest name first.
  const tags = (await listRefs(repository, "refs/tags/")).toReversed();
  return paged(call, tags, (part) =>
    part.map(({ name, sha }) => ({
      name,
      zipball_url: `${apiOf(repository)}/zipball/refs/tags/${encodeURIComponent(name)}`,
      tarball_url: `${apiOf(repository)}/tarball/refs/tags/${encodeURIComponent(name)}`,
      commit: { sha, url: `${apiOf(repository)}/commits/${sha}` },
      node_id: `REF_${sha}`,
    })),
  );
}

async function listCommits(call: ApiCall): Promise<ApiResponse> {
  const { repository, request } = call;
  const { query } = request;
  const sha = await findCommit(repository, query.get("sha") ?? repository.defaultBranch);
  if (sha === undefined) throw query.has("sha") ? notFound() : new ApiProblem(409, "Git Repository is empty.");
  const page = pageOf(call);
  const author = query.get("author") ?? undefined;
  const [since, until] = [dateIn(query, "since"), dateIn(query, "until")];
  const commits = await readCommits(repository, {
    ids: [sha],
    skip: (page.number - 1) * page.size,
    // One more says whether there is another page.
    limit: page.size + 1,
    path: treePath(query.get("path") ?? ""),
    ...(author === undefined ? {} : { author }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  });
  const shown = commits.slice(0, page.size).map((commit) => commitShape(commit, repository));
  return { ...json(shown), headers: linksTo(call, page, undefined, commits.length > page.size) };
}

/** What is no date is not handed to git, which would find one in anything. */
function dateIn(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new ApiProblem(422, `Invalid request: '${name}' is no timestamp`);
  return new Date(time).toISOString();
}

async function getCommit(call: ApiCall): Promise<ApiResponse> {
  const { repository, request } = call;
  const sha = await commitOf(repository, param(call, "ref"));
  const media = mediaOf(request);
  if (media === "sha") return bytes("application/vnd.github.sha; charset=utf-8", Buffer.from(sha));
  const commit = await readCommit(repository, sha);
  const [parent] = commit.parents;
  if (media === "diff")
    return bytes("application/vnd.github.diff; charset=utf-8", await diffText(repository, parent, sha));
  if (media === "patch")
    return bytes("application/vnd.github.patch; charset=utf-8", await patchText(repository, parent, sha));
  const files = await changedFiles(repository, parent, sha);
  return paged(call, files, (part): Json => ({
    ...commitShape(commit, repository),
    stats: totalsOf(files),
    files: part.map((file) => fileShape(file, repository, sha)),
  }));
}

/** GitHub lists no more files in a comparison, and no more commits in a page. */
const MAX_COMPARED_FILES = 300;
const MAX_COMPARED_COMMITS = 250;

async function compare(call: ApiCall): Promise<ApiResponse> {
  const { repository, request } = call;
  const { from, to } = /^(?<from>.+?)\.\.\.?(?<to>[^.].*)$/.exec(param(call, "range"))?.groups ?? {};
  if (from === undefined || to === undefined) throw notFound();
  const [base, head] = await Promise.all([comparedCommit(repository, from), comparedCommit(repository, to)]);
  const fork = await mergeBase(repository, base, head);
  if (fork === undefined) throw new ApiProblem(404, `No common ancestor between ${from} and ${to}.`);
  const media = mediaOf(request);
  if (media === "diff")
    return bytes("application/vnd.github.diff; charset=utf-8", await diffText(repository, fork, head));
  if (media === "patch")
    return bytes("application/vnd.github.patch; charset=utf-8", await patchText(repository, fork, head));
  const isPaged = request.query.has("page") || request.query.has("per_page");
  const page = isPaged ? pageOf(call) : { number: 1, size: MAX_COMPARED_COMMITS };
  const [ahead, behind, commits, files, baseCommit, forkCommit] = await Promise.all([
    countCommits(repository, base, head),
    countCommits(repository, head, base),
    readCommits(repository, { ids: [head, `^${base}`], limit: 10_000, oldestFirst: true }),
    page.number === 1 ? changedFiles(repository, fork, head) : [],
    readCommit(repository, base),
    readCommit(repository, fork),
  ]);
  const start = (page.number - 1) * page.size;
  const url = `${apiOf(repository)}/compare/${base}...${head}`;
  const html = `${htmlOf(repository)}/compare/${base}...${head}`;
  const answer = json({
    url,
    html_url: html,
    permalink_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    base_commit: commitShape(baseCommit, repository),
    merge_base_commit: commitShape(forkCommit, repository),
    status: comparison(ahead, behind),
    ahead_by: ahead,
    behind_by: behind,
    total_commits: ahead,
    commits: commits.slice(start, start + page.size).map((commit) => commitShape(commit, repository)),
    files: files.slice(0, MAX_COMPARED_FILES).map((file) => fileShape(file, repository, head)),
  });
  return isPaged ? { ...answer, headers: linksTo(call, page, Math.max(1, Math.ceil(ahead / page.size))) } : answer;
}

/** `owner:branch` names a fork's; of forks there is only the repository itself here. */
async function comparedCommit(repository: ApiRepository, name: string): Promise<string> {
  const [owner, branch] = name.includes(":") ? name.split(":", 2) : [repository.owner, name];
  const isHere = owner?.toLowerCase() === repository.owner.toLowerCase();
  const sha = isHere && branch !== undefined ? await findCommit(repository, branch) : undefined;
  if (sha === undefined) throw notFound();
  return sha;
}

function comparison(ahead: number, behind: number): string {
  if (ahead === 0) return behind === 0 ? "identical" : "behind";
  return behind === 0 ? "ahead" : "diverged";
}
