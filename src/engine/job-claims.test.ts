import { describe, expect, it } from "vitest";
import { anEvent, aWorkflow } from "../plan/plan-fixture.ts";
import type { Event } from "../plan/event.ts";
import { jobClaims } from "./job-claims.ts";

function claimsOf(event: Event, trusted = true) {
  return jobClaims(
    {
      run: {
        plan: { event, workflow: aWorkflow() },
        identity: { id: "77", number: 5, attempt: 2 },
      },
      origin: { repository: "octo-org/shared", path: ".github/workflows/called.yml", ref: "v1", sha: "b".repeat(40) },
    },
    { key: "build (22)" },
    {
      trusted,
      environment: "production",
      timeoutMinutes: 10,
      token: "ghs_own",
      permissions: { "id-token": "write" },
    },
  );
}

describe("jobClaims", () => {
  it("says what the run's own contexts say", () => {
    const event = anEvent({ payload: { repository: { id: 4711, owner: { id: 12 } } } });
    expect(claimsOf(event)).toMatchObject({
      runId: "77",
      runNumber: 5,
      runAttempt: 2,
      job: "build (22)",
      repository: { owner: "octo-org", name: "hello", id: "4711", ownerId: "12", defaultBranch: "main" },
      event: "push",
      ref: "refs/heads/main",
      workflow: { name: "CI", ref: "octo-org/hello/.github/workflows/ci.yml@refs/heads/main", sha: event.sha },
      jobWorkflow: { ref: "octo-org/shared/.github/workflows/called.yml@v1", sha: "b".repeat(40) },
      environment: "production",
      permissions: { "id-token": "write" },
      token: "ghs_own",
    });
  });

  it("lets tokens outlive the job's time limit, for what runs after it", () => {
    expect(claimsOf(anEvent()).lifetimeMs).toBeGreaterThan(10 * 60_000);
  });

  it.each([
    { from: "the repository itself", repo: { full_name: "Octo-Org/Hello" }, trusted: true },
    { from: "a fork", repo: { full_name: "mallory/hello" }, trusted: false },
    { from: "a fork that was deleted", repo: null, trusted: false },
  ])("trusts a pull request from $from: $trusted", ({ repo, trusted }) => {
    const event = anEvent({ name: "pull_request", payload: { pull_request: { head: { repo } } } });
    expect(claimsOf(event).trusted).toBe(trusted);
  });

  it("trusts an event that says nothing of a pull request", () => {
    expect(claimsOf(anEvent()).trusted).toBe(true);
    expect(claimsOf(anEvent(), false).trusted).toBe(false);
    expect(claimsOf(anEvent({ payload: { pull_request: { number: 7 } } })).trusted).toBe(true);
  });
});
