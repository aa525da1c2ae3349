/**
 * What a model translates for a server: a push has its steps, one answer serves later runs, and the figures are in `/metrics` and in the
 * run's record.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startFakeModel } from "../model/fake-model-server.ts";
import { sandbox } from "../run-hearth.ts";
import { createRepositories, deliver, git, SECRET, startServer, until } from "../running-server.ts";

const WORKFLOW = `
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - { id: made, uses: octo/nowhere@v1 }
      - run: echo "made [\${{ steps.made.outputs.path }}]"
`;

it("a server asks a model once for what later runs need again, and counts it", async () => {
  await using box = await sandbox();
  await using model = await startFakeModel({ bears: 1 });
  const bare = join(box.directory, "git", "octo-org", "hello.git");
  const work = join(box.directory, "work");
  const first = createRepositories(work, bare, { ".github/workflows/ci.yml": WORKFLOW });
  const env = {
    PORT: "0",
    HEARTH_STATE: join(box.directory, "state"),
    XDG_RUNTIME_DIR: join(box.directory, "run"),
    REPOSITORY_PATH: join(box.directory, "git"),
    GITHUB_WEBHOOK_SECRET: SECRET,
    GITHUB_TOKEN: "",
    GITHUB_SERVER_URL: "http://127.0.0.1:9",
    LLM_PROVIDER: "openai",
    LLM_BASE_URL: `${model.url}/v1`,
    LLM_MODEL: "fake",
  };
  const token = (await box.run(["api-token", "add", "test", "--role", "admin"], { env })).stdout.trim();
  const server = await startServer(box, env);
  try {
    const get = async (path: string): Promise<string> =>
      await (await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).text();
    const push = async (sha: string, number: number): Promise<unknown> => {
      const repository = { id: 1, full_name: "octo-org/hello", name: "hello", owner: { login: "octo-org" } };
      const body = { ref: "refs/heads/main", before: "0".repeat(40), after: sha, sender: { login: "octocat" } };
      const whole = { ...body, repository: { ...repository, default_branch: "main" } };
      expect(await deliver(server, "push", whole)).toBe(202);
      return await until(async () => {
        const { runs }: { runs: Record<string, unknown>[] } = JSON.parse(await get("/api/v1/runs"));
        return runs.find(({ id, state }) => id === number && state === "completed");
      });
    };
    expect(await push(first, 1)).toMatchObject({ conclusion: "success" });
    expect(await box.run(["logs"], { env })).toMatchObject({
      stdout: expect.stringContaining("made [value]"),
    });
    git(work, "commit", "--quiet", "--allow-empty", "--message=two");
    git(work, "push", "--quiet", bare, "main");
    expect(await push(git(work, "rev-parse", "HEAD"), 2)).toMatchObject({ conclusion: "success" });
    expect(model.requests).toBe(1);
    const metrics = await get("/metrics");
    expect(metrics).toContain("\nhearth_model_requests_total 1\n");
    expect(metrics).toContain("\nhearth_model_cache_hits_total 1\n");
    const runs = join(env.HEARTH_STATE, "runs");
    const events = readdirSync(runs).map((run) => readFileSync(join(runs, run, "events.jsonl"), "utf8"));
    const figures = events.map((text) => JSON.parse(text.split("\n", 1)[0] ?? "").model);
    expect(figures).toEqual(
      expect.arrayContaining([expect.objectContaining({ requests: 1, cacheHits: 0, shared: 0 })]),
    );
    expect(figures).toEqual(
      expect.arrayContaining([expect.objectContaining({ requests: 1, cacheHits: 1, shared: 0 })]),
    );
  } finally {
    server.process.kill("SIGTERM");
    await server.process.ended;
  }
});
