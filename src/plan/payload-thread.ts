/**
 * What people talk about, in the shape that webhook payloads have it: pull requests, which are the working tree's, and issues,
 * comments, reviews and discussions, which are made up. Source: GitHub "Webhook events and payloads".
 */
import { shortRef, ZERO_SHA } from "./event-revision.ts";
import { repositoryObject, userObject } from "./payload-repository.ts";
import type { Fields, Subject } from "./payload-subject.ts";
import { apiOf, htmlOf, identity } from "./payload-subject.ts";

export function pullRequestBody(subject: Subject, action: string): Fields {
  const before = subject.facts.history?.commits.at(-2)?.sha ?? subject.facts.history?.base ?? ZERO_SHA;
  const changed = changeOf(subject, action);
  const closed = action === "closed" ? closedPullRequest(subject) : {};
  return {
    number: 1,
    ...(action === "synchronize" && { before, after: subject.commit.sha }),
    ...changed.fields,
    pull_request: { ...pullRequestObject(subject), ...changed.inThread, ...closed },
  };
}

export function issuesBody(subject: Subject, action: string): Fields {
  const changed = changeOf(subject, action);
  const closed = action === "closed" ? { state: "closed", state_reason: "completed", closed_at: subject.time } : {};
  return { ...changed.fields, issue: { ...issueObject(subject), ...changed.inThread, ...closed } };
}

/** The working tree as a pull request against the default branch: titled as its last commit, which is what GitHub proposes. */
export function pullRequestObject(subject: Subject): Fields {
  const { facts, commit } = subject;
  const html = `${htmlOf(subject)}/pull/${NUMBER}`;
  const { title, body } = splitMessage(commit.message);
  const side = (ref: string, sha: string): Fields => ({
    label: `${facts.owner}:${ref}`,
    ref,
    sha,
    user: userObject(facts.owner),
    repo: repositoryObject(subject),
  });
  return {
    ...thread(subject, "pull", title, body),
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: `${apiOf(subject)}/issues/${NUMBER}`,
    commits_url: `${apiOf(subject)}/pulls/${NUMBER}/commits`,
    review_comments_url: `${apiOf(subject)}/pulls/${NUMBER}/comments`,
    review_comment_url: `${apiOf(subject)}/pulls/comments{/number}`,
    statuses_url: `${apiOf(subject)}/statuses/${commit.sha}`,
    _links: { self: { href: `${apiOf(subject)}/pulls/${NUMBER}` }, html: { href: html } },
    merged_at: null,
    merge_commit_sha: commit.sha,
    requested_reviewers: [],
    requested_teams: [],
    draft: false,
    head: side(shortRef(facts.ref), commit.sha),
    base: side(facts.defaultBranch, facts.history?.base ?? commit.sha),
    auto_merge: null,
    merged: false,
    mergeable: null,
    rebaseable: null,
    mergeable_state: "unknown",
    merged_by: null,
    review_comments: 0,
    maintainer_can_modify: false,
    commits: Math.max(facts.history?.commits.length ?? 1, 1),
    additions: 0,
    deletions: 0,
    changed_files: 0,
  };
}

export function issueObject(subject: Subject): Fields {
  return {
    ...thread(subject, "issues", "Issue 1", "The issue's text."),
    repository_url: apiOf(subject),
    labels_url: `${apiOf(subject)}/issues/${NUMBER}/labels{/name}`,
    events_url: `${apiOf(subject)}/issues/${NUMBER}/events`,
    state_reason: null,
    type: null,
  };
}

export function reviewObject(subject: Subject, action: string): Fields {
  const at = `${apiOf(subject)}/pulls/1/reviews/1`;
  return {
    ...identity("PRR", at),
    user: userObject(subject.actor),
    body: "",
    commit_id: subject.commit.sha,
    submitted_at: subject.time,
    state: action === "dismissed" ? "dismissed" : "approved",
    html_url: `${htmlOf(subject)}/pull/1#pullrequestreview-1`,
    pull_request_url: `${apiOf(subject)}/pulls/1`,
    author_association: "OWNER",
  };
}

/** `at` is the rest of its address after the issue's or pull request's. */
export function commentObject(subject: Subject, at: string): Fields {
  return {
    ...identity("IC", `${apiOf(subject)}/${at}`),
    url: `${apiOf(subject)}/${at}`,
    html_url: `${htmlOf(subject)}/${at}`,
    user: userObject(subject.actor),
    body: "The comment's text.",
    author_association: "OWNER",
    created_at: subject.time,
    updated_at: subject.time,
  };
}

export function reviewCommentObject(subject: Subject): Fields {
  return {
    ...commentObject(subject, "pulls/comments/1"),
    pull_request_review_id: 1,
    diff_hunk: "",
    path: "",
    position: 1,
    commit_id: subject.commit.sha,
    original_commit_id: subject.commit.sha,
    pull_request_url: `${apiOf(subject)}/pulls/1`,
  };
}

export function discussionObject(subject: Subject): Fields {
  const at = `${htmlOf(subject)}/discussions/1`;
  return {
    ...identity("D", at),
    html_url: at,
    number: 1,
    title: "Discussion 1",
    body: "",
    state: "open",
    locked: false,
    comments: 0,
    user: userObject(subject.actor),
    author_association: "OWNER",
    category: { ...identity("DIC", at), name: "General", slug: "general", is_answerable: false },
    labels: [],
    created_at: subject.time,
    updated_at: subject.time,
  };
}

export function labelObject(name: string, { facts }: Subject): Fields {
  const url = `https://api.github.com/repos/${facts.owner}/${facts.name}/labels/${name}`;
  return { ...identity("LA", url), url, name, color: "d73a4a", default: true, description: "Something isn't working" };
}

export function milestoneObject({ facts, actor, time }: Subject): Fields {
  const at = `repos/${facts.owner}/${facts.name}/milestones/1`;
  return {
    url: `https://api.github.com/${at}`,
    html_url: `https://github.com/${facts.owner}/${facts.name}/milestone/1`,
    ...identity("MI", at),
    number: 1,
    title: "Milestone 1",
    description: null,
    creator: userObject(actor),
    open_issues: 1,
    closed_issues: 0,
    state: "open",
    created_at: time,
    updated_at: time,
    due_on: null,
    closed_at: null,
  };
}

/** What an activity type names beside the issue or pull request, and what it makes different in it. */
function changeOf(subject: Subject, action: string): { readonly fields: Fields; readonly inThread: Fields } {
  const user = userObject(subject.actor);
  switch (action) {
    case "labeled":
    case "unlabeled": {
      const label = labelObject("bug", subject);
      return { fields: { label }, inThread: action === "labeled" ? { labels: [label] } : {} };
    }
    case "assigned":
      return { fields: { assignee: user }, inThread: { assignee: user, assignees: [user] } };
    case "unassigned":
      return { fields: { assignee: user }, inThread: {} };
    case "milestoned":
    case "demilestoned": {
      const milestone = milestoneObject(subject);
      return { fields: { milestone }, inThread: action === "milestoned" ? { milestone } : {} };
    }
    case "review_requested":
      return { fields: { requested_reviewer: user }, inThread: { requested_reviewers: [user] } };
    case "review_request_removed":
      return { fields: { requested_reviewer: user }, inThread: {} };
    case "converted_to_draft":
      return { fields: {}, inThread: { draft: true } };
    case "locked":
      return { fields: {}, inThread: { locked: true, active_lock_reason: "resolved" } };
    case "edited":
      return { fields: { changes: { title: { from: "The title before" } } }, inThread: {} };
    case "transferred": {
      const changes = { new_issue: issueObject(subject), new_repository: repositoryObject(subject) };
      return { fields: { changes }, inThread: {} };
    }
    default:
      return { fields: {}, inThread: {} };
  }
}

/** On the default branch the working tree is what was merged; elsewhere its pull request was closed without that. */
function closedPullRequest({ facts, commit, actor, time }: Subject): Fields {
  const closed = { state: "closed", closed_at: time };
  if (facts.ref !== `refs/heads/${facts.defaultBranch}`) return closed;
  return { ...closed, merged: true, merged_at: time, merged_by: userObject(actor), merge_commit_sha: commit.sha };
}

/** What issues and pull requests have in common; `place` is `issues` or `pull`. */
function thread(subject: Subject, place: "issues" | "pull", title: string, body: string | null): Fields {
  const api = apiOf(subject);
  return {
    url: `${api}/${place === "pull" ? "pulls" : "issues"}/${NUMBER}`,
    ...identity(place === "pull" ? "PR" : "I", `${api}/${place}/${NUMBER}`),
    html_url: `${htmlOf(subject)}/${place}/${NUMBER}`,
    comments_url: `${api}/issues/${NUMBER}/comments`,
    number: NUMBER,
    state: "open",
    locked: false,
    title,
    user: userObject(subject.actor),
    body,
    labels: [],
    assignee: null,
    assignees: [],
    milestone: null,
    active_lock_reason: null,
    author_association: "OWNER",
    created_at: subject.time,
    updated_at: subject.time,
    closed_at: null,
    comments: 0,
  };
}

/** What a run here is for has no number at GitHub. */
const NUMBER = 1;

function splitMessage(message: string): { readonly title: string; readonly body: string | null } {
  const [title = "", ...rest] = message.split("\n");
  const body = rest.join("\n").trim();
  return { title, body: body === "" ? null : body };
}
