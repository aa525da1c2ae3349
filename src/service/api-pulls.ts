/** Pull requests and what they would bring. Source: GitHub REST "Pull requests". */
import { bodyOf, flagIn, isList, isObject, picked, requiredText, shown, textIn, textsIn } from "./api-body.ts";
import type { ApiCall } from "./api-call.ts";
import { numberParam, param, timeOf } from "./api-call.ts";
import { commitShape, mergeBase, readCommits } from "./api-commits.ts";
import { changedFiles, diffText, fileShape, patchText } from "./api-diff.ts";
import type { ChangedFile } from "./api-diff.ts";
import { changeThread } from "./api-issues.ts";
import type { ApiResponse, JsonObject } from "./api-message.ts";
import { ApiProblem, bytes, invalid, json, mediaOf, notFound } from "./api-message.ts";
import { paged } from "./api-pages.ts";
import { NO_REVIEWERS, MAX_COMMITS, endsOf, pullShape } from "./api-pull.ts";
import { commitOf, findCommit } from "./api-revision.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";
import { apiOf, BOT } from "./api-shape.ts";
import type { Thread } from "./api-state.ts";
import { needThread } from "./api-thread.ts";
import { userObject } from "../plan/payload-repository.ts";

const READS = reads("pull-requests");
const WRITES = writes("pull-requests");

export const pullRoutes: readonly Route[] = [
  route("GET", "pulls", READS, listPulls),
  route("POST", "pulls", WRITES, createPull),
  route("GET", "pulls/{number}", READS, getPull),
  route("PATCH", "pulls/{number}", WRITES, updatePull),
  route("GET", "pulls/{number}/files", READS, listFiles),
  route("GET", "pulls/{number}/commits", READS, listCommits),
  route("GET", "pulls/{number}/merge", READS, (call) => {
    if (pullOf(call).fields["merged"] !== true) throw notFound();
    return { status: 204, content: { kind: "none" } };
  }),
  route("PUT", "pulls/{number}/merge", writes("contents"), mergePull),
  route("PUT", "pulls/{number}/update-branch", WRITES, (call) => {
    pullOf(call);
    return json({ message: "Updating pull request branch.", url: apiOf(call.repository) }, 202);
  }),
  route("GET", "pulls/{number}/requested_reviewers", READS, (call) => reviewersAnswer(pullOf(call))),
  route("POST", "pulls/{number}/requested_reviewers", WRITES, (call) => changeReviewers(call, true)),
  route("DELETE", "pulls/{number}/requested_reviewers", WRITES, (call) => changeReviewers(call, false)),
  route("GET", "commits/{sha}/pulls", READS, pullsOfCommit),
];

function reviewersAnswer({ fields }: Thread): ApiResponse {
  const { requested_reviewers, requested_teams } = { ...NO_REVIEWERS, ...fields };
  return json({ users: requested_reviewers, teams: requested_teams });
}

async function changeReviewers(call: ApiCall, add: boolean): Promise<ApiResponse> {
  const thread = pullOf(call);
  const body = bodyOf(call.request);
  const given = textsIn(body, "reviewers") ?? [];
  const known = thread.fields["requested_reviewers"];
  const others = (isList(known) ? known : []).filter((one) => !isObject(one) || !given.includes(shown(one["login"])));
  const requested_reviewers = add ? [...others, ...given.map((login) => userObject(login))] : others;
  const changed = call.world.state.putThread({ ...thread, fields: { ...thread.fields, requested_reviewers } });
  return json(await pullShape(call, changed, true), add ? 201 : 200);
}

function pullOf(call: ApiCall): Thread {
  return needThread(call, numberParam(call, "number"), "pull");
}

/** What the pull request would bring. Throws 422 when its commits are not in the repository. */
async function forkOf(
  call: ApiCall,
  thread: Thread,
): Promise<{ readonly fork: string | undefined; readonly head: string }> {
  const { base, head } = await endsOf(call.repository, thread);
  if (base === undefined || head === undefined) {
    const message = `The commits of pull request ${thread.number} are not in this repository: fetch its head and base to read them`;
    throw new ApiProblem(422, message);
  }
  return { fork: await mergeBase(call.repository, base, head), head };
}

async function listPulls(call: ApiCall): Promise<ApiResponse> {
  const { query } = call.request;
  const state = query.get("state") ?? "open";
  const [head, base] = [query.get("head"), query.get("base")];
  const pulls: JsonObject[] = [];
  for (const thread of call.world.state.threads().filter(({ kind }) => kind === "pull")) {
    const pull = await pullShape(call, thread, false);
    const isWanted =
      (state === "all" || pull["state"] === state) &&
      (head === null || (isObject(pull["head"]) && pull["head"]["label"] === head)) &&
      (base === null || (isObject(pull["base"]) && pull["base"]["ref"] === base));
    if (isWanted) pulls.push(pull);
  }
  return paged(call, query.get("direction") === "asc" ? pulls.toReversed() : pulls, (part) => part);
}

async function getPull(call: ApiCall): Promise<ApiResponse> {
  const thread = pullOf(call);
  const media = mediaOf(call.request);
  if (media !== "diff" && media !== "patch") return json(await pullShape(call, thread, true));
  const { fork, head } = await forkOf(call, thread);
  const text = media === "diff" ? diffText : patchText;
  return bytes(`application/vnd.github.${media}; charset=utf-8`, await text(call.repository, fork, head));
}

async function listFiles(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const { fork, head } = await forkOf(call, pullOf(call));
  const files: readonly ChangedFile[] = await changedFiles(repository, fork, head);
  return paged(call, files, (part) => part.map((file) => fileShape(file, repository, head)));
}

async function listCommits(call: ApiCall): Promise<ApiResponse> {
  const { repository } = call;
  const { fork, head } = await forkOf(call, pullOf(call));
  const ids = fork === undefined ? [head] : [head, `^${fork}`];
  const commits = await readCommits(repository, { ids, limit: 10_000, oldestFirst: true });
  return paged(call, commits.slice(0, MAX_COMMITS), (part) => part.map((commit) => commitShape(commit, repository)));
}

/** Pull requests whose commits it is among. */
async function pullsOfCommit(call: ApiCall): Promise<ApiResponse> {
  const { repository, world } = call;
  const sha = await commitOf(repository, param(call, "sha"));
  const pulls: JsonObject[] = [];
  for (const thread of world.state.threads().filter(({ kind }) => kind === "pull")) {
    const { base, head } = await endsOf(repository, thread);
    const merge = thread.fields["merge_commit_sha"];
    if (head === undefined) continue;
    const isAmong =
      sha === head ||
      sha === merge ||
      ((await mergeBase(repository, sha, head)) === sha &&
        (base === undefined || (await mergeBase(repository, sha, base)) !== sha));
    if (isAmong) pulls.push(await pullShape(call, thread, false));
  }
  return paged(call, pulls, (part) => part);
}

async function createPull(call: ApiCall): Promise<ApiResponse> {
  const { repository, world } = call;
  const body = bodyOf(call.request);
  const [head = "", base = ""] = ["head", "base"].map((field) => requiredText(body, field, "PullRequest"));
  const headRef = head.replace(/^[^:]*:/, "");
  const [headSha, baseSha] = [
    await findCommit(repository, `refs/heads/${headRef}`),
    await findCommit(repository, `refs/heads/${base}`),
  ];
  if (headSha === undefined) throw invalid("PullRequest", "head", "invalid");
  if (baseSha === undefined) throw invalid("PullRequest", "base", "invalid");
  const at = timeOf(world.now());
  const thread = world.state.putThread({
    number: world.state.nextNumber(),
    kind: "pull",
    fields: {
      id: world.state.nextId(),
      title: requiredText(body, "title", "PullRequest"),
      body: textIn(body, "body", "PullRequest") ?? null,
      draft: flagIn(body, "draft", false),
      user: BOT,
      created_at: at,
      updated_at: at,
      head: { ref: headRef, sha: headSha },
      base: { ref: base, sha: baseSha },
    },
    labels: [],
    assignees: [],
  });
  return json(await pullShape(call, thread, true), 201);
}

async function updatePull(call: ApiCall): Promise<ApiResponse> {
  const body = bodyOf(call.request);
  const changed = changeThread(call, pullOf(call), picked(body, ["title", "body", "state"]));
  const base = textIn(body, "base", "PullRequest");
  const thread =
    base === undefined
      ? changed
      : call.world.state.putThread({ ...changed, fields: { ...changed.fields, base: { ref: base } } });
  return json(await pullShape(call, thread, true));
}

/** The repository itself is not changed: the pull request counts as merged with the commit of its head. */
async function mergePull(call: ApiCall): Promise<ApiResponse> {
  const thread = pullOf(call);
  const { head } = await endsOf(call.repository, thread);
  const wanted = textIn(bodyOf(call.request), "sha", "PullRequest");
  if (thread.fields["state"] === "closed") throw new ApiProblem(405, "Pull Request is not mergeable");
  if (wanted !== undefined && wanted !== head)
    throw new ApiProblem(409, "Head branch was modified. Review and try the merge again.");
  const at = timeOf(call.world.now());
  const merged = {
    state: "closed",
    closed_at: at,
    merged: true,
    merged_at: at,
    merged_by: BOT,
    merge_commit_sha: head ?? null,
  };
  call.world.state.putThread({ ...thread, fields: { ...thread.fields, ...merged } });
  return json({ sha: head ?? null, merged: true, message: "Pull Request successfully merged" });
}
