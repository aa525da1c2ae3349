import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commit, createRepository, createTestDirectory, git } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { EngineError } from "../lib/engine-error.ts";
import { startGitServer } from "../select/git-server.fixture.ts";
import type { GitServer } from "../select/git-server.fixture.ts";
import { selectWorkflows } from "../select/select-workflows.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { createMirrors } from "./mirror.ts";
import { startDeliveryPlanner } from "./plan-deliveries.ts";
import type { DeliveryPlannerParts } from "./plan-deliveries.ts";
import { delivery, testClock } from "./server-store.contract.ts";
import type { Delivery, ServerRun, ServerStore } from "./server-store.ts";

const workflow = (on: string, step = "echo hello") =>
  `on: ${on}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ${step}\n      - run: echo\n`;

let directory: TestDirectory;
let server: GitServer;
let store: ServerStore;
let work = "";
let guids = 0;

beforeEach(async () => {
  directory = createTestDirectory();
  work = join(directory.path, "work");
  createRepository(work, { ".github/workflows/ci.yml": workflow("[push, pull_request]") });
  const bare = join(directory.path, "served", "octo", "hello.git");
  mkdirSync(bare, { recursive: true });
  git(bare, "init", "-q", "--bare", "-b", "main");
  git(work, "remote", "add", "origin", bare);
  git(work, "push", "-q", "origin", "main");
  server = await startGitServer(join(directory.path, "served"));
  store = createMemoryServerStore(testClock());
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

function partsOf(changes: Partial<DeliveryPlannerParts> = {}): DeliveryPlannerParts {
  const unused = { name: "gvisor", cpus: 1, memoryMib: 1, arch: "X64" } as const;
  return {
    store,
    mirrors: createMirrors({
      directory: join(directory.path, "mirrors"),
      serverUrl: server.url,
      token: async () => undefined,
      local: [],
      retryAfterMs: 1,
    }),
    select: (request) =>
      selectWorkflows(request, {
        workingDirectory: directory.path,
        actor: "nobody",
        mirrorDir: undefined,
        remote: { serverUrl: server.url, token: undefined, directory: join(directory.path, "remote") },
        scratch: async () => join(directory.path, "snapshots"),
        host: {
          provider: undefined,
          ...unused,
          images: async () => [],
          variable: () => undefined,
          takesNetwork: false,
        },
      }),
    // Its own test has the process; here nothing is hostile but what a test says.
    rehearse: async () => new Map(),
    token: async () => undefined,
    scratch: join(directory.path, "scratch"),
    serverUrl: server.url,
    serves: () => true,
    askedEnvironments: [],
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    now: () => performance.now(),
    retryMs: 5,
    ...changes,
  };
}

/** Plans until nothing is in the line. */
async function planAll(changes: Partial<DeliveryPlannerParts> = {}): Promise<void> {
  const planner = startDeliveryPlanner(partsOf(changes));
  try {
    await expect.poll(() => store.deliveries.waiting(), { timeout: 60_000, interval: 20 }).toBe(0);
  } finally {
    await planner.stop();
  }
  // Nothing is left of the checkouts.
  expect(readdirSync(directory.path).includes("scratch") ? readdirSync(join(directory.path, "scratch")) : []).toEqual(
    [],
  );
}

function accept(event: string, payload: object, repository = "octo/hello"): string {
  const guid = `guid-${(guids += 1)}`;
  const body = JSON.stringify({
    repository: { id: 1, full_name: repository, default_branch: "main" },
    sender: { login: "ada" },
    ...payload,
  });
  store.deliveries.accept(delivery(guid, { event, body, repository, identity: undefined }));
  return guid;
}

function push(after = git(work, "rev-parse", "HEAD")): string {
  return accept("push", { ref: "refs/heads/main", before: "0".repeat(40), after, head_commit: { message: "m" } });
}

function settled(guid: string): Delivery {
  const found = store.deliveries.find(guid);
  if (found === undefined) throw new Error(`there is no ${guid}`);
  return found;
}

function runs(): readonly ServerRun[] {
  return store.runs.list({ limit: 50 });
}

function publish(files: { readonly [path: string]: string }): string {
  const sha = commit(work, files);
  git(work, "push", "-q", "--force", "origin", "main");
  return sha;
}

/** A pull request from a fork, at the head that is committed on top of main; main stays. */
function pull(
  files: { readonly [path: string]: string },
  changes: object = {},
): { head: string; merge: string; guid: string } {
  const base = git(work, "rev-parse", "main");
  git(work, "checkout", "-q", "--detach", "main");
  const head = commit(work, files);
  git(work, "checkout", "-q", "main");
  const merge = git(work, "commit-tree", "-p", base, "-p", head, "-m", "merge", `${head}^{tree}`);
  git(work, "push", "-q", "--force", "origin", `${merge}:refs/pull/7/merge`, `${head}:refs/pull/7/head`);
  const pull_request = {
    number: 7,
    head: { sha: head, ref: "topic", repo: { id: 2 } },
    base: { sha: base, ref: "main", repo: { id: 1 } },
    ...changes,
  };
  return { head, merge, guid: accept("pull_request", { action: "synchronize", number: 7, pull_request }) };
}

describe("a delivery", { timeout: 90_000 }, () => {
  it("of a push becomes a run of each workflow that it starts, at its commit", async () => {
    const sha = publish({
      ".github/workflows/other.yml": workflow("issues"),
      ".github/workflows/second.yaml": workflow("push"),
    });
    const guid = push();
    await planAll();
    expect(settled(guid).state).toBe("planned");
    expect(runs()).toMatchObject([
      { workflow: ".github/workflows/second.yaml", state: "queued" },
      {
        workflow: ".github/workflows/ci.yml",
        repository: "octo/hello",
        event: "push",
        sha,
        headSha: sha,
        ref: "refs/heads/main",
        actor: "ada",
        trust: "trusted",
        declaredSteps: 2,
        waitsFor: undefined,
        refusal: undefined,
      },
    ]);
  });

  it("is ignored with the reasons where nothing starts", async () => {
    const guid = accept("issues", { action: "opened", issue: { number: 1 } });
    const skipped = accept("push", {
      ref: "refs/heads/main",
      after: git(work, "rev-parse", "HEAD"),
      head_commit: { message: "typo [skip ci]" },
    });
    await planAll();
    expect(settled(guid)).toMatchObject({ state: "ignored", reason: expect.stringContaining("ci.yml") });
    expect(settled(skipped)).toMatchObject({ state: "ignored", reason: expect.stringContaining("skip ci") });
    expect(runs()).toEqual([]);
  });

  it("runs the very commit that was pushed, also when it was pushed over before anybody looked", async () => {
    const gone = publish({ ".github/workflows/ci.yml": workflow("push", "echo gone"), "gone.txt": "" });
    const guid = push(gone);
    git(work, "reset", "-q", "--hard", "HEAD~1");
    publish({ "other.txt": "" });
    await planAll();
    expect(settled(guid).state).toBe("planned");
    expect(runs()).toMatchObject([{ sha: gone, headSha: gone, ref: "refs/heads/main", refusal: undefined }]);
  });

  it("is an error that names the commit where nobody has it any more", async () => {
    const gone = "1".repeat(40);
    const guid = push(gone);
    await planAll();
    expect(settled(guid).state).toBe("planned");
    expect(runs()).toMatchObject([
      { sha: gone, state: "completed", conclusion: "failure", reason: expect.stringContaining(`commit ${gone}`) },
    ]);
  });

  it("is ignored where there are no workflows, whatever other YAML there is", async () => {
    git(work, "rm", "-rq", ".github");
    publish({ "docs/config.yml": workflow("push") });
    const guid = push();
    await planAll();
    expect(settled(guid)).toMatchObject({ state: "ignored", reason: expect.stringContaining("no workflow") });
  });

  it("with a workflow that cannot be planned becomes a run that says why, and the others run", async () => {
    publish({ ".github/workflows/broken.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    stepz: []\n" });
    push();
    accept("issues", { action: "opened", issue: { number: 1 } });
    await planAll();
    const broken = runs().find(({ workflow }) => workflow.endsWith("broken.yml"));
    expect(broken).toMatchObject({
      state: "completed",
      conclusion: "failure",
      reason: expect.stringContaining("stepz"),
    });
    expect(runs()).toHaveLength(2);
  });

  it("with a file that ended the process that read it refuses that file alone, unread here", async () => {
    publish({ ".github/workflows/bomb.yml": workflow("push") });
    push();
    const read: (string | undefined)[] = [];
    const parts = partsOf();
    await planAll({
      rehearse: async () => new Map([[".github/workflows/bomb.yml", "reading it ended the process"]]),
      select: (request) => {
        read.push(request.path?.split("/").at(-1));
        return parts.select(request);
      },
    });
    expect(read).toEqual(["ci.yml"]);
    expect(runs().map(({ workflow, state }) => [workflow.split("/").at(-1), state])).toEqual([
      ["bomb.yml", "completed"],
      ["ci.yml", "queued"],
    ]);
  });

  it("from a repository that is not served, or with a body that is none, is refused", async () => {
    const foreign = accept("push", { ref: "refs/heads/main", after: "1".repeat(40) }, "evil/one");
    store.deliveries.accept(delivery("broken", { body: "[]" }));
    await planAll({ serves: (repository) => repository === "octo/hello" });
    expect(settled(foreign)).toMatchObject({ state: "refused", reason: expect.stringContaining("evil/one") });
    expect(settled("broken")).toMatchObject({ state: "refused", reason: expect.stringContaining("no JSON object") });
  });

  it("for Hearth itself starts nothing", async () => {
    const guid = accept("check_run", { action: "rerequested" });
    await planAll({ takeOver: ({ event }) => (event === "check_run" ? "run 3 runs again" : undefined) });
    expect(settled(guid)).toMatchObject({ state: "ignored", reason: "run 3 runs again" });
  });

  it("of a dispatch is for the workflow that it names, with its inputs", async () => {
    const dispatched = `on:\n  workflow_dispatch:\n    inputs:\n      who: { type: string }\n${workflow("x").split("\n").slice(1).join("\n")}`;
    const sha = publish({ ".github/workflows/a.yml": dispatched, ".github/workflows/b.yml": dispatched });
    accept("workflow_dispatch", {
      ref: "refs/heads/main",
      workflow: ".github/workflows/b.yml",
      inputs: { who: "you" },
    });
    await planAll();
    expect(runs()).toMatchObject([{ workflow: ".github/workflows/b.yml", inputs: { who: "you" }, sha }]);
  });
});

const deploys = (environment: string): string =>
  `on: push\njobs: { a: { runs-on: ubuntu-latest, environment: ${environment}, steps: [{ run: echo }] } }\n`;
const asks = "environments:\n  Production: { approval: required }\n";

async function planned(
  files: { readonly [path: string]: string },
  changes: Partial<DeliveryPlannerParts> = {},
): Promise<string | undefined> {
  publish(files);
  push();
  await planAll(changes);
  const [run] = runs();
  return run?.state === "waiting" ? run.waitsFor : run?.state;
}

describe("a job that deploys", { timeout: 90_000 }, () => {
  it.each([
    ["production", "environment"],
    ["PRODUCTION", "environment"],
    ["{ name: production, url: https://x.test }", "environment"],
    ["staging", "queued"],
    // Nobody knows yet what it comes to.
    ["'${{ vars.WHERE }}'", "environment"],
  ])("to %s: %s", async (environment, expected) => {
    const files = { ".github/workflows/ci.yml": deploys(environment), "hearth.yml": asks };
    expect(await planned(files)).toBe(expected);
  });

  it("asks where the operator says so, without a file", async () => {
    const files = { ".github/workflows/ci.yml": deploys("anywhere") };
    expect(await planned(files, { askedEnvironments: ["*"] })).toBe("environment");
  });

  it("asks for everything while nobody can read what asks", async () => {
    const files = { ".github/workflows/ci.yml": deploys("staging"), "hearth.yml": asks };
    let calls = 0;
    // The first is of the commit, the second of the default branch.
    const rehearse: DeliveryPlannerParts["rehearse"] = async () =>
      new Map((calls += 1) === 1 ? [] : [["hearth.yml", "it is a bomb"]]);
    expect(await planned(files, { rehearse })).toBe("environment");
  });

  it("is asked for by the default branch, whatever the pushed one says", async () => {
    publish({ ".github/workflows/ci.yml": deploys("production"), "hearth.yml": asks });
    git(work, "checkout", "-q", "-b", "other");
    const sha = commit(work, { "hearth.yml": "environments: { production: { vars: { A: b } } }\n" });
    git(work, "push", "-q", "origin", "other");
    accept("push", { ref: "refs/heads/other", before: "0".repeat(40), after: sha, head_commit: { message: "m" } });
    await planAll();
    git(work, "checkout", "-q", "main");
    expect(runs()).toMatchObject([{ state: "waiting", waitsFor: "environment", sha }]);
  });
});

describe("a pull request", { timeout: 90_000 }, () => {
  it("of an outsider waits for approval of its commit, and again after the next push", async () => {
    const first = pull({ "a.txt": "1" });
    await planAll();
    expect(runs()).toMatchObject([
      {
        state: "waiting",
        trust: "outsider",
        waitsFor: "approval",
        sha: first.merge,
        headSha: first.head,
        ref: "refs/pull/7/merge",
        pullRequest: 7,
      },
    ]);
    store.runs.approve(runs()[0]?.id ?? 0, "ada");
    const second = pull({ "a.txt": "2" });
    await planAll();
    expect(runs()).toMatchObject([
      { state: "waiting", headSha: second.head },
      { state: "queued", headSha: first.head },
    ]);
  });

  it("runs pull_request_target on the default branch, whatever its own files say", async () => {
    const base = publish({ ".github/workflows/target.yml": workflow("pull_request_target") });
    const { head } = pull({ ".github/workflows/target.yml": workflow("pull_request_target", "echo evil") });
    await planAll();
    const target = runs().find(({ event }) => event === "pull_request_target");
    expect(target).toMatchObject({
      sha: base,
      headSha: head,
      ref: "refs/heads/main",
      trust: "trusted",
      state: "queued",
    });
  });

  it("with conflicts starts nothing but pull_request_target", async () => {
    publish({ ".github/workflows/target.yml": workflow("pull_request_target") });
    pull({ "a.txt": "1" }, { mergeable: false });
    await planAll();
    expect(runs().map(({ event }) => event)).toEqual(["pull_request_target"]);
    git(work, "rm", "-q", ".github/workflows/target.yml");
    publish({});
    const { guid } = pull({ "a.txt": "2" }, { mergeable: false });
    await planAll();
    expect(settled(guid)).toMatchObject({ state: "ignored", reason: expect.stringContaining("conflicts") });
  });

  it("waits for its merge commit while GitHub makes it, and never takes that of another head", async () => {
    const { guid, head } = pull({ "a.txt": "1" });
    // The ref is of a later push by now.
    const later = pull({ "a.txt": "2" });
    await planAll();
    expect(settled(guid)).toMatchObject({ state: "ignored", reason: expect.stringContaining("moved on") });
    expect(runs().map((run) => run.headSha)).toEqual([later.head]);
    expect(head).not.toBe(later.head);
  });
});

describe("trouble that may pass", { timeout: 90_000 }, () => {
  it("keeps a delivery in the line until it has passed, and holds up no other", async () => {
    const away = accept("push", { ref: "refs/heads/main", after: git(work, "rev-parse", "HEAD") }, "octo/away");
    push();
    const order: string[] = [];
    let failures = 3;
    const parts = partsOf();
    await planAll({
      lanes: 1,
      mirrors: {
        ...parts.mirrors,
        refresh(repository, ...rest) {
          order.push(repository.name);
          if (repository.name !== "away") return parts.mirrors.refresh(repository, ...rest);
          if (failures-- > 0) throw new EngineError("GIT_FAILED", "Cannot reach the server");
          return parts.mirrors.refresh({ owner: "octo", name: "hello" }, ...rest);
        },
      },
    });
    expect(order.slice(0, 2)).toEqual(["away", "hello"]);
    expect(order.filter((name) => name === "away")).toHaveLength(4);
    expect(settled(away)).toMatchObject({ state: "planned" });
    expect(runs()).toHaveLength(2);
  });

  it("that is a fault of ours is given up after a few tries", async () => {
    const guid = push();
    await planAll({ select: async () => Promise.reject(new TypeError("undefined is not a function")) });
    expect(settled(guid)).toMatchObject({ state: "refused", reason: expect.stringContaining("fault in Hearth") });
  });

  it("leaves what is being planned in the line when the server ends", async () => {
    const guid = push();
    const asked = Promise.withResolvers<void>();
    const parts = partsOf({
      mirrors: {
        ...partsOf().mirrors,
        refresh: (_repository, _pull, signal) =>
          new Promise((_resolve, reject) => {
            asked.resolve();
            signal.addEventListener("abort", () => reject(signal.reason));
          }),
      },
    });
    const planner = startDeliveryPlanner(parts);
    await asked.promise;
    await planner.stop();
    expect(settled(guid).state).toBe("received");
    await planAll();
    expect(settled(guid).state).toBe("planned");
  });
});
