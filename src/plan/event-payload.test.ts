import { describe, expect, it } from "vitest";
import { githubContext } from "../context/github-context.ts";
import { evaluateExpression } from "../expression/evaluate.ts";
import type { Value } from "../expression/template.ts";
import type { Trigger } from "../workflow/workflow.ts";
import type { Event } from "./event.ts";
import { EVENT_NAMES, eventRule } from "./event-rules.ts";
import { makeEvent } from "./make-event.ts";
import type { EventRequest } from "./make-event.ts";
import { matchTrigger } from "./match-trigger.ts";
import { aTrigger, aWorkflow } from "./plan-fixture.ts";
import { withWorkingTree } from "./repository-facts.ts";
import type { Commit, History, RepositoryFacts } from "./repository-facts.ts";

const FIRST = "1".repeat(40);
const BASE = "2".repeat(40);
const HEAD = "3".repeat(40);
const TREE = "4".repeat(40);

const person = { name: "Ada", email: "ada@example.com", date: "2026-01-02T03:04:05+01:00" };

function aCommit(sha: string, message: string): Commit {
  return { sha, tree: TREE, message, author: person, committer: person };
}

const history: History = {
  base: BASE,
  commits: [aCommit(FIRST, "first"), aCommit(HEAD, "Add a thing\n\nIt is needed.")],
  tips: { "refs/heads/main": BASE },
  tag: "v2",
};

const facts: RepositoryFacts = {
  owner: "octo-org",
  name: "hello",
  defaultBranch: "main",
  ref: "refs/heads/topic",
  headSha: HEAD,
  headCommitMessage: "Add a thing\n\nIt is needed.",
  history,
};

function make(name: string, request: Partial<EventRequest> = {}, changed: Partial<RepositoryFacts> = {}): Event {
  return makeEvent(
    { ...facts, ...changed },
    { name, payload: undefined, inputs: {}, actor: "ada", changedFiles: undefined, ...request },
  );
}

/** What `${{ github.event.… }}` shows; several as a list. */
function read(event: Event, ...paths: readonly string[]): readonly Value[] {
  const github = githubContext({ event, workflow: aWorkflow() });
  return paths.map((path) => evaluateExpression(`github.event.${path}`, { contexts: { github }, functions: {} }));
}

function asking(types: readonly string[], event: string): Pick<EventRequest, "triggers"> {
  return { triggers: [aTrigger({ event, types })] };
}

/** What workflows of the corpus read, and a real event of that kind has. */
const COMMONLY_READ: Readonly<Record<string, readonly string[]>> = {
  push: ["ref", "before", "after", "head_commit.message", "head_commit.author.name", "repository.name", "pusher.name"],
  pull_request: [
    "action",
    "number",
    "pull_request.number",
    "pull_request.title",
    "pull_request.html_url",
    "pull_request.node_id",
    "pull_request.state",
    "pull_request.draft",
    "pull_request.merged",
    "pull_request.created_at",
    "pull_request.updated_at",
    "pull_request.user.login",
    "pull_request.user.type",
    "pull_request.labels",
    "pull_request.base.ref",
    "pull_request.base.sha",
    "pull_request.head.ref",
    "pull_request.head.sha",
    "pull_request.head.label",
    "pull_request.head.repo.fork",
    "pull_request.head.repo.full_name",
    "pull_request.head.repo.clone_url",
    "repository.default_branch",
    "repository.url",
  ],
  issues: [
    "issue.number",
    "issue.title",
    "issue.body",
    "issue.html_url",
    "issue.state",
    "issue.created_at",
    "issue.user.login",
    "issue.labels",
    "issue.author_association",
  ],
  issue_comment: [
    "issue.number",
    "comment.id",
    "comment.body",
    "comment.user.login",
    "comment.user.type",
    "comment.author_association",
  ],
  pull_request_review: ["review.body", "review.state", "pull_request.number"],
  release: ["release.name", "release.tag_name", "release.upload_url", "release.prerelease"],
  workflow_run: ["workflow_run.id", "workflow_run.event", "workflow_run.conclusion", "workflow_run.head_repository.id"],
  create: ["ref", "ref_type"],
  status: ["state", "sha", "context"],
  deployment: ["deployment.environment", "deployment.ref", "deployment.sha"],
  check_run: ["check_run.conclusion", "check_run.head_sha", "check_run.name"],
  merge_group: ["merge_group.head_sha", "merge_group.base_ref", "merge_group.head_commit.id"],
};

describe("makePayload", () => {
  it.each(Object.entries(COMMONLY_READ))("has in %s what workflows read of it", (name, paths) => {
    const values = read(make(name), ...paths);
    expect(paths.filter((_, index) => values[index] === null)).toEqual([]);
  });

  it("names the label of a labeled issue with all that a label has, and where a transferred one went", () => {
    expect(read(make("issues", asking(["labeled"], "issues")), "label.name", "label.description")).toEqual([
      "bug",
      "Something isn't working",
    ]);
    const moved = make("issues", asking(["transferred"], "issues"));
    expect(read(moved, "changes.new_issue.html_url", "changes.new_repository.private")).toEqual([
      "https://github.com/octo-org/hello/issues/1",
      false,
    ]);
  });

  it.each(EVENT_NAMES)("makes %s with repository and sender, as plain data without holes", (name) => {
    const { payload } = make(name);
    expect(payload).toMatchObject({ repository: { full_name: "octo-org/hello" }, sender: { login: "ada" } });
    expect(JSON.parse(JSON.stringify(payload))).toEqual(payload);
    expect(JSON.stringify(payload)).not.toContain("undefined");
  });

  it.each(EVENT_NAMES.filter((name) => (eventRule(name)?.types.length ?? 0) > 0))(
    "makes every activity of %s such that a workflow for it starts",
    (name) => {
      for (const action of eventRule(name)?.types ?? []) {
        const event = make(name, asking([action], name));
        expect(event.payload["action"]).toBe(action);
        const workflow = aWorkflow({ triggers: [aTrigger({ event: name, types: [action] })] });
        expect(matchTrigger(workflow, event).matched).toBe(true);
      }
    },
  );

  it("gives the repository the ids that the github context has", () => {
    const event = make("push");
    const github = githubContext({ event, workflow: aWorkflow() });
    const [repository, owner, sender] = read(event, "repository.id", "repository.owner.id", "sender.id");
    expect([github["repository_id"], github["repository_owner_id"], github["actor_id"]]).toEqual(
      [repository, owner, sender].map(String),
    );
    const without = githubContext({ event: { ...event, payload: {} }, workflow: aWorkflow() });
    expect(without["repository_id"]).toBe(github["repository_id"]);
  });

  it("tells of a push its commits, oldest first, and what they come after", () => {
    const event = make("push");
    expect(event.payload).toMatchObject({
      ref: "refs/heads/topic",
      before: BASE,
      after: HEAD,
      created: false,
      deleted: false,
      compare: `https://github.com/octo-org/hello/compare/${BASE.slice(0, 12)}...${HEAD.slice(0, 12)}`,
      commits: [{ id: FIRST }, { id: HEAD }],
      head_commit: {
        id: HEAD,
        tree_id: TREE,
        message: "Add a thing\n\nIt is needed.",
        timestamp: person.date,
        author: { name: "Ada", email: "ada@example.com" },
      },
      pusher: { name: "ada", email: "ada@example.com" },
    });
    // GitHub leaves the changed files out of the payload that Actions gets.
    expect(read(event, "head_commit.modified", "commits.*.message")).toEqual([
      null,
      ["first", facts.headCommitMessage],
    ]);
  });

  it("tells of a pushed tag that it is new and brings no commits", () => {
    expect(make("push", {}, { ref: "refs/tags/v2" }).payload).toMatchObject({
      ref: "refs/tags/v2",
      before: "0".repeat(40),
      created: true,
      commits: [],
      head_commit: { id: HEAD },
    });
  });

  it("tells of a push before the first commit that there is none", () => {
    const { payload, sha } = make("push", {}, { headSha: undefined, headCommitMessage: "", history: undefined });
    expect(payload).toMatchObject({ created: true, commits: [], head_commit: null, after: "0".repeat(40) });
    expect(sha).toBe("0".repeat(40));
  });

  it("makes a pull request of the working tree against the default branch, from where the two parted", () => {
    const event = make("pull_request");
    expect(event.payload).toMatchObject({
      action: "synchronize",
      number: 1,
      before: FIRST,
      after: HEAD,
      pull_request: {
        number: 1,
        title: "Add a thing",
        body: "It is needed.",
        state: "open",
        draft: false,
        merged: false,
        commits: 2,
        head: { ref: "topic", sha: HEAD, label: "octo-org:topic", repo: { full_name: "octo-org/hello", fork: false } },
        base: { ref: "main", sha: BASE },
        user: { login: "ada", type: "User" },
      },
    });
    expect(read(event, "pull_request.labels.*.name", "pull_request.html_url")).toEqual([
      [],
      "https://github.com/octo-org/hello/pull/1",
    ]);
  });

  it("gives the label that a labeled pull request or issue is about", () => {
    const pull = make("pull_request", asking(["labeled"], "pull_request"));
    expect(read(pull, "label.name", "pull_request.labels.*.name")).toEqual(["bug", ["bug"]]);
    expect(read(make("issues", asking(["unlabeled"], "issues")), "label.name", "issue.labels.*.name")).toEqual([
      "bug",
      [],
    ]);
  });

  it("closes a pull request as merged only where the default branch is checked out", () => {
    const closed = asking(["closed"], "pull_request");
    expect(read(make("pull_request", closed), "pull_request.merged", "pull_request.state")).toEqual([false, "closed"]);
    const merged = make("pull_request", closed, { ref: "refs/heads/main" });
    expect(read(merged, "pull_request.merged")).toEqual([true]);
    expect(merged).toMatchObject({ ref: "refs/heads/main", sha: HEAD });
  });

  it("releases the tag at HEAD, else one that is made up", () => {
    expect(make("release")).toMatchObject({
      ref: "refs/tags/v2",
      payload: { release: { tag_name: "v2", draft: false } },
    });
    expect(make("release", {}, { history: undefined }).ref).toBe("refs/tags/v1.0.0");
  });

  it("tells of a workflow run the name that a workflow follows, and that it succeeded here", () => {
    const triggers: Trigger[] = [aTrigger({ event: "workflow_run", workflows: ["*", "Build"] })];
    const event = make("workflow_run", { triggers });
    expect(read(event, "workflow_run.name", "workflow.name", "workflow_run.conclusion")).toEqual([
      "Build",
      "Build",
      "success",
    ]);
    expect(read(event, "workflow_run.head_branch", "workflow_run.head_sha")).toEqual(["topic", HEAD]);
    const requested = make("workflow_run", { triggers: [aTrigger({ event: "workflow_run", types: ["requested"] })] });
    expect(read(requested, "workflow_run.status", "workflow_run.conclusion")).toEqual(["requested", null]);
  });

  it("sends the event type that a workflow waits for", () => {
    expect(make("repository_dispatch", asking(["build"], "repository_dispatch")).payload).toMatchObject({
      action: "build",
      client_payload: {},
    });
  });

  it("prefers the usual activity where any workflow takes it", () => {
    const triggers = [aTrigger({ event: "issues", types: ["labeled"] }), aTrigger({ event: "issues" })];
    expect(make("issues", { triggers }).payload["action"]).toBe("opened");
  });

  it("has the working tree's own commit as its last one, after HEAD's message", () => {
    const workingTree = { sha: "5".repeat(40), tree: "6".repeat(40) };
    const event = make("push", {}, { headSha: workingTree.sha, history: withWorkingTree(history, workingTree) });
    expect(event.sha).toBe(workingTree.sha);
    expect(event.payload).toMatchObject({
      after: workingTree.sha,
      commits: [{ id: FIRST }, { id: workingTree.sha }],
      head_commit: { id: workingTree.sha, tree_id: workingTree.tree, message: facts.headCommitMessage },
    });
  });
});

function message(payload: Event["payload"]): string {
  return make("push", { payload }).headCommitMessage;
}

describe("a payload that somebody gives", () => {
  it("is taken as it is", () => {
    const payload = { action: "opened", issue: { number: 5 }, sender: { login: "mona" } };
    expect(make("issues", { payload })).toMatchObject({ payload, actor: "mona" });
    expect(make("issues", { payload }).payload).not.toHaveProperty("repository");
  });

  it("gets the activity where it names none, a repository_dispatch that of the API's own body", () => {
    expect(make("issues", { payload: { issue: {} } }).payload["action"]).toBe("opened");
    expect(make("issues", { payload: {}, ...asking(["pinned"], "issues") }).payload["action"]).toBe("pinned");
    const dispatch = { event_type: "build", client_payload: { a: 1 } };
    expect(make("repository_dispatch", { payload: dispatch }).payload).toEqual({ action: "build", ...dispatch });
    expect(make("push", { payload: {} }).payload).toEqual({});
  });

  it("brings the message of its own head commit, and none where that is not the one here", () => {
    expect(message({ head_commit: { message: "[skip ci]" } })).toBe("[skip ci]");
    expect(message({ after: BASE })).toBe("");
    expect(message({ after: HEAD })).toBe(facts.headCommitMessage);
    expect(message({ pull_request: { head: { sha: BASE } } })).toBe("");
  });
});
