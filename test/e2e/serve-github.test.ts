/**
 * From nothing to a check run: a server on an empty directory as a GitHub App, a push through the hook of a repository of this host,
 * and GitHub's own example deliveries for one that is fetched. GitHub is played; it refuses what its API description does not allow.
 * The session in docs/server-session.md is this one. Without machines: provider `host`.
 */
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGitServer } from "../../src/select/git-server.fixture.ts";
import type { GitServer } from "../../src/select/git-server.fixture.ts";
import { startFakeGithub } from "../github/fake-github.ts";
import type { FakeCheckRun, FakeGithub } from "../github/fake-github.ts";
import { leftovers } from "../leftovers.ts";
import { ROOT, sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";
import { createRepositories, deliver, git, SECRET, startServer, until } from "../running-server.ts";
import type { RunningServer } from "../running-server.ts";

const CI = `on: [push, pull_request, check_run, status]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          echo "tested $(git rev-parse HEAD)"
          echo "::warning file=README.md,line=1::It says little"
  deploy:
    needs: test
    if: github.event_name == 'push'
    environment: production
    runs-on: ubuntu-latest
    steps:
      - run: echo "deployed by $GITHUB_ACTOR"
`;
const LOCAL = "on: push\njobs: { greet: { runs-on: ubuntu-latest, steps: [{ run: echo hello from the hook }] } }\n";
const ASKS = "environments: { production: { approval: required } }\n";

interface Example {
  readonly name: string;
  readonly examples: readonly ({ readonly action?: string } & Record<string, unknown>)[];
}
const EXAMPLES: readonly Example[] = createRequire(import.meta.url)(
  "@octokit/webhooks-examples/api.github.com/index.json",
);

let box: Sandbox;
let gitServer: GitServer;
let github: FakeGithub;
let server: RunningServer;
let sha = "";

const REPOSITORY = "octo-org/hello";
const work = (name: string): string => join(box.directory, `work-${name}`);
const environment = (): Record<string, string> => ({
  PORT: "0",
  HEARTH_STATE: join(box.directory, "state"),
  XDG_RUNTIME_DIR: join(box.directory, "run"),
  REPOSITORY_PATH: join(box.directory, "local"),
  GITHUB_WEBHOOK_SECRET: SECRET,
  GITHUB_TOKEN: "",
  GITHUB_API_URL: github.apiUrl,
  GITHUB_SERVER_URL: gitServer.url,
  GITHUB_APP_ID: "42",
  GITHUB_APP_PRIVATE_KEY_FILE: join(box.directory, "app.pem"),
  HEARTH_REPOSITORIES: REPOSITORY,
});
const hearth = (...args: string[]) => box.run(args, { env: environment() });

/** GitHub's example, about the repository of this test and a commit of it. */
function example(event: string, action: string | undefined, changes: object): object {
  const all = EXAMPLES.find(({ name }) => name === event)?.examples ?? [];
  const found = all.find((one) => action === undefined || one.action === action);
  const repository = { ...Object(found?.["repository"]), ...NAMED };
  return { ...found, repository, ...changes };
}

const NAMED = { full_name: REPOSITORY, name: "hello", owner: { login: "octo-org" }, default_branch: "main" };

async function runs(): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await hearth("runs", "--server", server.url, "--json");
  return JSON.parse(stdout);
}

/** The newest check run of each name on the commit, as people see them. */
function checks(head: string): Readonly<Record<string, string | null>> {
  const found = github.checkRuns.filter(({ head_sha }) => head_sha === head);
  return Object.fromEntries(found.map(({ name, status, conclusion }) => [name, conclusion ?? status]));
}

/** The workflow and its two jobs. */
function isAllOver(head: string): boolean {
  const all = Object.values(checks(head));
  return all.length === 3 && all.every((state) => state === "success" || state === "skipped");
}

function checkNamed(name: string): FakeCheckRun {
  const found = github.checkRuns.findLast((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no check run ${name}`);
  return found;
}

beforeAll(async () => {
  box = await sandbox();
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(box.directory, "app.pem"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  gitServer = await startGitServer(join(box.directory, "remote"));
  github = await startFakeGithub({ app: { id: "42", publicKey, installedOn: [REPOSITORY] } });
  const files = { ".github/workflows/ci.yml": CI, "hearth.yml": ASKS, "README.md": "Hello\n" };
  sha = createRepositories(work("hello"), join(box.directory, "remote", `${REPOSITORY}.git`), files);
  createRepositories(work("local"), join(box.directory, "local", "team", "tools.git"), {
    ".github/workflows/greet.yml": LOCAL,
  });
  const { stdout } = await hearth("api-token", "add", "test", "--role", "admin");
  process.env["HEARTH_SERVER_TOKEN"] = stdout.trim();
  server = await startServer(box, environment());
});

afterAll(async () => {
  server.process.kill("SIGKILL");
  await server.process.ended;
  await github[Symbol.asyncDispose]();
  await gitServer[Symbol.asyncDispose]();
  await box[Symbol.asyncDispose]();
  delete process.env["HEARTH_SERVER_TOKEN"];
});

describe("hearth serve as a GitHub App", { timeout: 180_000 }, () => {
  it("runs what is pushed to a repository of this host, of which GitHub is told nothing", async () => {
    const bare = join(box.directory, "local", "team", "tools.git");
    const call = [process.execPath, join(ROOT, "src", "main.ts"), "post-receive", "team/tools"];
    const settings = Object.entries(environment()).map(([name, value]) => `${name}='${value}'`);
    const hook = ["#!/bin/sh", `exec env ${settings.join(" ")} '${call.join("' '")}'`].join("\n");
    writeFileSync(join(bare, "hooks", "post-receive"), `${hook}\n`, { mode: 0o755 });
    git(work("local"), "commit", "--quiet", "--allow-empty", "--message=two");
    git(work("local"), "push", "--quiet", bare, "HEAD:refs/heads/main");
    await until(async () => (await runs())[0]);
    const { stdout } = await hearth("logs", "1", "--follow");
    expect(stdout).toContain("hello from the hook");
    expect((await runs())[0]).toMatchObject({ id: 1, repository: "team/tools", conclusion: "success" });
    expect(github.checkRuns).toEqual([]);
  });

  it("waits for approval before a push deploys, says so on the commit, and goes on when it is given", async () => {
    const push = example("push", undefined, {
      ref: "refs/heads/main",
      before: "0".repeat(40),
      after: sha,
      deleted: false,
      head_commit: { id: sha, message: "one" },
    });
    expect(await deliver(server, "push", push)).toBe(202);
    await until(() => (checks(sha)["ci.yml (push)"] === "action_required" ? true : undefined));
    expect(checkNamed("ci.yml (push)").fields["output"]).toMatchObject({ title: "Waits for approval" });
    expect(await runs()).toMatchObject([{ state: "waiting", waitsFor: "environment", trust: "trusted" }, { id: 1 }]);
    expect(await hearth("approve", "2", "--sha", sha)).toMatchObject({ exitCode: 0 });
    await until(() => (isAllOver(sha) ? true : undefined));
    expect(checks(sha)).toEqual({
      "ci.yml (push)": "success",
      "ci.yml / test (push)": "success",
      "ci.yml / deploy (push)": "success",
    });
    expect(checkNamed("ci.yml / test (push)").annotations).toMatchObject([
      { path: "README.md", start_line: 1, annotation_level: "warning", message: "It says little" },
    ]);
    const { stdout } = await hearth("logs", "2", "--server", server.url);
    expect(stdout).toContain(`tested ${sha}`);
  });

  it("reports a pull request on its head, with one comment", async () => {
    const head = git(work("hello"), "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "change");
    const merge = git(work("hello"), "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-p", head, "-m", "merge");
    const bare = join(box.directory, "remote", `${REPOSITORY}.git`);
    git(work("hello"), "push", "--quiet", bare, `${head}:refs/pull/2/head`, `${merge}:refs/pull/2/merge`);
    const opened = Object(example("pull_request", "opened", {}));
    const repo = { ...opened.repository };
    const pull = {
      ...opened.pull_request,
      number: 2,
      mergeable: true,
      author_association: "OWNER",
      head: { ...opened.pull_request.head, sha: head, repo },
      base: { ...opened.pull_request.base, ref: "main", sha, repo },
    };
    expect(await deliver(server, "pull_request", { ...opened, number: 2, pull_request: pull })).toBe(202);
    await until(() => (checks(head)["ci.yml (pull_request)"] === "action_required" ? true : undefined));
    expect(await hearth("approve", "3", "--sha", head)).toMatchObject({ exitCode: 0 });
    await until(() => (isAllOver(head) ? true : undefined));
    expect(checks(head)).toMatchObject({
      "ci.yml (pull_request)": "success",
      "ci.yml / test (pull_request)": "success",
      "ci.yml / deploy (pull_request)": "skipped",
    });
    await until(() => (github.comments[0]?.body.includes("**success**") === true ? true : undefined));
    expect(github.comments).toHaveLength(1);
    expect(github.comments[0]).toMatchObject({ issue: `${REPOSITORY}#2`, body: expect.stringContaining("ci.yml") });
  });

  it("runs again when the button is pressed, and starts nothing for its own checks", async () => {
    const { external_id, name, head_sha } = checkNamed("ci.yml (pull_request)");
    const about = { external_id, name, head_sha, conclusion: "success", app: { id: 42 } };
    const completed = Object(example("check_run", "completed", {}));
    const own = { ...completed, check_run: { ...completed.check_run, ...about } };
    expect(await deliver(server, "check_run", own)).toBe(202);
    const rerequested = Object(example("check_run", "rerequested", {}));
    const button = { ...rerequested, check_run: { ...rerequested.check_run, ...about } };
    expect(await deliver(server, "check_run", button)).toBe(202);
    // It deploys, so that somebody is asked again.
    const again = await until(async () =>
      (await runs()).find(({ id, attempt, state }) => id === 3 && attempt === 2 && state === "waiting"),
    );
    expect(again).toMatchObject({ conclusion: null });
    expect(await hearth("approve", "3", "--sha", head_sha)).toMatchObject({ exitCode: 0 });
    await until(() =>
      github.checkRuns.some((one) => one.external_id === "hearth:3:2:" && one.conclusion === "success")
        ? true
        : undefined,
    );
    expect(await runs()).toHaveLength(3);
  });

  it("runs nothing of a repository that is not listed, though it is signed", async () => {
    const other = { ...NAMED, full_name: "mallory/miner", name: "miner", owner: { login: "mallory" } };
    const push = { ref: "refs/heads/main", before: "0".repeat(40), after: sha, repository: other };
    expect(await deliver(server, "push", push, { guid: "of-mallory" })).toBe(202);
    const found = await until(async () => {
      const headers = { authorization: `Bearer ${process.env["HEARTH_SERVER_TOKEN"]}` };
      const answer = await fetch(`${server.url}/api/v1/deliveries`, { headers });
      const { deliveries } = Object(await answer.json());
      return deliveries.find(
        ({ guid, state }: { readonly guid: string; readonly state: string }) =>
          guid === "of-mallory" && state !== "received",
      );
    });
    expect(found).toMatchObject({ state: "refused", reason: expect.stringContaining("mallory/miner") });
    expect(gitServer.requests.some(({ url }) => url?.includes("mallory") === true)).toBe(false);
  });

  it("told GitHub nothing that it would refuse, and leaves nothing", async () => {
    server.process.kill("SIGTERM");
    expect((await server.process.ended).exitCode).toBe(0);
    expect(github.refused).toEqual([]);
    expect(await leftovers(box)).toEqual([]);
  });
});
