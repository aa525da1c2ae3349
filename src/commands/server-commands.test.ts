import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";

/** Names that the sources read from the environment of a server. */
const READ = ["../config.ts", "../server-config.ts"]
  .map((path) => readFileSync(new URL(path, import.meta.url), "utf8"))
  .flatMap((text) => [...text.matchAll(/"(?<name>[A-Z][A-Z_]+)"/gu)].map(([, name]) => name));

function temporary(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "hearth-init-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const document = {
  id: 7,
  repository: "octo-org/hello",
  workflow: ".github/workflows/ci.yml",
  event: "push",
  headSha: "a".repeat(40),
  ref: "refs/heads/main",
  actor: "octocat",
  state: "queued",
  attempt: 2,
  run: null,
  conclusion: null,
  reason: null,
  queuedAt: "2026-11-22T10:00:00.000Z",
  startedAt: null,
  completedAt: null,
};

describe("commands that speak to a server", () => {
  it("cancel, run again and approve, and say what came of it", async () => {
    const answers = {
      "POST /api/v1/runs/7/cancel": { body: { ...document, state: "running" } },
      "POST /api/v1/runs/7/rerun": { body: document },
      "GET /api/v1/runs/7": { body: document },
      "POST /api/v1/runs/7/approve": { body: document },
    };
    expect(await run(["cancel", "7"], { answers })).toMatchObject({
      code: 0,
      stdout: "run 7 (octo-org/hello ci.yml) is asked to stop\n",
    });
    const again = await run(["rerun", "7", "--failed"], { answers });
    expect(again).toMatchObject({ code: 0, stdout: "run 7 (octo-org/hello ci.yml) is queued, attempt 2\n" });
    expect(again.hearth.calls).toContain('POST /api/v1/runs/7/rerun {"failed":true}');
    const approved = await run(["approve", "7"], { answers });
    expect(approved.stdout).toContain(`is approved at ${"a".repeat(40)}`);
    expect(approved.hearth.calls).toContain(`POST /api/v1/runs/7/approve {"sha":"${"a".repeat(40)}"}`);
    expect(JSON.parse((await run(["rerun", "7", "--json"], { answers })).stdout)).toMatchObject({ id: 7 });
  });

  it("say what the server refuses, each with its code", async () => {
    for (const [status, code] of [
      [400, 2],
      [401, 1],
      [403, 1],
      [404, 2],
      [409, 1],
      [503, 1],
    ] as const) {
      const body = { error: "x", message: "Run 7 says\u001b[2J no" };
      const ended = await run(["cancel", "7"], { answers: { "POST /api/v1/runs/7/cancel": { status, body } } });
      expect(ended).toMatchObject({ code, stdout: "" });
      expect(ended.stderr).toContain("Run 7 says");
      expect(ended.stderr).not.toContain("\u001b[2J");
    }
    expect(await run(["cancel", "../x"])).toMatchObject({ code: 2 });
  });

  it("dispatch to the one repository that the server knows", async () => {
    const answers = {
      "GET /api/v1/runs?limit=500": { body: { runs: [document] } },
      "POST /api/v1/dispatches": { body: { delivery: 3 }, status: 202 },
    };
    const { code, hearth } = await run(["dispatch", "ci.yml", "--input", "level=debug"], { answers });
    expect(code).toBe(0);
    expect(hearth.calls).toContain(
      'POST /api/v1/dispatches {"repository":"octo-org/hello","workflow":"ci.yml","inputs":{"level":"debug"}}',
    );
    const none = { "GET /api/v1/runs?limit=500": { body: { runs: [] } } };
    expect(await run(["dispatch", "ci.yml"], { answers: none })).toMatchObject({ code: 2 });
  });

  it("list and show runs of a server that was named", async () => {
    const answers = {
      "GET /api/v1/runs?limit=50": { body: { runs: [document] } },
      "GET /api/v1/runs/7/logs?job=build": { body: "build | 1\n  hello\u001b[2J\n" },
    };
    const listed = await run(["runs", "--server", "https://ci.example.org"], { answers });
    expect(listed.stdout).toContain("octo-org/hello");
    expect(listed.flags).toMatchObject({ server: "https://ci.example.org" });
    const shown = await run(["logs", "7", "--job", "build", "--server", "https://ci.example.org"], { answers });
    expect(shown.stdout).toContain("hello");
    expect(shown.stdout).not.toContain("\u001b[2J");
  });

  it("tell of a push, as git says it to a hook", async () => {
    const input = `${"0".repeat(40)} ${"a".repeat(40)} refs/heads/main\n`;
    const { code, hearth } = await run(["post-receive", "octo-org/hello"], { input, environment: { USER: "octocat" } });
    expect(code).toBe(0);
    expect(hearth.calls).toContain("received octo-org/hello by octocat");
    expect(await run(["post-receive", "hello"], { input })).toMatchObject({ code: 2 });
  });

  it("make, list and remove tokens, the token alone on stdout", async () => {
    const made = await run(["api-token", "add", "me", "--role", "run"]);
    expect(made).toMatchObject({ code: 0, stdout: "hearth_secret\n" });
    expect(await run(["api-token", "rm", "known"])).toMatchObject({ code: 0 });
    expect(await run(["api-token", "rm", "other"])).toMatchObject({ code: 2 });
  });

  it("save and bring back", async () => {
    expect((await run(["backup", "x.tgz"])).hearth.calls).toContain("backup x.tgz");
    expect((await run(["restore", "x.tgz", "--force"])).hearth.calls).toContain("restore x.tgz by force");
  });
});

describe("hearth doctor --server", () => {
  it("shows why a server is not ready, and its settings", async () => {
    const reasons = [{ reason: "disk_low", detail: "12 MiB are free in /state\u001b[2J" }];
    const sick = await run(["doctor", "--server"], { answers: { "GET /readyz": { status: 503, body: { reasons } } } });
    expect(sick.code).toBe(5);
    expect(sick.stdout).toContain("fail  server");
    expect(sick.stdout).toContain("disk_low: 12 MiB are free in /state");
    expect(sick.stdout).not.toContain("\u001b[2J");
    expect(sick.stdout).toContain("Settings");
    const well = await run(["doctor", "--server"], { answers: { "GET /readyz": { body: { reasons: [] } } } });
    expect(well).toMatchObject({ code: 0, stdout: expect.stringContaining("pass  server") });
    const page = { "GET /readyz": { status: 502, body: "<h1>Bad Gateway</h1>" } };
    expect((await run(["doctor", "--server"], { answers: page })).code).toBe(1);
  });
});

describe("hearth init server", () => {
  it("writes settings with a secret of its own, once, and says what to type on GitHub", async () => {
    using directory = temporary();
    const file = join(directory.path, "server.env");
    const made = await run(["init", "server", "-o", file, "--public-url", "https://ci.example.org/"]);
    expect(made.code).toBe(0);
    const text = readFileSync(file, "utf8");
    const secret = /^GITHUB_WEBHOOK_SECRET=(?<secret>[0-9a-f]{64})$/mu.exec(text)?.groups?.["secret"] ?? "none";
    expect(made.stdout).toContain(`Secret        ${secret}`);
    expect(made.stdout).toContain("https://ci.example.org/webhook");
    expect(made.stdout).toContain(`sh -ac '. "${file}"; exec hearth serve'`);
    expect(text).toContain("HEARTH_PUBLIC_URL=https://ci.example.org\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    // Every name in it is one that is read.
    for (const [, name = ""] of text.matchAll(/^#?(?<name>[A-Z_]+)=/gmu)) expect(READ).toContain(name);
    const again = await run(["init", "server", "-o", file]);
    expect(again).toMatchObject({ code: 2 });
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});

describe("hearth serve", () => {
  const served = {
    url: "http://127.0.0.1:3000",
    facts: [{ name: "address", value: "http://127.0.0.1:3000" }],
    missing: ["GITHUB_TOKEN: nobody is told"],
  };

  it("says where it is and what is missing, and exits with 5 when its disk fails", async () => {
    const { EngineError } = await import("../lib/engine-error.ts");
    const broken = Promise.resolve(new EngineError("STATE_UNWRITABLE", "the disk fails"));
    const ended = await run(["serve"], { served: { ...served, broken } });
    expect(ended).toMatchObject({ code: 5 });
    expect(ended.stdout).toContain("address  http://127.0.0.1:3000");
    expect(ended.stdout).toContain("missing  GITHUB_TOKEN");
    expect(ended.hearth.calls).toContain("drain the disk of the server failed at once");
  });

  it("exits with 5 where another one runs", async () => {
    expect(await run(["serve"])).toMatchObject({ code: 5 });
  });
});
