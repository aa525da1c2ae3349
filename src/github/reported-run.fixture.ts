/** A server's run for tests of the reports. */
import type { ServerRun } from "../server/server-store.ts";

export function aServerRun(fields: Partial<ServerRun> = {}): ServerRun {
  return {
    id: 7,
    delivery: 1,
    repository: "octo/repo",
    workflow: ".github/workflows/ci.yml",
    event: "push",
    sha: "a".repeat(40),
    headSha: "a".repeat(40),
    ref: "refs/heads/main",
    actor: "octo",
    pullRequest: undefined,
    trust: "trusted",
    declaredSteps: 1,
    inputs: {},
    waitsFor: undefined,
    refusal: undefined,
    state: "queued",
    attempt: 1,
    run: undefined,
    firstRun: undefined,
    conclusion: undefined,
    reason: undefined,
    cancelRequested: false,
    failedOnly: false,
    queuedAtMs: 0,
    startedAtMs: undefined,
    completedAtMs: undefined,
    ...fields,
  };
}
