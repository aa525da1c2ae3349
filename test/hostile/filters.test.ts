/** A05: names that come from whoever can push must not get around a filter, nor keep the host busy. */
import { describe, expect, it } from "vitest";
import { lastMatchDecides, parseFilters } from "../../src/plan/filter-pattern.ts";
import { anEvent, aTrigger, aWorkflow } from "../../src/plan/plan-fixture.ts";
import { matchTrigger } from "../../src/plan/match-trigger.ts";
import type { Trigger } from "../../src/workflow/workflow.ts";
import { fastestMs, growthOf, LINEAR } from "./growth.ts";

function starts(trigger: Partial<Trigger>, event: Parameters<typeof anEvent>[0]): boolean {
  return matchTrigger(aWorkflow({ triggers: [aTrigger(trigger)] }), anEvent(event)).matched;
}

const onBranch = (branch: string): boolean => starts({ branches: ["main"] }, { ref: `refs/heads/${branch}` });

describe("a filter on the branch main", () => {
  it.each([
    "main-evil",
    "evil-main",
    "xmain",
    "mainx",
    "MAIN",
    "Main",
    "main\n",
    "\nmain",
    "main\r",
    "main\0",
    "main ",
    " main",
    "main/",
    "main/x",
    "x/main",
    "refs/heads/main",
    "ma\u200bin",
    "maın",
    "ｍain",
    "main\u0301",
    ".*",
    "**",
    "main|x",
    "",
  ])("does not start for %j", (branch) => {
    expect(onBranch(branch)).toBe(false);
  });

  it("starts for main alone, and not for a tag of that name", () => {
    expect(onBranch("main")).toBe(true);
    expect(starts({ branches: ["main"] }, { ref: "refs/tags/main" })).toBe(false);
    expect(starts({ branches: ["main"] }, { ref: "refs/pull/main" })).toBe(false);
    expect(starts({ branches: ["main"] }, { ref: "main" })).toBe(false);
  });

  it("looks at a pull request's base, which the base repository chooses, and not at its head", () => {
    const pullRequest = { event: "pull_request", branches: ["main"] };
    const event = { name: "pull_request", payload: { action: "opened" }, ref: "refs/pull/1/merge" };
    expect(starts(pullRequest, { ...event, baseRef: "develop", headRef: "main" })).toBe(false);
    expect(starts(pullRequest, { ...event, baseRef: "main", headRef: "evil" })).toBe(true);
  });
});

const touching = (file: string): boolean => starts({ paths: ["docs/**"] }, { changedFiles: [file] });

describe("a filter on paths", () => {
  it.each(["docs-evil/a.md", "Docs/a.md", "xdocs/a.md", "src/docs/a.md", "docs", "./docs/a.md", "\ndocs/a.md"])(
    "of docs/** does not take %j",
    (file) => {
      expect(touching(file)).toBe(false);
    },
  );

  it("of docs/** takes what is below docs, line ends in names included", () => {
    expect(touching("docs/a.md")).toBe(true);
    expect(touching("docs/a\n/../b")).toBe(true);
  });
});

describe("a filter that cannot be read", () => {
  it.each(["[", "a[z-a]", "[]", "\\", "?", "+x", "[a-Z]", "!"])("%j starts nothing, and says why", (pattern) => {
    for (const trigger of [
      { branches: ["main", pattern] },
      { branchesIgnore: [pattern] },
      { paths: ["**", pattern] },
    ]) {
      const match = matchTrigger(
        aWorkflow({ triggers: [aTrigger(trigger)] }),
        anEvent({ ref: "refs/heads/main", changedFiles: ["a"] }),
      );
      expect(match).toMatchObject({ matched: false, reason: expect.stringContaining("cannot be read") });
    }
  });
});

function matchMany(patterns: readonly string[], name: string): boolean {
  const parsed = parseFilters(patterns);
  if (parsed.kind === "invalid") throw new Error(parsed.reason);
  return lastMatchDecides(parsed.filters, name);
}

/** Each is exponential or at least quadratic where patterns become regular expressions that backtrack. */
const BOMBS: readonly (readonly [name: string, pattern: (size: number) => string])[] = [
  ["stars and letters", (size) => `${"**a".repeat(size)}b`],
  ["single stars", (size) => `${"*a".repeat(size)}b`],
  ["repeated letters", (size) => `${"a+".repeat(size)}b`],
  ["optional letters", (size) => `${"a?".repeat(size)}b`],
  ["directories", (size) => `${"**/".repeat(size)}b`],
  ["classes", (size) => `${"[a-z]+".repeat(size)}0`],
];

describe.each(BOMBS)("a pattern of %s", (_, pattern) => {
  it("is matched against a branch of 60 letters in a few milliseconds", () => {
    const branch = "a".repeat(60);
    expect(matchMany([pattern(20)], branch)).toBe(false);
    expect(fastestMs(() => void matchMany([pattern(20)], branch))).toBeLessThan(5);
  });

  it("takes time in proportion to the name", () => {
    expect(growthOf(4_000, (size) => void matchMany([pattern(30)], "a".repeat(size)))).toBeLessThan(LINEAR);
  });

  it("takes time in proportion to the pattern", () => {
    expect(growthOf(300, (size) => void matchMany([pattern(size)], "a".repeat(500)))).toBeLessThan(LINEAR);
  });
});
