/**
 * A pull request in the shape of GitHub's API: that of the run's event, one that was seeded, one that a job has opened. What it changes is
 * read from the repository, between where head and base parted and head.
 */
import { isObject, shown } from "./api-body.ts";
import type { ApiCall, ApiRepository } from "./api-call.ts";
import { mergeBase, readCommits } from "./api-commits.ts";
import { changedFiles, totalsOf } from "./api-diff.ts";
import type { JsonObject } from "./api-message.ts";
import { findCommit } from "./api-revision.ts";
import { apiOf, htmlOf, repositoryShape } from "./api-shape.ts";
import type { Thread } from "./api-state.ts";
import { threadShape } from "./api-thread.ts";

export const NO_REVIEWERS = { requested_reviewers: [], requested_teams: [] };

/** Where the two sides of a pull request are; undefined for a commit that is not in this repository. */
export interface PullEnds {
  readonly base: string | undefined;
  readonly head: string | undefined;
}

export async function endsOf(repository: ApiRepository, { fields, number }: Thread): Promise<PullEnds> {
  const [base, head] = await Promise.all([
    sideOf(repository, fields["base"], []),
    sideOf(repository, fields["head"], [`refs/pull/${number}/head`, `refs/pull/${number}/merge`]),
  ]);
  return { base, head };
}

/** By its id, else by its branch, else by what GitHub calls it. */
async function sideOf(
  repository: ApiRepository,
  side: JsonObject[string],
  others: readonly string[],
): Promise<string | undefined> {
  const [sha, ref] = isObject(side) ? [shown(side["sha"]), shown(side["ref"])] : ["", ""];
  const names = sha === "" ? [ref === "" ? "" : `refs/heads/${ref}`, ...others] : [sha];
  for (const name of names.filter((one) => one !== "")) {
    const found = await findCommit(repository, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `detail`: what only one pull request by itself is shown with, which costs more to find out. */
export async function pullShape(call: ApiCall, thread: Thread, detail: boolean): Promise<JsonObject> {
  const { repository } = call;
  const { number, fields } = thread;
  const [api, html] = [apiOf(repository), htmlOf(repository)];
  const ends = await endsOf(repository, thread);
  const side = (name: "head" | "base"): JsonObject => {
    const given = isObject(fields[name]) ? fields[name] : {};
    const ref = shown(given["ref"]) || (name === "base" ? repository.defaultBranch : "");
    const made = {
      label: `${repository.owner}:${ref}`,
      ref,
      user: { login: repository.owner },
      repo: repositoryShape(call),
    };
    return { ...made, sha: ends[name] ?? null, ...given };
  };
  const url = `${api}/pulls/${number}`;
  return {
    ...NO_REVIEWERS,
    draft: false,
    merged_at: null,
    merge_commit_sha: ends.head ?? null,
    auto_merge: null,
    ...threadShape(call, thread),
    url,
    diff_url: `${html}/pull/${number}.diff`,
    patch_url: `${html}/pull/${number}.patch`,
    issue_url: `${api}/issues/${number}`,
    commits_url: `${url}/commits`,
    review_comments_url: `${url}/comments`,
    review_comment_url: `${api}/pulls/comments{/number}`,
    statuses_url: `${api}/statuses/${ends.head ?? ""}`,
    head: side("head"),
    base: side("base"),
    ...(detail ? await detailsOf(call, thread, ends) : {}),
  };
}

async function detailsOf(call: ApiCall, thread: Thread, { base, head }: PullEnds): Promise<JsonObject> {
  const { repository, world } = call;
  const { fields, number } = thread;
  const known = {
    merged: fields["merged"] ?? false,
    mergeable: fields["mergeable"] ?? true,
    rebaseable: fields["rebaseable"] ?? true,
    mergeable_state: fields["mergeable"] === false ? "dirty" : "clean",
    merged_by: fields["merged_by"] ?? null,
    maintainer_can_modify: fields["maintainer_can_modify"] ?? false,
    review_comments: world.state.reviewComments.of(String(number)).length,
  };
  if (base === undefined || head === undefined) return known;
  const fork = await mergeBase(repository, base, head);
  const [files, commits] = await Promise.all([
    changedFiles(repository, fork, head),
    readCommits(repository, { ids: fork === undefined ? [head] : [head, `^${fork}`], limit: MAX_COMMITS }),
  ]);
  const { additions, deletions } = totalsOf(files);
  return { ...known, commits: commits.length, additions, deletions, changed_files: files.length };
}

/** GitHub lists no more. */
export const MAX_COMMITS = 250;
