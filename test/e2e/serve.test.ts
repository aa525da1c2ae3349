/**
 * A server through real processes: a signed delivery for a repository of this host becomes a run that is watched while it goes on;
 * runs are cancelled, run again and approved by commands; it drains; a second one on the same state is refused; what was saved
 * comes back. Without machines: provider `host`.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { ROOT, sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";
import { createRepositories, deliver, git, SECRET, startServer, until } from "../running-server.ts";
import type { RunningServer } from "../running-server.ts";

const WORKFLOW = `
on: { push: , pull_request: , workflow_dispatch: { inputs: { level: { type: string, default: info } } } }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          echo "run id $GITHUB_RUN_ID."
          echo "sha $(git rev-parse HEAD) of $GITHUB_REPOSITORY, attempt $GITHUB_RUN_ATTEMPT of #$GITHUB_RUN_NUMBER, \${{ inputs.level }}"
          echo "server's secret: \${GITHUB_WEBHOOK_SECRET:-none}; given: \${{ secrets.KEY || 'none' }}"
      - if: \${{ inputs.level == 'wait' }}
        run: echo waiting; sleep 600
`;

let box: Sandbox;
let server: RunningServer;
let sha = "";
let readToken: string | undefined;

const environment = () => ({
  PORT: "0",
  HEARTH_STATE: join(box.directory, "state"),
  XDG_RUNTIME_DIR: join(box.directory, "run"),
  REPOSITORY_PATH: join(box.directory, "git"),
  GITHUB_WEBHOOK_SECRET: SECRET,
  GITHUB_TOKEN: "",
});

const hearth = (...args: string[]) => box.run(args, { env: environment() });

function send(event: string, payload: object, guid?: string): Promise<number | undefined> {
  const repository = {
    id: 1,
    full_name: "octo-org/hello",
    name: "hello",
    owner: { login: "octo-org" },
    default_branch: "main",
  };
  const whole = { repository, sender: { login: "octocat" }, ...payload };
  return deliver(server, event, whole, guid === undefined ? {} : { guid });
}

async function ended(run: number, attempt = 1): Promise<Record<string, unknown>> {
  return until(async () => {
    const found = (await runs()).find(({ id }) => id === run);
    return found?.["state"] === "completed" && found["attempt"] === attempt ? found : undefined;
  });
}

async function runs(): Promise<readonly Record<string, unknown>[]> {
  const token = readToken ?? "";
  const ask = () => fetch(`${server.url}/api/v1/runs`, { headers: { authorization: `Bearer ${token}` } });
  // While git is waited for, nobody here sees that the server has closed a connection that was idle.
  const answer = await ask().catch(ask);
  const { runs: found }: { readonly runs: readonly Record<string, unknown>[] } = JSON.parse(await answer.text());
  return found;
}

beforeAll(async () => {
  box = await sandbox();
  const bare = join(box.directory, "git", "octo-org", "hello.git");
  sha = createRepositories(join(box.directory, "work"), bare, { ".github/workflows/ci.yml": WORKFLOW });
  readToken = (await hearth("api-token", "add", "test", "--role", "read")).stdout.trim();
  server = await startServer(box, environment());
});

afterAll(async () => {
  server.process.kill("SIGKILL");
  await server.process.ended;
  await box[Symbol.asyncDispose]();
});

describe("hearth serve", () => {
  it("runs what a signed delivery starts, and shows it while it goes on", async () => {
    const push = { ref: "refs/heads/main", before: "0".repeat(40), after: sha };
    expect(await send("push", push, "guid-1")).toBe(202);
    expect(await send("push", push, "guid-1")).toBe(202);
    await until(async () => (await runs())[0]);
    const logs = await hearth("logs", "1", "--follow");
    expect(logs.stdout).toContain(`sha ${sha} of octo-org/hello, attempt 1 of #1`);
    expect(logs.stdout).toContain("server's secret: none; given: none");
    expect(await ended(1)).toMatchObject({ conclusion: "success", headSha: sha, repository: "octo-org/hello" });
    expect(await runs()).toHaveLength(1);
    const kept = await hearth("runs");
    expect(kept.stdout).toContain("octo-org/hello");
    const asked = await box.run(["runs", "--server", server.url], {
      env: { ...environment(), HEARTH_SERVER_TOKEN: readToken ?? "" },
    });
    expect(asked.stdout).toContain("success");
  });

  it("runs one again with the same id of the run", async () => {
    expect(await hearth("rerun", "1")).toMatchObject({ exitCode: 0 });
    expect(await ended(1, 2)).toMatchObject({ conclusion: "success", attempt: 2 });
    const [second = "", first = ""] = JSON.parse((await hearth("runs", "--json")).stdout).map(
      ({ run }: { readonly run: string }) => run,
    );
    const [again, before] = [await hearth("logs", second), await hearth("logs", first)];
    expect(again.stdout).toContain("attempt 2 of #1");
    expect(/run id \d+\./u.exec(again.stdout)?.[0]).toBe(/run id \d+\./u.exec(before.stdout)?.[0]);
  });

  it("dispatches a workflow and cancels it", async () => {
    expect(await hearth("dispatch", "ci.yml", "--input", "level=wait")).toMatchObject({ exitCode: 0 });
    await until(async () => {
      const shown = await box.run(["logs", "2", "--server", server.url], {
        env: { ...environment(), HEARTH_SERVER_TOKEN: readToken ?? "" },
      });
      return shown.stdout.includes("waiting") ? true : undefined;
    });
    expect((await hearth("cancel", "2")).stdout).toContain("asked to stop");
    expect(await ended(2)).toMatchObject({ conclusion: "cancelled", reason: "local cancelled it" });
    expect(await hearth("cancel", "2")).toMatchObject({ exitCode: 1 });
  });

  it("lets nobody in who has no token, and no page of another name", async () => {
    expect((await fetch(`${server.url}/api/v1/runs`)).status).toBe(401);
    const other = await fetch(`${server.url}/api/v1/runs`, { headers: { origin: "https://evil.test" } });
    expect(other.status).toBe(403);
    expect((await hearth("approve", "1")).stderr).toContain("waits for no approval");
  });

  it("runs what is pushed to a repository of this host, by its hook", async () => {
    const work = join(box.directory, "work");
    const bare = join(box.directory, "git", "octo-org", "hello.git");
    const call = [process.execPath, join(ROOT, "src", "main.ts"), "post-receive", "octo-org/hello"];
    const settings = Object.entries(environment()).map(([name, value]) => `${name}='${value}'`);
    const hook = ["#!/bin/sh", `exec env ${settings.join(" ")} '${call.join("' '")}'`].join("\n");
    writeFileSync(join(bare, "hooks", "post-receive"), `${hook}\n`, { mode: 0o755 });
    git(work, "commit", "--quiet", "--allow-empty", "--message=two");
    git(work, "push", "--quiet", bare, "HEAD:refs/heads/main");
    const pushed = git(work, "rev-parse", "HEAD");
    expect(await ended(3)).toMatchObject({ conclusion: "success", headSha: pushed, event: "push" });
  });

  it("lets an outsider's commit wait for approval, and runs it nowhere without isolation", async () => {
    const bare = join(box.directory, "git", "octo-org", "hello.git");
    const head = git(bare, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "change");
    const merge = git(bare, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-p", head, "-m", "merge");
    git(bare, "update-ref", "refs/pull/5/merge", merge);
    const repo = { name: "hello", owner: { login: "x" } };
    const pullRequest = {
      number: 5,
      head: { ref: "patch", sha: head, repo: { ...repo, id: 2, full_name: "mallory/hello" } },
      base: { ref: "main", sha: git(bare, "rev-parse", "HEAD"), repo: { ...repo, id: 1, full_name: "octo-org/hello" } },
      user: { login: "mallory", type: "User" },
      author_association: "NONE",
    };
    await send("pull_request", { action: "opened", number: 5, pull_request: pullRequest });
    const found = await until(async () => (await runs()).find(({ id }) => id === 4));
    expect(found).toMatchObject({ state: "waiting", trust: "outsider", waitsFor: "approval", headSha: head });
    expect(await hearth("approve", "4", "--sha", "f".repeat(40))).toMatchObject({ exitCode: 1 });
    expect((await runs())[0]).toMatchObject({ id: 4, state: "waiting" });
    expect((await hearth("approve", "4", "--sha", head)).stdout).toContain(`is approved at ${head}`);
    expect(await ended(4)).toMatchObject({ conclusion: "failure", run: null });
    expect((await ended(4))["reason"]).toContain("isolates nothing");
  });

  it("says how it is", async () => {
    const asked = await hearth("doctor", "--server");
    expect(asked).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("pass  server  the server of this host"),
    });
    expect(asked.stdout).toContain("$GITHUB_WEBHOOK_SECRET");
    expect(asked.stdout).not.toContain(SECRET);
  });

  it("is one for its state", async () => {
    const second = await hearth("serve", "--provider", "host");
    expect(second.exitCode).toBe(5);
    expect(second.stderr).toContain("another one runs there");
  });

  it("is saved while it runs, and not overwritten while it runs", async () => {
    const file = join(box.directory, "saved.tar.gz");
    expect((await hearth("backup", file)).stdout).toContain("4 runs");
    expect(await hearth("restore", file, "--force")).toMatchObject({ exitCode: 5 });
    const other = { ...environment(), HEARTH_STATE: join(box.directory, "other") };
    expect(await box.run(["restore", file], { env: other })).toMatchObject({ exitCode: 0 });
    expect((await box.run(["restore", file], { env: other })).exitCode).toBe(2);
    const listed = await box.run(["rerun", "1", "--json"], { env: other });
    expect(JSON.parse(listed.stdout)).toMatchObject({ id: 1, state: "queued", attempt: 3 });
  });

  it("lets what runs end when it is stopped, and leaves nothing", async () => {
    await hearth("dispatch", "ci.yml");
    await until(async () => (await runs()).find(({ id, state }) => id === 5 && state !== "queued"));
    server.process.kill("SIGTERM");
    expect((await server.process.ended).exitCode).toBe(0);
    expect(existsSync(join(box.directory, "run", "hearth", "server"))).toBe(true);
    expect(await leftovers(box)).toEqual([]);
    // Nobody runs it now: what is kept answers.
    expect(await hearth("doctor", "--server")).toMatchObject({
      exitCode: 5,
      stdout: expect.stringContaining("not_running"),
    });
    const again = await hearth("rerun", "5", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ id: 5, state: "queued", attempt: 2 });
  });

  it("goes on where it was when it is started again", async () => {
    server = await startServer(box, environment());
    expect(await ended(5, 2)).toMatchObject({ conclusion: "success", attempt: 2 });
    server.process.kill("SIGTERM");
    expect((await server.process.ended).exitCode).toBe(0);
    expect(await leftovers(box)).toEqual([]);
  });
});
