import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { githubVariables, runnerVariables } from "./default-variables.ts";
import { GITHUB_MEMBERS_OF_A_RUN, githubContext } from "./github-context.ts";
import type { GithubContextInput } from "./github-context.ts";
import { runnerContext } from "./runner-context.ts";

const sha = "0123456789abcdef0123456789abcdef01234567";

function input(event: Partial<GithubContextInput["event"]> = {}): GithubContextInput {
  return {
    event: {
      name: "push",
      payload: {},
      sha,
      ref: "refs/heads/feature/x",
      baseRef: "",
      headRef: "",
      actor: "octocat",
      repository: { owner: "octo-org", name: "hello" },
      ...event,
    },
    workflow: { path: ".github/workflows/ci.yml", name: "CI" },
  };
}

const step = {
  action: "__run",
  actionRepository: "",
  actionRef: "",
  files: { env: "/f/env", output: "/f/output", path: "/f/path", state: "/f/state", stepSummary: "/f/summary" },
};

const running: GithubContextInput = {
  ...input(),
  run: { id: "77", number: 5, attempt: 1 },
  job: {
    id: "build",
    token: "t0ken",
    workspace: "/work/hello/hello",
    apiUrl: undefined,
    eventPath: "/temp/event.json",
  },
  step,
};

describe("githubContext", () => {
  // ACTIONS-CONTRACT §1.4, without what is a composite action's own and without GITHUB_ARTIFACTS, which is behind a gate.
  it("has every member of the contract while a step runs", () => {
    const names =
      "action action_ref action_repository actor actor_id api_url base_ref env event event_name event_path graphql_url head_ref " +
      "job output path ref ref_name ref_protected ref_type repository repository_id repository_owner repository_owner_id " +
      "repositoryUrl retention_days run_attempt run_id run_number secret_source server_url sha state step_summary token " +
      "triggering_actor workflow workflow_ref workflow_sha workspace";
    expect(Object.keys(githubContext(running)).toSorted()).toEqual(names.split(" ").toSorted());
  });

  it("has no member of the run, the job or the step before there is one", () => {
    const context = githubContext(input());
    for (const name of [...GITHUB_MEMBERS_OF_A_RUN, "job", "token", "workspace", "event_path", "env", "action"]) {
      expect(context).not.toHaveProperty(name);
    }
  });

  it("holds strings, except the event and ref_protected", () => {
    const { event, ref_protected: isProtected, ...others } = githubContext(running);
    expect([event, isProtected]).toEqual([{}, false]);
    expect(Object.entries(others).filter(([, value]) => typeof value !== "string")).toEqual([]);
  });

  it.each([
    ["refs/heads/feature/x", "feature/x", "branch"],
    ["refs/heads/refs/tags/x", "refs/tags/x", "branch"],
    ["refs/tags/v1.2", "v1.2", "tag"],
    ["refs/pull/7/merge", "7/merge", "branch"],
  ])("reads %s as the %s %s (§1.2)", (ref, name, type) => {
    expect(githubContext(input({ ref }))).toMatchObject({ ref, ref_name: name, ref_type: type });
  });

  it("names the workflow, and its path where it has no name", () => {
    const unnamed = githubContext({ ...input(), workflow: { path: ".github/workflows/ci.yml", name: undefined } });
    expect(unnamed).toMatchObject({
      workflow: ".github/workflows/ci.yml",
      workflow_ref: "octo-org/hello/.github/workflows/ci.yml@refs/heads/feature/x",
      workflow_sha: sha,
    });
    expect(githubContext(input())).toMatchObject({ workflow: "CI" });
  });

  it("takes ids from the payload, else makes the same ones for the same names, whatever their case", () => {
    const payload = { repository: { id: 42, owner: { id: 43 } }, sender: { login: "octocat", id: 44 } };
    const given = { repository_id: "42", repository_owner_id: "43", actor_id: "44" };
    expect(githubContext(input({ payload }))).toMatchObject(given);
    expect(githubContext(input({ payload, actor: "hubot" }))).not.toMatchObject({ actor_id: "44" });
    const upper = githubContext(input({ repository: { owner: "OCTO-ORG", name: "Hello" } }));
    expect(upper["repository_id"]).toBe(githubContext(input())["repository_id"]);
    expect(upper["repository_id"]).not.toBe(upper["repository_owner_id"]);
  });

  it("makes ids that are safe integers in decimal", () => {
    assert(
      property(string(), string(), (owner, name) => {
        const id = githubContext(input({ repository: { owner, name } }))["repository_id"];
        expect(String(Number(id))).toBe(id);
        expect(Number.isSafeInteger(Number(id))).toBe(true);
      }),
    );
  });
});

describe("githubVariables (§1.1 layer 7)", () => {
  it("exports the members of GitHub's list under their names", () => {
    expect(githubVariables(githubContext(running))).toMatchObject({
      GITHUB_SHA: sha,
      GITHUB_JOB: "build",
      GITHUB_OUTPUT: "/f/output",
      GITHUB_STEP_SUMMARY: "/f/summary",
      GITHUB_RUN_NUMBER: "5",
      GITHUB_ACTION_REPOSITORY: "",
      GITHUB_BASE_REF: "",
      GITHUB_SERVER_URL: "https://github.com",
    });
  });

  it("writes ref_protected in lower case", () => {
    expect(githubVariables(githubContext(running))).toMatchObject({ GITHUB_REF_PROTECTED: "false" });
  });

  it("keeps the token, the event and what only expressions see out of the environment", () => {
    const inAction = { ...step, actionPath: "/a", actionStatus: "success" } as const;
    const variables = githubVariables(githubContext({ ...running, step: inAction }));
    const hidden = [
      "GITHUB_TOKEN",
      "GITHUB_EVENT",
      "GITHUB_REPOSITORYURL",
      "GITHUB_SECRET_SOURCE",
      "GITHUB_ACTION_STATUS",
    ];
    expect(Object.keys(variables).filter((name) => hidden.includes(name))).toEqual([]);
    expect(Object.values(variables)).not.toContain("t0ken");
    expect(variables).toMatchObject({ GITHUB_ACTION_PATH: "/a" });
  });

  it("makes no variable of a member that is missing", () => {
    expect(githubVariables(githubContext(input()))).not.toHaveProperty("GITHUB_RUN_ID");
  });
});

describe("runnerVariables (§1.2)", () => {
  const runner = { name: "m-1", os: "Linux", arch: "X64", temp: "/t", toolCache: "/tools", workspace: "/w" } as const;

  it("exports every member", () => {
    expect(runnerVariables(runnerContext({ ...runner, debug: true }))).toEqual({
      RUNNER_OS: "Linux",
      RUNNER_ARCH: "X64",
      RUNNER_NAME: "m-1",
      RUNNER_ENVIRONMENT: "self-hosted",
      RUNNER_TEMP: "/t",
      RUNNER_TOOL_CACHE: "/tools",
      RUNNER_WORKSPACE: "/w",
      RUNNER_DEBUG: "1",
    });
  });

  it("has no RUNNER_DEBUG at all when debugging is off", () => {
    expect(runnerVariables(runnerContext({ ...runner, debug: false }))).not.toHaveProperty("RUNNER_DEBUG");
  });
});
