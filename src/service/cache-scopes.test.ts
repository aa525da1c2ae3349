/** ACTIONS-CONTRACT §5.3 "Scopes"; GitHub changelog 2026-06-26. */
import { describe, expect, it } from "vitest";
import { cacheScopes } from "./cache-scopes.ts";
import { someClaims, somePullRequest } from "./service-door.fixture.ts";

const MAIN = "refs/heads/main";

describe("cacheScopes", () => {
  it.each([
    { event: "push", ref: MAIN, readable: [MAIN], writable: MAIN },
    { event: "push", ref: "refs/heads/topic", readable: ["refs/heads/topic", MAIN], writable: "refs/heads/topic" },
    { event: "push", ref: "refs/tags/v1", readable: ["refs/tags/v1", MAIN], writable: "refs/tags/v1" },
    { event: "schedule", ref: MAIN, readable: [MAIN], writable: MAIN },
    { event: "release", ref: "refs/tags/v1", readable: ["refs/tags/v1", MAIN], writable: "refs/tags/v1" },
    { event: "issue_comment", ref: MAIN, readable: [MAIN], writable: undefined },
    { event: "workflow_run", ref: MAIN, readable: [MAIN], writable: undefined },
  ])("of $event on $ref", ({ event, ref, readable, writable }) => {
    expect(cacheScopes(someClaims({ event, ref }))).toEqual({ readable, writable });
  });

  it("reads the base branch of a pull request before the default branch", () => {
    const claims = somePullRequest(7, { baseRef: "release" });
    expect(cacheScopes(claims)).toEqual({
      readable: ["refs/pull/7/merge", "refs/heads/release", MAIN],
      writable: "refs/pull/7/merge",
    });
  });

  it("lets pull_request_target read the default branch and write nothing", () => {
    expect(cacheScopes(someClaims({ event: "pull_request_target", baseRef: "main" }))).toEqual({
      readable: [MAIN],
      writable: undefined,
    });
  });

  it("lets a stranger's pull request write for itself alone", () => {
    expect(cacheScopes(somePullRequest(7, { trusted: false })).writable).toBe("refs/pull/7/merge");
    for (const ref of [MAIN, "refs/heads/topic", "refs/tags/v1", "refs/pull/7/head"])
      expect(cacheScopes(someClaims({ trusted: false, ref })).writable).toBeUndefined();
  });
});
