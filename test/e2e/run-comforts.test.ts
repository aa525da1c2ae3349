/** `hearth run --watch`, `--failed` and step summaries as a person uses them: the real program, a real repository, the host. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import type { RunningHearth, Sandbox } from "../run-hearth.ts";

const ci = `
on: push
jobs:
  prepare:
    runs-on: ubuntu-latest
    outputs: { at: "\${{ steps.a.outputs.at }}" }
    steps:
      - id: a
        run: |
          echo "at=$(date +%s%N)" >> "$GITHUB_OUTPUT"
          echo "# Prepared" >> "$GITHUB_STEP_SUMMARY"
  call:
    needs: prepare
    uses: ./.github/workflows/called.yml
  report:
    needs: [prepare, call]
    runs-on: ubuntu-latest
    steps: [{ run: 'echo "prepared \${{ needs.prepare.outputs.at }}, attempt \${{ github.run_attempt }} of #\${{ github.run_number }}"' }]
`;
const called = `
on: workflow_call
jobs:
  good: { runs-on: ubuntu-latest, steps: [{ run: echo good }] }
  bad: { needs: good, runs-on: ubuntu-latest, steps: [{ run: test ! -e "$FLAG" }] }
`;

async function repository({ directory }: Sandbox): Promise<string> {
  const project = join(directory, "project");
  await mkdir(join(project, ".github", "workflows"), { recursive: true });
  await writeFile(join(project, ".github", "workflows", "ci.yml"), ci);
  await writeFile(join(project, ".github", "workflows", "called.yml"), called);
  await writeFile(join(project, ".gitignore"), "*.log\n");
  execFileSync("git", ["init", "--quiet", "--initial-branch", "main"], { cwd: project });
  return project;
}

/** Resolves with what was printed so far, once that holds `text` so many times. */
async function printed(stream: RunningHearth["stderr"], text: string): Promise<(times: number) => Promise<string>> {
  let all = "";
  const waiting: { readonly times: number; readonly resolve: (all: string) => void }[] = [];
  const check = (): void => {
    for (const { times, resolve } of waiting) if (all.split(text).length - 1 >= times) resolve(all);
  };
  stream.on("data", (chunk: Buffer | string) => {
    all += String(chunk);
    check();
  });
  return (times) =>
    new Promise((resolve) => {
      waiting.push({ times, resolve });
      check();
    });
}

describe("hearth run --watch", () => {
  it("runs again when a file changes, not for an ignored one, and leaves nothing behind", async () => {
    await using place = await sandbox();
    const project = await repository(place);
    const flag = join(place.directory, "flag");
    const running = place.start(["run", "--watch", "--provider", "host", "--env", `FLAG=${flag}`], { cwd: project });
    const waits = await printed(running.stderr, "Waiting for changes in");
    await waits(1);
    await writeFile(join(project, "noise.log"), "x");
    await writeFile(join(project, "source.txt"), "x");
    const said = await waits(2);
    expect(said).toContain("Changed: source.txt\n");
    expect(said).not.toContain("noise.log");
    await writeFile(flag, "");
    await mkdir(join(project, "new", "deep"), { recursive: true });
    await writeFile(join(project, "new", "deep", "file"), "x");
    await waits(3);
    running.kill("SIGINT");
    const end = await running.ended;
    expect(end.stdout.match(/\nci\.yml {2}success/g)).toHaveLength(2);
    expect(end.stdout.match(/\nci\.yml {2}failure/g)).toHaveLength(1);
    expect(end.exitCode).toBe(1);
    expect(await leftovers(place)).toEqual([]);
  });
});

describe("hearth run --failed", () => {
  it("runs what failed, in called workflows too, and what needs it, with the outputs of the rest, from attempt to attempt", async () => {
    await using place = await sandbox();
    const project = await repository(place);
    const flag = join(place.directory, "flag");
    const run = (...more: string[]) =>
      place.run(["run", "--provider", "host", "--env", `FLAG=${flag}`, ...more], { cwd: project });
    await writeFile(flag, "");
    expect((await run()).exitCode).toBe(1);
    const second = await run("--failed");
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toMatch(/^ci\.yml: goes on from run \w{11} with call, report\n/);
    expect(second.stdout).toContain("ci.yml  failure  1/4 steps (3 skipped)");
    await rm(flag);
    const third = await run("--failed");
    expect(third.exitCode).toBe(0);
    expect(third.stdout).toMatch(/\| prepared \d+, attempt 3 of #1\n/);
    expect(third.stdout).toContain("ci.yml  success  2/4 steps (2 skipped)");
    const fourth = await run("--failed");
    expect(fourth).toMatchObject({ exitCode: 4, stdout: "" });
    expect(fourth.stderr).toMatch(/no job of run \w{11} failed, nothing to run again\n$/);
    const runs: unknown = JSON.parse((await place.run(["runs", "--json"])).stdout);
    expect(runs).toMatchObject([
      { attempt: 3, runNumber: 1, conclusion: "success" },
      { attempt: 2, runNumber: 1 },
      { attempt: 1, runNumber: 1 },
    ]);
    expect(await leftovers(place)).toEqual([]);
  });
});

describe("what was kept", () => {
  it("shows summaries, forgets runs, and draws the graph without running", async () => {
    await using place = await sandbox();
    const project = await repository(place);
    const at = { cwd: project };
    const flag = ["--env", `FLAG=${join(place.directory, "flag")}`];
    expect((await place.run(["run", "--provider", "host", ...flag], at)).stdout).toContain(
      "\nSummary of ci.yml, prepare\n# Prepared\n",
    );
    expect((await place.run(["logs", "--summary"])).stdout).toBe("Summary of prepare\n# Prepared\n\n");
    const logs = await place.run(["logs", "--job", "call"]);
    expect(logs.stdout).toContain("call / good | ");
    expect(logs.stdout).not.toContain("prepare | ");
    const file = join(project, "graph.svg");
    await writeFile(file, (await place.run(["run", "--graph=svg", ".github/workflows/ci.yml"], at)).stdout);
    expect(await readFile(file, "utf8")).toMatch(/^<svg [^]*<title>bad needs good<\/title>[^]*<\/svg>\n$/);
    expect((await place.run(["runs", "prune", "--older-than", "1d"])).stdout).toBe("0 runs removed, 1 kept\n");
    expect((await place.run(["run", "--job", "nosuch"], at)).exitCode).toBe(2);
    expect((await place.run(["run", "--input", "a=b"], at)).exitCode).toBe(2);
  });
});
