/**
 * The body of an event that nobody delivered: what GitHub would send had what is checked out here been pushed, opened as a
 * pull request, released. Where the repository says nothing (an issue's text, an id), it is plainly made up.
 * A field that a real event has is there, since a workflow that reads `null` where GitHub has a value would decide otherwise.
 * Source: ACTIONS-CONTRACT §7.1 and §7.2, GitHub "Webhook events and payloads".
 */
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Activity } from "./choose-activity.ts";
import { shortRef, ZERO_SHA } from "./event-revision.ts";
import {
  checkObject,
  checkRunObject,
  deploymentObject,
  deploymentStatusBody,
  statusBody,
  workflowRunBody,
} from "./payload-outcome.ts";
import { commitObject, repositoryObject, userObject } from "./payload-repository.ts";
import type { Fields, Subject } from "./payload-subject.ts";
import { apiOf, htmlOf, identity, subjectOf } from "./payload-subject.ts";
import {
  commentObject,
  discussionObject,
  issueObject,
  issuesBody,
  labelObject,
  milestoneObject,
  pullRequestBody,
  pullRequestObject,
  reviewCommentObject,
  reviewObject,
} from "./payload-thread.ts";
import type { RepositoryFacts } from "./repository-facts.ts";

export interface PayloadRequest {
  readonly event: string;
  readonly activity: Activity;
  /** Of workflow_dispatch, as text. */
  readonly inputs: { readonly [name: string]: string };
  readonly actor: string;
}

export function makePayload(facts: RepositoryFacts, request: PayloadRequest): Fields {
  const subject = subjectOf(facts, request.actor);
  const { action } = request.activity;
  return {
    ...(action !== undefined && { action }),
    ...bodyOf(subject, request),
    repository: repositoryObject(subject),
    sender: userObject(request.actor),
  };
}

/** What stands beside `action`, `repository` and `sender`, which every event has. */
function bodyOf(subject: Subject, { event, activity, inputs }: PayloadRequest): Fields {
  const { facts, commit, actor, time } = subject;
  const action = activity.action ?? "";
  switch (event) {
    case "push":
    case "workflow_call":
      return pushBody(subject);
    case "pull_request":
    case "pull_request_target":
      return pullRequestBody(subject, action);
    case "pull_request_review":
      return { review: reviewObject(subject, action), pull_request: pullRequestObject(subject) };
    case "pull_request_review_comment":
      return { comment: reviewCommentObject(subject), pull_request: pullRequestObject(subject) };
    case "issues":
      return issuesBody(subject, action);
    case "issue_comment":
      return { issue: issueObject(subject), comment: commentObject(subject, "issues/comments/1") };
    case "release":
      return { release: releaseObject(subject, action) };
    case "create":
      return { ...refBody(subject), master_branch: facts.defaultBranch, description: null };
    case "delete":
      return refBody(subject);
    case "deployment":
      return { action: "created", deployment: deploymentObject(subject) };
    case "deployment_status":
      return deploymentStatusBody(subject);
    case "merge_group":
      return { merge_group: mergeGroupObject(subject) };
    case "workflow_run":
      return workflowRunBody(subject, activity);
    case "workflow_dispatch":
      return { ref: facts.ref, inputs: objectFromEntries(Object.entries(inputs)) };
    case "repository_dispatch":
      return { branch: facts.defaultBranch, client_payload: {} };
    case "schedule":
      return activity.schedule === undefined ? {} : { schedule: activity.schedule };
    case "check_run":
      return { check_run: checkRunObject(subject) };
    case "check_suite":
      return { check_suite: checkObject(subject) };
    case "status":
      return statusBody(subject);
    case "label":
      return { label: labelObject("bug", subject) };
    case "milestone":
      return { milestone: { ...milestoneObject(subject), state: action === "closed" ? "closed" : "open" } };
    case "discussion":
      return { discussion: discussionObject(subject) };
    case "discussion_comment":
      return { discussion: discussionObject(subject), comment: commentObject(subject, "discussions/1/comments/1") };
    case "fork":
      return { forkee: { ...repositoryObject(subject), fork: true, owner: userObject(actor) } };
    case "gollum":
      return { pages: [pageObject(subject)] };
    case "page_build":
      return {
        id: 1,
        build: {
          status: "built",
          error: { message: null },
          pusher: userObject(actor),
          commit: commit.sha,
          duration: 0,
        },
      };
    case "registry_package":
      return { registry_package: packageObject(subject) };
    case "branch_protection_rule":
      return { rule: { id: 1, name: facts.defaultBranch, admin_enforced: false, created_at: time, updated_at: time } };
    default:
      return {};
  }
}

function pushBody(subject: Subject): Fields {
  const { facts, commit } = subject;
  const isTag = facts.ref.startsWith("refs/tags/");
  // A tag is pushed as something new, and brings no commits of its own.
  const before = isTag ? ZERO_SHA : (facts.history?.base ?? ZERO_SHA);
  const known = facts.history?.commits ?? [commit];
  const head = facts.headSha === undefined ? null : commitObject(commit, subject);
  return {
    ref: facts.ref,
    before,
    after: commit.sha,
    created: before === ZERO_SHA,
    deleted: false,
    forced: false,
    base_ref: isTag ? `refs/heads/${facts.defaultBranch}` : null,
    compare: compareUrl(subject, before),
    commits: isTag || head === null ? [] : known.map((each) => commitObject(each, subject)),
    head_commit: head,
    pusher: { name: subject.actor, email: commit.committer.email },
  };
}

function compareUrl(subject: Subject, before: string): string {
  const { sha } = subject.commit;
  const range = before === ZERO_SHA ? sha.slice(0, 12) : `${before.slice(0, 12)}...${sha.slice(0, 12)}`;
  return `${htmlOf(subject)}/compare/${range}`;
}

function releaseObject(subject: Subject, action: string): Fields {
  const { facts, actor, time } = subject;
  const tag = facts.history?.tag ?? (facts.ref.startsWith("refs/tags/") ? shortRef(facts.ref) : "v1.0.0");
  const url = `${apiOf(subject)}/releases/1`;
  return {
    url,
    assets_url: `${url}/assets`,
    upload_url: `https://uploads.github.com/repos/${facts.owner}/${facts.name}/releases/1/assets{?name,label}`,
    html_url: `${htmlOf(subject)}/releases/tag/${tag}`,
    ...identity("RE", `${url}/${tag}`),
    author: userObject(actor),
    tag_name: tag,
    target_commitish: facts.defaultBranch,
    name: tag,
    draft: false,
    immutable: false,
    prerelease: action === "prereleased",
    created_at: time,
    updated_at: time,
    published_at: time,
    assets: [],
    tarball_url: `${apiOf(subject)}/tarball/${tag}`,
    zipball_url: `${apiOf(subject)}/zipball/${tag}`,
    body: "",
  };
}

/** Of create and delete: the short name of what is checked out. */
function refBody({ facts }: Subject): Fields {
  const refType = facts.ref.startsWith("refs/tags/") ? "tag" : "branch";
  return { ref: shortRef(facts.ref), ref_type: refType, pusher_type: "user" };
}

function mergeGroupObject(subject: Subject): Fields {
  const { facts, commit } = subject;
  const base = facts.history?.base ?? commit.sha;
  return {
    head_sha: commit.sha,
    head_ref: `refs/heads/gh-readonly-queue/${facts.defaultBranch}/pr-1-${base}`,
    base_sha: base,
    base_ref: `refs/heads/${facts.defaultBranch}`,
    head_commit: commitObject(commit, subject),
  };
}

function pageObject(subject: Subject): Fields {
  const html = `${htmlOf(subject)}/wiki/Home`;
  return { page_name: "Home", title: "Home", summary: null, action: "edited", sha: ZERO_SHA, html_url: html };
}

function packageObject(subject: Subject): Fields {
  const { facts, commit, actor, time } = subject;
  const branch = facts.ref.startsWith("refs/tags/") ? facts.defaultBranch : shortRef(facts.ref);
  return {
    id: 1,
    name: facts.name,
    namespace: facts.owner,
    ecosystem: "CONTAINER",
    package_type: "CONTAINER",
    html_url: `${htmlOf(subject)}/packages/1`,
    owner: userObject(facts.owner),
    created_at: time,
    updated_at: time,
    package_version: {
      id: 1,
      version: commit.sha,
      name: commit.sha,
      target_commitish: branch,
      target_oid: commit.sha,
      author: userObject(actor),
      container_metadata: { tag: { name: "latest", digest: "" } },
      created_at: time,
      updated_at: time,
    },
  };
}
