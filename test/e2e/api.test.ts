/** GitHub's API as steps on the host reach it: the facade of this host, and GitHub itself behind it. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, Sandbox } from "../run-hearth.ts";

const ASK = `node -e '
  const [method, path, body] = process.argv.slice(1);
  fetch(process.env.GITHUB_API_URL + "/repos/" + process.env.GITHUB_REPOSITORY + path, {
    method, body, headers: { authorization: "token " + process.env.T },
  }).then(async (answer) => console.log(method, path, answer.status, (await answer.text()).slice(0, 5000)));
'`;

function workflow(steps: readonly string[], permissions = "contents: read"): string {
  const lines = steps.map((step) => `      - run: |\n          ${ASK.replaceAll("\n", "\n          ")} ${step}\n`);
  return `on: push
permissions: { ${permissions} }
env:
  FROM_JOB: \${{ github.api_url }}
  T: \${{ github.token }}
jobs:
  ask:
    runs-on: ubuntu-latest
    steps:
${lines.join("")}      - run: test "$FROM_JOB" = "$GITHUB_API_URL" && test "$GITHUB_API_URL" = "\${{ github.api_url }}"
      - run: echo "$GITHUB_SERVER_URL and \${GITHUB_GRAPHQL_URL#http://127.0.0.1:}"
`;
}

async function project({ directory }: Sandbox, text: string): Promise<string> {
  const root = join(directory, "project");
  await mkdir(join(root, ".github/workflows"), { recursive: true });
  await writeFile(join(root, ".github/workflows/ci.yml"), text);
  const git = (...args: string[]): void =>
    void execFileSync("git", ["-c", "user.name=A", "-c", "user.email=a@example.com", ...args], { cwd: root });
  git("init", "-q", "-b", "main");
  git("remote", "add", "origin", "https://github.com/octo/demo.git");
  git("add", "-A");
  git("commit", "-q", "-m", "First");
  return root;
}

function run(
  box: Sandbox,
  cwd: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<HearthEnd> {
  return box.run(["run", "--provider", "host", ...args], {
    cwd,
    env: { GITHUB_TOKEN: "", GITHUB_API_URL: "", ...env },
  });
}

describe("--api local", () => {
  it("answers from what is committed, keeps what is written, and shows both in the run's record", async () => {
    await using box = await sandbox();
    const text = workflow(
      [
        "GET /commits/main",
        `POST /issues "{\\"title\\": \\"$T\\"}"`,
        "GET /issues",
        "GET /releases",
        "GET /hooks",
        "POST /check-runs {}",
      ],
      "contents: read, issues: write",
    );
    const root = await project(box, text);
    await writeFile(join(root, "seed.json"), '{ "issues": [{ "number": 4, "title": "Seeded" }] }');
    const { stdout, exitCode } = await run(box, root, ["--api-state", "seed.json"]);
    expect(stdout).toMatch(/GET \/commits\/main 200 \{"sha":"[0-9a-f]{40}"/);
    expect(stdout).toMatch(/POST \/issues 201 .*"number":5/);
    expect(stdout).toMatch(/GET \/issues 200 .*"title":"Seeded"/);
    expect(stdout).toContain("hearth: the API does not answer GET /repos/octo/demo/hooks");
    expect(stdout).toContain(
      "the job's token may not POST /repos/octo/demo/check-runs: it needs the permission checks: write",
    );
    expect(stdout).toMatch(/https:\/\/github\.com and \d+\/api\/graphql/);
    expect(exitCode).toBe(0);
    const logs = await box.run(["logs", "--api"]);
    expect(logs.stdout).toBe('ask | POST /repos/octo/demo/issues 201\n  {\n    "title": "***"\n  }\n');
  });

  it("is not started for a job that cannot use it", async () => {
    await using box = await sandbox();
    const root = await project(
      box,
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: env | grep API_\n",
    );
    expect((await run(box, root)).stdout).toContain("_API_URL=https://api.github.com\n");
  });

  it.each([
    [["--api-state", "none.json"], {}, "none.json from --api-state"],
    [["--api", "github"], {}, "this host has no token"],
    [[], { HEARTH_API: "gitlab" }, "expected local or github"],
  ])("%s: says what is wrong before anything runs", async (args, env, message) => {
    await using box = await sandbox();
    const root = await project(box, workflow([]));
    const { stdout, stderr, exitCode } = await run(box, root, args, env);
    expect(stdout + stderr).toContain(message);
    expect(exitCode).not.toBe(0);
  });
});

describe("--api github", () => {
  it.each([
    ["the host's environment", [], { GITHUB_TOKEN: "ghp_of-the-host" }],
    ["a secret", ["--secret", "GITHUB_TOKEN=ghp_of-the-host"], {}],
  ])("asks with the token of %s, which no step sees", async (_name, args, env) => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.writeHead(200, { "content-type": "application/json" }).end('{"from":"GitHub"}');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const GITHUB_API_URL = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
    try {
      await using box = await sandbox();
      const yaml = `${workflow(["GET /branches", "DELETE /branches"])}      - run: env | grep -c ghp_ || echo "none of it"\n`;
      const root = await project(box, yaml);
      const { stdout, exitCode } = await run(box, root, ["--api", "github", ...args], { GITHUB_API_URL, ...env });
      expect(stdout).toContain('GET /branches 200 {"from":"GitHub"}');
      expect(stdout).toContain("not passed on to GitHub: DELETE /repos/octo/demo/branches");
      expect(stdout).toContain("none of it");
      expect(exitCode).toBe(0);
      expect(seen).toEqual(["GET /repos/octo/demo/branches Bearer ghp_of-the-host"]);
    } finally {
      server.close();
    }
  });
});
