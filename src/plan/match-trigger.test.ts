import { array, assert, constantFrom, oneof, option, property, record, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Trigger } from "../workflow/workflow.ts";
import type { Event } from "./event.ts";
import { matchTrigger } from "./match-trigger.ts";
import { anEvent, aTrigger, aWorkflow } from "./plan-fixture.ts";

/** "matched", or why not. */
function match(trigger: Partial<Trigger>, event: Partial<Event> = {}): string {
  const result = matchTrigger(aWorkflow({ triggers: [aTrigger(trigger)] }), anEvent(event));
  return result.matched ? "matched" : result.reason;
}

interface Case {
  readonly rule: string;
  readonly trigger: Partial<Trigger>;
  readonly event?: Partial<Event>;
  /** Undefined: the event starts the workflow. Else a part of the reason. */
  readonly reason?: string;
}

const pullRequest = { event: "pull_request" };

function pull(action: string | undefined, members: Partial<Event> = {}): Partial<Event> {
  return {
    name: "pull_request",
    payload: action === undefined ? {} : { action },
    ref: "refs/pull/7/merge",
    baseRef: "main",
    headRef: "topic",
    ...members,
  };
}

const CASES: Record<string, readonly Case[]> = {
  "the event's name": [
    { rule: "push starts on: push", trigger: {} },
    { rule: "another event does not", trigger: {}, event: { name: "create" }, reason: "the workflow starts on push" },
    {
      rule: "pull_request_target is not pull_request",
      trigger: pullRequest,
      event: pull("opened", { name: "pull_request_target" }),
      reason: "the event is pull_request_target",
    },
  ],
  "activity types (§7.2)": [
    { rule: "opened is a default", trigger: pullRequest, event: pull("opened") },
    { rule: "synchronize is a default", trigger: pullRequest, event: pull("synchronize") },
    { rule: "reopened is a default", trigger: pullRequest, event: pull("reopened") },
    { rule: "labeled is not", trigger: pullRequest, event: pull("labeled"), reason: "type is labeled" },
    { rule: "labeled when asked for", trigger: { ...pullRequest, types: ["labeled"] }, event: pull("labeled") },
    {
      rule: "types replace the defaults",
      trigger: { ...pullRequest, types: ["labeled"] },
      event: pull("opened"),
      reason: "takes labeled",
    },
    { rule: "a payload without an action passes", trigger: pullRequest, event: pull(undefined) },
    {
      rule: "issues start on every type",
      trigger: { event: "issues" },
      event: { name: "issues", payload: { action: "pinned" } },
    },
    {
      rule: "an activity that GitHub has, and that starts no workflow",
      trigger: { event: "discussion" },
      event: { name: "discussion", payload: { action: "closed" } },
      reason: "type is closed",
    },
    {
      rule: "a merge group that was destroyed",
      trigger: { event: "merge_group" },
      event: { name: "merge_group", payload: { action: "destroyed" } },
      reason: "takes checks_requested",
    },
    {
      rule: "watch starts on started only",
      trigger: { event: "watch" },
      event: { name: "watch", payload: { action: "stopped" } },
      reason: "takes started",
    },
    {
      rule: "repository_dispatch types are the sender's event types, case and all",
      trigger: { event: "repository_dispatch", types: ["Build"] },
      event: { name: "repository_dispatch", payload: { action: "build" } },
      reason: "takes Build",
    },
  ],
  "branches and tags (§7.3)": [
    { rule: "a branch in the list", trigger: { branches: ["main"] } },
    { rule: "a branch outside it", trigger: { branches: ["dev"] }, reason: "does not have the branch 'main'" },
    {
      rule: "the whole name",
      trigger: { branches: ["main"] },
      event: { ref: "refs/heads/main-evil" },
      reason: "main-evil",
    },
    { rule: "the name only", trigger: { branches: ["main"] }, event: { ref: "refs/heads/x/main" }, reason: "x/main" },
    { rule: "case matters", trigger: { branches: ["main"] }, event: { ref: "refs/heads/MAIN" }, reason: "MAIN" },
    {
      rule: "a tag named main",
      trigger: { branches: ["main"] },
      event: { ref: "refs/tags/main" },
      reason: "branches only",
    },
    { rule: "branches-ignore", trigger: { branchesIgnore: ["ma*"] }, reason: "branches-ignore has the branch 'main'" },
    { rule: "branches-ignore of others", trigger: { branchesIgnore: ["dev"] } },
    { rule: "an empty list lets nothing pass", trigger: { branches: [] }, reason: "does not have" },
    { rule: "tags only: no branch", trigger: { tags: ["v*"] }, reason: "filters tags only" },
    { rule: "tags-ignore only: no branch", trigger: { tagsIgnore: ["v*"] }, reason: "filters tags only" },
    { rule: "a tag in the list", trigger: { tags: ["v*"] }, event: { ref: "refs/tags/v1" } },
    { rule: "a tag outside it", trigger: { tags: ["v*"] }, event: { ref: "refs/tags/x1" }, reason: "the tag 'x1'" },
    { rule: "branches or tags: the branch", trigger: { branches: ["main"], tags: ["v*"] } },
    {
      rule: "branches or tags: the tag",
      trigger: { branches: ["main"], tags: ["v*"] },
      event: { ref: "refs/tags/v2" },
    },
    { rule: "neither filter: tags too", trigger: {}, event: { ref: "refs/tags/v2" } },
    { rule: "other refs", trigger: { branches: ["**"] }, event: { ref: "refs/notes/x" }, reason: "is neither" },
    { rule: "a deleted branch", trigger: {}, event: { payload: { deleted: true } }, reason: "deleted its ref" },
    { rule: "a pull request's base", trigger: { ...pullRequest, branches: ["main"] }, event: pull("opened") },
    {
      rule: "a pull request's head does not count",
      trigger: { ...pullRequest, branches: ["topic"] },
      event: pull("opened"),
      reason: "does not have the branch 'main'",
    },
    {
      rule: "a pull request whose base is unknown does not get past a filter",
      trigger: { ...pullRequest, branches: ["**"] },
      event: pull("opened", { baseRef: "" }),
      reason: "names none",
    },
    {
      rule: "a workflow run's branch",
      trigger: { event: "workflow_run", workflows: ["Build"], branches: ["rel/**"] },
      event: { name: "workflow_run", payload: { workflow_run: { name: "Build", head_branch: "rel/1" } } },
    },
    {
      rule: "a workflow run of another workflow",
      trigger: { event: "workflow_run", workflows: ["Build"] },
      event: { name: "workflow_run", payload: { workflow_run: { name: "Builder", head_branch: "main" } } },
      reason: "follows Build",
    },
    {
      rule: "the base of a pull request for pull_request_target",
      trigger: { event: "pull_request_target", branches: ["topic"] },
      event: pull("opened", { name: "pull_request_target", ref: "refs/heads/main" }),
      reason: "does not have the branch 'main'",
    },
    {
      rule: "a merge group's base",
      trigger: { event: "merge_group", branches: ["main"] },
      event: {
        name: "merge_group",
        payload: { action: "checks_requested", merge_group: { base_ref: "refs/heads/main" } },
      },
    },
    {
      rule: "a branch with a line end is another branch",
      trigger: { branches: ["main"] },
      event: { ref: "refs/heads/main\n" },
      reason: "does not have",
    },
    {
      rule: "a pattern that cannot be read starts nothing",
      trigger: { branches: ["main", "v[1-"] },
      reason: "'v[1-', which cannot be read",
    },
  ],
  "paths (§7.3)": [
    { rule: "unknown files pass", trigger: { paths: ["src/**"] } },
    { rule: "one file is enough", trigger: { paths: ["src/**"] }, event: { changedFiles: ["README.md", "src/a.ts"] } },
    { rule: "none", trigger: { paths: ["src/**"] }, event: { changedFiles: ["README.md"] }, reason: "no changed file" },
    { rule: "no files", trigger: { paths: ["**"] }, event: { changedFiles: [] }, reason: "changed no files" },
    {
      rule: "a file excluded by a later pattern",
      trigger: { paths: ["src/**", "!src/docs/**"] },
      event: { changedFiles: ["src/docs/a.md"] },
      reason: "no changed file",
    },
    {
      rule: "paths-ignore when all are ignored",
      trigger: { pathsIgnore: ["**.md"] },
      event: { changedFiles: ["a.md", "b/c.md"] },
      reason: "every changed file",
    },
    {
      rule: "paths-ignore when one is not",
      trigger: { pathsIgnore: ["**.md"] },
      event: { changedFiles: ["a.md", "b.c"] },
    },
    { rule: "tags have no paths", trigger: { paths: ["src/**"] }, event: { ref: "refs/tags/v1", changedFiles: ["x"] } },
    {
      rule: "branches and paths must both pass",
      trigger: { branches: ["main"], paths: ["src/**"] },
      event: { changedFiles: ["x"] },
      reason: "no changed file",
    },
    {
      rule: "the 300th file counts",
      trigger: { paths: ["last"] },
      event: { changedFiles: [...Array.from({ length: 299 }, (_, index) => `f${index}`), "last"] },
    },
    {
      rule: "the 301st file does not",
      trigger: { paths: ["last"] },
      event: { changedFiles: [...Array.from({ length: 300 }, (_, index) => `f${index}`), "last"] },
      reason: "no changed file",
    },
    {
      rule: "pull requests have paths",
      trigger: { ...pullRequest, paths: ["src/**"] },
      event: pull("opened", { changedFiles: ["README.md"] }),
      reason: "no changed file",
    },
    {
      rule: "a pattern that cannot be read starts nothing, even when the files are unknown",
      trigger: { paths: ["src/["] },
      reason: "cannot be read",
    },
  ],
  "[skip ci] (§7.3)": [
    ...["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"].map((mark) => ({
      rule: mark,
      trigger: {},
      event: { headCommitMessage: `fix: x ${mark}\n\nbody` },
      reason: `says ${mark}`,
    })),
    {
      rule: "the trailer",
      trigger: {},
      event: { headCommitMessage: "fix\n\nbody\n\n\nSigned-off-by: x\nskip-checks: true\n" },
      reason: "skip-checks",
    },
    { rule: "the trailer after one empty line", trigger: {}, event: { headCommitMessage: "fix\n\nskip-checks: true" } },
    { rule: "the words without brackets", trigger: {}, event: { headCommitMessage: "docs: how to skip ci" } },
    {
      rule: "pull requests too",
      trigger: pullRequest,
      event: pull("opened", { headCommitMessage: "[skip ci]" }),
      reason: "says [skip ci]",
    },
    {
      rule: "other events are not skipped",
      trigger: { event: "workflow_dispatch" },
      event: { name: "workflow_dispatch", headCommitMessage: "[skip ci]" },
    },
  ],
  schedules: [
    {
      rule: "the one that fired",
      trigger: { event: "schedule", schedules: [{ cron: "5 4 * * *", timezone: undefined }] },
      event: { name: "schedule", payload: { schedule: "5 4 * * *" } },
    },
    {
      rule: "the one that fired, spaced otherwise",
      trigger: { event: "schedule", schedules: [{ cron: "5  4 * * *", timezone: undefined }] },
      event: { name: "schedule", payload: { schedule: "5 4 * * *" } },
    },
    {
      rule: "no one in particular: every one",
      trigger: { event: "schedule", schedules: [{ cron: "5 4 * * *", timezone: undefined }] },
      event: { name: "schedule", payload: {} },
    },
    {
      rule: "another one",
      trigger: { event: "schedule", schedules: [{ cron: "5 4 * * *", timezone: undefined }] },
      event: { name: "schedule", payload: { schedule: "0 0 * * *" } },
      reason: "does not have",
    },
  ],
};

function about(name: string, payload: Event["payload"], reason?: string): Pick<Case, "trigger" | "event" | "reason"> {
  return { trigger: { event: name }, event: { name, payload }, ...(reason !== undefined && { reason }) };
}

function ran(workflows: readonly string[], name: string): Pick<Case, "trigger" | "event"> {
  return {
    trigger: { event: "workflow_run", workflows },
    event: { name: "workflow_run", payload: { action: "completed", workflow_run: { name } } },
  };
}

const ACTIONS_APP = { app: { slug: "github-actions" } };

Object.assign(CASES, {
  "what only some events have (§7.2)": [
    ...["created", "edited", "deleted"].map((action) => ({
      rule: `a draft release that was ${action}`,
      ...about("release", { action, release: { draft: true } }, "is a draft"),
    })),
    { rule: "a draft that was published", ...about("release", { action: "published", release: { draft: true } }) },
    { rule: "a release that is no draft", ...about("release", { action: "edited", release: { draft: false } }) },
    { rule: "a deployment in use", ...about("deployment_status", { deployment_status: { state: "success" } }) },
    {
      rule: "a deployment no longer in use",
      ...about("deployment_status", { deployment_status: { state: "inactive" } }, "is inactive"),
    },
    { rule: "a check of another app", ...about("check_run", { check_run: { app: { slug: "lint" } } }) },
    { rule: "a check of Actions", ...about("check_run", { check_run: ACTIONS_APP }, "made by GitHub Actions") },
    {
      rule: "a check in a suite of Actions",
      ...about("check_run", { check_run: { check_suite: ACTIONS_APP } }, "made by GitHub Actions"),
    },
    { rule: "a suite of Actions", ...about("check_suite", { check_suite: ACTIONS_APP }, "made by GitHub Actions") },
    {
      rule: "a pull request with a conflict",
      trigger: pullRequest,
      event: pull("opened", { payload: { action: "opened", pull_request: { mergeable: false } } }),
      reason: "merge conflict",
    },
    {
      rule: "the target of a pull request with a conflict",
      trigger: { event: "pull_request_target" },
      event: pull("opened", {
        name: "pull_request_target",
        payload: { action: "opened", pull_request: { mergeable: false } },
      }),
    },
    { rule: "a workflow run whose name is a pattern's", ...ran(["CI / *"], "CI / unit") },
    { rule: "one that another pattern takes away", ...ran(["**", "!Deploy"], "Deploy"), reason: "follows **, !Deploy" },
    { rule: "a name with what would be a broken pattern", ...ran(["Build [x"], "Build [x") },
    {
      rule: "a name that only a broken pattern could have",
      ...ran(["Build [x"], "Build x"),
      reason: "follows Build [x",
    },
  ],
});

describe.each(Object.entries(CASES))("%s", (_, cases) => {
  it.each(cases)("$rule", ({ trigger, event, reason = "matched" }) => {
    expect(match(trigger, event)).toContain(reason);
  });
});

/** Characters that mean themselves, so that a pattern is a name, and the language itself is left to `filter-pattern.test.ts`. */
const aName = constantFrom("a", "b", "a/b", "b/a");
const someNames = array(aName, { maxLength: 4 });
const somePatterns = array(
  oneof(
    aName,
    aName.map((name) => `!${name}`),
    constantFrom("**", "*"),
  ),
  { maxLength: 4 },
);

/** The last pattern that is about the name decides, one after another. */
function naivelyIncluded(list: readonly string[], name: string): boolean {
  let included = false;
  for (const pattern of list) {
    const plain = pattern.replace(/^!/u, "");
    const matches = plain === "**" || (plain === "*" && !name.includes("/")) || plain === name;
    if (matches) included = !pattern.startsWith("!");
  }
  return included;
}

/** The rules of §7.3 as sentences, one after another. */
function naivelyStarts(trigger: Partial<Trigger>, event: Event): boolean {
  const { branches, branchesIgnore, tags, tagsIgnore, paths, pathsIgnore } = trigger;
  const isTag = event.ref.startsWith("refs/tags/");
  const name = event.ref.split("/").slice(2).join("/");
  const [own, ownIgnored] = isTag ? [tags, tagsIgnore] : [branches, branchesIgnore];
  const [other, otherIgnored] = isTag ? [branches, branchesIgnore] : [tags, tagsIgnore];
  if (own === undefined && ownIgnored === undefined && (other !== undefined || otherIgnored !== undefined))
    return false;
  if (own !== undefined && !naivelyIncluded(own, name)) return false;
  if (ownIgnored !== undefined && naivelyIncluded(ownIgnored, name)) return false;
  const files = event.changedFiles;
  if (isTag || files === undefined || (paths === undefined && pathsIgnore === undefined)) return true;
  if (paths !== undefined && !files.some((file) => naivelyIncluded(paths, file))) return false;
  return files.some((file) => !naivelyIncluded(pathsIgnore ?? [], file));
}

describe("matchTrigger", () => {
  it("starts on a push as the rules say it, for every mixture of filters", () => {
    const filter = option(somePatterns, { nil: undefined });
    const filters = record({
      branches: filter,
      branchesIgnore: filter,
      tags: filter,
      tagsIgnore: filter,
      paths: filter,
      pathsIgnore: filter,
    });
    const pushes = record({
      ref: tuple(constantFrom("refs/heads/", "refs/tags/"), aName).map((parts) => parts.join("")),
      changedFiles: option(someNames, { nil: undefined }),
    });
    assert(
      property(filters, pushes, (trigger, push) => {
        const event = anEvent(push);
        expect(match(trigger, event) === "matched").toBe(naivelyStarts(trigger, event));
      }),
      { numRuns: 2_000 },
    );
  });

  it("returns the entry of on: that matched", () => {
    const triggers = [aTrigger({ event: "pull_request" }), aTrigger({ event: "push", branches: ["main"] })];
    expect(matchTrigger(aWorkflow({ triggers }), anEvent())).toEqual({ matched: true, trigger: triggers[1] });
  });

  it("says so when a workflow starts on nothing", () => {
    expect(matchTrigger(aWorkflow({ triggers: [] }), anEvent())).toMatchObject({ matched: false });
  });
});
