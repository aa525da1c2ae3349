import WEBHOOKS from "@octokit/webhooks-examples" with { type: "json" };
import { describe, expect, it } from "vitest";
import { eventRule } from "../plan/event-rules.ts";
import { identityOf } from "./delivery-identity.ts";
import { eventOfDelivery } from "./event-of-delivery.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { textIn } from "./payload.ts";
import type { Payload } from "./payload.ts";
import { testClock } from "./server-store.contract.ts";
import { trustOf } from "./trust.ts";

const SHA = "a".repeat(40);
const REPOSITORY = { id: 1, full_name: "octo/hello", default_branch: "trunk" };

interface Example {
  readonly event: string;
  readonly payload: Payload;
}

/** Payloads that GitHub sent, as octokit keeps them: @octokit/webhooks-examples, api.github.com. */
const EXAMPLES: readonly Example[] = readExamples(WEBHOOKS);

function pullRequest(changes: Payload = {}): Payload {
  const pull = {
    number: 7,
    updated_at: "2026-11-22T10:00:00Z",
    author_association: "MEMBER",
    user: { login: "ada", type: "User" },
    head: { ref: "topic", sha: SHA, repo: { id: 1 } },
    base: { ref: "trunk", sha: "b".repeat(40), repo: { id: 1 } },
    ...changes,
  };
  return {
    action: "opened",
    number: 7,
    pull_request: pull,
    repository: REPOSITORY,
    sender: { login: "ada" },
  };
}

function read(event: string, payload: Payload) {
  return eventOfDelivery({ event, repository: "octo/hello" }, payload);
}

function startsOf(event: string, payload: Payload) {
  const meaning = read(event, payload);
  return meaning.kind === "events" ? meaning.starts : meaning.reason;
}

describe("what GitHub really sent", () => {
  it("is there to be read", () => {
    expect(EXAMPLES.length).toBeGreaterThan(260);
  });

  it("is an event of its repository, or ignored with a reason", () => {
    const verdicts = EXAMPLES.map(({ event, payload }) => ({
      event,
      payload,
      meaning: eventOfDelivery({ event, repository: textIn(payload, "repository", "full_name") ?? "" }, payload),
    }));
    const silent = verdicts.filter(({ meaning }) => meaning.kind === "ignored" && meaning.reason === "");
    const wrong = verdicts.filter(({ event, meaning }) => meaning.kind === "events" && eventRule(event) === undefined);
    expect([...silent, ...wrong]).toEqual([]);
    const counted = Map.groupBy(verdicts, ({ meaning }) => meaning.kind);
    expect(counted.get("events")?.length).toBeGreaterThan(120);
    expect(counted.get("ignored")?.length).toBeGreaterThan(80);
  });

  it("in any order, a hundred times at once, is one delivery for each happening", () => {
    const store = createMemoryServerStore(testClock());
    const deliveries = EXAMPLES.map(({ event, payload }, index) => ({
      guid: `guid-${index}`,
      event,
      repository: textIn(payload, "repository", "full_name") ?? "",
      identity: identityOf(event, payload),
      body: "{}",
      source: "webhook" as const,
    }));
    const shuffled = (seed: number) => deliveries.toSorted((a, b) => mixed(a.guid, seed) - mixed(b.guid, seed));
    const first = shuffled(0).filter((one) => store.deliveries.accept(one).kind === "accepted").length;
    for (let round = 1; round < 100; round++) {
      const kinds = new Set(shuffled(round).map((one) => store.deliveries.accept(one).kind));
      expect(kinds.has("accepted")).toBe(false);
    }
    expect(store.deliveries.waiting()).toBe(first);
    // Some examples are one happening as a webhook and as an App tell of it.
    const told = EXAMPLES.map(({ event, payload: { installation: _installation, ...payload } }) =>
      JSON.stringify([event, payload]),
    );
    expect(first).toBeLessThanOrEqual(new Set(told).size);
    expect(first).toBeGreaterThan(new Set(told).size * 0.9);
  });
});

describe("the commit that is wanted", () => {
  const cases: readonly [string, Payload, unknown][] = [
    ["push", { ref: "refs/heads/main", after: SHA }, { kind: "commit", sha: SHA, ref: "refs/heads/main" }],
    ["pull_request", pullRequest(), { kind: "merge", number: 7, headSha: SHA, conflicts: false }],
    ["pull_request", pullRequest({ mergeable: false }), { kind: "merge", number: 7, headSha: SHA, conflicts: true }],
    ["pull_request", { ...pullRequest({ merged: true }), action: "closed" }, { kind: "ref", ref: "refs/heads/trunk" }],
    ["issue_comment", { action: "created" }, { kind: "default" }],
    ["workflow_dispatch", { ref: "refs/heads/dev" }, { kind: "ref", ref: "refs/heads/dev" }],
    ["release", { action: "published", release: { tag_name: "v1" } }, { kind: "ref", ref: "refs/tags/v1" }],
    ["create", { ref: "v2", ref_type: "tag" }, { kind: "ref", ref: "refs/tags/v2" }],
    [
      "merge_group",
      { merge_group: { head_sha: SHA, head_ref: "refs/heads/q" } },
      { kind: "commit", sha: SHA, ref: "refs/heads/q" },
    ],
    ["deployment", { deployment: { sha: SHA, ref: "main" } }, { kind: "commit", sha: SHA, ref: "main" }],
  ];
  it.each(cases)("of %s is what the payload names", (event, payload, wanted) => {
    expect(startsOf(event, payload)).toMatchObject([{ event, wanted }, ...(event === "pull_request" ? [{}] : [])]);
  });

  it("of pull_request_target is the default branch's, though it comes as pull_request, and its report is on the head", () => {
    expect(startsOf("pull_request", pullRequest())).toMatchObject([
      { event: "pull_request", headSha: SHA },
      { event: "pull_request_target", wanted: { kind: "default" }, headSha: SHA, trust: "trusted" },
    ]);
  });

  it.each<[string, string, Payload]>([
    ["a deleted branch", "push", { ref: "refs/heads/x", after: "0".repeat(40), deleted: true }],
    ["no commit", "push", { ref: "refs/heads/x", after: "main" }],
    ["a draft", "release", { action: "created", release: { draft: true, tag_name: "v1" } }],
    ["an inactive deployment", "deployment_status", { deployment_status: { state: "inactive" } }],
    ["GitHub's own checks", "check_suite", { check_suite: { app: { slug: "github-actions" } } }],
    ["what starts nothing", "star", {}],
    ["what never comes", "workflow_call", {}],
    ["a name like a path", "push", { ref: "refs/heads/x", after: SHA, repository: { full_name: "../../etc" } }],
  ])("of %s is none", (_name, event, payload) => {
    expect(read(event, payload).kind).toBe("ignored");
  });

  it("of a dispatch is for its one workflow, with inputs as text", () => {
    const payload = {
      ref: "refs/heads/main",
      workflow: ".github/workflows/a.yml",
      inputs: { n: 3, yes: true, who: "x" },
    };
    expect(read("workflow_dispatch", payload)).toMatchObject({
      happening: { workflow: ".github/workflows/a.yml", inputs: { n: "3", yes: "true", who: "x" } },
    });
  });
});

describe("trust", () => {
  const fork = pullRequest({ head: { sha: SHA, repo: { id: 2 } } });
  const deleted = pullRequest({ head: { sha: SHA, repo: null } });
  const stranger = pullRequest({ author_association: "FIRST_TIME_CONTRIBUTOR" });
  const app = pullRequest({ author_association: "NONE", user: { login: "renovate[bot]", type: "Bot" } });
  const dependabot = pullRequest({ user: { login: "dependabot[bot]", type: "Bot" } });

  it("is for those who can write", () => {
    expect(trustOf("pull_request", pullRequest())).toBe("trusted");
    expect(trustOf("pull_request", app)).toBe("trusted");
    expect(trustOf("push", { sender: { login: "ada" } })).toBe("trusted");
  });

  it.each([
    ["a fork", fork],
    ["a fork that is gone", deleted],
    ["a stranger", stranger],
    ["Dependabot", dependabot],
    ["a payload that does not say", { pull_request: {} }],
  ])("is not for %s, whatever the event about its pull request", (_name, payload) => {
    for (const event of ["pull_request", "pull_request_review", "pull_request_review_comment"]) {
      expect(trustOf(event, payload)).toBe("outsider");
    }
    expect(trustOf("pull_request_target", payload)).toBe("trusted");
  });

  it("is not for a push of Dependabot", () => {
    expect(trustOf("push", { sender: { login: "dependabot[bot]" } })).toBe("outsider");
  });

  it("is for the default branch's code whoever caused it", () => {
    for (const event of ["issue_comment", "workflow_run"])
      expect(trustOf(event, { sender: { login: "x" } })).toBe("trusted");
  });
});

describe("identity", () => {
  const push = { ref: "refs/heads/a", before: "1", after: "2", repository: { full_name: "o/r", pushed_at: 5 } };

  it("is the push, whoever tells of it, and not the time when a branch comes back to where it was", () => {
    const byApp = { installation: { id: 1 }, ...push };
    expect(identityOf("push", byApp)).toBe(identityOf("push", push));
    const later = { ...push, repository: { ...push.repository, pushed_at: 6 } };
    expect(identityOf("push", later)).not.toBe(identityOf("push", push));
  });

  it("tells apart what happens to a pull request in one second", () => {
    expect(labeled(1)).not.toBe(labeled(2));
    expect(labeled(1)).toBe(labeled(1));
  });

  it("does not depend on the order of members, and ignores which installation tells of it", () => {
    const one = identityOf("issues", { action: "opened", issue: { id: 1, n: 2 }, installation: { id: 1 } });
    expect(identityOf("issues", { issue: { n: 2, id: 1 }, action: "opened" })).toBe(one);
    expect(identityOf("issues", { issue: { n: 3, id: 1 }, action: "opened" })).not.toBe(one);
  });

  it("is unknown of what a person may mean twice", () => {
    for (const event of ["workflow_dispatch", "repository_dispatch"]) expect(identityOf(event, push)).toBeUndefined();
  });
});

function labeled(id: number): string | undefined {
  return identityOf("pull_request", { ...pullRequest(), action: "labeled", label: { id } });
}

function mixed(text: string, seed: number): number {
  let hash = seed + 1;
  for (const letter of text) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003;
  return hash;
}

/** Its types and its JSON do not say the same. */
function readExamples(webhooks: unknown): readonly Example[] {
  const all: { name: string; examples: Payload[] }[] = JSON.parse(JSON.stringify(webhooks));
  return all.flatMap(({ name, examples }) => examples.map((payload) => ({ event: name, payload })));
}
