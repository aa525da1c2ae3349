import { describe, expect, it } from "vitest";
import { githubContext } from "../context/github-context.ts";
import type { Value } from "../expression/template.ts";
import { EVENT_NAMES } from "./event-rules.ts";
import { rangeOf, refsOf, revisionOf, ZERO_SHA } from "./event-revision.ts";
import { makeEvent } from "./make-event.ts";
import { matchTrigger } from "./match-trigger.ts";
import { aTrigger, aWorkflow } from "./plan-fixture.ts";
import type { RepositoryFacts } from "./repository-facts.ts";

const HEAD = "a".repeat(40);
const MAIN = "b".repeat(40);
const TAG = "c".repeat(40);
const OTHER = "d".repeat(40);

const person = { name: "Ada", email: "ada@example.com", date: "2026-01-02T03:04:05+01:00" };

/** `topic` is checked out, one commit after `main`. */
const facts: RepositoryFacts = {
  owner: "octo-org",
  name: "hello",
  defaultBranch: "main",
  ref: "refs/heads/topic",
  headSha: HEAD,
  headCommitMessage: "change",
  history: {
    base: MAIN,
    commits: [{ sha: HEAD, tree: OTHER, message: "change", author: person, committer: person }],
    tips: { "refs/heads/main": MAIN, "refs/tags/v1": TAG, "refs/remotes/origin/next": OTHER },
    tag: undefined,
  },
};

const QUEUE = `refs/heads/gh-readonly-queue/main/pr-1-${MAIN}`;

/** ACTIONS-CONTRACT §7.2, every row: what a run of an event made here has, and whether `on: <event>` starts on it. */
const TABLE: readonly {
  readonly event: string;
  readonly sha: string;
  readonly ref: string;
  readonly action?: string;
  readonly head?: string;
  readonly base?: string;
}[] = [
  { event: "branch_protection_rule", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "check_run", sha: MAIN, ref: "refs/heads/main", action: "completed" },
  { event: "check_suite", sha: MAIN, ref: "refs/heads/main", action: "completed" },
  { event: "create", sha: HEAD, ref: "refs/heads/topic" },
  { event: "delete", sha: MAIN, ref: "refs/heads/main" },
  { event: "deployment", sha: HEAD, ref: "refs/heads/topic", action: "created" },
  { event: "deployment_status", sha: HEAD, ref: "refs/heads/topic", action: "created" },
  { event: "discussion", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "discussion_comment", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "fork", sha: MAIN, ref: "refs/heads/main" },
  { event: "gollum", sha: MAIN, ref: "refs/heads/main" },
  { event: "image_version", sha: MAIN, ref: "refs/heads/main", action: "ready" },
  { event: "issue_comment", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "issues", sha: MAIN, ref: "refs/heads/main", action: "opened" },
  { event: "label", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "merge_group", sha: HEAD, ref: QUEUE, action: "checks_requested" },
  { event: "milestone", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "page_build", sha: MAIN, ref: "refs/heads/main" },
  { event: "project", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "project_card", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "project_column", sha: MAIN, ref: "refs/heads/main", action: "created" },
  { event: "public", sha: MAIN, ref: "refs/heads/main" },
  { event: "pull_request", sha: HEAD, ref: "refs/pull/1/merge", action: "synchronize", head: "topic", base: "main" },
  {
    event: "pull_request_review",
    sha: HEAD,
    ref: "refs/pull/1/merge",
    action: "submitted",
    head: "topic",
    base: "main",
  },
  {
    event: "pull_request_review_comment",
    sha: HEAD,
    ref: "refs/pull/1/merge",
    action: "created",
    head: "topic",
    base: "main",
  },
  {
    event: "pull_request_target",
    sha: MAIN,
    ref: "refs/heads/main",
    action: "synchronize",
    head: "topic",
    base: "main",
  },
  { event: "push", sha: HEAD, ref: "refs/heads/topic" },
  { event: "registry_package", sha: HEAD, ref: "refs/heads/topic", action: "published" },
  { event: "release", sha: HEAD, ref: "refs/tags/v1.0.0", action: "published" },
  { event: "repository_dispatch", sha: MAIN, ref: "refs/heads/main", action: "dispatch" },
  { event: "schedule", sha: MAIN, ref: "refs/heads/main" },
  { event: "status", sha: MAIN, ref: "refs/heads/main" },
  { event: "watch", sha: MAIN, ref: "refs/heads/main", action: "started" },
  { event: "workflow_call", sha: HEAD, ref: "refs/heads/topic" },
  { event: "workflow_dispatch", sha: HEAD, ref: "refs/heads/topic" },
  { event: "workflow_run", sha: MAIN, ref: "refs/heads/main", action: "completed" },
];

describe("an event made of a repository (§7.2)", () => {
  it.each(TABLE)("$event runs at $ref", ({ event, sha, ref, action, head = "", base = "" }) => {
    const request = { name: event, payload: undefined, inputs: {}, actor: "ada", changedFiles: undefined };
    const made = makeEvent(facts, request);
    const workflow = aWorkflow({ triggers: [aTrigger({ event })] });
    expect({ ...made, action: made.payload["action"] }).toMatchObject({
      sha,
      ref,
      action,
      headRef: head,
      baseRef: base,
    });
    expect(matchTrigger(workflow, made).matched).toBe(true);
    expect(githubContext({ event: made, workflow })).toMatchObject({
      sha,
      ref,
      ref_name: ref.replace(/^refs\/(?:heads|tags|pull)\//u, ""),
      ref_type: event === "release" ? "tag" : "branch",
      ref_protected: false,
      head_ref: head,
      base_ref: base,
      event_name: event,
    });
  });

  it("has a row for every event that starts workflows", () => {
    expect(TABLE.map(({ event }) => event)).toEqual(EVENT_NAMES);
  });
});

type Payload = { readonly [key: string]: Value };

describe("revisionOf", () => {
  const merged = {
    action: "closed",
    number: 7,
    pull_request: { merged: true, base: { ref: "main" }, head: { ref: "x" } },
  };
  it.each<[string, string, Payload, string, string]>([
    ["a push of another commit", "push", { ref: "refs/heads/x", after: OTHER }, OTHER, "refs/heads/x"],
    ["a deleted branch", "push", { ref: "refs/heads/x", after: ZERO_SHA, deleted: true }, MAIN, "refs/heads/main"],
    ["a pushed tag", "push", { ref: "refs/tags/v1" }, TAG, "refs/tags/v1"],
    ["a pull request's number", "pull_request", { number: 7, pull_request: {} }, HEAD, "refs/pull/7/merge"],
    ["a number in the pull request only", "pull_request", { pull_request: { number: 8 } }, HEAD, "refs/pull/8/merge"],
    ["a merged pull request", "pull_request", merged, MAIN, "refs/heads/main"],
    [
      "one closed without merging",
      "pull_request",
      { ...merged, pull_request: { merged: false } },
      HEAD,
      "refs/pull/7/merge",
    ],
    ["one merged earlier and labeled now", "pull_request", { ...merged, action: "labeled" }, HEAD, "refs/pull/7/merge"],
    ["a release of a tag that is here", "release", { release: { tag_name: "v1" } }, TAG, "refs/tags/v1"],
    ["a release of one that is not", "release", { release: { tag_name: "v9" } }, HEAD, "refs/tags/v9"],
    ["a new branch that only origin has", "create", { ref: "next", ref_type: "branch" }, OTHER, "refs/heads/next"],
    ["a new tag", "create", { ref: "v1", ref_type: "tag" }, TAG, "refs/tags/v1"],
    ["a dispatch on a tag", "workflow_dispatch", { ref: "refs/tags/v1" }, TAG, "refs/tags/v1"],
    ["a dispatch on a short name", "workflow_dispatch", { ref: "v1" }, TAG, "refs/tags/v1"],
    ["a deployment of a branch", "deployment", { deployment: { sha: OTHER, ref: "main" } }, OTHER, "refs/heads/main"],
    ["a deployment of a commit", "deployment_status", { deployment: { sha: OTHER, ref: OTHER } }, OTHER, ""],
    ["a merge group", "merge_group", { merge_group: { head_sha: OTHER, head_ref: QUEUE } }, OTHER, QUEUE],
    [
      "a package of a branch",
      "registry_package",
      { registry_package: { package_version: { target_commitish: "main", target_oid: OTHER } } },
      OTHER,
      "refs/heads/main",
    ],
    ["a package that names none", "registry_package", {}, MAIN, "refs/heads/main"],
    ["a sha that is none", "push", { after: "$(touch x)", ref: "refs/heads/main" }, MAIN, "refs/heads/main"],
  ])("knows %s", (_, event, payload, sha, ref) => {
    expect(revisionOf(event, payload, facts)).toMatchObject({ sha, ref });
  });

  it("takes the working tree where the default branch is checked out", () => {
    const onMain = { ...facts, ref: "refs/heads/main" };
    expect(revisionOf("schedule", {}, onMain)).toMatchObject({ sha: HEAD, ref: "refs/heads/main" });
  });

  it("takes the working tree where nothing is known of the default branch, and nothing before the first commit", () => {
    const unknown = { ...facts, history: undefined };
    expect(revisionOf("issues", {}, unknown)).toMatchObject({ sha: HEAD, ref: "refs/heads/main" });
    expect(revisionOf("push", {}, { ...unknown, headSha: undefined })).toMatchObject({ sha: ZERO_SHA });
  });
});

describe("refsOf", () => {
  it("names branch and tag of what a payload speaks of", () => {
    expect(refsOf({ ref: "refs/tags/v1" })).toEqual(["refs/tags/v1"]);
    expect(refsOf({ release: { tag_name: "v1" } })).toEqual(["refs/heads/v1", "refs/tags/v1"]);
    expect(refsOf({ pull_request: { base: { ref: "a/b" } } })).toEqual(["refs/heads/a/b", "refs/tags/a/b"]);
  });

  it.each(["-x", "a..b", "refs/heads/*", "a b", "a\nb", "", "x".repeat(300)])("hands %j not to git", (ref) => {
    expect(refsOf({ ref })).toEqual([]);
  });
});

describe("rangeOf", () => {
  it.each<[string, Payload, object | undefined]>([
    ["a push, two-dot", { before: MAIN, after: OTHER }, { from: MAIN, to: OTHER, sinceMergeBase: false }],
    [
      "a push of HEAD, with what is not committed",
      { before: MAIN, after: HEAD },
      { from: MAIN, to: undefined, sinceMergeBase: false },
    ],
    [
      "a new branch: since what the oldest commit follows",
      { before: ZERO_SHA, after: OTHER, commits: [{ id: MAIN }, { id: OTHER }] },
      { from: `${MAIN}^`, to: OTHER, sinceMergeBase: false },
    ],
    [
      "a pull request, three-dot",
      { pull_request: { base: { sha: MAIN }, head: { sha: OTHER } }, before: TAG, after: OTHER },
      { from: MAIN, to: OTHER, sinceMergeBase: true },
    ],
    ["a payload without commits", { action: "opened" }, undefined],
    ["a sha that is none", { before: MAIN, after: "--output=x" }, undefined],
  ])("knows %s", (_, payload, range) => {
    expect(rangeOf(payload, HEAD)).toEqual(range);
  });
});
